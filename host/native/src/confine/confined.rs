//! A program that runs confined.

use std::io;
use std::net::TcpListener;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::channel::Channel;
use super::helper_process::Helper;
use super::plan::{Order, Report};
use super::weaker::Weaker;

/// A running program. Dropped, it is killed with every process that it has started.
#[derive(Debug)]
pub struct Confined {
    helper: Option<Helper>,
    listeners: Vec<TcpListener>,
    deadline: Option<Instant>,
    shares_terminal: bool,
    /// Its private directory, which is removed with it.
    _weaker: Option<Weaker>,
}

/// The number of `SIGKILL`.
const KILL: i32 = 9;

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Exit {
    /// With this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// At its time limit.
    TimeLimit,
    /// At its memory limit: the kernel killed it.
    MemoryLimit,
    /// The confinement ended it: its init was killed.
    Lost,
}

impl Exit {
    /// The exit code as a shell gives it: 128 and the signal; 124 for the time limit.
    #[must_use]
    pub fn code(self) -> i32 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128 + signal,
            Self::TimeLimit => 124,
            Self::MemoryLimit | Self::Lost => 137,
        }
    }
}

/// Sends signals to a program.
#[derive(Debug)]
pub struct Signaller(Channel);

impl Signaller {
    /// Sends the program a signal, by its number.
    ///
    /// # Errors
    ///
    /// The program has ended.
    pub fn signal(&self, number: i32) -> io::Result<()> {
        self.0.send(&Order::Signal(number), &[])
    }
}

impl Confined {
    pub(super) fn new(
        helper: Helper,
        listeners: Vec<TcpListener>,
        deadline: Option<Instant>,
        weaker: Option<Weaker>,
    ) -> Self {
        Self {
            helper: Some(helper),
            listeners,
            deadline,
            shares_terminal: false,
            _weaker: weaker,
        }
    }

    /// The listeners in the program's network namespace, which only it can reach: on `127.0.0.1` and, if the
    /// kernel has IPv6, on `::1`. They are given once.
    pub fn take_listeners(&mut self) -> Vec<TcpListener> {
        std::mem::take(&mut self.listeners)
    }

    pub(super) fn sharing_terminal(mut self, shares: bool) -> Self {
        self.shares_terminal = shares;
        self
    }

    /// Whether the program has the caller's terminal, which then sends it Ctrl-C by itself.
    #[must_use]
    pub fn shares_terminal(&self) -> bool {
        self.shares_terminal
    }

    /// A handle to send signals with, while another thread waits.
    ///
    /// # Errors
    ///
    /// The process has no descriptor left, or the program has ended.
    pub fn signaller(&self) -> io::Result<Signaller> {
        let helper = self.helper.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        helper.channel().try_clone().map(Signaller)
    }

    /// Waits until the program has ended, with every process that it has started.
    ///
    /// # Errors
    ///
    /// The helper cannot be waited for.
    pub fn wait(&mut self) -> io::Result<Exit> {
        let exit = loop {
            let Some(helper) = &self.helper else {
                return Err(io::ErrorKind::NotConnected.into());
            };
            if !self.is_heard(helper.channel())? {
                break Exit::TimeLimit;
            }
            match helper.channel().receive::<Report>() {
                Ok(Some((Report::Exited(code), _))) => break Exit::Code(code),
                Ok(Some((Report::Killed(KILL), _))) if helper.ran_out_of_memory() => {
                    break Exit::MemoryLimit;
                }
                Ok(Some((Report::Killed(signal), _))) => break Exit::Signal(signal),
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => break Exit::Lost,
            }
        };
        self.kill();
        Ok(exit)
    }

    /// Waits for a report; false at the time limit.
    fn is_heard(&self, channel: &Channel) -> io::Result<bool> {
        loop {
            let left = self
                .deadline
                .map(|at| at.saturating_duration_since(Instant::now()));
            let timeout = left
                .map(Timespec::try_from)
                .transpose()
                .map_err(io::Error::other)?;
            match poll(&mut [PollFd::new(channel, PollFlags::IN)], timeout.as_ref()) {
                Ok(0) => return Ok(false),
                Ok(_) => return Ok(true),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Kills the program and every process that it has started.
    pub fn kill(&mut self) {
        self.helper = None;
    }
}
