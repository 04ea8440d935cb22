//! Decides whether one policy allows everything that another one allows.

use crate::document::Mode;
use crate::explain::Effect;
use crate::layer::Layer;
use crate::overrides::FieldGrants;
use crate::policy::Policy;
use crate::relations::{contains, is_narrower, is_same, shares_requests, touches};
use crate::rule::Rule;
use crate::target::Scheme;
use crate::tls::{TlsGrants, TlsOverride};
use crate::tunnel::tunnels_are_within;

impl Policy {
    /// Whether this policy allows everything that `other` allows, for example to check a customer's
    /// policy. `true` is certain; `false` may also mean that it could not be shown, for example if
    /// only several rules together match one.
    ///
    /// Budgets and secrets are not compared: the tighter budget applies anyway, and a secret has a
    /// rule of its own.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        // What `other` allows, each of its layers allows, so one layer that this policy covers is
        // enough.
        let mut own = self.layers.iter();
        own.all(|layer| {
            other
                .layers
                .iter()
                .any(|inner| layer_covers(layer, inner, &inner.ask))
        })
    }

    /// The rules of `other` that allow what this policy does not, as far as can be shown. Each is
    /// judged in its own list, with what `other` denies.
    #[must_use]
    pub fn uncovered<'a>(&self, other: &'a Self) -> Vec<(Effect, &'a Rule)> {
        let mut uncovered = Vec::new();
        for layer in &*other.layers {
            for (effect, rules) in [(Effect::Allow, &layer.allow), (Effect::Ask, &layer.ask)] {
                let is_covered = |rule: &Rule| {
                    let (allow, ask) = match effect {
                        Effect::Ask => (Vec::new(), vec![rule.clone()]),
                        _ => (vec![rule.clone()], Vec::new()),
                    };
                    let only = Layer {
                        mode: Mode::Enforce,
                        allow,
                        deny: layer.deny.clone(),
                        ask,
                        tls: Vec::new(),
                        fields: Vec::new(),
                        tunnel: Vec::new(),
                    };
                    self.layers
                        .iter()
                        .all(|own| layer_covers(own, &only, &layer.ask))
                };
                let rules = rules.iter().filter(|rule| !is_covered(rule));
                uncovered.extend(rules.map(|rule| (effect, rule)));
            }
        }
        uncovered
    }

    /// Whether some request that this rule matches may be allowed, as far as can be shown. Rules that
    /// deny are ignored.
    #[must_use]
    pub fn may_reach(&self, rule: &Rule) -> bool {
        let mut layers = self.layers.iter();
        layers.all(|layer| {
            let mut granting = layer.allow.iter().chain(&layer.ask);
            layer.mode != Mode::Enforce || granting.any(|own| shares_requests(own, rule))
        })
    }

    /// The fields that `other` grants and this policy refuses, as far as can be shown, each with the
    /// rule for its hosts.
    #[must_use]
    pub fn uncovered_fields<'a>(&self, other: &'a Self) -> Vec<(&'static str, &'a Rule)> {
        let grants = other.layers.iter().flat_map(|layer| &layer.fields);
        let is_covered = |(name, rule): &(&str, &Rule)| {
            self.layers.iter().all(|layer| {
                layer.mode == Mode::Report
                    || layer.head_rules_for(rule).next().is_none()
                    || grants_field(layer, name, rule)
            })
        };
        let pairs = grants.flat_map(FieldGrants::pairs);
        pairs.filter(|pair| !is_covered(pair)).collect()
    }

    /// The TLS settings that `other` grants and this policy does not, as far as can be shown, each
    /// with the rule for its hosts.
    #[must_use]
    pub fn uncovered_tls<'a>(&self, other: &'a Self) -> Vec<(TlsOverride, &'a Rule)> {
        let grants = other.layers.iter().flat_map(|layer| &layer.tls);
        let pairs = grants.flat_map(|grants| {
            let hosts = move |setting| grants.hosts.iter().map(move |rule| (setting, rule));
            grants.settings().flat_map(hosts)
        });
        let is_covered = |(setting, rule): &(TlsOverride, &Rule)| {
            let mut own = self.layers.iter();
            own.all(|layer| grants_within(layer, *setting, rule))
        };
        pairs.filter(|pair| !is_covered(pair)).collect()
    }
}

