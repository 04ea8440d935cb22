//! The errors of `wasi:http`, as the guest sees them.

use crate::bindings::http::{ErrorCode as Http, HeaderError};
use crate::bindings::types::{
    CertificateFault, Denial, DenyReason, DnsFailure, ErrorCode, Limit, LimitFailure, Phase,
    ProtocolFailure, TlsFailure,
};
use crate::decision::refused;

/// An error of `wasi:http/types.error-code`.
pub(crate) fn of(error: &Http) -> ErrorCode {
    match error {
        Http::DnsTimeout => ErrorCode::Dns(DnsFailure::Temporary),
        Http::DnsError(_) | Http::DestinationNotFound => ErrorCode::Dns(DnsFailure::NotFound),
        Http::DestinationUnavailable | Http::DestinationIpUnroutable => ErrorCode::Unreachable,
        Http::ConnectionRefused => ErrorCode::Refused,
        Http::ConnectionTerminated => ErrorCode::Reset,
        Http::ConnectionTimeout => ErrorCode::Timeout(Phase::Connect),
        Http::ConnectionReadTimeout => ErrorCode::Timeout(Phase::Body),
        Http::HttpResponseTimeout => ErrorCode::Timeout(Phase::Head),
        Http::ConnectionWriteTimeout => ErrorCode::Timeout(Phase::Request),
        Http::ConnectionLimitReached => limit(Limit::Connections),
        Http::HttpRequestHeaderSectionSize(_) | Http::HttpRequestHeaderSize(_) => {
            limit(Limit::RequestHeadSize)
        }
        Http::HttpResponseHeaderSectionSize(_) | Http::HttpResponseHeaderSize(_) => {
            limit(Limit::ResponseHeadSize)
        }
        Http::TlsCertificateError => ErrorCode::Tls(TlsFailure::Certificate((
            CertificateFault::Other,
            "the host did not accept the peer's certificate".to_owned(),
        ))),
        Http::TlsProtocolError | Http::TlsAlertReceived(_) => {
            ErrorCode::Tls(TlsFailure::Other(told(error)))
        }
        Http::HttpRequestDenied | Http::DestinationIpProhibited => denied(error),
        Http::HttpRequestBodySize(_) => ErrorCode::Invalid(
            "the request's body has another length than the request announced".to_owned(),
        ),
        Http::HttpRequestUriInvalid | Http::HttpRequestUriTooLong => {
            ErrorCode::Invalid(told(error))
        }
        _ => protocol(told(error)),
    }
}

/// A failure of HTTP itself.
pub(crate) fn protocol(message: String) -> ErrorCode {
    ErrorCode::Protocol(ProtocolFailure {
        message,
        received: Vec::new(),
    })
}

/// Why the host does not take a field.
pub(crate) fn of_field(error: HeaderError) -> ErrorCode {
    match error {
        HeaderError::InvalidSyntax => ErrorCode::Invalid(
            "a field has a name or a value that RFC 9110 does not allow".to_owned(),
        ),
        HeaderError::Forbidden => refused(
            DenyReason::Field,
            "a field of the request is one that this host lets nobody send",
        ),
        HeaderError::Immutable => ErrorCode::Invalid("the fields cannot be changed".to_owned()),
        #[allow(unreachable_patterns, reason = "versions of wasi:http differ in it")]
        _ => limit(Limit::RequestHeadSize),
    }
}

fn denied(error: &Http) -> ErrorCode {
    ErrorCode::Denied(Denial {
        reason: match error {
            Http::DestinationIpProhibited => DenyReason::Address,
            _ => DenyReason::NoRule,
        },
        rule: "wasi:http".to_owned(),
        message: format!(
            "the host that runs this component refused the request: {}",
            told(error)
        ),
    })
}

fn limit(limit: Limit) -> ErrorCode {
    ErrorCode::Limit(LimitFailure {
        limit,
        value: None,
        can_be_raised: false,
    })
}

fn told(error: &Http) -> String {
    format!("wasi:http says {error:?}")
}
