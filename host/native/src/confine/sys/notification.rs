//! Installs seccomp filters, and answers the system calls that one of them hands to a supervisor.
#![allow(unsafe_code)]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use seccompiler::BpfProgramRef;

/// The kernel's `struct sock_fprog`.
#[repr(C)]
struct Program {
    length: libc::c_ushort,
    instructions: *const seccompiler::sock_filter,
}

/// Installs a filter for this process and those that it forks, for good.
///
/// # Errors
///
/// The kernel has no seccomp, or refuses the filter.
pub(in crate::confine) fn install(filter: BpfProgramRef<'_>) -> io::Result<()> {
    install_with(filter, 0).map(drop)
}

/// Installs a filter whose notifications come from the returned listener.
///
/// # Errors
///
/// The kernel has no notifications (before 5.0), or there is a listener already.
pub(in crate::confine) fn install_supervised(filter: BpfProgramRef<'_>) -> io::Result<Listener> {
    let fd = install_with(filter, libc::SECCOMP_FILTER_FLAG_NEW_LISTENER)?;
    let fd = i32::try_from(fd).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made this descriptor, and nobody else has it.
    Ok(Listener(unsafe { OwnedFd::from_raw_fd(fd) }))
}

fn install_with(filter: BpfProgramRef<'_>, flags: libc::c_ulong) -> io::Result<libc::c_long> {
    let program = Program {
        length: filter.len().try_into().map_err(io::Error::other)?,
        instructions: filter.as_ptr(),
    };
    // SAFETY: `program` has the kernel's layout; its pointer and length are those of a slice that outlives the
    // call. The kernel checks and copies the instructions.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            flags,
            &raw const program,
        )
    };
    match result {
        0.. => Ok(result),
        _ => Err(io::Error::last_os_error()),
    }
}

/// A system call that waits for an answer.
#[derive(Debug, Clone, Copy)]
pub(in crate::confine) struct Call {
    /// The kernel's number of the notification.
    pub(in crate::confine) id: u64,
    /// The calling thread.
    pub(in crate::confine) thread: u32,
    /// The arguments. They may name memory and descriptors that change meanwhile.
    pub(in crate::confine) arguments: [u64; 6],
}

/// The supervisor's end of a filter.
#[derive(Debug)]
pub(in crate::confine) struct Listener(OwnedFd);

impl Listener {
    /// Takes over a listener that another process has made.
    pub(in crate::confine) fn new(fd: OwnedFd) -> Self {
        Self(fd)
    }

    /// The next waiting call; `None` if it has gone meanwhile.
    ///
    /// # Errors
    ///
    /// No process has the filter any more.
    pub(in crate::confine) fn next(&self) -> io::Result<Option<Call>> {
        // SAFETY: the structure holds only integers, for which zero is a value; the kernel wants it zeroed.
        let mut call: libc::seccomp_notif = unsafe { MaybeUninit::zeroed().assume_init() };
        // SAFETY: the kernel writes one structure of this size, to a variable of this type.
        let result = unsafe {
            libc::ioctl(
                self.0.as_raw_fd(),
                libc::SECCOMP_IOCTL_NOTIF_RECV,
                &raw mut call,
            )
        };
        if result != 0 {
            let error = io::Error::last_os_error();
            let gone = [libc::ENOENT, libc::EINTR, libc::EAGAIN];
            return match error.raw_os_error() {
                Some(number) if gone.contains(&number) => Ok(None),
                _ => Err(error),
            };
        }
        Ok(Some(Call {
            id: call.id,
            thread: call.pid,
            arguments: call.data.args,
        }))
    }

    /// Whether the caller still waits, so that its PID is still its own.
    pub(in crate::confine) fn is_waiting(&self, call: &Call) -> bool {
        // SAFETY: the kernel reads one integer of this size.
        let result = unsafe {
            libc::ioctl(
                self.0.as_raw_fd(),
                libc::SECCOMP_IOCTL_NOTIF_ID_VALID,
                &raw const call.id,
            )
        };
        result == 0
    }

    /// Ends the call with success or with the number of an error; false if nobody waits any more.
    pub(in crate::confine) fn answer(&self, call: &Call, result: Result<(), i32>) -> bool {
        let answer = libc::seccomp_notif_resp {
            id: call.id,
            val: 0,
            error: result.err().map_or(0, |number| -number),
            // Never `CONTINUE`: the kernel would read the address and the descriptor again.
            flags: 0,
        };
        // SAFETY: the kernel reads one structure of this size.
        let result = unsafe {
            libc::ioctl(
                self.0.as_raw_fd(),
                libc::SECCOMP_IOCTL_NOTIF_SEND,
                &raw const answer,
            )
        };
        result == 0
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
