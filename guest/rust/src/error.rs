//! What can go wrong, as an enumeration with the cases of the interface's `error-code`.

use std::fmt;

use crate::bindings::sandbox::net::types::{
    Denial, DnsFailure, ErrorCode, Limit, LimitFailure, Phase, ProtocolFailure, TlsFailure,
};

/// Why something failed. Its texts are those that the host has for the same fault.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// The policy refused; nothing was sent. The text says what the operator may add to the policy.
    Denied(Denial),
    /// The name could not be resolved.
    Dns(DnsFailure),
    /// The peer refused the connection.
    Refused,
    /// There is no way to the peer's network or host.
    Unreachable,
    /// The peer ended the connection in the middle of something.
    Reset,
    /// A deadline, the program's or the host's, passed in this phase.
    Timeout(Phase),
    /// TLS failed: the certificate was not accepted, or there is no session.
    Tls(TlsFailure),
    /// The peer does not speak HTTP as it should.
    Protocol(ProtocolFailure),
    /// A bound of the host was reached.
    Limit(LimitFailure),
    /// The connection is over, or was already used for this.
    Closed,
    /// The program's own arguments make no sense: what is wrong with them.
    Invalid(String),
    /// A body that was asked for as text is not UTF-8: the number of bytes before the fault.
    NotText(usize),
}

impl From<ErrorCode> for Error {
    fn from(code: ErrorCode) -> Self {
        match code {
            ErrorCode::Denied(denial) => Self::Denied(denial),
            ErrorCode::Dns(failure) => Self::Dns(failure),
            ErrorCode::Refused => Self::Refused,
            ErrorCode::Unreachable => Self::Unreachable,
            ErrorCode::Reset => Self::Reset,
            ErrorCode::Timeout(phase) => Self::Timeout(phase),
            ErrorCode::Tls(failure) => Self::Tls(failure),
            ErrorCode::Protocol(failure) => Self::Protocol(failure),
            ErrorCode::Limit(failure) => Self::Limit(failure),
            ErrorCode::Closed => Self::Closed,
            ErrorCode::Invalid(why) => Self::Invalid(why),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(denial) => f.write_str(&denial.message),
            Self::Dns(failure) => write!(f, "name resolution failed: {}", of_dns(*failure)),
            Self::Refused => f.write_str("the peer refused the connection"),
            Self::Unreachable => f.write_str("the peer's network or host cannot be reached"),
            Self::Reset => f.write_str("the peer reset the connection"),
            Self::Timeout(phase) => write!(f, "timed out {}", of_phase(*phase)),
            Self::Tls(TlsFailure::Certificate((_, message))) => {
                write!(f, "certificate verification failed: {message}")
            }
            Self::Tls(TlsFailure::Other(message)) => write!(f, "TLS failed: {message}"),
            Self::Protocol(failure) => f.write_str(&failure.message),
            Self::Limit(failure) => of_limit(f, failure),
            Self::Closed => f.write_str("the connection is closed"),
            Self::Invalid(why) => f.write_str(why),
            Self::NotText(valid) => write!(f, "the body is not UTF-8 behind byte {valid}"),
        }
    }
}

impl std::error::Error for Error {}

fn of_dns(failure: DnsFailure) -> &'static str {
    match failure {
        DnsFailure::NotFound => {
            "the name does not exist or has no address; no search list is applied: write the full name"
        }
        DnsFailure::Temporary => "no name server answered; a later attempt may succeed",
        DnsFailure::Failed => "the name servers refused or failed",
    }
}

fn of_phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Resolve => "while resolving the name",
        Phase::Connect => "while connecting",
        Phase::Tls => "in the TLS handshake",
        Phase::Request => "while sending the request",
        Phase::Head => "while waiting for the response",
        Phase::Body => "while reading the response body",
    }
}

fn of_limit(f: &mut fmt::Formatter<'_>, failure: &LimitFailure) -> fmt::Result {
    f.write_str(match failure.limit {
        Limit::ResponseHeadSize => "the response head is larger than the limit",
        Limit::Connections => "too many connections are open at once",
        Limit::RequestHeadSize => "the request head is larger than the limit",
        Limit::Requests => "the sandbox has made as many requests as its budget has",
        Limit::RequestRate => "the sandbox makes more requests in a second than its budget has",
        Limit::BytesUp => "the sandbox has sent as many bytes as its budget has",
        Limit::BytesDown => "the sandbox has received as many bytes as its budget has",
        Limit::Hosts => "the sandbox has connected to as many hosts as its budget has",
        Limit::Time => "the sandbox has used the network for as long as its budget has",
        Limit::HostMemory => "the host holds as much memory for the sandbox as its budget has",
        Limit::Lookups => "the sandbox has looked up as many names as its budget has",
        Limit::ConnectionRate => {
            "the sandbox begins more connections in a second than its budget has"
        }
        Limit::Denials => "the sandbox was denied as often as its budget has",
    })?;
    match (failure.value, failure.can_be_raised) {
        (Some(value), true) => write!(f, " ({value}; the policy may allow more)"),
        (Some(value), false) => write!(f, " ({value})"),
        (None, true) => f.write_str(" (the policy may allow more)"),
        (None, false) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_case_has_a_text_for_people() {
        let limit = |value, can_be_raised| {
            Error::Limit(LimitFailure {
                limit: Limit::Requests,
                value,
                can_be_raised,
            })
        };
        for (error, text) in [
            (Error::Closed, "the connection is closed"),
            (
                Error::Timeout(Phase::Head),
                "timed out while waiting for the response",
            ),
            (
                Error::Tls(TlsFailure::Other("an alert".into())),
                "TLS failed: an alert",
            ),
            (
                limit(Some(7), true),
                "the sandbox has made as many requests as its budget has (7; the policy may allow more)",
            ),
            (
                limit(None, false),
                "the sandbox has made as many requests as its budget has",
            ),
            (Error::NotText(3), "the body is not UTF-8 behind byte 3"),
        ] {
            assert_eq!(error.to_string(), text);
        }
    }
}
