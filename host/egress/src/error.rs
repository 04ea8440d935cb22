//! What can go wrong between the policy's "yes" and the last byte of a response.
//!
//! The variants are those of `error-code` in `wit/types.wit`.

use std::io;

use bytes::Bytes;

use crate::wire::limit_of;
use sandbox_net_policy::Denial;

/// A failure of a connection or of an exchange.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EgressError {
    /// The policy refused. Nothing was sent to anyone but, for an address denial, a name server.
    #[error("{}", .0.message)]
    Denied(Denial),
    /// The name could not be resolved.
    #[error("name resolution failed: {0}")]
    Dns(#[from] DnsFailure),
    /// The peer refused the connection.
    #[error("the peer refused the connection")]
    Refused,
    /// There is no way to the peer's network or host.
    #[error("the peer's network or host cannot be reached")]
    Unreachable,
    /// The peer ended the connection in the middle of something.
    #[error("the peer reset the connection")]
    Reset,
    /// A deadline passed in this phase.
    #[error("timed out {0}")]
    Timeout(Phase),
    /// TLS failed.
    #[error(transparent)]
    Tls(#[from] TlsFailure),
    /// The peer does not speak HTTP as it should.
    #[error(transparent)]
    Protocol(#[from] ProtocolFailure),
    /// A bound of this host was reached.
    #[error("{0}")]
    Limit(Limit),
    /// The connection or exchange is over.
    #[error("the connection is closed")]
    Closed,
    /// The request makes no sense as HTTP, or does not fit its body.
    #[error("{0}")]
    Invalid(String),
}

/// How a name could not be resolved (RFC 1035 section 4.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DnsFailure {
    /// The name does not exist, or has no address. Names are asked for as they are: no search list
    /// completes them.
    #[error(
        "the name does not exist or has no address; no search list is applied: write the full name"
    )]
    NotFound,
    /// No server answered in time or with sense; the same question may succeed later.
    #[error("no name server answered; a later attempt may succeed")]
    Temporary,
    /// The servers refused the question or failed for good.
    #[error("the name servers refused or failed")]
    Failed,
}

/// The part of an exchange during which a deadline passed. Displays as "while …".
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
    /// The name, as in the interface.
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

/// A TLS handshake that did not come about, or a session that broke.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsFailure {
    /// The peer's certificate was not accepted.
    #[error("certificate verification failed: {message}")]
    Certificate {
        /// What is wrong with it.
        fault: CertificateFault,
        /// The same for people.
        message: String,
    },
    /// Everything else: alerts, versions, a peer that does not speak TLS.
    #[error("TLS failed: {0}")]
    Other(String),
}

impl TlsFailure {
    /// What is wrong, without saying that it is about TLS.
    pub(crate) fn message(self) -> String {
        match self {
            Self::Certificate { message, .. } | Self::Other(message) => message,
        }
    }
}

