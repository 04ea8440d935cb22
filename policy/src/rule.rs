//! Rules: what an operator allows, denies, or has the hook asked about.

use std::fmt;

use crate::address_set::AddressPattern;
use crate::host::Host;
use crate::host_pattern::HostPattern;
use crate::path::PathPattern;
use crate::query::{Head, Mismatch, Query};
use crate::shared;
use crate::target::{Endpoint, Scheme};

/// One line of a policy: `[METHODS] [SCHEME://]HOST[:PORT][/PATH] [to ADDRESSES]`.
///
/// | part | meaning |
/// |---|---|
/// | `METHODS` | methods in capitals, with commas between them; by default every method |
/// | `SCHEME` | `http` or `https`; by default both |
/// | `HOST` | a name; `*.domain` for every subdomain of a domain but not the domain itself; an address, IPv6 in brackets; a network, `10.0.0.0/8` or `[fd00::/8]`; or `any` |
/// | `PORT` | a port or a range, `8000-8099` |
/// | `PATH` | a pattern: `*` is any run of characters but `/`, `**` any run; by default every path |
/// | `ADDRESSES` | where a name may lead: addresses, networks, and `public`, with commas between them |
///
/// Without a port a rule that grants means the default port of the scheme (`example.com` is http
/// on 80 and https on 443), and a rule that denies means every port.
///
/// A rule for a name opens public addresses only. An address of any other kind (see
/// [`AddressClass`](crate::AddressClass)) has to be in the rule's own `to` list, or be the rule's
/// host itself; `localhost` means the loopback addresses, for that name alone. `any` means every
/// name and every public address. No network includes the metadata addresses of clouds: these are
/// opened by their literal address only.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Rule {
    pub(crate) text: String,
    pub(crate) methods: Vec<String>,
    pub(crate) scheme: Option<Scheme>,
    pub(crate) host: HostPattern,
    pub(crate) ports: Option<Ports>,
    pub(crate) path: Option<PathPattern>,
    pub(crate) to: Vec<AddressPattern>,
}

/// A range of ports, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Ports {
    pub(crate) first: u16,
    pub(crate) last: u16,
}

impl AsRef<str> for Rule {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

impl Rule {
    /// The rule as the operator wrote it, which is also its name in denials and logs.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether this rule, as one that allows, matches requests with this scheme to this endpoint,
    /// whatever their methods and paths.
    #[must_use]
    pub fn allows(&self, scheme: Scheme, endpoint: &Endpoint) -> bool {
        let query = Query {
            scheme,
            endpoint,
            head: None,
        };
        self.grants(&query).is_ok()
    }

    /// The domain whose subdomains this rule matches, if anybody can have such subdomains, or some
    /// below them: that of a hosting service, such as `github.io` or `s3.amazonaws.com`
    /// (<https://publicsuffix.org>, its private section).
    #[must_use]
    pub fn shared_domain(&self) -> Option<&str> {
        match &self.host {
            HostPattern::Subdomains(name) => Some(&**name).filter(|name| shared::is_shared(name)),
            _ => None,
        }
    }

    /// Whether there may be a host that both rules match.
    #[must_use]
    pub fn shares_hosts_with(&self, other: &Self) -> bool {
        self.host.shares_hosts_with(&other.host)
    }

    /// Whether it is limited to some methods or paths.
    #[must_use]
    pub fn names_head(&self) -> bool {
        !self.methods.is_empty() || self.path.is_some()
    }

    #[cfg(test)]
    pub(crate) fn host(&self) -> &HostPattern {
        &self.host
    }

    /// Whether the rule, as one that allows or asks, matches. Without a head it matches if it would
    /// for some head.
    pub(crate) fn grants(&self, query: &Query<'_>) -> Result<(), Mismatch> {
        check(self.host.grants(&query.endpoint.host), Mismatch::Host)?;
        self.check_scheme(query)?;
        let default = query.scheme.default_port();
        let ports = self.ports.unwrap_or(Ports::only(default));
        check(ports.contains(query.endpoint.port), Mismatch::Port)?;
        let Some(head) = query.head else {
            return Ok(());
        };
        self.check_head(
            |method| method.as_bytes() == head.method,
            |path| path.permits(head.readings),
        )
    }

    /// Whether the rule, as one that denies, matches. Without a head it matches if it would for
    /// every head.
    pub(crate) fn forbids(&self, query: &Query<'_>) -> Result<(), Mismatch> {
        check(self.host.forbids(&query.endpoint.host), Mismatch::Host)?;
        self.check_scheme(query)?;
        let ports = self.ports.unwrap_or(Ports::ALL);
        check(ports.contains(query.endpoint.port), Mismatch::Port)?;
        let Some(head) = query.head else {
            check(self.methods.is_empty(), Mismatch::Method)?;
            return check(self.path.is_none(), Mismatch::Path);
        };
        self.forbids_head(&head)
    }

    fn forbids_head(&self, head: &Head<'_>) -> Result<(), Mismatch> {
        self.check_head(
            |method| head.method.eq_ignore_ascii_case(method.as_bytes()),
            |path| path.forbids(head.readings),
        )
    }

    /// Compares methods and path. A rule without methods, or without a path, matches all of them.
    fn check_head(
        &self,
        is_meant: impl Fn(&String) -> bool,
        path_fits: impl Fn(&PathPattern) -> bool,
    ) -> Result<(), Mismatch> {
        let methods = &self.methods;
        let is_method = methods.is_empty() || methods.iter().any(is_meant);
        check(is_method, Mismatch::Method)?;
        check(self.path.as_ref().is_none_or(path_fits), Mismatch::Path)
    }

    /// Whether the rule, as one that denies, names addresses and matches such a request: then no
    /// name may lead there.
    pub(crate) fn may_forbid_addresses(&self, query: &Query<'_>) -> bool {
        let ports = self.ports.unwrap_or(Ports::ALL);
        let head_fits = || match &query.head {
            Some(head) => self.forbids_head(head).is_ok(),
            None => self.methods.is_empty() && self.path.is_none(),
        };
        self.is_about_addresses()
            && self.check_scheme(query).is_ok()
            && ports.contains(query.endpoint.port)
            && head_fits()
    }

    /// Whether its host is an address or a network.
    pub(crate) fn is_about_addresses(&self) -> bool {
        matches!(
            self.host,
            HostPattern::Network(_) | HostPattern::Exact(Host::Ip(_))
        )
    }

    fn check_scheme(&self, query: &Query<'_>) -> Result<(), Mismatch> {
        let fits = self.scheme.is_none_or(|only| only == query.scheme);
        check(fits, Mismatch::Scheme)
    }
}

impl Ports {
    pub(crate) const ALL: Self = Self {
        first: 1,
        last: u16::MAX,
    };

    pub(crate) const fn only(port: u16) -> Self {
        Self {
            first: port,
            last: port,
        }
    }

    pub(crate) const fn contains(self, port: u16) -> bool {
        self.first <= port && port <= self.last
    }
}

fn check(fits: bool, mismatch: Mismatch) -> Result<(), Mismatch> {
    if fits { Ok(()) } else { Err(mismatch) }
}

/// The rule as the operator wrote it.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests;