/// Whether no field that overrides method, path or host is allowed by `inner`, in a request that
/// this rule allows there, but not by `outer`.
fn fields_are_within(outer: &Layer, inner: &Layer, rule: &Rule) -> bool {
    let mut refusing = outer.head_rules_for(rule).peekable();
    if refusing.peek().is_none() {
        return true;
    }
    let refuses_all = inner
        .head_rules_for(rule)
        .any(|own| own.host.contains(&rule.host));
    let refuses = |outer: &Rule| inner.head_rules_for(rule).any(|own| is_same(own, outer));
    let is_granted = |(name, host): (&str, &Rule)| grants_field(outer, name, host);
    let grants = inner.fields.iter().flat_map(FieldGrants::pairs);
    let mut grants = grants.filter(|(_, host)| host.host.shares_hosts_with(&rule.host));
    (refuses_all || refusing.all(refuses)) && grants.all(is_granted)
}

/// Whether the layer grants this field to these hosts.
fn grants_field(outer: &Layer, name: &str, rule: &Rule) -> bool {
    let mut grants = outer.fields.iter().filter(|grants| grants.has(name));
    grants.any(|grants| grants.hosts.iter().any(|own| contains(own, rule)))
}

/// `asks` are the rules of the inner author that ask.
fn layer_covers(outer: &Layer, inner: &Layer, asks: &[Rule]) -> bool {
    let default_is_within = match inner.mode {
        Mode::Enforce => true,
        Mode::Ask => matches!(outer.mode, Mode::Ask | Mode::Report),
        Mode::Report => outer.mode == Mode::Report,
    };
    // No mode grants a tunnel.
    if !tunnels_are_within(outer, inner) {
        return false;
    }
    if outer.mode == Mode::Report {
        return true;
    }
    // What the outer author asks about is allowed without asking by its narrower rules only.
    let asks_less = |own: &Rule, rule: &Rule| {
        let mut asking = outer.ask.iter().filter(|ask| shares_requests(ask, rule));
        asking.all(|ask| {
            let mut same = asks.iter().filter(|it| is_same(it, ask));
            is_narrower(own, ask) || (same.next().is_some() && !is_narrower(rule, ask))
        })
    };
    let passes = |rule: &Rule, asks: bool| {
        let mut allowing = outer.allow.iter();
        let mut asking = outer.ask.iter().filter(|_| asks);
        let by_mode = asks && outer.mode == Mode::Ask && rule.to.is_empty();
        by_mode
            || allowing.any(|own| contains(own, rule) && (asks || asks_less(own, rule)))
            || asking.any(|own| contains(own, rule))
    };
    let is_denied = |rule: &Rule| {
        let mut denying = outer.deny.iter().filter(|deny| touches(deny, rule));
        denying.any(|deny| !inner.deny.iter().any(|own| is_same(own, deny)))
    };
    let allowed = inner.allow.iter().all(|rule| passes(rule, false));
    let asked = inner.ask.iter().all(|rule| passes(rule, true));
    let mut rules = inner.allow.iter().chain(&inner.ask);
    // A mode that asks or reports applies to everything, so every rule that denies matters.
    let default_is_denied = inner.mode != Mode::Enforce
        && outer
            .deny
            .iter()
            .any(|deny| !inner.deny.iter().any(|own| is_same(own, deny)));
    let tls_is_within = inner.tls.iter().all(|grants| {
        let mut hosts = grants.hosts.iter();
        hosts.all(|rule| {
            let mut settings = grants.settings();
            settings.all(|setting| grants_within(outer, setting, rule))
        })
    });
    // A mode that asks or reports allows what no rule matches.
    let default_fields = inner.mode == Mode::Enforce
        || outer.rules().filter(|rule| rule.names_head()).all(|rule| {
            let mut same = inner.rules().filter(|own| is_same(own, rule));
            same.next().is_some() && fields_are_within(outer, inner, rule)
        });
    let fields_are_within =
        |rule: &Rule| outer.mode == Mode::Report || fields_are_within(outer, inner, rule);
    default_is_within
        && default_fields
        && inner.allow.iter().chain(&inner.ask).all(fields_are_within)
        && allowed
        && asked
        && tls_is_within
        && !default_is_denied
        && !rules.any(is_denied)
}

