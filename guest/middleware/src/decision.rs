//! Decides about a request, in the order in which the gateway does.
//!
//! 1. Scheme and authority are parsed as one origin. What is not one is `HTTP-request-URI-invalid`.
//! 2. The policy judges the connection, TLS, and the request with all of its fields.
//! 3. The origin and the path that were judged become those of the request, so that no other reading
//!    of them counts.
//!
//! A denial is `HTTP-request-denied`, as that of a host would be. `internal-error` could carry a text,
//! but it says that something failed, and programs try again.

use sandbox_net_policy::{Denial, Endpoint, Origin, Policy, Scheme, TlsOverrides};

use crate::bindings::wasi::http::types::{self, ErrorCode, Method, Request};
use sandbox_net_place as place;

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// The most bytes of a head, and the most fields: as those of the gateway.
const MOST_BYTES: usize = 256 * 1024;
const MOST_FIELDS: usize = 1000;

/// Decides, and makes the request what was decided about.
///
/// # Errors
///
/// The error that the guest gets instead of a response.
pub(crate) fn decide(request: &Request) -> Result<(), ErrorCode> {
    let origin = origin(request)?;
    let method = method(request.get_method());
    let path = request.get_path_with_query().unwrap_or_default();
    let path = if path.is_empty() { "/" } else { &*path };
    let fields = fields(request, &origin)?;
    let size = fields.iter().map(|(name, value)| name.len() + value.len());
    if method.len() + path.len() + size.sum::<usize>() > MOST_BYTES {
        return Err(ErrorCode::HttpRequestHeaderSectionSize(None));
    }
    judge(place::policy(), &origin, &method, path, &fields)
        .map_err(|_| ErrorCode::HttpRequestDenied)?;
    normalise(request, &origin, path).map_err(|()| ErrorCode::HttpRequestDenied)
}

fn judge(
    policy: &Policy,
    origin: &Origin,
    method: &str,
    path: &str,
    fields: &Fields,
) -> Result<(), Denial> {
    policy.check_connect(origin.endpoint.clone())?;
    if origin.scheme == Scheme::Https {
        policy.check_tls(&origin.endpoint, None, TlsOverrides::default())?;
    }
    policy.check_request(origin, method.as_bytes(), path.as_bytes(), fields)?;
    Ok(())
}

fn normalise(request: &Request, origin: &Origin, path: &str) -> Result<(), ()> {
    let scheme = match origin.scheme {
        Scheme::Http => types::Scheme::Http,
        Scheme::Https => types::Scheme::Https,
    };
    request.set_scheme(Some(&scheme))?;
    request.set_authority(Some(&origin.authority()))?;
    request.set_path_with_query(Some(path))
}

fn origin(request: &Request) -> Result<Origin, ErrorCode> {
    let scheme = match request.get_scheme() {
        Some(types::Scheme::Http) => Scheme::Http,
        Some(types::Scheme::Https) => Scheme::Https,
        Some(types::Scheme::Other(_)) | None => return Err(ErrorCode::HttpRequestUriInvalid),
    };
    let authority = request.get_authority();
    let endpoint = authority.and_then(|text| endpoint(&text, scheme));
    let endpoint = endpoint.ok_or(ErrorCode::HttpRequestUriInvalid)?;
    Ok(Origin { scheme, endpoint })
}

/// The endpoint of `host[:port]`.
fn endpoint(authority: &str, scheme: Scheme) -> Option<Endpoint> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => rest
            .split_once(']')
            .filter(|(host, _)| host.contains(':'))?,
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => scheme.default_port(),
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok()?,
        _ => return None,
    };
    Endpoint::new(host, port).ok()
}

fn method(method: Method) -> String {
    let name = match method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Delete => "DELETE",
        Method::Connect => "CONNECT",
        Method::Options => "OPTIONS",
        Method::Trace => "TRACE",
        Method::Patch => "PATCH",
        Method::Other(name) => return name,
    };
    name.to_owned()
}

/// The fields that the policy judges: all but the length of the body, which the host compares with
/// the body.
///
/// `Host` goes on as the guest wrote it, because fields cannot change any more: it has to be what the
/// host would write itself.
fn fields(request: &Request, origin: &Origin) -> Result<Fields, ErrorCode> {
    let all = request.get_headers().copy_all();
    if all.len() > MOST_FIELDS {
        return Err(ErrorCode::HttpRequestHeaderSectionSize(None));
    }
    let authority = origin.authority();
    let mut lengths = 0;
    let mut judged = Fields::new();
    for (name, value) in all {
        if name.eq_ignore_ascii_case("content-length") {
            lengths += 1;
            if lengths > 1 || value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
                return Err(ErrorCode::HttpRequestBodySize(None));
            }
            continue;
        }
        if name.eq_ignore_ascii_case("host") && value != authority.as_bytes() {
            return Err(ErrorCode::HttpRequestDenied);
        }
        judged.push((name.into_bytes(), value));
    }
    Ok(judged)
}
