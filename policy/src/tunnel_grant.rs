//! One tunnel that a policy grants: a host and a port.

use std::fmt;
use std::str::FromStr;

use crate::host_pattern::HostPattern;
use crate::relations::contains;
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
    pub(crate) rule: Rule,
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
    pub(crate) fn contains(&self, inner: &Self) -> bool {
        contains(&self.rule, &inner.rule)
    }
}

impl Rule {
    /// Whether the rule, as one that allows or asks, matches something on this host and port.
    pub(crate) fn grants_port(&self, endpoint: &Endpoint) -> bool {
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
    pub(crate) fn forbids_port(&self, endpoint: &Endpoint) -> bool {
        let ports = self.ports.unwrap_or(Ports::ALL);
        ports.contains(endpoint.port) && self.host.forbids(&endpoint.host)
    }
}
