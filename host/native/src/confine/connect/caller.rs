//! The process that a call comes from: its socket, its memory, its paths.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

/// The longest address that the kernel takes: `struct sockaddr_storage`.
const LONGEST: usize = 128;
/// `PIDFD_THREAD`, of Linux 6.9.
const THREAD: u32 = libc::O_EXCL.cast_unsigned();

/// The process that a call comes from.
pub(super) struct Process {
    thread: u32,
    handle: OwnedFd,
}

impl Process {
    pub(super) fn of(thread: u32) -> io::Result<Self> {
        let pid = |number: u32| {
            i32::try_from(number)
                .ok()
                .and_then(Pid::from_raw)
                .ok_or(io::Error::from(io::ErrorKind::NotFound))
        };
        let by_thread = PidfdFlags::from_bits_retain(THREAD);
        let handle = match pidfd_open(pid(thread)?, by_thread) {
            Err(rustix::io::Errno::INVAL) => {
                pidfd_open(pid(group_of(thread)?)?, PidfdFlags::empty())?
            }
            other => other?,
        };
        Ok(Self { thread, handle })
    }

    /// A copy of the descriptor, to the same socket.
    pub(super) fn socket(&self, descriptor: i32) -> io::Result<OwnedFd> {
        if descriptor < 0 {
            return Err(io::Error::from_raw_os_error(libc::EBADF));
        }
        Ok(pidfd_getfd(
            &self.handle,
            descriptor,
            PidfdGetfdFlags::empty(),
        )?)
    }

    /// A copy of the address in the caller's memory.
    pub(super) fn address(&self, at: u64, length: i32) -> io::Result<Vec<u8>> {
        let length = usize::try_from(length)
            .ok()
            .filter(|length| *length <= LONGEST)
            .ok_or(io::Error::from_raw_os_error(libc::EINVAL))?;
        let mut copy = vec![0; length];
        let fault = || io::Error::from_raw_os_error(libc::EFAULT);
        File::open(format!("/proc/{}/mem", self.thread))?
            .read_exact_at(&mut copy, at)
            .map_err(|_| fault())?;
        Ok(copy)
    }

    /// The inode that a path means for the caller, who has this process's root.
    pub(super) fn find(&self, path: &Path) -> io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        // Magic links would be this process's own.
        let resolve = ResolveFlags::NO_MAGICLINKS;
        if path.is_absolute() {
            return Ok(rustix::fs::openat2(
                CWD,
                path,
                flags,
                Mode::empty(),
                resolve,
            )?);
        }
        let directory = File::from(rustix::fs::open(
            format!("/proc/{}/cwd", self.thread),
            flags | OFlags::DIRECTORY,
            Mode::empty(),
        )?);
        Ok(rustix::fs::openat2(
            directory.as_fd(),
            path,
            flags,
            Mode::empty(),
            resolve,
        )?)
    }
}

/// The thread group of a thread, for kernels whose handles are only of groups.
fn group_of(thread: u32) -> io::Result<u32> {
    let mut status = String::new();
    File::open(format!("/proc/{thread}/status"))?.read_to_string(&mut status)?;
    status
        .lines()
        .find_map(|line| line.strip_prefix("Tgid:")?.trim().parse().ok())
        .ok_or(io::ErrorKind::NotFound.into())
}

/// Whether a signal waits that the thread has a handler for. While it waits for the supervisor, the kernel
/// delivers only those that kill.
pub(super) fn is_signalled(thread: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{thread}/status")).unwrap_or_default();
    handled_signals(&status) != 0
}

fn handled_signals(status: &str) -> u64 {
    let mask = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
            .unwrap_or(0)
    };
    (mask("SigPnd:") | mask("ShdPnd:")) & mask("SigCgt:") & !mask("SigBlk:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_waiting_signal_with_a_handler_counts() {
        let status = |pending: &str, shared: &str, blocked: &str, caught: &str| {
            format!(
                "SigPnd:\t{pending}\nShdPnd:\t{shared}\nSigBlk:\t{blocked}\nSigCgt:\t{caught}\n"
            )
        };
        for (text, expected) in [
            (status("2000", "0", "0", "2000"), 0x2000),
            (status("0", "2000", "0", "2000"), 0x2000),
            (status("2000", "0", "2000", "2000"), 0),
            (status("2000", "0", "0", "0"), 0),
            (String::new(), 0),
        ] {
            assert_eq!(handled_signals(&text), expected, "{text}");
        }
    }
}
