//! Checks header fields: they must not change where the request goes or how it is framed.

use crate::host::Host;
use crate::target::Origin;

/// Fields that belong to one connection (RFC 9110 section 7.6.1), to proxies, or to framing: the
/// host sends its own, or omits them. In lower case.
const FORBIDDEN: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Whether only the host sends fields of this name, which is in lower case.
pub(super) fn is_host_owned(name: &str) -> bool {
    FORBIDDEN.contains(&name) || matches!(name, "host" | "te") || name.starts_with("proxy-")
}

/// Why the policy refuses a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FieldFault {
    /// `Host` differs from the origin's authority.
    Host,
    /// `Host` appears twice.
    HostTwice,
    /// A field that the guest may not send, in lower case.
    Forbidden(&'static str),
}

/// Checks the fields of a request to this origin; the first fault counts.
pub(super) fn check(origin: &Origin, fields: &[(Vec<u8>, Vec<u8>)]) -> Result<(), FieldFault> {
    let mut hosts = 0;
    for (name, value) in fields {
        if is_host(name) {
            hosts += 1;
            if hosts > 1 {
                return Err(FieldFault::HostTwice);
            }
            if !is_authority(origin, value) {
                return Err(FieldFault::Host);
            }
        }
        if let Some(name) = FORBIDDEN
            .iter()
            .find(|f| name.eq_ignore_ascii_case(f.as_bytes()))
        {
            return Err(FieldFault::Forbidden(name));
        }
        let only_trailers = || value.trim_ascii().eq_ignore_ascii_case(b"trailers");
        if name.eq_ignore_ascii_case(b"te") && !only_trailers() {
            return Err(FieldFault::Forbidden("te"));
        }
    }
    Ok(())
}

/// Whether this is the name of the `Host` field.
pub(super) fn is_host(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"host")
}

/// Whether the value of a `Host` field (RFC 9110 section 7.2) names this origin. Its port may be
/// omitted, whatever it is: programs do that, and no other host is named by it.
fn is_authority(origin: &Origin, value: &[u8]) -> bool {
    match split_authority(value.trim_ascii()) {
        Some((host, port)) => {
            Host::parse(host).is_ok_and(|host| host == origin.endpoint.host)
                && port.is_none_or(|port| port == origin.endpoint.port)
        }
        None => false,
    }
}

/// Splits `host[:port]`; `None` if it has another form, or is not ASCII.
fn split_authority(value: &[u8]) -> Option<(&str, Option<u16>)> {
    let text = std::str::from_utf8(value)
        .ok()
        .filter(|text| text.is_ascii())?;
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => rest
            .split_once(']')
            .filter(|(inside, _)| inside.contains(':'))?,
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    match port.strip_prefix(':') {
        None if port.is_empty() => Some((host, None)),
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
            Some((host, Some(digits.parse().ok()?)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::{Endpoint, Scheme};

    fn check_one(origin: &Origin, name: &str, value: &[u8]) -> Result<(), FieldFault> {
        check(origin, &[(name.as_bytes().to_vec(), value.to_vec())])
    }

    fn origin(scheme: Scheme, host: &str, port: u16) -> Origin {
        Origin {
            scheme,
            endpoint: Endpoint::new(host, port).unwrap(),
        }
    }

    #[test]
    fn a_host_field_must_name_the_origin() {
        let https = origin(Scheme::Https, "api.test", 443);
        let other_port = origin(Scheme::Http, "api.test", 8080);
        let v6 = origin(Scheme::Http, "::1", 80);
        let other_v6 = origin(Scheme::Http, "::1", 8080);
        let v4 = origin(Scheme::Http, "127.0.0.1", 80);
        for (origin, value, same) in [
            (&https, &b"api.test"[..], true),
            (&https, b"API.test.", true),
            (&https, b" api.test:443\t", true),
            (&https, b"api.test:80", false),
            (&https, b"api.test:0443x", false),
            (&https, b"api.test:", false),
            (&https, b"other.test", false),
            (&https, b"api.test.other.test", false),
            (&https, b"api.test@other.test", false),
            (&https, b"api.test, other.test", false),
            (&https, b"https://api.test", false),
            (&https, b"", false),
            (&https, b"api.test\xff", false),
            (&https, "\u{ff41}\u{ff50}i.test".as_bytes(), false),
            (&other_port, b"api.test:8080", true),
            (&other_port, b"api.test", true),
            (&other_port, b"api.test:80", false),
            (&other_port, b"api.test:", false),
            (&other_port, b"other.test", false),
            (&other_v6, b"[::1]", true),
            (&other_v6, b"::1", false),
            (&other_v6, b"[::1]:80", false),
            (&v6, b"[::1]", true),
            (&v6, b"[0:0::1]:80", true),
            (&v6, b"::1", false),
            (&v6, b"[::1]x", false),
            (&v4, b"127.0.0.1", true),
            (&v4, b"127.1", false),
            (&v4, b"[127.0.0.1]", false),
        ] {
            let expected = if same { Ok(()) } else { Err(FieldFault::Host) };
            let text = String::from_utf8_lossy(value);
            assert_eq!(
                check_one(origin, "HOST", value),
                expected,
                "{origin} {text:?}"
            );
        }
    }

    #[test]
    fn a_second_host_field_is_refused_even_if_it_says_the_same() {
        let host = (b"Host".to_vec(), b"api.test".to_vec());
        let twice = [host.clone(), (b"A".to_vec(), b"b".to_vec()), host];
        let origin = origin(Scheme::Https, "api.test", 443);
        assert_eq!(check(&origin, &twice), Err(FieldFault::HostTwice));
    }

    #[test]
    fn fields_of_the_connection_and_of_framing_are_the_hosts_own() {
        let origin = origin(Scheme::Https, "api.test", 443);
        for (name, value, fault) in [
            ("Upgrade", "websocket", Some("upgrade")),
            ("CONNECTION", "close", Some("connection")),
            ("keep-alive", "timeout=5", Some("keep-alive")),
            ("Proxy-Connection", "keep-alive", Some("proxy-connection")),
            (
                "Proxy-Authorization",
                "Basic eA==",
                Some("proxy-authorization"),
            ),
            ("Proxy-Authenticate", "Basic", Some("proxy-authenticate")),
            ("TE", "gzip", Some("te")),
            ("TE", "trailers, gzip", Some("te")),
            ("TE", "Trailers", None),
            ("Trailer", "X", Some("trailer")),
            ("Transfer-Encoding", "chunked", Some("transfer-encoding")),
            ("Content-Length", "1", Some("content-length")),
            ("HTTP2-Settings", "x", Some("http2-settings")),
            ("Expect", "100-continue", Some("expect")),
            ("Authorization", "Basic eA==", None),
            ("Content-Type", "text/plain", None),
            ("X-Connection", "close", None),
        ] {
            let expected = fault.map_or(Ok(()), |name| Err(FieldFault::Forbidden(name)));
            assert_eq!(
                check_one(&origin, name, value.as_bytes()),
                expected,
                "{name}"
            );
        }
    }
}
