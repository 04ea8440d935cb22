//! The decision.

use std::sync::Arc;

use crate::denial::{Denial, Target};
use crate::fields::{self, FieldFault};
use crate::host::Host;
use crate::rule::Rule;
use crate::syntax;
use crate::target::{Endpoint, Origin, Scheme};

/// What a sandbox may talk to: what no rule allows is denied. Cloning shares the rules.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    rules: Arc<[Rule]>,
}

impl Policy {
    /// A policy that denies everything.
    #[must_use]
    pub fn deny_all() -> Self {
        Self::default()
    }

    /// A policy that allows what these rules allow; without rules, nothing.
    #[must_use]
    pub fn allow(rules: impl IntoIterator<Item = Rule>) -> Self {
        Self {
            rules: rules.into_iter().collect(),
        }
    }

    /// The rules, in the order in which they were given.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The first rule that allows this.
    pub(super) fn rule_for(&self, scheme: Scheme, endpoint: &Endpoint) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.allows(scheme, endpoint))
    }
}

/// What is asked of the policy.
#[derive(Debug, Clone, Copy)]
pub enum Request<'a> {
    /// To resolve a host and open a connection to it. Some scheme has to be allowed there; which
    /// one it will be is not known yet.
    Connect {
        /// Where to.
        endpoint: &'a Endpoint,
    },
    /// To speak TLS on a connection, which makes its scheme https.
    StartTls {
        /// The endpoint of the connection.
        endpoint: &'a Endpoint,
        /// The server name that the guest gives, which has to be the host of the connection. An
        /// empty one counts as none where that host is an address (RFC 6066 section 3).
        server_name: Option<&'a str>,
        /// Whether the certificate is to be verified.
        verify: bool,
    },
    /// To send a request.
    Exchange {
        /// The origin of the connection.
        origin: &'a Origin,
        /// The method.
        method: &'a [u8],
        /// The path and query, in origin form.
        path: &'a [u8],
        /// The fields: names and values.
        fields: &'a [(Vec<u8>, Vec<u8>)],
    },
}

/// The answer of the policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It may be done.
    Allow {
        /// The name of the rule that allows it, as the operator wrote it.
        rule: String,
    },
    /// It may not be done.
    Deny(Denial),
}

/// Decides about one request. Pure and total: the same question always has the same answer, and
/// every question has one.
#[must_use]
pub fn decide(request: &Request<'_>, policy: &Policy) -> Decision {
    let judged = match *request {
        Request::Connect { endpoint } => connect(endpoint, policy),
        Request::StartTls {
            endpoint,
            server_name,
            verify,
        } => start_tls(endpoint, server_name, verify, policy),
        Request::Exchange {
            origin,
            method,
            path,
            fields,
        } => exchange(origin, method, path, fields, policy),
    };
    match judged {
        Ok(rule) => Decision::Allow {
            rule: rule.as_str().to_owned(),
        },
        Err(denial) => Decision::Deny(denial),
    }
}

fn connect<'p>(endpoint: &Endpoint, policy: &'p Policy) -> Result<&'p Rule, Denial> {
    let allows = |rule: &&Rule| Scheme::ALL.into_iter().any(|s| rule.allows(s, endpoint));
    policy
        .rules()
        .iter()
        .find(allows)
        .ok_or_else(|| Target::from(endpoint).no_rule())
}

fn start_tls<'p>(
    endpoint: &Endpoint,
    server_name: Option<&str>,
    verify: bool,
    policy: &'p Policy,
) -> Result<&'p Rule, Denial> {
    let target = Target {
        scheme: Some(Scheme::Https),
        endpoint,
    };
    let rule = policy
        .rule_for(Scheme::Https, endpoint)
        .ok_or_else(|| target.no_rule())?;
    let is_same = match (server_name, &endpoint.host) {
        (None, _) | (Some(""), Host::Ip(_)) => true,
        (Some(name), host) => Host::parse(name).is_ok_and(|name| name == *host),
    };
    if !is_same {
        return Err(target.server_name());
    }
    if !verify {
        return Err(target.unverified_tls());
    }
    Ok(rule)
}

fn exchange<'p>(
    origin: &Origin,
    method: &[u8],
    path: &[u8],
    fields: &[(Vec<u8>, Vec<u8>)],
    policy: &'p Policy,
) -> Result<&'p Rule, Denial> {
    let target = Target::from(origin);
    let rule = policy
        .rule_for(origin.scheme, &origin.endpoint)
        .ok_or_else(|| target.no_rule())?;
    syntax::check_head(method, path, fields).map_err(|error| target.malformed(&error))?;
    // A tunnel leads elsewhere (RFC 9110 section 9.3.6), and TRACE shows the fields that the host
    // added (section 9.3.8). In any case: some servers do not tell cases apart.
    let is_method = |name: &&str| method.eq_ignore_ascii_case(name.as_bytes());
    if let Some(name) = ["CONNECT", "TRACE"].into_iter().find(is_method) {
        return Err(target.method(name));
    }
    fields::check(origin, fields).map_err(|fault| match fault {
        FieldFault::Host => target.host_field(),
        FieldFault::Forbidden(name) => target.field(name),
    })?;
    Ok(rule)
}

#[cfg(test)]
mod tests;
