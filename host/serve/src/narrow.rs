//! Policies that narrow another one, and what is wrong with those that widen it.

use sandbox_net::policy::{Budgets, Policy, Rules};

use crate::failure::Failure;
use crate::request::PolicyRequest;

/// The most rules that one request may bring.
const MOST_RULES: usize = 256;
/// The most rules that a refusal names.
const NAMED: usize = 5;

/// The rules of `inner` that `outer` does not allow, as far as can be shown; `None` if it allows all.
pub(crate) fn widens(outer: &Policy, inner: &Policy) -> Option<String> {
    if outer.covers(inner) && outer.uncovered_fields(inner).is_empty() {
        return None;
    }
    let rules = outer.uncovered(inner).into_iter();
    let rules = rules.map(|(effect, rule)| format!("'{rule}' of '{}'", effect.as_str()));
    let tls = outer.uncovered_tls(inner).into_iter();
    let tls = tls.map(|(setting, rule)| format!("'{setting}' for '{rule}' of 'tls'"));
    let fields = outer.uncovered_fields(inner).into_iter();
    let fields = fields.map(|(name, rule)| format!("'{name}' for '{rule}' of 'field'"));
    let mut named: Vec<String> = rules.chain(tls).chain(fields).take(NAMED + 1).collect();
    if named.len() > NAMED {
        named[NAMED] = "more".to_owned();
    }
    match named.is_empty() {
        true => Some("its mode lets more pass".to_owned()),
        false => Some(named.join(", ")),
    }
}

/// What a request's policy makes of its tenant's.
///
/// # Errors
///
/// 400 for a rule that is no rule, 403 for one that allows what the tenant's policy does not.
pub(crate) fn narrowed(tenant: &Policy, wanted: &PolicyRequest) -> Result<Policy, Failure> {
    if wanted.allow.len() + wanted.deny.len() > MOST_RULES {
        let why = format!("the policy of a request has {MOST_RULES} rules at most");
        return Err(Failure::bad("policy", why));
    }
    let mut rules = Rules::default();
    let wrong = |fault: sandbox_net::policy::PolicyFault| Failure::bad("policy", fault.to_string());
    for rule in &wanted.allow {
        rules = rules.allow(rule).map_err(wrong)?;
    }
    for rule in &wanted.deny {
        rules = rules.deny(rule).map_err(wrong)?;
    }
    let alone = Policy::deny_all().with_rules(rules.clone());
    if let Some(why) = widens(tenant, &alone) {
        return Err(Failure::widens(&why));
    }
    // It has the grants of TLS settings and fields of the tenant's, which a request cannot name.
    let budgets = Budgets {
        requests: wanted.budgets.requests,
        requests_per_second: wanted.budgets.requests_per_second,
        connections: wanted.budgets.connections,
        bytes_up: wanted.budgets.bytes_up,
        bytes_down: wanted.budgets.bytes_down,
        hosts: wanted.budgets.hosts,
        lookups: wanted.budgets.lookups,
        ..Budgets::default()
    };
    budgets.check().map_err(wrong)?;
    let narrower = tenant.with_rules(rules).with_budgets(budgets);
    Ok(narrower)
}
