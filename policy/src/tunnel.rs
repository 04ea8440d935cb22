//! Blind tunnels: the hosts and ports to which native programs may send bytes that nobody reads.
//!
//! A tunnel hides methods, paths and fields from the policy, so only a grant that names one host and
//! one port makes one. It grants no request, and a rule or a mode grants no tunnel.

use std::fmt;
use std::str::FromStr;

use crate::denial::Target;
use crate::document::Mode;
use crate::filter::{AddressFilter, LayerFilter};
use crate::host::Host;
use crate::host_pattern::HostPattern;
use crate::layer::{Layer, LayerVerdict};
use crate::policy::Policy;
use crate::relations::{contains, is_narrower, is_same};
use crate::rule::{Ports, Rule};
use crate::rule_error::RuleError;
use crate::target::{Endpoint, Scheme};

/// One element of `tunnel`: `HOST:PORT [to ADDRESSES]`.
///
/// The host is a name or an address, and the port is a number. `to` means what it means in a
/// [`Rule`]: without it a name leads to public addresses only.
///
/// ```
/// use sandbox_net_policy::{Endpoint, TunnelGrant};
///
/// let grant: TunnelGrant = "db.example.com:5432 to 10.0.0.7".parse().unwrap();
/// assert!(grant.is_for(&Endpoint::new("db.example.com", 5432).unwrap()));
/// for refused in ["db.example.com", "*.example.com:5432", "db.example.com:1-99", "GET a.test:80"] {
///     assert!(refused.parse::<TunnelGrant>().is_err(), "{refused}");
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TunnelGrant {
    rule: Rule,
}

/// The end of a tunnel that was checked: a host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TunnelEndpoint(Endpoint);

impl TunnelEndpoint {
    /// The host and the port.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.0
    }

    pub(crate) fn new(endpoint: Endpoint) -> Self {
        Self(endpoint)
    }
}

