//! Converts between the crate's types and the interface's.

use std::net::IpAddr;

use rustls_pki_types::CertificateDer;

use super::types::{self, ChainChecks as Chain};
use sandbox_net_egress::{
    CertificateFault, Checks, ClientCertificate, DnsFailure, EgressError, GuestTlsOptions,
    HttpVersion, Limit, Phase, ProtocolFault, ResponseHead, TlsFailure, TlsInfo, TlsVersions,
};
use sandbox_net_gateway::{Bounds, ReachedBudget};
use sandbox_net_policy::{Denial, DenyReason, Verification};

/// The protocol that a guest of `sandbox:net` speaks (RFC 7301 section 6).
pub(super) const HTTP11: &[u8] = b"http/1.1";

/// What the guest asks for in TLS, except for the protocols that it offers.
pub(super) fn tls_options(options: types::TlsOptions) -> GuestTlsOptions {
    let ders = |list: Vec<Vec<u8>>| list.into_iter().map(CertificateDer::from).collect();
    let client = options.client_certificate.map(|client| ClientCertificate {
        certificates: ders(client.certificates),
        key: client.key,
    });
    GuestTlsOptions {
        versions: match options.versions {
            types::TlsVersions::All => TlsVersions::All,
            types::TlsVersions::V12 => TlsVersions::V12,
            types::TlsVersions::V13 => TlsVersions::V13,
        },
        verification: match options.verification {
            types::Verification::Full => Verification::Full,
            types::Verification::NameUnchecked => Verification::NameUnchecked,
            types::Verification::None => Verification::None,
        },
        host_roots: options.host_roots,
        roots: ders(options.roots),
        client_certificate: client,
        checks: Checks {
            strict: matches!(options.checks, Chain::Strict | Chain::StrictPartial),
            partial_chain: matches!(options.checks, Chain::Partial | Chain::StrictPartial),
        },
    }
}

/// An address as the guest sees it.
pub(super) fn address(address: IpAddr) -> types::IpAddress {
    match address {
        IpAddr::V4(address) => types::IpAddress::Ipv4(address.octets().into()),
        IpAddr::V6(address) => types::IpAddress::Ipv6(address.segments().into()),
    }
}

/// A failure as the guest sees it.
pub(super) fn error(error: EgressError, bounds: &Bounds) -> types::ErrorCode {
    match error {
        EgressError::Limit(reached) => limit_failure(reached, bounds.of(reached.as_str())),
        other => failure(other),
    }
}

fn limit_failure(reached: Limit, budget: Option<ReachedBudget>) -> types::ErrorCode {
    // What all sandboxes may hold together is none of the guest's business.
    let budget = budget.filter(|_| reached != Limit::TotalHostMemory);
    types::ErrorCode::Limit(types::LimitFailure {
        limit: limit(reached),
        can_be_raised: budget.as_ref().is_some_and(|budget| !budget.fixed),
        value: budget.map(|budget| budget.value),
    })
}

fn failure(error: EgressError) -> types::ErrorCode {
    use types::ErrorCode as Code;
    match error {
        EgressError::Denied(denied) => Code::Denied(denial(denied)),
        EgressError::Dns(failure) => Code::Dns(dns(failure)),
        EgressError::Refused => Code::Refused,
        EgressError::Unreachable => Code::Unreachable,
        EgressError::Reset => Code::Reset,
        EgressError::Timeout(during) => Code::Timeout(phase(during)),
        EgressError::Tls(failure) => Code::Tls(tls(failure)),
        EgressError::Protocol(failure) => Code::Protocol(types::ProtocolFailure {
            message: failure.fault.to_string(),
            received: match failure.fault {
                // Python's `http.client` would take a truncated head for a whole one.
                ProtocolFault::HeadCut => Vec::new(),
                _ => failure.received.into(),
            },
        }),
        EgressError::Limit(reached) => limit_failure(reached, None),
        EgressError::Closed => Code::Closed,
        EgressError::Invalid(why) => Code::Invalid(why),
    }
}

fn denial(denial: Denial) -> types::Denial {
    types::Denial {
        reason: match denial.reason {
            DenyReason::NoRule => types::DenyReason::NoRule,
            DenyReason::Address => types::DenyReason::Address,
            DenyReason::HostMismatch => types::DenyReason::HostMismatch,
            DenyReason::TlsOptions => types::DenyReason::TlsOptions,
            DenyReason::Method => types::DenyReason::Method,
            DenyReason::Field => types::DenyReason::Field,
            DenyReason::DenyRule => types::DenyReason::DenyRule,
            DenyReason::Hook => types::DenyReason::Hook,
            DenyReason::Secret => types::DenyReason::Secret,
            DenyReason::Audit => types::DenyReason::Audit,
            DenyReason::Malformed => types::DenyReason::Malformed,
        },
        rule: denial.rule,
        message: denial.message,
    }
}

