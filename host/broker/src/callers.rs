//! Decides who may call: on each kind of listener, and from a browser nobody.

use std::net::SocketAddr;

use sandbox_net_policy::Host;

use crate::error_json::ErrorJson;
use crate::http::{Head, Version};
use crate::token::Token;

/// What is known of a caller.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The token that calls must carry; `None` where the listener itself tells who calls.
    pub(crate) token: Option<Token>,
    /// Where the caller connected to; `None` on a Unix socket.
    pub(crate) address: Option<SocketAddr>,
}

impl Caller {
    /// Refuses calls without the token.
    pub(crate) fn check_token(&self, head: &Head, is_proxy: bool) -> Result<(), ErrorJson> {
        let Some(token) = &self.token else {
            return Ok(());
        };
        let has_it = |name| match head.single(name) {
            Ok(Some(value)) => token.is_in(value),
            _ => false,
        };
        // The other field of a request that is passed on is for its server.
        let is_right = has_it("proxy-authorization") || (!is_proxy && has_it("authorization"));
        match is_right {
            true => Ok(()),
            false => Err(ErrorJson::unauthorized(is_proxy)),
        }
    }

    /// Refuses calls that a browser makes for a page: programs don't send these fields.
    pub(crate) fn check_browser(head: &Head) -> Result<(), ErrorJson> {
        let is_browsers = |(name, _): &(Vec<u8>, Vec<u8>)| {
            let name = name.to_ascii_lowercase();
            name == b"origin" || name.starts_with(b"sec-fetch-")
        };
        match head.fields.iter().any(is_browsers) {
            true => Err(ErrorJson::forbidden(
                "the call has an Origin or a Sec-Fetch field: pages in browsers may not use the broker",
            )),
            false => Ok(()),
        }
    }

    /// Refuses calls of the API that were meant for another host: its name may have been made to lead
    /// here (DNS rebinding).
    pub(crate) fn check_host(&self, head: &Head) -> Result<(), ErrorJson> {
        let wrong = "the Host field is not the broker's own address";
        match head.single("host") {
            Ok(Some(value)) if self.is_own(value) => Ok(()),
            Ok(None) if head.version == Version::Http10 => Ok(()),
            Ok(None) => Err(ErrorJson::malformed("the call has no Host field")),
            _ => Err(ErrorJson::forbidden(wrong)),
        }
    }

    fn is_own(&self, value: &[u8]) -> bool {
        let Some((host, port)) = std::str::from_utf8(value).ok().and_then(authority) else {
            return false;
        };
        match self.address {
            // No name leads to a Unix socket.
            None => host.is_localhost() || matches!(host, Host::Ip(ip) if ip.is_loopback()),
            Some(address) => {
                let is_host = host.is_localhost() || host == Host::Ip(address.ip().to_canonical());
                is_host && port.is_none_or(|port| port == address.port())
            }
        }
    }
}

/// `host[:port]`, IPv6 in brackets.
fn authority(text: &str) -> Option<(Host, Option<u16>)> {
    if let Ok(endpoint) = crate::target::endpoint(text) {
        return Some((endpoint.host, Some(endpoint.port)));
    }
    let host = match text.strip_prefix('[') {
        Some(rest) => rest
            .strip_suffix(']')
            .filter(|inside| inside.contains(':'))?,
        None => Some(text).filter(|text| !text.contains(':'))?,
    };
    Host::parse(host).ok().map(|host| (host, None))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandbox_net_egress::BodyKind;

    fn head(lines: &[(&str, &str)]) -> Head {
        let line = |(name, value): &(&str, &str)| ((*name).into(), (*value).into());
        Head {
            method: b"GET".into(),
            target: b"/".into(),
            version: Version::Http11,
            fields: lines.iter().map(line).collect(),
            kind: BodyKind::None,
            keeps_alive: true,
            expects_continue: false,
        }
    }

    fn caller(address: Option<&str>) -> Caller {
        Caller {
            token: Some(Token::new("0123456789abcdef").unwrap()),
            address: address.map(|text| text.parse().unwrap()),
        }
    }

    #[test]
    fn only_the_brokers_own_address_is_its_host() {
        let (v4, v6) = (Some("127.0.0.1:6969"), Some("[::1]:6969"));
        for (address, host, expected) in [
            (v4, "127.0.0.1:6969", true),
            (v4, "127.0.0.1", true),
            (v4, "LOCALHOST:6969", true),
            (v4, "localhost", true),
            (v4, "127.0.0.1:80", false),
            (v4, "localhost:80", false),
            (v4, "127.0.0.2:6969", false),
            (v4, "evil.test:6969", false),
            (v4, "localhost.evil.test", false),
            (v4, "[::1]:6969", false),
            (v4, "", false),
            (v4, "127.0.0.1:6969, evil.test", false),
            (v6, "[::1]:6969", true),
            (v6, "[::1]", true),
            (v6, "::1", false),
            (None, "localhost", true),
            (None, "127.0.0.1:6969", true),
            (None, "evil.test", false),
        ] {
            let found = caller(address).check_host(&head(&[("host", host)]));
            assert_eq!(found.is_ok(), expected, "{address:?} {host}");
        }
        let twice = head(&[("Host", "localhost"), ("Host", "localhost")]);
        assert!(caller(v4).check_host(&twice).is_err());
        assert!(caller(v4).check_host(&head(&[])).is_err());
        let old = Head {
            version: Version::Http10,
            ..head(&[])
        };
        assert!(caller(v4).check_host(&old).is_ok());
    }

    #[test]
    fn a_proxy_call_carries_the_token_in_its_own_field_once() {
        let caller = caller(None);
        let (own, origins) = ("Proxy-Authorization", "Authorization");
        let right = "Bearer 0123456789abcdef";
        for (lines, for_proxy, for_api) in [
            (&[(own, right)][..], true, true),
            (&[(origins, right)], false, true),
            (&[(own, "Bearer forged"), (origins, right)], false, true),
            (&[(own, right), (own, right)], false, false),
            (&[], false, false),
        ] {
            let head = head(lines);
            assert_eq!(caller.check_token(&head, true).is_ok(), for_proxy);
            assert_eq!(caller.check_token(&head, false).is_ok(), for_api);
        }
    }

    #[test]
    fn a_page_in_a_browser_may_not_call() {
        for (name, expected) in [
            ("ORIGIN", false),
            ("sec-fetch-site", false),
            ("Sec-Fetch-Mode", false),
            ("Original", true),
        ] {
            let head = head(&[(name, "x")]);
            assert_eq!(Caller::check_browser(&head).is_ok(), expected, "{name}");
        }
    }
}
