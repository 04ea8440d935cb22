//! Turns the signals of children that end into a descriptor.
#![allow(unsafe_code)]

use std::fs::File;
use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};

/// The signals that a process had blocked.
pub(in crate::confine) struct Mask(libc::sigset_t);

impl Mask {
    /// Blocks them again, and no others.
    ///
    /// # Errors
    ///
    /// Never with a mask that the kernel has given.
    pub(in crate::confine) fn restore(&self) -> io::Result<()> {
        // SAFETY: the set is one that the kernel has filled, and nothing is written.
        match unsafe {
            libc::sigprocmask(libc::SIG_SETMASK, &raw const self.0, std::ptr::null_mut())
        } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// Blocks every signal that can be blocked. Returns those that were blocked before.
///
/// # Errors
///
/// Never with the mask that this makes.
pub(in crate::confine) fn block_all() -> io::Result<Mask> {
    let mut all = MaybeUninit::uninit();
    let mut before = MaybeUninit::uninit();
    // SAFETY: `sigfillset` initialises the set that `sigprocmask` reads.
    let result = unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr())
    };
    match result {
        // SAFETY: the kernel has filled it.
        0 => Ok(Mask(unsafe { before.assume_init() })),
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
