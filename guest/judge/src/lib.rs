//! Decides about a request of `wasi:http`, in the order in which the gateway does, for the middleware of each
//! version.
//!
//! 1. Scheme and authority are parsed as one origin. What is not one is [`Refusal::Uri`].
//! 2. The policy judges the connection, TLS, and the request with all of its fields.
//! 3. The origin and the path that were judged are returned: they become those of the request, so that no other
//!    reading of them counts.
//!
//! The policy is the one that was baked into the component ([`sandbox_net_place`]).

use sandbox_net_place as place;
use sandbox_net_policy::{Denial, Endpoint, Origin, Policy, Scheme, TlsOverrides};

type Fields = Vec<(String, Vec<u8>)>;

/// The most bytes of a head, and the most fields: as those of the gateway.
const MOST_BYTES: usize = 256 * 1024;
const MOST_FIELDS: usize = 1000;

/// A request as the guest made it.
#[derive(Debug)]
pub struct Asked {
    /// Whether it is for `https` or for `http`; `None` for anything else.
    pub is_https: Option<bool>,
    /// `host[:port]`, if it is set.
    pub authority: Option<String>,
    /// The method, in its own case.
    pub method: String,
    /// Path and query, if they are set.
    pub path: Option<String>,
    /// All of its fields.
    pub fields: Fields,
}

/// What was allowed: the request has to become exactly this before it goes on.
#[derive(Debug)]
pub struct Allowed {
    /// Whether it is for `https`.
    pub is_https: bool,
    /// `host[:port]` as the policy read it.
    pub authority: String,
    /// Path and query.
    pub path: String,
}

/// Why a request does not go on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// The policy does not allow it.
    Denied,
    /// It is for no origin that can be read in one way only.
    Uri,
    /// It has too many fields, or they are too long.
    HeadSize,
    /// The length of its body is said twice, or is no number.
    BodySize,
}

/// Decides by the policy of this component.
///
/// # Errors
///
/// The refusal, for which the guest is told an error code.
pub fn decide(asked: Asked) -> Result<Allowed, Refusal> {
    let origin = origin(asked.is_https, asked.authority.as_deref())?;
    let path = asked.path.filter(|path| !path.is_empty());
    let path = path.unwrap_or_else(|| "/".to_owned());
    let fields = judged(asked.fields, &origin)?;
    let size = fields.iter().map(|(name, value)| name.len() + value.len());
    if asked.method.len() + path.len() + size.sum::<usize>() > MOST_BYTES {
        return Err(Refusal::HeadSize);
    }
    judge(place::policy(), &origin, &asked.method, &path, &fields).map_err(|_| Refusal::Denied)?;
    Ok(Allowed {
        is_https: origin.scheme == Scheme::Https,
        authority: origin.authority(),
        path,
    })
}

fn judge(
    policy: &Policy,
    origin: &Origin,
    method: &str,
    path: &str,
    fields: &[(Vec<u8>, Vec<u8>)],
) -> Result<(), Denial> {
    policy.check_connect(origin.endpoint.clone())?;
    if origin.scheme == Scheme::Https {
        policy.check_tls(&origin.endpoint, None, TlsOverrides::default())?;
    }
    policy.check_request(origin, method.as_bytes(), path.as_bytes(), fields)?;
    Ok(())
}

fn origin(is_https: Option<bool>, authority: Option<&str>) -> Result<Origin, Refusal> {
    let scheme = match is_https.ok_or(Refusal::Uri)? {
        true => Scheme::Https,
        false => Scheme::Http,
    };
    let endpoint = authority.and_then(|text| endpoint(text, scheme));
    let endpoint = endpoint.ok_or(Refusal::Uri)?;
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

/// The fields that the policy judges: all but the length of the body, which the host compares with
/// the body.
///
/// `Host` goes on as the guest wrote it, because fields cannot change any more: it has to be what the
/// host would write itself.
fn judged(all: Fields, origin: &Origin) -> Result<Vec<(Vec<u8>, Vec<u8>)>, Refusal> {
    if all.len() > MOST_FIELDS {
        return Err(Refusal::HeadSize);
    }
    let authority = origin.authority();
    let mut lengths = 0;
    let mut judged = Vec::new();
    for (name, value) in all {
        if name.eq_ignore_ascii_case("content-length") {
            lengths += 1;
            if lengths > 1 || value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
                return Err(Refusal::BodySize);
            }
            continue;
        }
        if name.eq_ignore_ascii_case("host") && value != authority.as_bytes() {
            return Err(Refusal::Denied);
        }
        judged.push((name.into_bytes(), value));
    }
    Ok(judged)
}

/// Defines `is_https`, `named` and `told`: between the words of this crate and those of `wasi:http/types`, which has
/// the same names in each version, and types of its own. The module is `types` where this is called.
#[macro_export]
macro_rules! words_of_wasi_http {
    () => {
        /// What a scheme is for the policy.
        fn is_https(scheme: Option<types::Scheme>) -> Option<bool> {
            match scheme {
                Some(types::Scheme::Http) => Some(false),
                Some(types::Scheme::Https) => Some(true),
                Some(types::Scheme::Other(_)) | None => None,
            }
        }

        /// The name of a method.
        fn named(method: types::Method) -> String {
            let name = match method {
                types::Method::Get => "GET",
                types::Method::Head => "HEAD",
                types::Method::Post => "POST",
                types::Method::Put => "PUT",
                types::Method::Delete => "DELETE",
                types::Method::Connect => "CONNECT",
                types::Method::Options => "OPTIONS",
                types::Method::Trace => "TRACE",
                types::Method::Patch => "PATCH",
                types::Method::Other(name) => return name,
            };
            name.to_owned()
        }

        /// The error code that the guest gets instead of a response. A denial is that of a host which denies:
        /// `internal-error` could carry a text, but it says that something failed, and programs try again.
        fn told(refusal: $crate::Refusal) -> types::ErrorCode {
            use $crate::Refusal;
            match refusal {
                Refusal::Denied => types::ErrorCode::HttpRequestDenied,
                Refusal::Uri => types::ErrorCode::HttpRequestUriInvalid,
                Refusal::HeadSize => types::ErrorCode::HttpRequestHeaderSectionSize(None),
                Refusal::BodySize => types::ErrorCode::HttpRequestBodySize(None),
            }
        }
    };
}
