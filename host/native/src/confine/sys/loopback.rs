//! Switches the loopback interface on.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// The kernel's `struct ifreq` with the flags as its value.
#[repr(C)]
struct FlagsRequest {
    name: [u8; libc::IFNAMSIZ],
    flags: libc::c_short,
    /// The kernel's union is larger than the flags.
    rest: [u8; 22],
}

/// Switches `lo` on in the network namespace of `socket`.
///
/// # Errors
///
/// The caller has no right over the network namespace.
pub(in crate::confine) fn switch_on(socket: impl AsFd) -> io::Result<()> {
    const LOOPBACK_ON: libc::c_int = libc::IFF_UP | libc::IFF_RUNNING;
    let mut request = FlagsRequest {
        name: [0; libc::IFNAMSIZ],
        flags: i16::try_from(LOOPBACK_ON).map_err(io::Error::other)?,
        rest: [0; 22],
    };
    request.name[..2].copy_from_slice(b"lo");
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: `request` has the size and layout of the kernel's `struct ifreq` (40 bytes) and outlives the call.
    match unsafe { libc::ioctl(fd, libc::SIOCSIFFLAGS, &raw const request) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_is_as_large_as_the_kernels() {
        assert_eq!(size_of::<FlagsRequest>(), size_of::<libc::ifreq>());
    }
}
