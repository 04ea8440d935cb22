//! How the requests of two rules relate, as far as can be shown.

use crate::rule::{Ports, Rule};
use crate::target::Scheme;

/// Whether everything that `inner` grants is granted by `outer`.
pub(crate) fn contains(outer: &Rule, inner: &Rule) -> bool {
    let methods = outer.methods.is_empty()
        || (!inner.methods.is_empty() && inner.methods.iter().all(|m| outer.methods.contains(m)));
    let path = match (&outer.path, &inner.path) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(outer), Some(inner)) => outer.contains(inner),
    };
    let schemes = schemes(inner).all(|scheme| {
        let ports = |rule: &Rule| rule.ports.unwrap_or(Ports::only(scheme.default_port()));
        let (own, other) = (ports(outer), ports(inner));
        let same_scheme = outer.scheme.is_none_or(|only| only == scheme);
        same_scheme && own.first <= other.first && other.last <= own.last
    });
    outer.host.contains(&inner.host) && schemes && methods && path && opens_all(outer, inner)
}

/// Whether the addresses of `inner` are among those of `outer`.
fn opens_all(outer: &Rule, inner: &Rule) -> bool {
    use crate::address_set::AddressPattern::Public;
    let all = |rule: &Rule| match rule.to.is_empty() {
        true => vec![Public],
        false => rule.to.clone(),
    };
    let outer = all(outer);
    all(inner)
        .iter()
        .all(|address| outer.iter().any(|own| own.contains(address)))
}

/// Whether a rule that denies may match something that the other allows.
pub(crate) fn touches(deny: &Rule, granted: &Rule) -> bool {
    let schemes = schemes(granted).any(|scheme| {
        let ports = granted.ports.unwrap_or(Ports::only(scheme.default_port()));
        let denied = deny.ports.unwrap_or(Ports::ALL);
        let same_scheme = deny.scheme.is_none_or(|only| only == scheme);
        same_scheme && denied.first <= ports.last && ports.first <= denied.last
    });
    let methods = deny.methods.is_empty()
        || granted.methods.is_empty()
        || deny.methods.iter().any(|m| granted.methods.contains(m));
    let path = match (&deny.path, &granted.path) {
        (Some(deny), Some(granted)) => deny.overlaps(granted),
        _ => true,
    };
    deny.host.touches(&granted.host) && schemes && methods && path
}

/// Whether there may be a request that both rules allow.
pub(crate) fn shares_requests(a: &Rule, b: &Rule) -> bool {
    let ports =
        |rule: &Rule, scheme: Scheme| rule.ports.unwrap_or(Ports::only(scheme.default_port()));
    let schemes = schemes(a).any(|scheme| {
        let (own, other) = (ports(a, scheme), ports(b, scheme));
        let same_scheme = b.scheme.is_none_or(|only| only == scheme);
        same_scheme && own.first <= other.last && other.first <= own.last
    });
    let methods = a.methods.is_empty()
        || b.methods.is_empty()
        || a.methods.iter().any(|method| b.methods.contains(method));
    let path = match (&a.path, &b.path) {
        (Some(a), Some(b)) => a.overlaps(b),
        _ => true,
    };
    a.host.shares_hosts_with(&b.host) && schemes && methods && path
}

fn schemes(rule: &Rule) -> impl Iterator<Item = Scheme> {
    let only = rule.scheme;
    Scheme::ALL
        .into_iter()
        .filter(move |scheme| only.is_none_or(|only| only == *scheme))
}

/// Whether two rules mean the same, however they are written.
pub(crate) fn is_same(a: &Rule, b: &Rule) -> bool {
    (&a.host, a.scheme, a.ports, &a.methods, &a.path)
        == (&b.host, b.scheme, b.ports, &b.methods, &b.path)
}

/// Whether `rule` grants a part of what `other` grants, and not all of it.
pub(crate) fn is_narrower(rule: &Rule, other: &Rule) -> bool {
    contains(other, rule) && !contains(rule, other)
}
