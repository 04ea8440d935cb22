//! Decides about a request by the rules of a policy.

use std::cmp::Ordering;

use crate::denial::{Denial, DenyReason};
use crate::denial_target::Target;
use crate::fields;
use crate::filter::AddressFilter;
use crate::host::Host;
use crate::layer::LayerVerdict;
use crate::operation::Operation;
use crate::path::Readings;
use crate::policy::Policy;
use crate::query::{Head, Query};
use crate::syntax;
use crate::target::{Endpoint, Origin, Scheme};
use crate::tls::TlsOverrides;

/// The answer of the policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The request is allowed.
    Allow {
        /// The name of the rule that allows it, as the operator wrote it.
        rule: String,
    },
    /// The request would be denied, but is allowed because the policy's mode is `report`.
    Report(Denial),
    /// The request is allowed if the hook grants it.
    Ask {
        /// The name of the rule that asks; `ask-mode` if the policy's mode does.
        rule: String,
        /// The denial that applies unless it is granted.
        denial: Denial,
    },
    /// The request is denied.
    Deny(Denial),
}

/// Decides about one request. Pure and total: the same request always gets the same decision, and
/// every request gets one.
#[must_use]
pub fn decide(request: &Operation<'_>, policy: &Policy) -> Decision {
    match judge(request, policy) {
        Ok((verdict, _)) => verdict.into(),
        Err(denial) => Decision::Deny(denial),
    }
}

impl From<LayerVerdict<'_>> for Decision {
    fn from(verdict: LayerVerdict<'_>) -> Self {
        match verdict {
            LayerVerdict::Allow(rule) => Self::Allow {
                rule: rule.as_str().to_owned(),
            },
            LayerVerdict::Report(denial) => Self::Report(denial),
            LayerVerdict::Ask(rule, denial) => Self::Ask {
                rule: rule.to_owned(),
                denial,
            },
            LayerVerdict::Deny(denial) => Self::Deny(denial),
        }
    }
}

/// The verdict, and the addresses that go with it. The error is for what no rule could ever allow.
pub(crate) fn judge<'p>(
    request: &Operation<'_>,
    policy: &'p Policy,
) -> Result<(LayerVerdict<'p>, AddressFilter), Denial> {
    match *request {
        Operation::Connect { endpoint } => Ok(connect(endpoint, policy)),
        Operation::Tls {
            endpoint,
            server_name,
            tls,
        } => start_tls(endpoint, server_name, tls, policy),
        Operation::Request {
            origin,
            method,
            path,
            fields,
        } => decide_request(origin, method, path, fields, policy),
        Operation::Tunnel { endpoint } => Ok(policy.judge_tunnel(endpoint)),
    }
}

/// Judges a connection whose scheme is not known yet: the most permissive verdict counts, with the
/// addresses of every scheme that is still possible.
fn connect<'p>(endpoint: &Endpoint, policy: &'p Policy) -> (LayerVerdict<'p>, AddressFilter) {
    let queries = Scheme::ALL.map(|scheme| Query {
        scheme,
        endpoint,
        head: None,
    });
    let verdicts = queries.map(|query| policy.judge(&query));
    let is_possible = |verdict: &LayerVerdict<'_>| !matches!(verdict, LayerVerdict::Deny(_));
    let schemes = queries.iter().zip(&verdicts);
    let possible = schemes.filter(|(_, verdict)| is_possible(verdict));
    let filters = possible.map(|(query, _)| policy.filters(query)).collect();
    let filter = AddressFilter::new(endpoint.host.clone(), filters);
    let [http, https] = verdicts;
    let verdict = match (http, https) {
        (LayerVerdict::Deny(http), LayerVerdict::Deny(https)) => {
            LayerVerdict::Deny(neither(endpoint, &[http, https]))
        }
        (http, https) => {
            // Of two equal ones, prefer the scheme of the port.
            let prefers_https = endpoint.port == Scheme::Https.default_port();
            match http.severity().cmp(&https.severity()) {
                Ordering::Less => http,
                Ordering::Equal if !prefers_https => http,
                _ => https,
            }
        }
    };
    (verdict, filter)
}

/// The denial if no scheme is possible. A rule that denies says more than a missing one.
fn neither(endpoint: &Endpoint, denials: &[Denial]) -> Denial {
    let target = Target::from(endpoint);
    let rule = denials
        .iter()
        .find(|one| one.reason == DenyReason::DenyRule);
    match rule {
        Some(denial) => target.deny_rule(&denial.rule, None),
        None => target.no_rule(None),
    }
}

fn start_tls<'p>(
    endpoint: &Endpoint,
    server_name: Option<&str>,
    tls: TlsOverrides,
    policy: &'p Policy,
) -> Result<(LayerVerdict<'p>, AddressFilter), Denial> {
    let query = Query {
        scheme: Scheme::Https,
        endpoint,
        head: None,
    };
    let target = Target::from(&query);
    let (verdict, filter) = with_filter(&query, policy)?;
    let is_same = match (server_name, &endpoint.host) {
        (None, _) | (Some(""), Host::Ip(_)) => true,
        (Some(name), host) => Host::parse(name).is_ok_and(|name| name == *host),
    };
    if !is_same {
        return Err(target.server_name());
    }
    let verdict = match policy.refuse_tls(&query, tls) {
        Some(LayerVerdict::Deny(denial)) => return Err(denial),
        Some(refused) if refused.severity() > verdict.severity() => refused,
        _ => verdict,
    };
    Ok((verdict, filter))
}

fn decide_request<'p>(
    origin: &Origin,
    method: &[u8],
    path: &[u8],
    fields: &[(Vec<u8>, Vec<u8>)],
    policy: &'p Policy,
) -> Result<(LayerVerdict<'p>, AddressFilter), Denial> {
    let query = Query {
        scheme: origin.scheme,
        endpoint: &origin.endpoint,
        head: None,
    };
    let target = Target::from(origin);
    with_filter(&query, policy)?;
    syntax::check_head(method, path, fields).map_err(|error| target.malformed(&error))?;
    // Ignore the case: some servers do.
    let is_method = |name: &&str| method.eq_ignore_ascii_case(name.as_bytes());
    if let Some(name) = syntax::NEVER_SENT.into_iter().find(is_method) {
        return Err(target.method(name));
    }
    if method.iter().any(u8::is_ascii_lowercase) {
        return Err(target.method_case(method));
    }
    fields::check(origin, fields).map_err(|fault| target.field_fault(fault))?;
    let readings = Readings::of(path);
    let head = Head {
        method,
        readings: &readings,
        path,
    };
    let query = Query {
        head: Some(head),
        ..query
    };
    let (verdict, filter) = with_filter(&query, policy)?;
    let verdict = match policy.refuse_fields(&query, fields) {
        Some(LayerVerdict::Deny(denial)) => return Err(denial),
        Some(refused) if refused.severity() > verdict.severity() => refused,
        _ => verdict,
    };
    Ok((verdict, filter))
}

fn with_filter<'p>(
    query: &Query<'_>,
    policy: &'p Policy,
) -> Result<(LayerVerdict<'p>, AddressFilter), Denial> {
    match policy.judge(query) {
        LayerVerdict::Deny(denial) => Err(denial),
        verdict => {
            let host = query.endpoint.host.clone();
            let filter = AddressFilter::new(host, vec![policy.filters(query)]);
            Ok((verdict, filter))
        }
    }
}

#[cfg(test)]
mod tests;
