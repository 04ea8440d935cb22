//! Reads what a request names as its target (RFC 9112 section 3.2).

use sandbox_net_policy::{Endpoint, Origin, Scheme};

/// The form of a request's target.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Form<'a> {
    /// A path: a call of the API.
    Origin(&'a str),
    /// A URL: a request to pass on.
    Absolute(&'a str),
    /// `CONNECT host:port`.
    Authority(&'a str),
}

impl<'a> Form<'a> {
    /// The form; `None` for a target that is none of them.
    pub(crate) fn of(method: &[u8], target: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(target).ok()?;
        match method {
            b"CONNECT" => Some(Self::Authority(text)),
            _ if text.starts_with('/') => Some(Self::Origin(text)),
            _ if text.contains("://") => Some(Self::Absolute(text)),
            _ => None,
        }
    }
}

/// Parses `host:port`, IPv6 in brackets.
///
/// # Errors
///
/// What is wrong, as a sentence.
pub(crate) fn endpoint(text: &str) -> Result<Endpoint, String> {
    let (host, port) = split(text)?;
    let port = port.ok_or_else(|| format!("'{}' has no port", shown(text)))?;
    Endpoint::new(host, port).map_err(|error| error.to_string())
}

/// Parses a URL of http or https into its origin and the path with the query.
///
/// # Errors
///
/// What is wrong, as a sentence.
pub(crate) fn url(text: &str) -> Result<(Origin, String), String> {
    let wrong = || format!("'{}' is not a URL of http or https", shown(text));
    let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
    let scheme = Scheme::ALL
        .into_iter()
        .find(|one| one.as_str().eq_ignore_ascii_case(scheme))
        .ok_or_else(wrong)?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if authority.contains('@') {
        return Err("a URL with a user or a password is not accepted: use a header".to_owned());
    }
    let (host, port) = split(authority)?;
    let endpoint = Endpoint::new(host, port.unwrap_or(scheme.default_port()));
    let endpoint = endpoint.map_err(|error| error.to_string())?;
    // A fragment is the client's own (RFC 9110 section 4.2.5).
    let path = path.split('#').next().unwrap_or_default();
    let path = match path.starts_with('/') {
        true => path.to_owned(),
        false => format!("/{path}"),
    };
    Ok((Origin { scheme, endpoint }, path))
}

/// Splits `host[:port]`, and takes the brackets off.
fn split(text: &str) -> Result<(&str, Option<u16>), String> {
    let wrong = || format!("'{}' is not a host and a port", shown(text));
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or_else(wrong)?;
            if !host.contains(':') {
                return Err(wrong());
            }
            (host, port)
        }
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => None,
        Some(digits) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
            Some(digits.parse().map_err(|_| wrong())?)
        }
        _ => return Err(wrong()),
    };
    Ok((host, port))
}

/// The beginning of a text, safe to show.
fn shown(text: &str) -> String {
    let end = text.floor_char_boundary(200);
    text[..end].escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_has_one_form() {
        for (method, target, expected) in [
            ("GET", "/x", Some(Form::Origin("/x"))),
            (
                "GET",
                "/http://a.test/",
                Some(Form::Origin("/http://a.test/")),
            ),
            (
                "GET",
                "http://a.test/",
                Some(Form::Absolute("http://a.test/")),
            ),
            ("CONNECT", "a.test:1", Some(Form::Authority("a.test:1"))),
            ("CONNECT", "/", Some(Form::Authority("/"))),
            ("GET", "a.test:1", None),
            ("OPTIONS", "*", None),
        ] {
            assert_eq!(Form::of(method.as_bytes(), target.as_bytes()), expected);
        }
        assert_eq!(Form::of(b"GET", b"/\xff"), None);
    }

    #[test]
    fn a_url_names_one_origin_and_one_path() {
        for (text, origin, path) in [
            ("http://a.test", "http://a.test", "/"),
            (
                "HTTP://A.test:80/x?y=http://b",
                "http://a.test",
                "/x?y=http://b",
            ),
            ("https://a.test:8443?q", "https://a.test:8443", "/?q"),
            ("https://[::1]:1/#f", "https://[::1]:1", "/"),
            ("http://a.test/%2e/\u{e9}", "http://a.test", "/%2e/\u{e9}"),
        ] {
            let (found, rest) = url(text).unwrap();
            assert_eq!((found.to_string().as_str(), rest.as_str()), (origin, path));
        }
        for text in [
            "a.test/",
            "ftp://a.test/",
            "http:///x",
            "http://",
            "http://user@a.test/",
            "http://user:pass@a.test/",
            "http://a.test:/",
            "http://a.test:+80/",
            "http://a.test:99999/",
            "http://a.test:0/",
            "http://[a.test]/",
            "http://[::1/",
            "http://[::1]x/",
            "http://0x7f.1/",
            "http://a.test\\@b.test/",
        ] {
            assert!(url(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_authority_has_a_host_and_a_port() {
        assert_eq!(endpoint("A.test:443").unwrap().to_string(), "a.test:443");
        assert_eq!(endpoint("[::1]:80").unwrap().to_string(), "[::1]:80");
        for text in [
            "a.test",
            "a.test:",
            "a.test:0",
            "::1:80",
            "a@b:1",
            "a.test:1/",
            "",
            ":1",
        ] {
            assert!(endpoint(text).is_err(), "{text}");
        }
    }
}
