//! Blind tunnels: the hosts and ports to which native programs may send bytes that nobody reads.
//!
//! A tunnel hides methods, paths and fields from the policy, so only a grant that names one host and
//! one port makes one. It grants no request, and a rule or a mode grants no tunnel.

use crate::denial_target::Target;
use crate::document::Mode;
use crate::filter::{AddressFilter, LayerFilter};
use crate::host::Host;
use crate::layer::{Layer, LayerVerdict};
use crate::policy::Policy;
use crate::relations::{is_narrower, is_same};
use crate::rule::{Ports, Rule};
use crate::target::Endpoint;
use crate::tunnel_grant::TunnelGrant;

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
