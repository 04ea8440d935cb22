//! Turns the signals of children that end into a descriptor.
#![allow(unsafe_code)]

use std::fs::File;
use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};

/// Blocks every signal that can be blocked. `exec` by the standard library unblocks them again.
///
/// # Errors
///
/// Never with the masks that this makes.
pub(in crate::confine) fn block_all() -> io::Result<()> {
    let mut all = MaybeUninit::uninit();
    // SAFETY: `sigfillset` initialises the set that `sigprocmask` reads.
    let result = unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, all.as_ptr(), std::ptr::null_mut())
    };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Readable when a child has ended.
pub(in crate::confine) struct ChildEnds(File);

impl ChildEnds {
    /// Takes the signal of ended children, which the caller has blocked.
    ///
    /// # Errors
    ///
    /// The process has no descriptor left.
    pub(in crate::confine) fn new() -> io::Result<Self> {
        let mut set = MaybeUninit::uninit();
        // SAFETY: `sigemptyset` initialises the set that the others use; -1 asks for a new descriptor.
        let fd = unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            libc::sigaddset(set.as_mut_ptr(), libc::SIGCHLD);
            libc::signalfd(-1, set.as_ptr(), libc::SFD_CLOEXEC | libc::SFD_NONBLOCK)
        };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just made this descriptor, and nobody else has it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }.into()))
    }

    /// Empties the descriptor. Several ends can be one signal, so the caller looks for all children.
    pub(in crate::confine) fn take(&mut self) {
        let mut signals = [0; 4 * size_of::<libc::signalfd_siginfo>()];
        while self.0.read(&mut signals).is_ok_and(|length| length > 0) {}
    }
}

impl AsFd for ChildEnds {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
