//! Makes the head of a request in HTTP/2 (RFC 9113 section 8.3).

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version};

use crate::body_kind::BodyKind;
use crate::error::EgressError;
use sandbox_net_policy::RequestLine;

/// What a path and query may contain besides letters and digits (RFC 3986 section 3.3).
const IN_URIS: &[u8] = b"-._~!$&'()*+,;=:@/?[]%";

/// The head. `:authority` is the origin's. The policy refuses fields that only HTTP/1.1 has (RFC
/// 9113 section 8.2.2).
pub(super) fn head(request: &RequestLine, kind: BodyKind) -> Result<Request<()>, EgressError> {
    let method = Method::from_bytes(&request.method).map_err(|_| invalid("the method"))?;
    let uri = Uri::builder()
        .scheme(request.origin.scheme.as_str())
        .authority(request.origin.authority())
        .path_and_query(path(&request.path)?)
        .build()
        .map_err(|_| invalid("the path"))?;
    let mut head = Request::new(());
    *head.method_mut() = method;
    *head.uri_mut() = uri;
    *head.version_mut() = Version::HTTP_2;
    *head.headers_mut() = fields(request, kind)?;
    Ok(head)
}

/// The path. Bytes that no URI contains (RFC 3986 section 2) and that the library refuses are
/// percent-encoded, as browsers do it.
fn path(path: &[u8]) -> Result<PathAndQuery, EgressError> {
    PathAndQuery::try_from(path).or_else(|_| {
        let in_uris = |byte: &u8| byte.is_ascii_alphanumeric() || IN_URIS.contains(byte);
        let encoded: String = path
            .iter()
            .map(|byte| match in_uris(byte) {
                true => char::from(*byte).to_string(),
                false => format!("%{byte:02X}"),
            })
            .collect();
        PathAndQuery::try_from(encoded).map_err(|_| invalid("the path"))
    })
}

fn fields(request: &RequestLine, kind: BodyKind) -> Result<HeaderMap, EgressError> {
    let mut fields = HeaderMap::new();
    for (name, value) in &request.fields {
        let name = HeaderName::from_bytes(name).map_err(|_| invalid("a field name"))?;
        let value = HeaderValue::from_bytes(value).map_err(|_| invalid("a field value"))?;
        fields
            .try_append(name, value)
            .map_err(|_| invalid("the number of fields"))?;
    }
    if let BodyKind::Sized(length) = kind {
        fields.insert(http::header::CONTENT_LENGTH, length.into());
    }
    Ok(fields)
}

fn invalid(what: &str) -> EgressError {
    EgressError::Invalid(format!("{what} cannot be sent in HTTP/2"))
}
