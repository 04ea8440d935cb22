//! Between the types of `wasi:http` and ours.

use http_body::Body;
use wasmtime_wasi_http::WasiBody;

use super::{HttpError, RequestHead};
use crate::policy::{Endpoint, Origin, Scheme};
use sandbox_net_egress::{BodyKind, DnsFailure, EgressError, Phase, TlsFailure};

/// Takes a `wasi:http` request apart.
pub(super) fn disassemble(
    request: http::Request<WasiBody>,
) -> Result<(Origin, RequestHead, BodyKind, WasiBody), HttpError> {
    let (parts, body) = request.into_parts();
    let scheme = match parts.uri.scheme_str() {
        Some("http") => Scheme::Http,
        Some("https") => Scheme::Https,
        _ => return Err(HttpError::HttpRequestUriInvalid),
    };
    let authority = parts
        .uri
        .authority()
        .ok_or(HttpError::HttpRequestUriInvalid)?;
    if authority.as_str().contains('@') {
        return Err(HttpError::HttpRequestUriInvalid);
    }
    let host = authority.host();
    let host = host
        .strip_prefix('[')
        .and_then(|h| h.strip_suffix(']'))
        .unwrap_or(host);
    let port = authority.port_u16().unwrap_or(scheme.default_port());
    let endpoint = Endpoint::new(host, port).map_err(|_| HttpError::HttpRequestUriInvalid)?;
    let kind = match body.size_hint().exact() {
        _ if body.is_end_stream() => BodyKind::None,
        Some(size) => BodyKind::Sized(size),
        None => match parts.headers.get(http::header::CONTENT_LENGTH) {
            Some(length) => {
                let length = length.to_str().ok().and_then(|l| l.parse().ok());
                BodyKind::Sized(length.ok_or(HttpError::HttpRequestBodySize(None))?)
            }
            None => BodyKind::Chunked,
        },
    };
    let fields = parts.headers.iter();
    let fields = fields.filter(|(name, _)| *name != http::header::CONTENT_LENGTH);
    let path = parts.uri.path_and_query().map_or("/", |p| p.as_str());
    let head = RequestHead {
        method: parts.method.as_str().into(),
        path: path.into(),
        fields: fields
            .map(|(n, v)| (n.as_str().into(), v.as_bytes().into()))
            .collect(),
    };
    Ok((Origin { scheme, endpoint }, head, kind, body))
}

/// The nearest of `wasi:http`'s error codes.
pub(super) fn to_http_error(error: &EgressError) -> HttpError {
    match error {
        EgressError::Denied(_) => HttpError::HttpRequestDenied,
        EgressError::Dns(DnsFailure::NotFound) => HttpError::DestinationNotFound,
        EgressError::Dns(_) => HttpError::DnsError {
            rcode: None,
            info_code: None,
        },
        EgressError::Refused => HttpError::ConnectionRefused,
        EgressError::Unreachable => HttpError::DestinationIpUnroutable,
        EgressError::Reset | EgressError::Closed => HttpError::ConnectionTerminated,
        EgressError::Timeout(Phase::Resolve) => HttpError::DnsTimeout,
        EgressError::Timeout(Phase::Connect | Phase::Tls) => HttpError::ConnectionTimeout,
        EgressError::Timeout(Phase::Request) => HttpError::ConnectionWriteTimeout,
        EgressError::Timeout(_) => HttpError::ConnectionReadTimeout,
        EgressError::Tls(TlsFailure::Certificate { .. }) => HttpError::TlsCertificateError,
        EgressError::Tls(_) => HttpError::TlsProtocolError,
        EgressError::Limit(_) => HttpError::ConnectionLimitReached,
        EgressError::Protocol(_) | EgressError::Invalid(_) => HttpError::HttpProtocolError,
    }
}
