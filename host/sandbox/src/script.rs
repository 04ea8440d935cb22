//! What a sandbox runs, and how it ended.

use std::borrow::Cow;
use std::path::PathBuf;
use std::time::Duration;

use crate::handles::Handles;
use sandbox_net_gateway::audit::{DecisionRecord, Dropped, ExchangeRecord, LookupRecord};

/// A Python program.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Script(pub(crate) Source);

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Source {
    Path(PathBuf),
    Named(String, Vec<u8>),
    Code(String),
    Module(String),
    Stdin,
}

impl Script {
    /// A file of the host. The guest sees a copy of it in `/run`, and nothing that lies beside it. It is
    /// refused if it lies in a directory that the guest may write to.
    pub fn path(path: impl Into<PathBuf>) -> Self {
        Self(Source::Path(path.into()))
    }

    /// Source text that was already read, such as from a pipe. The guest sees it in `/run`, under this
    /// name.
    pub fn named(name: impl Into<String>, source: impl Into<Vec<u8>>) -> Self {
        Self(Source::Named(name.into(), source.into()))
    }

    /// Source text, like `python -c`.
    pub fn code(text: impl Into<String>) -> Self {
        Self(Source::Code(text.into()))
    }

    /// A module of a package or of the standard library, like `python -m`.
    pub fn module(name: impl Into<String>) -> Self {
        Self(Source::Module(name.into()))
    }

    /// The source text in the sandbox's stdin, like `python -`.
    pub fn stdin() -> Self {
        Self(Source::Stdin)
    }
}

impl From<&str> for Script {
    fn from(code: &str) -> Self {
        Self::code(code)
    }
}

impl From<String> for Script {
    fn from(code: String) -> Self {
        Self::code(code)
    }
}

/// How a run ended.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Exit {
    /// The interpreter ended with this exit code.
    Code(i32),
    /// The time limit ended it.
    TimeLimit,
    /// The CPU limit ended it.
    CpuLimit,
    /// The embedder ended it: [`Run::kill`](crate::Run::kill) or
    /// [`Sandbox::close`](crate::Sandbox::close).
    Killed,
    /// The interpreter could not go on, as at the end of its stack: WebAssembly's own words.
    Trap(String),
}

impl Exit {
    /// The exit code of the run as a process: 124 for the time limit, 137 for the CPU limit, as of a
    /// process that the kernel kills at its own (`RLIMIT_CPU`), and for a program that was killed, 134
    /// for a trap.
    pub fn code(&self) -> i32 {
        match self {
            Self::Code(code) => *code,
            Self::TimeLimit => 124,
            Self::CpuLimit | Self::Killed => 137,
            Self::Trap(_) => 134,
        }
    }

    /// What ended the run: `exit`, `time-limit`, `cpu-limit`, `killed` or `trap`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Code(_) => "exit",
            Self::TimeLimit => "time-limit",
            Self::CpuLimit => "cpu-limit",
            Self::Killed => "killed",
            Self::Trap(_) => "trap",
        }
    }
}

/// The result of a run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// How it ended.
    pub exit: Exit,
    /// Captured stdout; empty if it was not captured.
    pub stdout: Vec<u8>,
    /// Captured stderr; empty if it was not captured.
    pub stderr: Vec<u8>,
    /// The last 4 KiB of stderr, even if it was not captured.
    pub stderr_end: Vec<u8>,
    /// Whether output was dropped: beyond the capture limit, or because nobody had taken it when
    /// the time limit ended the run.
    pub truncated: bool,
    /// Wall-clock time from the call of [`run`](crate::Sandbox::run) to the end of the program.
    pub duration: Duration,
    /// Processor time of the run.
    pub cpu: Duration,
    /// The most memory that the guest had, in bytes.
    pub memory: usize,
    /// The resources of the host that the guest still held when the run ended; all of them were
    /// closed then.
    pub handles: Handles,
    /// The decisions on this run's network access, in order: all that allowed something, and the
    /// first 1,000 denials or 512 KiB of them.
    pub decisions: Vec<DecisionRecord>,
    /// Every request that was allowed and has ended, in the order of the ends.
    pub exchanges: Vec<ExchangeRecord>,
    /// The lookups that asked a name server or were denied, in order; denials up to the same
    /// limits.
    pub lookups: Vec<LookupRecord>,
    /// How many records are missing in the lists above.
    pub dropped: Dropped,
}

impl Outcome {
    /// The exit code of the run as a process: see [`Exit::code`].
    pub fn exit_code(&self) -> i32 {
        self.exit.code()
    }

    /// Captured stdout as text, with replacement characters where it is not UTF-8.
    pub fn stdout_text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.stdout)
    }

    /// Captured stderr as text, with replacement characters where it is not UTF-8.
    pub fn stderr_text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.stderr)
    }
}
