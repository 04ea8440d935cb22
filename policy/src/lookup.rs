//! Decides which names may be looked up before the request is known.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::address::{AddressClass, classify};
use crate::denial::{DEFAULT_DENY, Denial, DenyReason, refusal};
use crate::filter::{AddressFilter, LayerFilter, Leads};
use crate::host::Host;
use crate::layer::LayerVerdict;
use crate::name::DnsName;
use crate::policy::Policy;
use crate::query::Query;
use crate::target::{Endpoint, Scheme};

/// The policy's answer to a lookup that it does not deny.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// An address, or `localhost`: no name server is needed.
    Local,
    /// The name may be looked up.
    Name(CheckedName),
    /// No query may be sent before somebody has granted a connection.
    Ask {
        /// The name of the rule that asks; `ask-mode` if the policy's mode does.
        rule: String,
        /// The denial that applies if there is no hook to ask.
        denial: Denial,
    },
}

/// A name that may be looked up. Only [`Policy::answer_lookup`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedName {
    name: DnsName,
    rule: String,
    reported: Option<Denial>,
    filter: AddressFilter,
}

impl CheckedName {
    /// The name.
    #[must_use]
    pub fn name(&self) -> &DnsName {
        &self.name
    }

    /// The name of the rule that allows it.
    #[must_use]
    pub fn rule(&self) -> &str {
        &self.rule
    }

    /// The denial that would apply if the policy's mode were not `report`.
    #[must_use]
    pub fn reported(&self) -> Option<&Denial> {
        self.reported.as_ref()
    }

    /// Whether the program may be told this address of another machine: it must be public, and some
    /// connection to the name at it must be allowed without asking. The program is not told other
    /// addresses, even if a `to` list permits them.
    #[must_use]
    pub fn tells(&self, address: IpAddr) -> bool {
        classify(address) == AddressClass::Public && self.filter.permits(address, Leads::Elsewhere)
    }

    /// The denial if the host cannot record what it would do.
    #[must_use]
    pub fn audit_denial(&self) -> Denial {
        let fault = "the host cannot write its audit log";
        let remedy = "no rule can allow it: make the log writable";
        refusal(&self.name, DenyReason::Audit, DEFAULT_DENY, fault, remedy)
    }
}

impl Policy {
    /// Judges a lookup of a host, before any name server is asked. Scheme, port, method and path
    /// are not known yet, and the most permissive verdict about any of them counts: exactly what
    /// may be connected to may be looked up.
    ///
    /// # Errors
    ///
    /// The [`Denial`], if nothing may be connected to under this name.
    pub fn answer_lookup(&self, host: Host) -> Result<Lookup, Denial> {
        let Host::Name(name) = &host else {
            return Ok(Lookup::Local);
        };
        let (rule, reported) = match self.judge_name(&host) {
            LayerVerdict::Deny(denial) => return Err(about(name, &denial)),
            LayerVerdict::Ask(rule, denial) => {
                return Ok(Lookup::Ask {
                    rule: rule.to_owned(),
                    denial: about(name, &denial),
                });
            }
            LayerVerdict::Allow(rule) => (rule.as_str().to_owned(), None),
            LayerVerdict::Report(denial) => (denial.rule.clone(), Some(about(name, &denial))),
        };
        if host.is_localhost() {
            return Ok(Lookup::Local);
        }
        Ok(Lookup::Name(CheckedName {
            name: name.clone(),
            rule,
            reported,
            filter: self.lookup_filter(&host),
        }))
    }

    /// The well-known addresses of a host at which it may be dialled: those of `localhost`, if
    /// [`answer_lookup`](Self::answer_lookup) allows the lookup.
    #[must_use]
    pub fn local_addresses(&self, host: &Host) -> Vec<IpAddr> {
        if !host.is_localhost() {
            return Vec::new();
        }
        let mut refused: Vec<IpAddr> = vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        let mut permitted = refused.clone();
        // These lookups have no budget, so avoid work: the first filter nearly always has
        // everything.
        let mut filters = self.free_filters(host);
        while let (false, Some(filter)) = (refused.is_empty(), filters.next()) {
            let filter = AddressFilter::new(host.clone(), vec![filter]);
            refused.retain(|address| !filter.permits(*address, Leads::Here));
        }
        permitted.retain(|address| !refused.contains(address));
        permitted
    }

