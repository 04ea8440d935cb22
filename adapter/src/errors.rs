//! The content of a reply of status 2.

use crate::bindings::types::{ErrorCode, TlsFailure};
use crate::numbers::fault;

/// The adapter's own errors, with their codes in a reply.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub(crate) enum Fault {
    /// The frame does not parse.
    Frame = fault::FRAME,
    /// The frame is of another version.
    Version = fault::VERSION,
    /// The command is unknown.
    Command = fault::COMMAND,
    /// The id is unknown, or belongs to another kind of resource.
    Handle = fault::HANDLE,
    /// No slot is free for what the command would open.
    Handles = fault::HANDLES,
    /// The payload is larger than the adapter accepts, or than a reply can carry.
    Size = fault::SIZE,
    /// The guest's memory limit leaves no room.
    Memory = fault::MEMORY,
}

/// Why a command failed.
pub(crate) enum Failure {
    /// The adapter refused it.
    Fault(Fault),
    /// The host returned this error.
    Error(ErrorCode),
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Failure {
        Failure::Fault(fault)
    }
}

impl From<ErrorCode> for Failure {
    fn from(error: ErrorCode) -> Failure {
        Failure::Error(error)
    }
}

/// An [`ErrorCode`] in the form of a reply.
pub(crate) struct Report<'a> {
    pub(crate) code: u8,
    pub(crate) detail: u8,
    pub(crate) text: &'a str,
    /// What follows the text.
    pub(crate) rest: &'a [u8],
    /// What follows that: a limit's value, and whether it can be raised.
    pub(crate) bound: Option<(u64, bool)>,
}

impl<'a> Report<'a> {
    /// Describes `error`.
    pub(crate) fn new(error: &'a ErrorCode) -> Report<'a> {
        let (code, detail, text) = match error {
            ErrorCode::Denied(denial) => (1, denial.reason as u8, denial.message.as_str()),
            ErrorCode::Dns(failure) => (2, *failure as u8, ""),
            ErrorCode::Refused => (3, 0, ""),
            ErrorCode::Unreachable => (4, 0, ""),
            ErrorCode::Reset => (5, 0, ""),
            ErrorCode::Timeout(phase) => (6, *phase as u8, ""),
            ErrorCode::Tls(TlsFailure::Certificate((fault, text))) => {
                (7, *fault as u8, text.as_str())
            }
            ErrorCode::Tls(TlsFailure::Other(text)) => (7, 255, text.as_str()),
            ErrorCode::Protocol(failure) => (8, 0, failure.message.as_str()),
            ErrorCode::Limit(failure) => (9, failure.limit as u8, ""),
            ErrorCode::Closed => (10, 0, ""),
            ErrorCode::Invalid(text) => (11, 0, text.as_str()),
        };
        let rest = match error {
            ErrorCode::Denied(denial) => denial.rule.as_bytes(),
            ErrorCode::Protocol(failure) => &failure.received,
            _ => Default::default(),
        };
        let bound = match error {
            ErrorCode::Limit(failure) => failure.value.map(|value| (value, failure.can_be_raised)),
            _ => None,
        };
        Report {
            code,
            detail,
            text,
            rest,
            bound,
        }
    }
}