/// Why a text is not a tunnel's end. Every message is one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TunnelGrantError {
    /// More than one host.
    #[error(
        "'{0}' means more than one host: a tunnel is not looked into, so name one host and one port, \
         such as 'db.example.com:5432'"
    )]
    Hosts(String),
    /// No port, or a range.
    #[error("'{0}' names no single port: write one, such as '{1}:5432'")]
    Port(String, String),
    /// A scheme, methods or a path, which nobody would check.
    #[error(
        "'{0}' has {1}, but a tunnel is not looked into, so that nothing checks it: write \
         'HOST:PORT', or put the rule in 'allow'"
    )]
    Http(String, &'static str),
    /// Not a rule at all.
    #[error(transparent)]
    Rule(#[from] RuleError),
}

impl FromStr for TunnelGrant {
    type Err = TunnelGrantError;

    fn from_str(text: &str) -> Result<Self, TunnelGrantError> {
        let rule: Rule = text.parse()?;
        let hidden = [
            ("methods", !rule.methods.is_empty()),
            ("a scheme", rule.scheme.is_some()),
            ("a path", rule.path.is_some()),
        ];
        if let Some((what, _)) = hidden.into_iter().find(|(_, has)| *has) {
            return Err(TunnelGrantError::Http(rule.text, what));
        }
        let HostPattern::Exact(host) = &rule.host else {
            return Err(TunnelGrantError::Hosts(rule.text));
        };
        match rule.ports {
            Some(Ports { first, last }) if first == last => Ok(Self { rule }),
            _ => Err(TunnelGrantError::Port(
                rule.text.clone(),
                host.in_authority(),
            )),
        }
    }
}

impl AsRef<str> for TunnelGrant {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for TunnelGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl TunnelGrant {
    /// The grant as the operator wrote it, which is also its name in logs.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.rule.as_str()
    }

    /// Whether it is for this host and port.
    #[must_use]
    pub fn is_for(&self, endpoint: &Endpoint) -> bool {
        self.rule.grants_port(endpoint)
    }

    /// Whether this rule, as one that denies, denies the tunnel. It denies whatever the tunnel might
    /// carry, so its scheme, methods and path do not matter.
    #[must_use]
    pub fn is_denied_by(&self, deny: &Rule) -> bool {
        self.endpoint()
            .is_some_and(|endpoint| deny.forbids_port(&endpoint))
    }

    /// Whether this rule, as one that allows or asks, is about requests that the tunnel may carry.
    #[must_use]
    pub fn may_carry(&self, rule: &Rule) -> bool {
        self.endpoint()
            .is_some_and(|endpoint| rule.grants_port(&endpoint))
    }

    /// The host and the port.
    #[must_use]
    pub fn endpoint(&self) -> Option<Endpoint> {
        match (&self.rule.host, self.rule.ports) {
            (HostPattern::Exact(host), Some(ports)) => Some(Endpoint {
                host: host.clone(),
                port: ports.first,
            }),
            _ => None,
        }
    }

    /// Whether it opens this one's host, port and addresses.
    fn contains(&self, inner: &Self) -> bool {
        contains(&self.rule, &inner.rule)
    }
}

impl Rule {
    /// Whether the rule, as one that allows or asks, matches something on this host and port.
    fn grants_port(&self, endpoint: &Endpoint) -> bool {
        let is_port = match self.ports {
            Some(ports) => ports.contains(endpoint.port),
            None => Scheme::ALL.into_iter().any(|scheme| {
                self.scheme.is_none_or(|only| only == scheme)
                    && scheme.default_port() == endpoint.port
            }),
        };
        is_port && self.host.grants(&endpoint.host)
    }

    /// Whether the rule, as one that denies, matches something on this host and port.
    fn forbids_port(&self, endpoint: &Endpoint) -> bool {
        let ports = self.ports.unwrap_or(Ports::ALL);
        ports.contains(endpoint.port) && self.host.forbids(&endpoint.host)
    }
}

impl Layer {
    /// The verdict on a tunnel. Without a grant it is denied, whatever the mode.
    fn judge_tunnel(&self, endpoint: &Endpoint) -> LayerVerdict<'_> {
        let target = Target::tunnel(endpoint);
        let deny = self.deny.iter().find(|rule| rule.forbids_port(endpoint));
        let denied = deny.map(|rule| target.deny_rule(rule.as_str(), None));
        let Some(grant) = self.tunnel.iter().find(|grant| grant.is_for(endpoint)) else {
            return LayerVerdict::Deny(denied.unwrap_or_else(|| target.no_tunnel()));
        };
        if let Some(denial) = denied {
            return self.refuse(denial);
        }
        // As in `judge`, a narrower rule that allows counts more than one that asks.
        let is_narrower = |ask: &Rule| {
            let mut own = self.tunnel.iter().filter(|grant| grant.is_for(endpoint));
            own.any(|grant| is_narrower(&grant.rule, ask))
        };
        let mut asking = self.ask.iter().filter(|rule| rule.grants_port(endpoint));
        match asking.find(|ask| !is_narrower(ask)) {
            Some(ask) => self.asks(ask, target.not_granted(ask.as_str())),
            None => LayerVerdict::Allow(&grant.rule),
        }
    }

    /// The addresses to which a tunnel may lead, if it is granted.
    fn tunnel_filter(&self, endpoint: &Endpoint) -> LayerFilter {
        let grants = self.tunnel.iter().filter(|grant| grant.is_for(endpoint));
        let granting: Vec<&Rule> = grants.map(|grant| &grant.rule).collect();
        let port = endpoint.port;
        let deny = self.deny.iter().filter(|rule| {
            rule.is_about_addresses() && rule.ports.unwrap_or(Ports::ALL).contains(port)
        });
        LayerFilter::new(&granting, deny, self.mode)
    }
}