    /// The addresses of all connections to the host that are allowed without asking.
    fn lookup_filter(&self, host: &Host) -> AddressFilter {
        let mut filters = Vec::new();
        for filter in self.free_filters(host) {
            if !filters.contains(&filter) {
                filters.push(filter);
            }
        }
        AddressFilter::new(host.clone(), filters)
    }

    /// What each layer permits for each connection to the host that is allowed without asking.
    fn free_filters(&self, host: &Host) -> impl Iterator<Item = Vec<LayerFilter>> {
        self.deciding_endpoints(host)
            .flat_map(|endpoint| {
                Scheme::ALL.map(|scheme| {
                    let query = Query {
                        scheme,
                        endpoint: &endpoint,
                        head: None,
                    };
                    let verdict = self.judge(&query);
                    let is_free =
                        matches!(verdict, LayerVerdict::Allow(_) | LayerVerdict::Report(_));
                    is_free.then(|| self.filters(&query))
                })
            })
            .flatten()
    }

    /// The most permissive verdict on any connection to the host; of equal ones, that on its HTTPS
    /// port.
    fn judge_name(&self, host: &Host) -> LayerVerdict<'_> {
        let mut kindest: Option<LayerVerdict<'_>> = None;
        for endpoint in self.deciding_endpoints(host) {
            for scheme in [Scheme::Https, Scheme::Http] {
                let query = Query {
                    scheme,
                    endpoint: &endpoint,
                    head: None,
                };
                let verdict = self.judge(&query);
                if matches!(verdict, LayerVerdict::Allow(_)) {
                    return verdict;
                }
                let is_kinder = |other: &LayerVerdict<'_>| verdict.severity() < other.severity();
                if kindest.as_ref().is_none_or(is_kinder) {
                    kindest = Some(verdict);
                }
            }
        }
        kindest.expect("there are always ports to judge")
    }

    fn deciding_endpoints(&self, host: &Host) -> impl Iterator<Item = Endpoint> {
        let endpoint = |port| Endpoint {
            host: host.clone(),
            port,
        };
        self.deciding_ports(host).into_iter().map(endpoint)
    }

    /// Ports of which one gets the most permissive verdict: rules have ranges of ports, so the
    /// verdict changes only where a range begins, or after its end.
    fn deciding_ports(&self, host: &Host) -> Vec<u16> {
        let defaults = Scheme::ALL.map(Scheme::default_port);
        let mut ports = vec![Scheme::Https.default_port(), Scheme::Http.default_port(), 1];
        ports.extend(defaults.map(|port| port + 1));
        for layer in self.layers.iter() {
            let rules = layer.allow.iter().chain(&layer.ask).chain(&layer.deny);
            let about_host = rules.filter(|rule| rule.host.grants(host) || rule.host.forbids(host));
            for range in about_host.filter_map(|rule| rule.ports) {
                ports.push(range.first);
                ports.extend(range.last.checked_add(1));
            }
        }
        // The HTTPS port stays first.
        ports[1..].sort_unstable();
        ports.dedup();
        ports
    }
}

