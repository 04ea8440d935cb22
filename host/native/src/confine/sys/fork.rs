//! Forks a process that has one thread.
#![allow(unsafe_code)]

use std::io;

use rustix::process::Pid;

/// In which of the two processes the caller is.
pub(in crate::confine) enum Forked {
    /// The new process.
    Child,
    /// The old one, with the new one's PID.
    Parent(Pid),
}

/// Forks. Both processes go on from here.
///
/// # Errors
///
/// The process has more than one thread, or the kernel has no process to give.
pub(in crate::confine) fn fork() -> io::Result<Forked> {
    if std::fs::read_dir("/proc/self/task").is_ok_and(|tasks| tasks.count() > 1) {
        return Err(io::Error::other("a process with threads cannot be forked"));
    }
    fork_alone()
}

/// Forks a process that the caller knows to have one thread, without asking `/proc`.
///
/// # Errors
///
/// The kernel has no process to give.
pub(in crate::confine) fn fork_alone() -> io::Result<Forked> {
    // SAFETY: the helper's processes have one thread until after the last fork, so no lock is held by a
    // thread that the child lacks.
    match unsafe { libc::fork() } {
        0 => Ok(Forked::Child),
        pid => match Pid::from_raw(pid) {
            Some(pid) if pid.as_raw_nonzero().get() > 0 => Ok(Forked::Parent(pid)),
            _ => Err(io::Error::last_os_error()),
        },
    }
}
