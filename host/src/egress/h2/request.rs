//! The head of a request in HTTP/2 (RFC 9113 section 8.3).

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version};

use crate::egress::{BodyKind, EgressError};
use crate::policy::RequestLine;

/// The head. `:authority` is the origin's. Fields that only HTTP/1.1 has (RFC 9113 section 8.2.2)
/// do not get past the policy.
pub(super) fn head(request: &RequestLine, kind: BodyKind) -> Result<Request<()>, EgressError> {
    let method = Method::from_bytes(&request.method).map_err(|_| invalid("the method"))?;
    let uri = Uri::builder()
        .scheme(request.origin.scheme.as_str())
        .authority(request.origin.authority())
        .path_and_query(request.path.as_slice())
        .build()
        .map_err(|_| invalid("the path"))?;
    let mut head = Request::new(());
    *head.method_mut() = method;
    *head.uri_mut() = uri;
    *head.version_mut() = Version::HTTP_2;
    *head.headers_mut() = fields(request, kind)?;
    Ok(head)
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
