//! What a session, and each of its turns, has of its own.

use std::time::Duration;

use super::wire;
use crate::checks;
use crate::error::Error;
use crate::run_options::RunOptions;
use crate::stdio::{Output, Stdin};

/// The most bytes of what a turn's value and traceback are reported with, by default.
const REPLY: u32 = 16 << 20;

/// What one session has of its own: arguments, environment, stdin, where its output goes, and limits of
/// all its turns together.
///
/// What is not set is as the [`SandboxBuilder`](crate::SandboxBuilder) says. Arguments and variables are
/// added to the sandbox's; of two limits the smaller one counts.
///
/// ```
/// use std::time::Duration;
/// use sandbox_net::SessionOptions;
///
/// let options = SessionOptions::new()
///     .arg("--verbose")
///     .env("TASK", "42")
///     .memory_limit(256 << 20)
///     .cpu_limit(Duration::from_secs(60))
///     .turn_time_limit(Duration::from_secs(10));
/// # let _ = options;
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "give it to Sandbox::session_with"]
pub struct SessionOptions {
    pub(crate) run: RunOptions,
}

impl SessionOptions {
    /// Starts with the settings of the sandbox.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the stdin of all turns. If it is [`Stdin::Piped`], [`Session::stdin`](crate::Session::stdin)
    /// writes to it.
    pub fn stdin(mut self, stdin: Stdin) -> Self {
        self.run = self.run.stdin(stdin);
        self
    }

    /// Sets where the stdout of turns goes that do not say otherwise. [`Output::Piped`] is for
    /// [`Session::start`](crate::Session::start); [`Session::exec`](crate::Session::exec) captures then.
    pub fn stdout(mut self, stdout: Output) -> Self {
        self.run = self.run.stdout(stdout);
        self
    }

    /// Sets where the stderr of turns goes, as [`stdout`](Self::stdout) does.
    pub fn stderr(mut self, stderr: Output) -> Self {
        self.run = self.run.stderr(stderr);
        self
    }

    /// Adds an argument, behind those of the sandbox: `sys.argv` is `['', ...]`, as at a prompt.
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.run = self.run.arg(arg);
        self
    }

    /// Sets an environment variable for this session. It replaces one of the sandbox; the variable of a
    /// secret cannot be replaced.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.run = self.run.env(name, value);
        self
    }

    /// Writes each `print` at once, like `python -u`. Otherwise stdout is written line by line where it is
    /// not captured, and in blocks where it is.
    pub fn unbuffered(mut self) -> Self {
        self.run = self.run.unbuffered();
        self
    }

    /// Limits the wall-clock time of each turn that has no smaller limit. Zero is an error.
    pub fn turn_time_limit(mut self, limit: Duration) -> Self {
        self.run = self.run.time_limit(limit);
        self
    }

    /// Limits the processor time of all turns together. Beyond it the session ends. Zero is an error.
    pub fn cpu_limit(mut self, limit: Duration) -> Self {
        self.run = self.run.cpu_limit(limit);
        self
    }

    /// Limits the session's memory, in bytes: see
    /// [`SandboxBuilder::memory_limit`](crate::SandboxBuilder::memory_limit).
    pub fn memory_limit(mut self, bytes: usize) -> Self {
        self.run = self.run.memory_limit(bytes);
        self
    }

    /// Limits what is captured of each output stream of each turn, in bytes.
    pub fn capture_limit(mut self, bytes: usize) -> Self {
        self.run = self.run.capture_limit(bytes);
        self
    }

    /// Limits the requests of each turn that has no smaller limit. They count toward the budget
    /// `requests` of the policy too.
    pub fn turn_request_limit(mut self, requests: u64) -> Self {
        self.run = self.run.request_limit(requests);
        self
    }
}

/// What one turn of a session has of its own: where its output goes, and limits.
///
/// What is not set is as the session has it; of two limits the smaller one counts.
///
/// ```
/// use std::time::Duration;
/// use sandbox_net::{Output, TurnOptions};
///
/// let options = TurnOptions::new()
///     .stdout(Output::Piped)
///     .time_limit(Duration::from_secs(2))
///     .request_limit(3)
///     .reply_limit(64 << 10);
/// # let _ = options;
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "give it to Session::exec_with or Session::start"]
pub struct TurnOptions {
    pub(super) stdout: Option<Output>,
    pub(super) stderr: Option<Output>,
    pub(super) time: Option<Duration>,
    pub(super) requests: Option<u64>,
    pub(super) captured: Option<usize>,
    pub(super) reply: Option<u32>,
}

impl TurnOptions {
    /// Starts with the settings of the session.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets where the stdout of this turn goes.
    pub fn stdout(mut self, stdout: Output) -> Self {
        self.stdout = Some(stdout);
        self
    }

    /// Sets where the stderr of this turn goes.
    pub fn stderr(mut self, stderr: Output) -> Self {
        self.stderr = Some(stderr);
        self
    }

    /// Limits the wall-clock time, from the turn's begin to its end. At the limit `KeyboardInterrupt` is
    /// raised in the program; if it has not ended a second later, the session ends. Zero is an error.
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time = Some(limit);
        self
    }

    /// Limits the requests of this turn, redirects and retries included. They count toward the budget
    /// `requests` of the policy too. With zero the turn sends none.
    pub fn request_limit(mut self, requests: u64) -> Self {
        self.requests = Some(requests);
        self
    }

    /// Limits what is captured of each output stream of this turn, in bytes.
    pub fn capture_limit(mut self, bytes: usize) -> Self {
        self.captured = Some(bytes);
        self
    }

    /// Limits the value's forms, or the exception's texts, in bytes: 16 MiB by default, and 4 KiB at least.
    /// What is beyond is left out, and [`truncated`](crate::TurnOutcome::truncated) says so.
    pub fn reply_limit(mut self, bytes: u32) -> Self {
        self.reply = Some(bytes);
        self
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        checks::time("time limit", self.time, "omit it for the session's")
    }

    /// The most bytes of the reply's body.
    pub(super) fn most(&self) -> u32 {
        self.reply.unwrap_or(REPLY).max(wire::LEAST)
    }
}