/// Why a certificate was not accepted. Displays as in OpenSSL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateFault {
    /// Its validity has ended.
    #[error("certificate has expired")]
    Expired,
    /// Its validity has not begun.
    #[error("certificate is not yet valid")]
    NotYetValid,
    /// No trusted root signs it.
    #[error("unable to get local issuer certificate")]
    UnknownIssuer,
    /// It is for another name.
    #[error("the certificate is for another name")]
    NameMismatch,
    /// It was revoked.
    #[error("certificate revoked")]
    Revoked,
    /// Anything else, such as a bad encoding.
    #[error("unspecified certificate verification error")]
    Other,
    /// It signs itself, and is not trusted.
    #[error("self-signed certificate")]
    SelfSigned,
    /// The chain ends with a certificate that signs itself and is not trusted.
    #[error("self-signed certificate in certificate chain")]
    SelfSignedInChain,
    /// A trusted certificate that is no root lacks its own issuer.
    #[error("unable to get issuer certificate")]
    IssuerUnavailable,
    /// The chain has too many certificates.
    #[error("certificate chain too long")]
    ChainTooLong,
    /// A signature in the chain is not that of its issuer.
    #[error("certificate signature failure")]
    BadSignature,
    /// More authorities follow than an authority's path length allows.
    #[error("path length constraint exceeded")]
    PathLength,
    /// A certificate is for another purpose than a TLS server.
    #[error("unsuitable certificate purpose")]
    Purpose,
    /// The key of an issuer is not for signing certificates.
    #[error("key usage does not include certificate signing")]
    NoCertificateSigning,
    /// A critical extension is not known.
    #[error("unhandled critical extension")]
    CriticalExtension,
    /// The server's own certificate is that of an authority.
    #[error("invalid non-CA certificate (has CA markings)")]
    NotAnEndEntity,
    /// A proxy certificate (RFC 3820).
    #[error("proxy certificates not allowed, please set the appropriate flag")]
    Proxy,
    /// A name is outside of those that an authority may sign for.
    #[error("permitted subtree violation")]
    PermittedSubtree,
    /// A name is among those that an authority may not sign for.
    #[error("excluded subtree violation")]
    ExcludedSubtree,
    /// The server's key is too weak.
    #[error("EE certificate key too weak")]
    WeakKey,
    /// An authority's key is too weak.
    #[error("CA certificate key too weak")]
    WeakAuthorityKey,
    /// A signature's digest is too weak.
    #[error("CA signature digest algorithm too weak")]
    WeakSignature,
    /// An issuer is no authority.
    #[error("invalid CA certificate")]
    InvalidAuthority,
    /// A path length where there is no authority.
    #[error("Path length invalid for non-CA cert")]
    PathLengthWithoutAuthority,
    /// A path length, and a key that is not for signing certificates.
    #[error("Path length given without key usage keyCertSign")]
    PathLengthWithoutSigning,
    /// A key for signing certificates where there is no authority.
    #[error("Key usage keyCertSign invalid for non-CA cert")]
    SigningWithoutAuthority,
    /// The issuer has no name.
    #[error("Issuer name empty")]
    NoIssuerName,
    /// The subject has no name.
    #[error("Subject name empty")]
    NoSubjectName,
    /// The authority key identifier is missing.
    #[error("Missing Authority Key Identifier")]
    NoAuthorityKeyIdentifier,
    /// The subject key identifier of an authority is missing.
    #[error("Missing Subject Key Identifier")]
    NoSubjectKeyIdentifier,
    /// The list of alternative names is empty.
    #[error("Empty Subject Alternative Name extension")]
    NoAlternativeName,
    /// The subject has no name, and its alternative names are not critical.
    #[error("Subject empty and Subject Alt Name extension not critical")]
    AlternativeNameNotCritical,
    /// The basic constraints of an authority are not critical.
    #[error("Basic Constraints of CA cert not marked critical")]
    ConstraintsNotCritical,
    /// The authority key identifier is critical.
    #[error("Authority Key Identifier marked critical")]
    AuthorityKeyIdentifierCritical,
    /// The subject key identifier is critical.
    #[error("Subject Key Identifier marked critical")]
    SubjectKeyIdentifierCritical,
    /// An authority does not say what its key is for.
    #[error("CA cert does not include key usage extension")]
    NoKeyUsage,
    /// Extensions in a certificate of an earlier version than 3.
    #[error("Using cert extension requires at least X509v3")]
    ExtensionsBeforeVersion3,
    /// The two mentions of the signature's algorithm differ.
    #[error("cert info signature and signature algorithm mismatch")]
    InconsistentSignatureAlgorithm,
}

/// A peer that broke HTTP.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{fault}")]
pub struct ProtocolFailure {
    /// What was wrong.
    pub fault: ProtocolFault,
    /// The bytes that the peer sent where a response head was expected, as far as they were kept,
    /// or the first of those where a chunk was. Empty for faults elsewhere, and for
    /// [`ProtocolFault::NoAnswer`].
    pub received: Bytes,
}

