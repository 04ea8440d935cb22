//! Takes a URL apart into what the interface asks for (RFC 3986).

use crate::error::Error;

/// Where a URL leads, and what to ask for there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Url {
    pub(crate) is_tls: bool,
    /// A name, or an address without brackets. The host judges it.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The path and query, as they are. The host judges them.
    pub(crate) path: String,
}

impl Url {
    /// Reads `http://` and `https://` URLs. A fragment is left out, and a user's name is an error: this
    /// crate sends none.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let invalid = |why: &str| Error::Invalid(format!("the URL '{text}' {why}"));
        let (scheme, rest) = text
            .split_once("://")
            .ok_or_else(|| invalid("has no scheme: write 'https://' before it"))?;
        let is_tls = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(invalid("is neither 'https' nor 'http'")),
        };
        let rest = rest.split_once('#').map_or(rest, |(before, _)| before);
        let end = rest.find(['/', '?', '\\']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.contains('@') {
            return Err(invalid("has a user's name: send a field instead"));
        }
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => rest
                .split_once(']')
                .ok_or_else(|| invalid("has a bracket that is not closed"))?,
            None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
        };
        if host.is_empty() {
            return Err(invalid("has no host"));
        }
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => default_port(is_tls),
            Some("") => default_port(is_tls),
            // `u16` would take a sign, too.
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => digits
                .parse()
                .map_err(|_| invalid("has a port that is none"))?,
            _ => return Err(invalid("has a port that is none")),
        };
        let path = match path.starts_with('/') {
            true => path.to_owned(),
            false => format!("/{path}"),
        };
        Ok(Self {
            is_tls,
            host: host.to_owned(),
            port,
            path,
        })
    }
}

fn default_port(is_tls: bool) -> u16 {
    if is_tls { 443 } else { 80 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        for (text, is_tls, host, port, path) in [
            ("https://a.test", true, "a.test", 443, "/"),
            (
                "HTTP://a.test:8080/x?y=1#z",
                false,
                "a.test",
                8080,
                "/x?y=1",
            ),
            ("http://a.test?y", false, "a.test", 80, "/?y"),
            ("https://[::1]:8443/@:", true, "::1", 8443, "/@:"),
            ("http://a.test:/", false, "a.test", 80, "/"),
            (
                "http://a.test\\@b.test/",
                false,
                "a.test",
                80,
                "/\\@b.test/",
            ),
        ] {
            let expected = Url {
                is_tls,
                host: host.into(),
                port,
                path: path.into(),
            };
            assert_eq!(Url::parse(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_url_is_refused() {
        for (text, why) in [
            ("a.test/", "scheme"),
            ("ftp://a.test/", "neither"),
            ("https://", "no host"),
            ("https:///x", "no host"),
            ("https://[::1", "bracket"),
            ("https://[::1]x/", "port"),
            ("https://a.test:+80/", "port"),
            ("https://a.test:70000/", "port"),
            ("https://::1/", "no host"),
            ("https://user@a.test/", "user"),
        ] {
            let error = Url::parse(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
