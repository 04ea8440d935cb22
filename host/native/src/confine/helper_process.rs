//! The parent's side of the helper: starts it, tells it what to do, and ends it.

use std::ffi::OsStr;
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::channel::Channel;
use super::fault::plain_error;
use super::groups::Groups;
use super::helper;
use super::plan::{Beginning, Plan, Report};
use super::spawn_error::SpawnError;

/// How long a helper may take to end by itself.
const PATIENCE: Duration = Duration::from_secs(2);

/// A running helper. Dropped, it ends with all that it has started.
#[derive(Debug)]
pub(super) struct Helper {
    child: Child,
    channel: Channel,
    groups: Groups,
}

impl Helper {
    /// Starts the helper and has it begin. Returns the listeners that it has made.
    pub(super) fn start(
        executable: Option<&Path>,
        groups: Groups,
        beginning: &Beginning,
    ) -> Result<(Self, Vec<TcpListener>), SpawnError> {
        let executable = executable.unwrap_or(Path::new("/proc/self/exe"));
        let (channel, theirs) = Channel::pair().map_err(SpawnError::Helper)?;
        let child = Command::new(executable)
            .args(helper::ARGUMENTS)
            .env_clear()
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(SpawnError::Helper)?;
        let helper = Self {
            child,
            channel,
            groups,
        };
        helper
            .channel
            .send(beginning, &[])
            .map_err(SpawnError::Helper)?;
        let (report, descriptors) = helper.hear()?;
        match report {
            Report::Begun => Ok((
                helper,
                descriptors.into_iter().map(TcpListener::from).collect(),
            )),
            other => Err(stopped(other, OsStr::new(""))),
        }
    }

    /// Has the program started.
    pub(super) fn run(
        &self,
        plan: &Plan,
        standard: &[OwnedFd; 3],
        command: &OsStr,
    ) -> Result<(), SpawnError> {
        let descriptors: Vec<_> = standard.iter().map(AsFd::as_fd).collect();
        self.channel
            .send(plan, &descriptors)
            .map_err(SpawnError::Helper)?;
        match self.hear()? {
            (Report::Started, _) => Ok(()),
            (other, _) => Err(stopped(other, command)),
        }
    }

    fn hear(&self) -> Result<(Report, Vec<OwnedFd>), SpawnError> {
        let report = self.channel.receive().map_err(SpawnError::Helper)?;
        report.ok_or_else(gone)
    }

    pub(super) fn channel(&self) -> &Channel {
        &self.channel
    }

    /// Whether a control group limits the memory of all that it starts.
    pub(super) fn limits_memory(&self) -> bool {
        self.groups.limit("memory")
    }

    /// Whether the kernel has killed a process of the run because the run's memory was used up.
    pub(super) fn ran_out_of_memory(&self) -> bool {
        self.groups.ran_out()
    }

    /// Ends everything, and waits until it has ended.
    fn end(&mut self) {
        // The init ends when this connection does, and its namespace with it.
        let _ = rustix::net::shutdown(&self.channel, rustix::net::Shutdown::Both);
        let begun = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) {
            if begun.elapsed() > PATIENCE {
                // The init hangs in a file system of the host. It is killed with its parent.
                let _ = self.child.kill();
                let _ = self.child.wait();
                break;
            }
            thread::sleep(Duration::from_micros(500));
        }
        self.groups.remove();
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        self.end();
    }
}

fn stopped(report: Report, command: &OsStr) -> SpawnError {
    match report {
        Report::Failed(fault) => fault.into(),
        Report::NotExecuted(error) => not_executed(command, error),
        _ => gone(),
    }
}

fn gone() -> SpawnError {
    SpawnError::Helper(io::Error::other("it ended before the program began"))
}

fn not_executed(command: &OsStr, error: i32) -> SpawnError {
    match error {
        // The file was there before: its interpreter, or a part of its path, is not in the fresh root.
        libc::ENOENT | libc::ENOTDIR => SpawnError::NotFound(command.to_owned()),
        error => SpawnError::NotExecutable {
            command: command.to_owned(),
            reason: plain_error(&io::Error::from_raw_os_error(error)),
        },
    }
}
