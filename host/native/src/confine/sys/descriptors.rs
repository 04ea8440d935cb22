//! Closes descriptors that nobody has named.
#![allow(unsafe_code)]

use std::io;

/// Has every descriptor from `first` on closed by the next `exec`.
///
/// # Errors
///
/// The kernel is older than 5.11.
pub(in crate::confine) fn close_on_exec(first: u32) -> io::Result<()> {
    let flags = libc::CLOSE_RANGE_CLOEXEC;
    // SAFETY: no descriptor is closed now, so none that a value owns is affected.
    match unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, flags) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
