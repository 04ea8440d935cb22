//! How a turn of a session ended, and what came of it.

use std::borrow::Cow;
use std::time::Duration;

use sandbox_net_gateway::audit::{DecisionRecord, Dropped, ExchangeRecord, LookupRecord};

use super::value::Value;
use super::wire::{Reply, Tag};
use crate::script::Exit;

/// How a turn ended.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum TurnEnd {
    /// It ran to its end.
    Done,
    /// The program raised an exception and did not catch it: see
    /// [`exception`](TurnOutcome::exception).
    Raised,
    /// Somebody interrupted it, or it raised `KeyboardInterrupt` itself.
    Interrupted,
    /// Its time limit interrupted it. If it did not end within a second after that, the session has ended
    /// too: see [`Session::ended`](crate::Session::ended).
    TimeLimit,
    /// It ended the session: the program has exited, was killed, used its processor time up, or could not
    /// go on.
    Ended(Exit),
}

impl TurnEnd {
    /// `done`, `raised`, `interrupted`, `time-limit`, or what ended the session, as
    /// [`Exit::as_str`](crate::Exit::as_str).
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Raised => "raised",
            Self::Interrupted => "interrupted",
            Self::TimeLimit => "time-limit",
            Self::Ended(exit) => exit.as_str(),
        }
    }
}

/// An exception that the program did not catch, in its own words.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct PythonException {
    /// Its type as a traceback has it, such as `ValueError` and `json.decoder.JSONDecodeError`.
    pub type_name: String,
    /// Its text: `str()` of it.
    pub message: String,
    /// The traceback as CPython prints it, with the lines of the turns in it.
    pub traceback: String,
}

impl PythonException {
    /// What a program gets that is interrupted before its first line.
    pub(super) fn interrupt() -> Self {
        Self {
            type_name: "KeyboardInterrupt".to_owned(),
            message: String::new(),
            traceback: "KeyboardInterrupt\n".to_owned(),
        }
    }

    pub(super) fn of(reply: &Reply<'_>) -> Self {
        let text = |tag| reply.text(tag).unwrap_or_default().into_owned();
        Self {
            type_name: text(Tag::Type),
            message: text(Tag::Message),
            traceback: text(Tag::Traceback),
        }
    }
}

/// What came of one turn of a [`Session`](crate::Session).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TurnOutcome {
    /// How it ended.
    pub end: TurnEnd,
    /// The value of its last expression, unless that is `None` or its last statement is none.
    pub value: Option<Value>,
    /// The exception that ended it.
    pub exception: Option<PythonException>,
    /// What it wrote to stdout; empty if it was not captured.
    pub stdout: Vec<u8>,
    /// What it wrote to stderr; empty if it was not captured. The traceback of its
    /// [exception](Self::exception) is not in it.
    pub stderr: Vec<u8>,
    /// Whether something is missing: output beyond the capture limit, or a part of the value or of the
    /// traceback beyond the reply limit.
    pub truncated: bool,
    /// Wall-clock time of the turn.
    pub duration: Duration,
    /// Processor time of the turn.
    pub cpu: Duration,
    /// The memory that the session has, in bytes. It never shrinks.
    pub memory: usize,
    /// The decisions on this turn's network access, in order: see
    /// [`Outcome::decisions`](crate::Outcome::decisions).
    pub decisions: Vec<DecisionRecord>,
    /// The requests of this turn that were allowed and have ended.
    pub exchanges: Vec<ExchangeRecord>,
    /// The lookups of this turn that asked a name server or were denied.
    pub lookups: Vec<LookupRecord>,
    /// How many records are missing in the lists above.
    pub dropped: Dropped,
}

impl TurnOutcome {
    /// One of which nothing came.
    pub(super) fn new() -> Self {
        Self {
            end: TurnEnd::Done,
            value: None,
            exception: None,
            stdout: Vec::new(),
            stderr: Vec::new(),
            truncated: false,
            duration: Duration::ZERO,
            cpu: Duration::ZERO,
            memory: 0,
            decisions: Vec::new(),
            exchanges: Vec::new(),
            lookups: Vec::new(),
            dropped: Dropped::default(),
        }
    }

    /// Whether it ran to its end.
    pub fn is_done(&self) -> bool {
        self.end == TurnEnd::Done
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
