//! Connects a socket to an address of any kind, given as the bytes that the program gave.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// Connects `socket` to `address`, which is this process's own copy.
///
/// # Errors
///
/// Those of `connect`, exactly.
pub(in crate::confine) fn connect(socket: impl AsFd, address: &[u8]) -> io::Result<()> {
    let length = libc::socklen_t::try_from(address.len()).map_err(io::Error::other)?;
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: the pointer and the length are those of a slice that outlives the call. The kernel copies the
    // bytes, so they need no alignment.
    match unsafe { libc::connect(fd, address.as_ptr().cast(), length) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