/// Whether the layer allows what a grant of this setting to these hosts allows.
fn grants_within(outer: &Layer, setting: TlsOverride, rule: &Rule) -> bool {
    // Only https has TLS.
    let rule = Rule {
        scheme: Some(Scheme::Https),
        ..rule.clone()
    };
    let mut grants = outer.tls.iter().filter(|grants| grants.has(setting));
    let is_within = |grants: &TlsGrants| grants.hosts.iter().any(|own| contains(own, &rule));
    outer.mode == Mode::Report || grants.any(is_within)
}

#[cfg(test)]
mod tests {
    use crate::testing::policy;

    #[test]
    #[rustfmt::skip] // one row a line
    fn a_policy_covers_another_whose_every_rule_is_within_one_of_its_own() {
        for (outer, inner, covers) in [
            ("", "", true),
            ("a.test", "", true),
            ("", "a.test", false),
            ("a.test", "a.test", true),
            ("a.test", "https://a.test", true),
            ("https://a.test", "a.test", false),
            ("*.a.test", "b.a.test; https://c.a.test", true),
            ("*.a.test", "a.test", false),
            ("any", "a.test; *.b.test; 8.8.8.8", true),
            ("any", "10.0.0.1", false),
            ("any", "localhost", false),
            ("any", "a.test to 10.0.0.1", false),
            ("any to public,10.0.0.0/8", "a.test to 10.0.0.1; b.test", true),
            ("10.0.0.0/8", "10.1.0.0/16; 10.0.0.1", true),
            ("10.1.0.0/16", "10.0.0.0/8", false),
            ("a.test:8000-8099", "a.test:8001; https://a.test:8002-8003", true),
            ("a.test:8000-8099", "a.test:8099-8100", false),
            ("GET,POST a.test", "GET a.test", true),
            ("GET a.test", "a.test", false),
            ("a.test/v1/**", "GET a.test/v1/x/**", true),
            ("a.test/v1/**", "a.test/v2", false),
            ("a.test; !a.test/admin/**", "a.test", false),
            ("a.test; !a.test/admin/**", "a.test; !a.test/admin/**", true),
            ("a.test; !a.test/admin/**", "a.test/v1/**", true),
            ("a.test; !b.test", "a.test", true),
            ("?a.test", "a.test", false),
            ("?a.test", "?a.test", true),
            ("a.test", "?a.test", true),
        ] {
            assert_eq!(policy(outer).covers(&policy(inner)), covers, "{outer} covers {inner}");
        }
    }

    #[test]
    #[rustfmt::skip] // one row a line
    fn what_a_policy_may_reach_shares_a_request_with_one_of_its_rules() {
        for (rules, rule, reaches) in [
            ("a.test", "a.test", true),
            ("https://a.test", "a.test", true),
            ("http://a.test", "https://a.test", false),
            ("a.test", "a.test:8443", false),
            ("a.test:8000-8099", "https://a.test:8050", true),
            ("*.a.test", "b.a.test", true),
            ("b.a.test", "*.a.test", true),
            ("any", "a.test", true),
            ("10.0.0.0/8", "a.test", false),
            ("GET a.test", "POST a.test", false),
            ("GET,POST a.test", "POST a.test/v1/**", true),
            ("a.test/v1/**", "a.test/v2/**", false),
            ("?a.test/v1/**", "a.test/v1/x", true),
            ("ask", "a.test", true),
            ("", "a.test", false),
        ] {
            assert_eq!(policy(rules).may_reach(&rule.parse().unwrap()), reaches, "{rules} {rule}");
        }
    }

    #[test]
    fn what_is_not_covered_is_named() {
        let outer = policy("*.a.test; ?d.test; !b.a.test/admin");
        let inner = policy("b.a.test; c.test; ?d.test; ?e.test; d.test; !b.a.test/admin");
        let uncovered = outer.uncovered(&inner);
        let names: Vec<_> = uncovered
            .iter()
            .map(|(e, r)| (e.as_str(), r.as_str()))
            .collect();
        let expected = [("allow", "c.test"), ("allow", "d.test"), ("ask", "e.test")];
        assert_eq!(names, expected);
        assert!(outer.covers(&policy("b.a.test; !b.a.test/admin; ?d.test")));
    }
}
