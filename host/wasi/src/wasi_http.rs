//! Converts between the types of `wasi:http` and the gateway's.

use http::HeaderMap;
use http_body::Body as _;
use http_body_util::BodyExt;
use sandbox_net_egress::{
    BodyKind, DnsFailure, EgressError, Fields, Phase, ResponseHead, TlsFailure, erase,
};
use sandbox_net_gateway::{Body, RequestHead};
use sandbox_net_policy::{Endpoint, Origin, Scheme};
use wasmtime_wasi_http::{Error, WasiBody};

/// The work behind a response; here there is none.
pub(crate) type Io = Box<dyn Future<Output = Result<(), Error>> + Send>;

/// A request on its way.
pub(crate) type Sent =
    Box<dyn Future<Output = Result<(http::Response<WasiBody>, Io), Error>> + Send>;

pub(crate) fn no_io() -> Io {
    Box::new(async { Ok(()) })
}

/// A request's body on its way out.
pub(crate) fn outgoing(body: WasiBody) -> Body {
    erase(body)
}

/// A response's body on its way in.
pub(crate) fn incoming(body: Body) -> WasiBody {
    body.map_err(|error| to_http_error(&error)).boxed_unsync()
}

/// Converts a response to `wasi:http`'s type.
pub(crate) fn response(head: &ResponseHead, body: Body) -> http::Response<WasiBody> {
    let mut response = http::Response::new(incoming(body));
    if let Ok(status) = http::StatusCode::from_u16(head.status) {
        *response.status_mut() = status;
    }
    *response.headers_mut() = header_map(&head.fields);
    // The body comes without its transfer coding.
    response
        .headers_mut()
        .remove(http::header::TRANSFER_ENCODING);
    response
}

/// Converts the fields to `http`'s own type, dropping what does not fit.
fn header_map(fields: &Fields) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in fields {
        let name = http::HeaderName::from_bytes(name);
        let value = http::HeaderValue::from_bytes(value);
        if let (Ok(name), Ok(value)) = (name, value) {
            // If there are too many, the rest is dropped.
            let _ = map.try_append(name, value);
        }
    }
    map
}

/// Takes a `wasi:http` request apart.
pub(crate) fn disassemble(
    request: http::Request<WasiBody>,
) -> Result<(Origin, RequestHead, BodyKind, WasiBody), Error> {
    let (parts, body) = request.into_parts();
    let scheme = match parts.uri.scheme_str() {
        Some("http") => Scheme::Http,
        Some("https") => Scheme::Https,
        _ => return Err(Error::HttpRequestUriInvalid),
    };
    let authority = parts.uri.authority().ok_or(Error::HttpRequestUriInvalid)?;
    if authority.as_str().contains('@') {
        return Err(Error::HttpRequestUriInvalid);
    }
    let host = authority.host();
    let host = host
        .strip_prefix('[')
        .and_then(|h| h.strip_suffix(']'))
        .unwrap_or(host);
    let port = authority.port_u16().unwrap_or(scheme.default_port());
    let endpoint = Endpoint::new(host, port).map_err(|_| Error::HttpRequestUriInvalid)?;
    let kind = match body.size_hint().exact() {
        _ if body.is_end_stream() => BodyKind::None,
        Some(size) => BodyKind::Sized(size),
        None => match parts.headers.get(http::header::CONTENT_LENGTH) {
            Some(length) => {
                let length = length.to_str().ok().and_then(|l| l.parse().ok());
                BodyKind::Sized(length.ok_or(Error::HttpRequestBodySize(None))?)
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

/// The closest of `wasi:http`'s error codes.
pub(crate) fn to_http_error(error: &EgressError) -> Error {
    match error {
        EgressError::Denied(_) => Error::HttpRequestDenied,
        EgressError::Dns(DnsFailure::NotFound) => Error::DestinationNotFound,
        EgressError::Dns(_) => Error::DnsError {
            rcode: None,
            info_code: None,
        },
        EgressError::Refused => Error::ConnectionRefused,
        EgressError::Unreachable => Error::DestinationIpUnroutable,
        EgressError::Reset | EgressError::Closed => Error::ConnectionTerminated,
        EgressError::Timeout(Phase::Resolve) => Error::DnsTimeout,
        EgressError::Timeout(Phase::Connect | Phase::Tls) => Error::ConnectionTimeout,
        EgressError::Timeout(Phase::Request) => Error::ConnectionWriteTimeout,
        EgressError::Timeout(_) => Error::ConnectionReadTimeout,
        EgressError::Tls(TlsFailure::Certificate { .. }) => Error::TlsCertificateError,
        EgressError::Tls(_) => Error::TlsProtocolError,
        EgressError::Limit(_) => Error::ConnectionLimitReached,
        EgressError::Protocol(_) | EgressError::Invalid(_) => Error::HttpProtocolError,
    }
}
