//! A program that runs confined.

use std::io;
use std::net::TcpListener;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::channel::Channel;
use super::confinement::Starting;
use super::plan::{Order, Report};

/// A running program. Dropped, it is killed with every process that it has started.
#[derive(Debug)]
pub struct Confined {
    parts: Option<Starting>,
    listeners: Vec<TcpListener>,
    deadline: Option<Instant>,
}

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
            Self::Lost => 137,
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
        parts: Starting,
        listeners: Vec<TcpListener>,
        deadline: Option<Instant>,
    ) -> Self {
        Self {
            parts: Some(parts),
            listeners,
            deadline,
        }
    }

    /// The listeners in the program's network namespace, which only it can reach: on `127.0.0.1` and, if the
    /// kernel has IPv6, on `::1`. They are given once.
    pub fn take_listeners(&mut self) -> Vec<TcpListener> {
        std::mem::take(&mut self.listeners)
    }

    /// A handle to send signals with, while another thread waits.
    ///
    /// # Errors
    ///
    /// The process has no descriptor left, or the program has ended.
    pub fn signaller(&self) -> io::Result<Signaller> {
        let parts = self.parts.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        parts.channel.try_clone().map(Signaller)
    }

    /// Waits until the program has ended, with every process that it has started.
    ///
    /// # Errors
    ///
    /// The helper cannot be waited for.
    pub fn wait(&mut self) -> io::Result<Exit> {
        let exit = loop {
            let Some(parts) = &self.parts else {
                return Err(io::ErrorKind::NotConnected.into());
            };
            if !self.is_heard(&parts.channel)? {
                break Exit::TimeLimit;
            }
            match parts.channel.receive::<Report>() {
                Ok(Some((Report::Exited(code), _))) => break Exit::Code(code),
                Ok(Some((Report::Killed(signal), _))) => break Exit::Signal(signal),
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => break Exit::Lost,
            }
        };
        self.end()?;
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
    ///
    /// # Errors
    ///
    /// The helper cannot be waited for.
    pub fn kill(&mut self) -> io::Result<()> {
        self.end()
    }

    fn end(&mut self) -> io::Result<()> {
        match self.parts.take() {
            Some(parts) => parts.end(),
            None => Ok(()),
        }
    }
}

impl Starting {
    /// Ends everything: the init ends when this connection does, and its namespace with it.
    fn end(mut self) -> io::Result<()> {
        let (_, other) = Channel::pair()?;
        drop(std::mem::replace(&mut self.channel, other));
        self.child.wait().map(drop)
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        // With its descriptor closed the helper would end by itself; a dropped value is not waited for long.
        let _ = rustix::net::shutdown(&self.channel, rustix::net::Shutdown::Both);
        let _ = self.child.wait();
        self.groups.remove();
    }
}