/// A denial of a connection, reduced to the name.
fn about(name: &DnsName, denial: &Denial) -> Denial {
    let rule = denial.rule.as_str();
    match denial.reason {
        DenyReason::DenyRule => {
            let remedy = "to allow it, remove that rule from 'deny'";
            refusal(name, DenyReason::DenyRule, rule, "a rule denies it", remedy)
        }
        DenyReason::Hook => {
            let remedy = format!("to allow it without asking, add the rule 'https://{name}'");
            refusal(name, DenyReason::Hook, rule, "nobody approved it", &remedy)
        }
        _ => {
            let remedy = format!("to allow it, add the rule 'https://{name}'");
            let fault = "no rule allows it";
            refusal(name, DenyReason::NoRule, DEFAULT_DENY, fault, &remedy)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::policy;

    fn host(text: &str) -> Host {
        Host::parse(text).unwrap()
    }

    /// The answer in short: the rule, or the reason of the denial.
    fn answer(rules: &str, name: &str) -> String {
        match policy(rules).answer_lookup(host(name)) {
            Ok(Lookup::Local) => "local".to_owned(),
            Ok(Lookup::Name(checked)) => match checked.reported() {
                Some(denial) => format!("report {}", denial.reason),
                None => format!("by {}", checked.rule()),
            },
            Ok(Lookup::Ask { rule, .. }) => format!("ask {rule}"),
            Err(denial) => denial.reason.to_string(),
        }
    }

    #[test]
    #[rustfmt::skip] // one row a line
    fn a_name_may_be_asked_about_where_something_may_be_connected_to_under_it() {
        for (rules, name, expected) in [
            ("", "a.test", "no-rule"),
            ("a.test", "a.test", "by a.test"),
            ("a.test", "b.test", "no-rule"),
            ("a.test", "b.a.test", "no-rule"),
            ("*.a.test", "b.a.test", "by *.a.test"),
            ("any", "b.a.test", "by any"),
            ("http://a.test", "a.test", "by http://a.test"),
            ("a.test:8000-8099", "a.test", "by a.test:8000-8099"),
            ("POST https://a.test:8443/v1/**", "a.test", "by POST https://a.test:8443/v1/**"),
            ("?a.test:7000", "a.test", "ask a.test:7000"),
            ("?a.test; a.test:7000", "a.test", "by a.test:7000"),
            ("ask", "a.test", "ask ask-mode"),
            ("ask; !a.test", "a.test", "deny-rule"),
            ("report", "a.test", "report no-rule"),
            ("report; !a.test", "a.test", "report deny-rule"),
            ("report; ?a.test", "a.test", "report hook"),
            ("a.test; !a.test", "a.test", "deny-rule"),
            ("a.test; !any", "a.test", "deny-rule"),
            ("a.test; !a.test/admin/**", "a.test", "by a.test"),
            ("a.test; !https://a.test", "a.test", "by a.test"),
            ("a.test; !a.test:443", "a.test", "by a.test"),
            ("https://a.test; !a.test:443", "a.test", "deny-rule"),
            ("a.test:8000-8002; !a.test:8000; !a.test:8002", "a.test", "by a.test:8000-8002"),
            ("a.test:8000-8002; !a.test:8000-8001; !a.test:8002", "a.test", "no-rule"),
            ("a.test:65535; !a.test:1-65534", "a.test", "by a.test:65535"),
            ("localhost:8080", "localhost", "local"),
            ("any", "localhost", "no-rule"),
            ("", "127.0.0.1", "local"),
            ("!any", "169.254.169.254", "local"),
            ("", "::1", "local"),
        ] {
            assert_eq!(answer(rules, name), expected, "{rules} {name}");
        }
    }

    #[test]
    #[rustfmt::skip] // one row a line
    fn only_public_addresses_are_told_at_which_some_connection_may_be_dialled() {
        let addresses = ["93.184.216.34", "2606:2800:220:1::1", "10.0.0.1", "127.0.0.1",
            "169.254.169.254", "::ffff:93.184.216.34", "64:ff9b::10.0.0.1"];
        for (rules, expected) in [
            ("a.test", &["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34"][..]),
            ("any", &["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34"]),
            ("http://a.test:7000/x", &["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34"]),
            ("report", &["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34"]),
            ("a.test to 10.0.0.1", &[]),
            ("a.test to 10.0.0.1,public", &["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34"]),
            ("a.test to 93.184.0.0/16", &["93.184.216.34", "::ffff:93.184.216.34"]),
            ("a.test to 10.0.0.1; a.test:8080", &["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34"]),
            ("a.test to 10.0.0.1; ?a.test:8080", &[]),
            ("a.test; !93.184.0.0/16", &["2606:2800:220:1::1"]),
            ("a.test; !a.test:443", &["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34"]),
        ] {
            let Ok(Lookup::Name(name)) = policy(rules).answer_lookup(host("a.test")) else {
                panic!("{rules} lets it be asked about");
            };
            let told: Vec<_> = addresses.into_iter().filter(|it| name.tells(it.parse().unwrap())).collect();
            assert_eq!(told, expected, "{rules}");
        }
    }

    #[test]
    fn localhost_alone_has_addresses_that_need_no_question() {
        for (rules, name, expected) in [
            ("localhost:80", "localhost", &["127.0.0.1", "::1"][..]),
            ("localhost:80; ![::1]", "localhost", &["127.0.0.1"]),
            ("any", "localhost", &[]),
            ("?localhost", "localhost", &[]),
            ("127.0.0.1", "127.0.0.1", &[]),
            ("a.test", "a.test", &[]),
        ] {
            let expected: Vec<IpAddr> = expected.iter().map(|ip| ip.parse().unwrap()).collect();
            let told = policy(rules).local_addresses(&host(name));
            assert_eq!(told, expected, "{rules}");
        }
    }

    #[test]
    fn every_author_has_to_let_an_address_be_told() {
        let address = "93.184.216.34".parse().unwrap();
        for (one, other, expected) in [
            ("a.test", "a.test", true),
            ("a.test", "a.test to 10.0.0.1", false),
            ("a.test", "a.test; !93.184.216.34", false),
        ] {
            let both = policy(one).intersect(&policy(other));
            let Ok(Lookup::Name(name)) = both.answer_lookup(host("a.test")) else {
                panic!("{one} and {other} let it be asked about");
            };
            assert_eq!(name.tells(address), expected, "{one} and {other}");
        }
    }

    #[test]
    fn every_author_has_to_allow_some_connection_and_the_same_one() {
        for (one, other, expected) in [
            ("a.test", "a.test", true),
            ("a.test", "b.test", false),
            ("a.test:8000-8010", "a.test:8005-8020", true),
            ("a.test:8000-8010", "a.test:8011-8020", false),
            ("https://a.test", "http://a.test", false),
        ] {
            let both = policy(one).intersect(&policy(other));
            let is_allowed = both.answer_lookup(host("a.test")).is_ok();
            assert_eq!(is_allowed, expected, "{one} and {other}");
        }
    }

    #[test]
    fn a_lookup_is_denied_exactly_where_every_connection_is() {
        for rules in [
            "a.test:1-99; !a.test:1-98",
            "a.test:1-99; !a.test:1-50; !a.test:51-99",
            "a.test; !a.test:80; !a.test:443",
            "any:90-120; !a.test:90-119",
            "https://a.test:100; !https://a.test:1-100; http://a.test:101; !a.test:101",
            "ask; !a.test:1-79; !a.test:81-65535",
            "?a.test:7-8; !a.test:7",
        ] {
            let policy = policy(rules);
            let endpoint = |port| Endpoint::new("a.test", port).unwrap();
            let may_connect = (1..=500).any(|port| policy.answer_connect(endpoint(port)).is_ok());
            let may_look = policy.answer_lookup(host("a.test")).is_ok();
            assert_eq!(may_look, may_connect, "{rules}");
        }
    }

    #[test]
    fn a_denial_names_the_host_alone_and_proposes_the_rule_for_https() {
        let denial = policy("b.test").answer_lookup(host("A.test")).unwrap_err();
        assert_eq!(
            denial.message,
            "sandbox-net denied a.test: no rule allows it (reason no-rule, rule default-deny); to \
             allow it, add the rule 'https://a.test'"
        );
        let allowed = policy("https://a.test").answer_lookup(host("a.test"));
        assert!(matches!(allowed, Ok(Lookup::Name(_))));
    }
}