impl Policy {
    /// The tunnels that some author grants, in the order in which they were given.
    pub fn tunnel_grants(&self) -> impl Iterator<Item = &TunnelGrant> {
        self.layers.iter().flat_map(|layer| &layer.tunnel)
    }

    /// Returns the same policy, whose first author also grants these tunnels.
    #[must_use]
    pub fn with_tunnels(&self, grants: impl IntoIterator<Item = TunnelGrant>) -> Self {
        let mut layers = self.layers.to_vec();
        if let Some(first) = layers.first_mut() {
            first.tunnel.extend(grants);
        }
        self.with_layers(layers)
    }

    /// Whether every author names a tunnel to this host, on whatever port. Only then may a program be
    /// told that the name can be connected to, though no rule allows it.
    #[must_use]
    pub fn names_tunnel_to(&self, host: &Host) -> bool {
        let mut grants = self.tunnel_grants();
        grants.any(|grant| {
            let endpoint = grant.endpoint();
            endpoint.is_some_and(|it| it.host == *host && self.names_tunnel(&it))
        })
    }

    /// Whether every author names a tunnel to this host and port. It may still be denied, by a rule or
    /// a hook; then what it would carry must not be sent some other way.
    #[must_use]
    pub fn names_tunnel(&self, endpoint: &Endpoint) -> bool {
        let names = |layer: &Layer| layer.tunnel.iter().any(|grant| grant.is_for(endpoint));
        self.layers.iter().all(names)
    }

    /// The tunnels that `other` grants and this policy does not, as far as can be shown.
    #[must_use]
    pub fn uncovered_tunnels<'a>(&self, other: &'a Self) -> Vec<&'a TunnelGrant> {
        let mut uncovered = Vec::new();
        for inner in &*other.layers {
            let is_covered = |grant: &&TunnelGrant| {
                let mut own = self.layers.iter();
                own.all(|outer| tunnel_within(outer, inner, grant))
            };
            uncovered.extend(inner.tunnel.iter().filter(|grant| !is_covered(grant)));
        }
        uncovered
    }

    /// The verdict on a tunnel, and the addresses that go with it.
    pub(crate) fn judge_tunnel(&self, endpoint: &Endpoint) -> (LayerVerdict<'_>, AddressFilter) {
        let verdicts = self.layers.iter().map(|layer| layer.judge_tunnel(endpoint));
        let filters = self
            .layers
            .iter()
            .map(|layer| layer.tunnel_filter(endpoint));
        let filter = AddressFilter::new(endpoint.host.clone(), vec![filters.collect()]);
        (LayerVerdict::strictest(verdicts), filter)
    }
}

/// Whether the outer author grants every tunnel that the inner one grants.
pub(crate) fn tunnels_are_within(outer: &Layer, inner: &Layer) -> bool {
    let mut grants = inner.tunnel.iter();
    grants.all(|grant| tunnel_within(outer, inner, grant))
}

/// Whether the outer author grants this tunnel of the inner one, and denies or asks about it no more.
fn tunnel_within(outer: &Layer, inner: &Layer, grant: &TunnelGrant) -> bool {
    let Some(endpoint) = grant.endpoint() else {
        return false;
    };
    let is_granted = outer.tunnel.iter().any(|own| own.contains(grant));
    let has_same = |rules: &[Rule], rule: &Rule| rules.iter().any(|own| is_same(own, rule));
    let mut denying = outer.deny.iter().filter(|rule| {
        let is_port = rule.ports.unwrap_or(Ports::ALL).contains(endpoint.port);
        is_port && rule.host.touches(&grant.rule.host)
    });
    let mut asking = outer
        .ask
        .iter()
        .filter(|rule| rule.grants_port(&endpoint) && !is_narrower(&grant.rule, rule));
    let reports = outer.mode == Mode::Report;
    is_granted
        && (reports
            || denying.all(|rule| has_same(&inner.deny, rule))
                && asking.all(|rule| has_same(&inner.ask, rule)))
}

#[cfg(test)]
mod tests;