/// The ways in which a peer can break HTTP.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolFault {
    /// The connection ended cleanly before the first byte of a response.
    #[error("the peer closed the connection without an answer")]
    NoAnswer,
    /// The first line is no status line of HTTP/1.x (RFC 9112 section 4).
    #[error("the peer's answer does not begin with an HTTP/1 status line")]
    NotHttp,
    /// The connection ended within the head.
    #[error("the peer closed the connection in the middle of the response head")]
    HeadCut,
    /// A head in HTTP/1 that goes on beyond the limit. What was received of it is kept, so that the
    /// guest's own HTTP client can say what it thinks of it.
    #[error("the response head is larger than the limit")]
    HeadTooLarge,
    /// A field line that is none (RFC 9112 section 5), or a field that contradicts itself.
    #[error("the response head is malformed: {0}")]
    Head(&'static str),
    /// A head that HTTP clients read in different ways, with the status that it has all the same.
    #[error("the response head is ambiguous: clients differ over {what}")]
    Ambiguous {
        /// The status.
        status: u16,
        /// In what they differ.
        what: &'static str,
    },
    /// The peer switched protocols, which nobody asked for (status 101).
    #[error("the peer switched to another protocol")]
    Switched,
    /// Informational responses without end.
    #[error("the peer sent too many informational responses")]
    Informational,
    /// The chunked coding of the body is broken (RFC 9112 section 7.1).
    #[error("the chunked coding of the response body is malformed: {0}")]
    Chunk(&'static str),
    /// The fields behind a chunked body are none (RFC 9112 section 7.1.2).
    #[error("the trailer fields of the response are malformed: {0}")]
    Trailers(&'static str),
    /// The connection ended before the body did.
    #[error("the peer closed the connection before the end of the response body")]
    BodyCut,
    /// A violation of HTTP/2 (RFC 9113).
    #[error("HTTP/2 failed: {0}")]
    Http2(String),
}

/// A bound of this host that was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Limit {
    /// The size of a response head.
    #[error("the response head is larger than the limit: raise 'response_head' in [budgets]")]
    ResponseHeadSize,
    /// The number of connections that are open at once.
    #[error("too many connections are open at once: raise 'connections' in [budgets]")]
    Connections,
    /// The size of a request head.
    #[error("the request head is larger than the limit")]
    RequestHeadSize,
    /// The number of requests.
    #[error(
        "the sandbox has made as many requests as its budget has: raise 'requests' in [budgets]"
    )]
    Requests,
    /// The number of requests within a second.
    #[error(
        "the sandbox makes more requests in a second than its budget has: raise 'requests_per_second' in [budgets]"
    )]
    RequestRate,
    /// The bytes that go out, whatever they are for.
    #[error("the sandbox has sent as many bytes as its budget has: raise 'bytes_up' in [budgets]")]
    BytesUp,
    /// The bytes that come in, whatever they are for.
    #[error(
        "the sandbox has received as many bytes as its budget has: raise 'bytes_down' in [budgets]"
    )]
    BytesDown,
    /// The number of hosts that were connected to or asked for.
    #[error(
        "the sandbox has connected to as many hosts as its budget has: raise 'hosts' in [budgets]"
    )]
    Hosts,
    /// The time since the first use of the network.
    #[error(
        "the sandbox has used the network for as long as its budget has: raise 'seconds' in [budgets]"
    )]
    Time,
    /// The memory of the host that is held on behalf of the guest.
    #[error(
        "the host holds as much memory for the sandbox as its budget has: raise 'host_memory' in [budgets]"
    )]
    HostMemory,
    /// The number of names that were looked up.
    #[error(
        "the sandbox has looked up as many names as its budget has: raise 'lookups' in [budgets]"
    )]
    Lookups,
    /// The number of connections that begin within a second.
    #[error(
        "the sandbox begins more connections in a second than its budget has: raise 'connections_per_second' in [budgets]"
    )]
    ConnectionRate,
    /// The number of attempts that were denied.
    #[error("the sandbox was denied as often as its budget has: raise 'denials' in [budgets]")]
    Denials,
}

impl Limit {
    /// Whether the same attempt may succeed later: what is bounded is a rate, or what is held at once.
    #[must_use]
    pub const fn passes(self) -> bool {
        matches!(
            self,
            Self::Connections | Self::RequestRate | Self::ConnectionRate | Self::HostMemory
        )
    }

    /// The name, as in the interface.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ResponseHeadSize => "response-head-size",
            Self::Connections => "connections",
            Self::RequestHeadSize => "request-head-size",
            Self::Requests => "requests",
            Self::RequestRate => "request-rate",
            Self::BytesUp => "bytes-up",
            Self::BytesDown => "bytes-down",
            Self::Hosts => "hosts",
            Self::Time => "time",
            Self::HostMemory => "host-memory",
            Self::Lookups => "lookups",
            Self::ConnectionRate => "connection-rate",
            Self::Denials => "denials",
        }
    }
}

impl EgressError {
    /// A code for logs: the kind of failure and what it is about.
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

    /// A breach of HTTP outside a response head.
    pub fn protocol(fault: ProtocolFault) -> Self {
        Self::Protocol(ProtocolFailure {
            fault,
            received: Bytes::new(),
        })
    }

    /// Translates a failure of an established connection. `phase` is for deadlines of the kernel.
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

#[cfg(test)]
mod tests {
    use super::*;
    use sandbox_net_policy::Budgets;

    #[test]
    fn each_limit_says_which_key_raises_it() {
        use Limit::*;
        for limit in [
            ResponseHeadSize,
            Connections,
            Requests,
            RequestRate,
            BytesUp,
            BytesDown,
            Hosts,
            Time,
            HostMemory,
            Lookups,
            ConnectionRate,
            Denials,
        ] {
            let key = Budgets::default().of_limit(limit.as_str()).unwrap().0;
            let text = limit.to_string();
            assert!(
                text.ends_with(&format!(": raise '{key}' in [budgets]")),
                "{text}"
            );
        }
        assert!(!RequestHeadSize.to_string().contains("[budgets]"));
    }
}