fn dns(failure: DnsFailure) -> types::DnsFailure {
    match failure {
        DnsFailure::NotFound => types::DnsFailure::NotFound,
        DnsFailure::Temporary => types::DnsFailure::Temporary,
        DnsFailure::Failed => types::DnsFailure::Failed,
    }
}

fn phase(phase: Phase) -> types::Phase {
    match phase {
        Phase::Resolve => types::Phase::Resolve,
        Phase::Connect => types::Phase::Connect,
        Phase::Tls => types::Phase::Tls,
        Phase::Request => types::Phase::Request,
        Phase::Head => types::Phase::Head,
        Phase::Body => types::Phase::Body,
    }
}

fn tls(failure: TlsFailure) -> types::TlsFailure {
    match failure {
        TlsFailure::Certificate { fault, message } => {
            types::TlsFailure::Certificate((certificate(fault), message))
        }
        TlsFailure::Other(message) => types::TlsFailure::Other(message),
    }
}

fn certificate(fault: CertificateFault) -> types::CertificateFault {
    /// Both enumerations have the same cases.
    macro_rules! of_both {
        ($($case:ident),+ $(,)?) => {
            match fault {
                $(CertificateFault::$case => types::CertificateFault::$case,)+
            }
        };
    }
    of_both!(
        Expired,
        NotYetValid,
        UnknownIssuer,
        NameMismatch,
        Revoked,
        Other,
        SelfSigned,
        SelfSignedInChain,
        IssuerUnavailable,
        ChainTooLong,
        BadSignature,
        PathLength,
        Purpose,
        NoCertificateSigning,
        CriticalExtension,
        NotAnEndEntity,
        Proxy,
        PermittedSubtree,
        ExcludedSubtree,
        WeakKey,
        WeakAuthorityKey,
        WeakSignature,
        InvalidAuthority,
        PathLengthWithoutAuthority,
        PathLengthWithoutSigning,
        SigningWithoutAuthority,
        NoIssuerName,
        NoSubjectName,
        NoAuthorityKeyIdentifier,
        NoSubjectKeyIdentifier,
        NoAlternativeName,
        AlternativeNameNotCritical,
        ConstraintsNotCritical,
        AuthorityKeyIdentifierCritical,
        SubjectKeyIdentifierCritical,
        NoKeyUsage,
        ExtensionsBeforeVersion3,
        InconsistentSignatureAlgorithm,
    )
}

fn limit(limit: Limit) -> types::Limit {
    match limit {
        Limit::ResponseHeadSize => types::Limit::ResponseHeadSize,
        // The interface has one case for what goes on at once; the function says which it is.
        Limit::Connections | Limit::LookupsAtOnce => types::Limit::Connections,
        Limit::RequestHeadSize => types::Limit::RequestHeadSize,
        Limit::Requests => types::Limit::Requests,
        Limit::RequestRate => types::Limit::RequestRate,
        Limit::BytesUp => types::Limit::BytesUp,
        Limit::BytesDown => types::Limit::BytesDown,
        Limit::Hosts => types::Limit::Hosts,
        Limit::Time => types::Limit::Time,
        Limit::HostMemory | Limit::TotalHostMemory => types::Limit::HostMemory,
        Limit::Lookups => types::Limit::Lookups,
        Limit::ConnectionRate => types::Limit::ConnectionRate,
        Limit::Denials => types::Limit::Denials,
    }
}

/// The result of a handshake. The host translates HTTP/2, so the guest's own protocol is HTTP/1.1
/// whenever it offered that.
pub(super) fn tls_info(info: &TlsInfo, speaks_http11: bool) -> types::TlsInfo {
    let alpn = if speaks_http11 { HTTP11 } else { b"" };
    types::TlsInfo {
        version: Some(info.version),
        cipher: Some(info.cipher.clone()),
        alpn: alpn.to_vec(),
        certificates: info.certificates.clone(),
    }
}

/// The head as it was on the wire.
pub(super) fn response_head(head: ResponseHead) -> types::ResponseHead {
    types::ResponseHead {
        status: head.status,
        version: match head.version {
            HttpVersion::Http10 => types::HttpVersion::Http10,
            HttpVersion::Http11 => types::HttpVersion::Http11,
            HttpVersion::Http2 => types::HttpVersion::Http2,
        },
        reason: head.reason,
        fields: head.fields,
    }
}
