//! The errors between the policy's permission and the last byte of a response.
//!
//! The variants are those of `error-code` in `wit/types.wit`.

use std::io;

use bytes::Bytes;

use crate::certificates::fault::CertificateFault;
use crate::limit::{Limit, limit_of};
use crate::protocol_failure::{ProtocolFailure, ProtocolFault};
use sandbox_net_policy::Denial;

/// A failure of a connection or of a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EgressError {
    /// The policy refused. Nothing was sent, except, for an address denial, to a name server.
    #[error("{}", .0.message)]
    Denied(Denial),
    /// The name could not be resolved.
    #[error("name resolution failed: {0}")]
    Dns(#[from] DnsFailure),
    /// The peer refused the connection.
    #[error("the peer refused the connection")]
    Refused,
    /// There is no route to the peer's network or host.
    #[error("the peer's network or host cannot be reached")]
    Unreachable,
    /// The peer ended the connection unexpectedly.
    #[error("the peer reset the connection")]
    Reset,
    /// A deadline passed in this phase.
    #[error("timed out {0}")]
    Timeout(Phase),
    /// TLS failed.
    #[error(transparent)]
    Tls(#[from] TlsFailure),
    /// The peer violates HTTP.
    #[error(transparent)]
    Protocol(#[from] ProtocolFailure),
    /// A bound of this host was reached.
    #[error("{0}")]
    Limit(Limit),
    /// The connection or request is over.
    #[error("the connection is closed")]
    Closed,
    /// The request is not valid HTTP, or does not fit its body.
    #[error("{0}")]
    Invalid(String),
}

/// Why a name could not be resolved (RFC 1035 section 4.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DnsFailure {
    /// The name does not exist, or has no address. Names are looked up unchanged: no search list
    /// completes them.
    #[error(
        "the name does not exist or has no address; no search list is applied: write the full name"
    )]
    NotFound,
    /// No server gave a usable answer in time; the same query may succeed later.
    #[error("no name server answered; a later attempt may succeed")]
    Temporary,
    /// The servers refused the query or failed permanently.
    #[error("the name servers refused or failed")]
    Failed,
}

/// The part of a request during which a deadline passed. Displays as "while …".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Phase {
    /// Name resolution.
    #[error("while resolving the name")]
    Resolve,
    /// The TCP handshake.
    #[error("while connecting")]
    Connect,
    /// The TLS handshake.
    #[error("in the TLS handshake")]
    Tls,
    /// Sending the request or its body.
    #[error("while sending the request")]
    Request,
    /// Waiting for the response head.
    #[error("while waiting for the response")]
    Head,
    /// Reading the response body.
    #[error("while reading the response body")]
    Body,
}

impl Phase {
    /// Returns the name used in the interface.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Request => "request",
            Self::Head => "head",
            Self::Body => "body",
        }
    }
}

/// A failed TLS handshake, or a broken session.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsFailure {
    /// The peer's certificate was not accepted.
    #[error("certificate verification failed: {message}")]
    Certificate {
        /// What is wrong with it.
        fault: CertificateFault,
        /// A message for people.
        message: String,
    },
    /// Everything else: alerts, versions, a peer that does not speak TLS.
    #[error("TLS failed: {0}")]
    Other(String),
}

impl TlsFailure {
    /// The message, without saying that it is about TLS.
    pub(crate) fn message(self) -> String {
        match self {
            Self::Certificate { message, .. } | Self::Other(message) => message,
        }
    }
}

impl EgressError {
    /// A code for logs: the kind of failure and its subject.
    #[must_use]
    pub fn code(&self) -> String {
        match self {
            Self::Denied(denial) => format!("denied:{}", denial.reason),
            Self::Dns(_) => "dns".to_owned(),
            Self::Refused => "refused".to_owned(),
            Self::Unreachable => "unreachable".to_owned(),
            Self::Reset => "reset".to_owned(),
            Self::Timeout(phase) => format!("timeout:{}", phase.as_str()),
            Self::Tls(TlsFailure::Certificate { .. }) => "tls:certificate".to_owned(),
            Self::Tls(TlsFailure::Other(_)) => "tls".to_owned(),
            Self::Protocol(_) => "protocol".to_owned(),
            Self::Limit(limit) => format!("limit:{}", limit.as_str()),
            Self::Closed => "closed".to_owned(),
            Self::Invalid(_) => "invalid".to_owned(),
        }
    }

    /// A violation of HTTP outside a response head.
    pub fn protocol(fault: ProtocolFault) -> Self {
        Self::Protocol(ProtocolFailure {
            fault,
            received: Bytes::new(),
        })
    }

    /// Translates a failure of an established connection. `phase` is for timeouts of the kernel.
    pub(crate) fn from_io(error: &io::Error, phase: Phase) -> Self {
        if let Some(limit) = limit_of(error) {
            return Self::Limit(limit);
        }
        if let Some(tls) = error
            .get_ref()
            .and_then(|e| e.downcast_ref::<rustls::Error>())
        {
            return Self::Tls(TlsFailure::from(tls));
        }
        match error.kind() {
            io::ErrorKind::TimedOut => Self::Timeout(phase),
            io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown => Self::Unreachable,
            _ => Self::Reset,
        }
    }
}
