//! Parses URLs, in the one form that leaves no doubt about their host.
//!
//! The crate `url` repairs what it reads (`127.1`, `\\`, `..`, tabs, `user@`), as browsers do. A policy has
//! to judge what a program sends, and audit logs contain that byte for byte, so ambiguous texts are refused
//! here and paths stay unchanged. The tests compare the two on everything that is accepted.

use std::net::IpAddr;
use std::str::FromStr;

use sandbox_net::policy::{Endpoint, Host, HostError, Origin, Scheme};

/// `[scheme://]host[:port][/path][?query]`; without a scheme it is https.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) origin: Origin,
    /// Path and query, as a request has them.
    pub(crate) path: String,
}

/// Why a text is not such a URL. Every message is one line.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UrlError {
    /// A scheme other than http and https.
    #[error("unknown scheme '{}': write 'http://' or 'https://'", .0.escape_debug())]
    Scheme(String),
    /// No scheme, where one is needed.
    #[error("the scheme is missing")]
    NoScheme,
    /// `user@`.
    #[error("'@' before the host: remove the user information")]
    Userinfo,
    /// An IPv6 address without brackets.
    #[error("an IPv6 address is written in brackets: '[::1]'")]
    Brackets,
    /// The port is not a number from 1 to 65535 without leading zeros.
    #[error("'{}' is not a port: write a number from 1 to 65535", .0.escape_debug())]
    Port(String),
    /// No port, where one is needed.
    #[error("the port is missing")]
    NoPort,
    /// The host.
    #[error(transparent)]
    Host(#[from] HostError),
    /// A fragment, which is never sent to servers.
    #[error("a request has no fragment: remove '#' and what follows")]
    Fragment,
    /// A character that requests percent-encode, or that clients read differently.
    #[error("{0:?} cannot be in a URL: percent-encode it")]
    Character(char),
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let (origin, rest) = split(text, Some(Scheme::Https))?;
        let is_refused = |c: &char| c.is_whitespace() || c.is_control() || *c == '\\';
        if let Some(c) = rest.chars().find(is_refused) {
            return Err(UrlError::Character(c));
        }
        if rest.contains('#') {
            return Err(UrlError::Fragment);
        }
        let slash = if rest.starts_with('/') { "" } else { "/" };
        Ok(Self {
            origin,
            path: format!("{slash}{rest}"),
        })
    }
}

/// Splits a URL into its origin and the rest, which is empty or begins with `/`, `?`, `#` or `\`
/// and is not checked.
pub(crate) fn split(
    text: &str,
    default_scheme: Option<Scheme>,
) -> Result<(Origin, &str), UrlError> {
    let (scheme, rest) = match text.split_once("://") {
        // Otherwise it is part of a path or query.
        Some((name, rest)) if !name.contains(DELIMITERS) => (Some(scheme(name)?), rest),
        _ => (None, text),
    };
    let scheme = scheme.or(default_scheme).ok_or(UrlError::NoScheme)?;
    let end = rest.find(DELIMITERS).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    let (host, port) = split_authority(authority)?;
    let endpoint = Endpoint::new(host, port.unwrap_or(scheme.default_port()))?;
    Ok((Origin { scheme, endpoint }, rest))
}

/// Reads `host:port`.
pub(crate) fn endpoint(text: &str) -> Result<Endpoint, UrlError> {
    let (host, port) = split_authority(text)?;
    Ok(Endpoint::new(host, port.ok_or(UrlError::NoPort)?)?)
}

const DELIMITERS: [char; 4] = ['/', '?', '#', '\\'];

fn scheme(name: &str) -> Result<Scheme, UrlError> {
    let is_it = |scheme: &Scheme| scheme.as_str().eq_ignore_ascii_case(name);
    let scheme = Scheme::ALL.into_iter().find(is_it);
    scheme.ok_or_else(|| UrlError::Scheme(name.chars().take(20).collect()))
}

