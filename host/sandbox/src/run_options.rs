//! What one run has of its own, beside what its sandbox gives to all.

use std::collections::BTreeMap;
use std::time::Duration;

use sandbox_net_gateway::secrets::Vault;

use crate::error::Error;
use crate::stdio::{Output, Stdin};
use crate::{checks, variables};

/// The variable that CPython reads for `-u`.
pub(crate) const UNBUFFERED: &str = "PYTHONUNBUFFERED";

/// What one run has of its own: streams, arguments, environment and limits.
///
/// What is not set is as the [`SandboxBuilder`](crate::SandboxBuilder) says. Arguments and variables
/// are added to the sandbox's; of two limits the smaller one counts.
///
/// ```
/// use std::time::Duration;
/// use sandbox_net::{Output, RunOptions, Stdin};
///
/// let options = RunOptions::new()
///     .stdin(Stdin::Piped)
///     .stdout(Output::Piped)
///     .unbuffered()
///     .arg("--verbose")
///     .env("TASK", "42")
///     .time_limit(Duration::from_secs(10))
///     .request_limit(20);
/// # let _ = options;
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "give it to Sandbox::start"]
pub struct RunOptions {
    pub(crate) stdin: Option<Stdin>,
    pub(crate) stdout: Option<Output>,
    pub(crate) stderr: Option<Output>,
    pub(crate) args: Vec<String>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) time: Option<Duration>,
    pub(crate) cpu: Option<Duration>,
    pub(crate) memory: Option<usize>,
    pub(crate) captured: Option<usize>,
    pub(crate) requests: Option<u64>,
    /// Whether other runs learn from this one.
    pub(crate) teaches: bool,
}

impl RunOptions {
    /// Starts with the settings of the sandbox.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the stdin of this run.
    pub fn stdin(mut self, stdin: Stdin) -> Self {
        self.stdin = Some(stdin);
        self
    }

    /// Sets where the stdout of this run goes.
    pub fn stdout(mut self, stdout: Output) -> Self {
        self.stdout = Some(stdout);
        self
    }

    /// Sets where the stderr of this run goes.
    pub fn stderr(mut self, stderr: Output) -> Self {
        self.stderr = Some(stderr);
        self
    }

    /// Adds an argument, behind those of the sandbox.
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Sets an environment variable for this run. It replaces one of the sandbox; the variable of a
    /// secret cannot be replaced.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// Writes each `print` at once, like `python -u`. Otherwise stdout is written in blocks of 8 KiB,
    /// and at the program's end, as natively where it is not a terminal.
    pub fn unbuffered(self) -> Self {
        self.env(UNBUFFERED, "1")
    }

    /// Limits the wall-clock time, from the program's turn to its end. Zero is an error.
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time = Some(limit);
        self
    }

    /// Limits the processor time. Zero is an error.
    pub fn cpu_limit(mut self, limit: Duration) -> Self {
        self.cpu = Some(limit);
        self
    }

    /// Limits the guest's memory, in bytes: see
    /// [`SandboxBuilder::memory_limit`](crate::SandboxBuilder::memory_limit).
    pub fn memory_limit(mut self, bytes: usize) -> Self {
        self.memory = Some(bytes);
        self
    }

    /// Limits what is captured of each output stream, in bytes: see
    /// [`SandboxBuilder::capture_limit`](crate::SandboxBuilder::capture_limit).
    pub fn capture_limit(mut self, bytes: usize) -> Self {
        self.captured = Some(bytes);
        self
    }

    /// Limits the requests of this run, redirects and retries included. They count toward the budget
    /// `requests` of the policy too. With zero the program sends none.
    pub fn request_limit(mut self, requests: u64) -> Self {
        self.requests = Some(requests);
        self
    }

    /// Refuses what the builder of a sandbox would refuse.
    pub(crate) fn check(&self, vault: &Vault) -> Result<(), Error> {
        for (name, value) in &self.env {
            variables::check(name, value)?;
            checks::is_no_secrets(name, vault)?;
        }
        checks::time("time limit", self.time, "omit it for the sandbox's")?;
        checks::time("CPU limit", self.cpu, "omit it for the sandbox's")?;
        checks::memory(self.memory)
    }
}
