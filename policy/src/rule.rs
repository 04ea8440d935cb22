//! Rules: what an operator allows.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::host::Host;
use crate::name::DnsName;
use crate::rule_parser::{self, RuleError};
use crate::target::{Endpoint, Scheme};

/// One thing that is allowed: `HOST[:PORT]` or `SCHEME://HOST[:PORT]`.
///
/// `HOST` is a name, `*.domain` for every subdomain of a domain but not the domain itself, an IPv4
/// address, or an IPv6 address in brackets. Without a port a rule means the default port of the
/// scheme: `example.com` is http on 80 and https on 443, `example.com:8080` is both schemes on
/// 8080, `https://example.com` is https on 443 alone.
///
/// A rule for a name opens public addresses only. An address of any other kind (see
/// [`AddressClass`](crate::AddressClass)) is opened by a rule that names that very
/// address; and `localhost` means the loopback addresses, for that name alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Rule {
    text: String,
    scheme: Option<Scheme>,
    host: HostPattern,
    port: Option<u16>,
}

/// The hosts that a rule means.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum HostPattern {
    /// This host.
    Exact(Host),
    /// Every name below this one.
    Subdomains(DnsName),
}

impl Rule {
    pub(super) fn new(
        text: &str,
        scheme: Option<Scheme>,
        host: HostPattern,
        port: Option<u16>,
    ) -> Self {
        Self {
            text: text.to_owned(),
            scheme,
            host,
            port,
        }
    }

    /// The rule as the operator wrote it, which is also its name in denials and logs.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether this rule allows requests with this scheme to this endpoint.
    #[must_use]
    pub fn allows(&self, scheme: Scheme, endpoint: &Endpoint) -> bool {
        self.host.matches(&endpoint.host) && self.allows_port(scheme, endpoint.port)
    }

    /// The address that this rule names literally, if it names one with this scheme and port.
    pub(super) fn literal_address(&self, scheme: Scheme, port: u16) -> Option<IpAddr> {
        match self.host {
            HostPattern::Exact(Host::Ip(address)) if self.allows_port(scheme, port) => {
                Some(address)
            }
            _ => None,
        }
    }

    fn allows_port(&self, scheme: Scheme, port: u16) -> bool {
        self.scheme.is_none_or(|only| only == scheme)
            && self.port.unwrap_or(scheme.default_port()) == port
    }
}

impl HostPattern {
    fn matches(&self, host: &Host) -> bool {
        match (self, host) {
            (Self::Exact(exact), host) => exact == host,
            (Self::Subdomains(domain), Host::Name(name)) => name.is_below(domain),
            (Self::Subdomains(_), Host::Ip(_)) => false,
        }
    }
}

impl FromStr for Rule {
    type Err = RuleError;

    /// Parses a rule.
    ///
    /// # Errors
    ///
    /// A [`RuleError`] that says on one line what is wrong and, where there is one, what to write
    /// instead.
    fn from_str(text: &str) -> Result<Self, RuleError> {
        rule_parser::parse(text)
    }
}

/// The rule as the operator wrote it.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The narrowest rule that allows this request: what a denial proposes. Without a scheme, it is
/// guessed from a default port.
pub(super) fn suggestion(scheme: Option<Scheme>, endpoint: &Endpoint) -> String {
    let by_port = || {
        Scheme::ALL
            .into_iter()
            .find(|s| s.default_port() == endpoint.port)
    };
    let host = endpoint.host.in_authority();
    match scheme.or_else(by_port) {
        Some(scheme) if scheme.default_port() == endpoint.port => format!("{scheme}://{host}"),
        Some(scheme) => format!("{scheme}://{endpoint}"),
        None => endpoint.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_allows_its_schemes_hosts_and_ports_and_nothing_else() {
        use Scheme::{Http, Https};
        for (rule, scheme, host, port, allowed) in [
            ("example.com", Http, "example.com", 80, true),
            ("example.com", Https, "example.com", 443, true),
            ("example.com", Http, "example.com", 443, false),
            ("example.com", Https, "example.com", 80, false),
            ("example.com", Https, "example.com", 8443, false),
            ("example.com", Https, "www.example.com", 443, false),
            ("example.com", Https, "example.com.", 443, true),
            ("Example.COM.", Https, "example.com", 443, true),
            ("example.com:8080", Http, "example.com", 8080, true),
            ("example.com:8080", Https, "example.com", 8080, true),
            ("example.com:8080", Http, "example.com", 80, false),
            ("https://example.com", Https, "example.com", 443, true),
            ("https://example.com", Http, "example.com", 80, false),
            ("HTTP://example.com", Http, "example.com", 80, true),
            ("https://example.com:8443", Https, "example.com", 8443, true),
            ("https://example.com:8443", Https, "example.com", 443, false),
            ("https://example.com:8443", Http, "example.com", 8443, false),
            ("*.example.com", Https, "a.example.com", 443, true),
            ("*.example.com", Https, "a.b.example.com", 443, true),
            ("*.example.com", Https, "example.com", 443, false),
            ("*.example.com", Https, "evilexample.com", 443, false),
            ("bücher.example", Https, "xn--bcher-kva.example", 443, true),
            ("xn--bcher-kva.example", Https, "bücher.example", 443, true),
            ("127.0.0.1:8080", Http, "127.0.0.1", 8080, true),
            ("127.0.0.1:8080", Http, "::ffff:127.0.0.1", 8080, false),
            ("[::1]:8080", Http, "::1", 8080, true),
            ("[0:0::1]", Http, "::1", 80, true),
            ("[::1]", Http, "::2", 80, false),
        ] {
            let parsed: Rule = rule
                .parse()
                .unwrap_or_else(|error| panic!("{rule}: {error}"));
            let endpoint = Endpoint::new(host, port).unwrap();
            assert_eq!(
                parsed.allows(scheme, &endpoint),
                allowed,
                "{rule}: {scheme} {endpoint}"
            );
            assert_eq!(parsed.to_string(), rule);
        }
    }

    #[test]
    fn a_suggestion_is_a_rule_that_allows_what_was_asked() {
        for (scheme, host, port, text) in [
            (Some(Scheme::Http), "a.test", 8080, "http://a.test:8080"),
            (Some(Scheme::Http), "a.test", 443, "http://a.test:443"),
            (Some(Scheme::Https), "a.test", 443, "https://a.test"),
            (None, "a.test", 443, "https://a.test"),
            (None, "a.test", 80, "http://a.test"),
            (None, "a.test", 8080, "a.test:8080"),
            (None, "::1", 8080, "[::1]:8080"),
        ] {
            let endpoint = Endpoint::new(host, port).unwrap();
            assert_eq!(suggestion(scheme, &endpoint), text);
            let rule: Rule = text.parse().unwrap();
            let schemes = scheme.map_or(Scheme::ALL.to_vec(), |scheme| vec![scheme]);
            assert!(
                schemes
                    .into_iter()
                    .any(|scheme| rule.allows(scheme, &endpoint)),
                "{text}"
            );
        }
    }
}