/// The host without brackets, and the port.
fn split_authority(text: &str) -> Result<(&str, Option<u16>), UrlError> {
    if text.contains('@') {
        return Err(UrlError::Userinfo);
    }
    let (host, port) = match text.strip_prefix('[') {
        Some(inside) => {
            let (host, after) = inside.split_once(']').ok_or(HostError::Brackets)?;
            if !matches!(Host::parse(host)?, Host::Ip(IpAddr::V6(_))) {
                return Err(HostError::Brackets.into());
            }
            match after.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if after.is_empty() => (host, None),
                None => return Err(HostError::Brackets.into()),
            }
        }
        None => match text.split_once(':') {
            Some((_, port)) if port.contains(':') => return Err(UrlError::Brackets),
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    Ok((host, port.map(parse_port).transpose()?))
}

/// Refuses leading zeros and signs: elsewhere they could mean octal, or nothing.
fn parse_port(text: &str) -> Result<u16, UrlError> {
    let is_plain = text.starts_with(|c: char| matches!(c, '1'..='9'))
        && text.bytes().all(|b| b.is_ascii_digit());
    let port = is_plain.then(|| text.parse().ok()).flatten();
    port.ok_or_else(|| UrlError::Port(text.chars().take(20).collect()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_url_is_an_origin_and_a_path_with_its_query() {
        for (text, origin, path) in [
            ("a.test", "https://a.test", "/"),
            ("HTTP://A.Test.", "http://a.test", "/"),
            ("a.test:8443/x", "https://a.test:8443", "/x"),
            ("https://a.test:443/x?y=z", "https://a.test", "/x?y=z"),
            ("http://a.test?y", "http://a.test", "/?y"),
            (
                "a.test/?u=http://b@c.test:0",
                "https://a.test",
                "/?u=http://b@c.test:0",
            ),
            ("a.test/@scope//x", "https://a.test", "/@scope//x"),
            ("[2001:DB8::1]:80/", "https://[2001:db8::1]:80", "/"),
            ("192.0.2.1:65535", "https://192.0.2.1:65535", "/"),
            ("bücher.test/ü", "https://xn--bcher-kva.test", "/ü"),
        ] {
            let url: Url = text
                .parse()
                .unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((&*url.origin.to_string(), &*url.path), (origin, path));
        }
    }

    #[test]
    #[rustfmt::skip] // one row a line
    fn a_url_that_could_be_read_in_two_ways_is_refused() {
        use UrlError::*;
        let port = |text: &str| Port(text.to_owned());
        for (text, error) in [
            ("", Host(HostError::Empty)),
            ("https://", Host(HostError::Empty)),
            ("/x", Host(HostError::Empty)),
            ("ftp://a.test", Scheme("ftp".to_owned())),
            ("://a.test", Scheme(String::new())),
            ("https:a.test", port("a.test")),
            ("user@a.test", Userinfo),
            ("https://a.test:443@b.test/", Userinfo),
            ("a.test:", port("")),
            ("a.test:0", port("0")),
            ("a.test:080", port("080")),
            ("a.test:+80", port("+80")),
            ("a.test:65536", port("65536")),
            ("a.test:80:80", Brackets),
            ("::1", Brackets),
            ("[::1", Host(HostError::Brackets)),
            ("[::1]x", Host(HostError::Brackets)),
            ("[a.test]", Host(HostError::Brackets)),
            ("[192.0.2.1]", Host(HostError::Brackets)),
            ("[fe80::1%25eth0]", Host(HostError::ZoneId)),
            ("127.1", Host(HostError::Ipv4)),
            ("a%2etest", Host(HostError::PercentEncoding)),
            ("a.test\\@b.test", Character('\\')),
            ("a.test/x\\y", Character('\\')),
            ("a.test/x y", Character(' ')),
            ("a.test/x\u{a0}", Character('\u{a0}')),
            ("a.test/x\u{1b}", Character('\u{1b}')),
            (" a.test", Host(HostError::Character(' '))),
            ("a.test\r\n", Host(HostError::Character('\r'))),
            ("a.test/x#y", Fragment),
            ("a.test#y", Fragment),
        ] {
            assert_eq!(text.parse::<Url>(), Err(error), "{text:?}");
        }
    }

    proptest! {
        /// If the crate `url`, which reads like browsers, accepts it, then without relevant
        /// repairs.
        #[test]
        fn what_is_accepted_has_the_same_origin_for_a_browser(
            text in "(https?://)?[a-zA-Z0-9.:@%\\[\\]\\\\ü_-]{1,12}(:[0-9]{1,5})?([/?][a-z./?:@%-]{0,8})?"
        ) {
            let scheme = if text.starts_with("http") && text.contains("://") { "" } else { "https://" };
            // What only they refuse, such as a name that ends in a number, is not a host for them.
            let theirs = url::Url::parse(&format!("{scheme}{text}"));
            if let (Ok(ours), Ok(theirs)) = (text.parse::<Url>(), theirs) {
                let (host, port) = (theirs.host_str(), theirs.port_or_known_default());
                let host = host.map(|host| host.trim_matches(['[', ']']).trim_end_matches('.'));
                let ours = ours.origin.endpoint;
                prop_assert_eq!(host, Some(&*ours.host.to_string()), "{}", text);
                prop_assert_eq!(port, Some(ours.port), "{}", text);
            }
        }
    }

    #[test]
    fn an_endpoint_needs_its_port() {
        assert_eq!(endpoint("[::1]:80").unwrap().to_string(), "[::1]:80");
        assert_eq!(endpoint("a.test"), Err(UrlError::NoPort));
        assert!(endpoint("a.test:80/x").is_err());
        assert_eq!(split("a.test/x", None), Err(UrlError::NoScheme));
    }
}
