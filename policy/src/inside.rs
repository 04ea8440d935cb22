//! Names what of a policy cannot be enforced by a decider inside a component.
//!
//! Such a decider sees requests of `wasi:http` and passes on those that it allows. The names are
//! resolved, the connections made and the bytes sent by the host that runs the component.

use std::fmt;

use crate::document::Mode;
use crate::host_pattern::HostPattern;
use crate::layer::Layer;
use crate::policy::Policy;
use crate::rule::Rule;

/// A part of a policy that a decider inside a component cannot enforce. It displays as one line that
/// names the part and the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unenforced {
    /// The part, such as `the budget 'bytes_up'` or `the rule 'any' of 'allow'`.
    pub part: String,
    /// Why it cannot be enforced.
    pub why: &'static str,
}

impl fmt::Display for Unenforced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.part, self.why)
    }
}

const TO: &str = "the addresses that a name leads to are known only to the host that runs the \
                  component";
const ANYBODY: &str = "anybody can have a name that it matches lead to a private address, and only \
                       the host that runs the component knows the addresses";
const DENIED_ADDRESS: &str = "a name may lead to the address, and only the host that runs the \
                              component knows where names lead";
const ASK: &str = "nobody can be asked from inside a component: what it matches is denied";
const REPORT: &str = "there is no log inside a component: what no rule allows would pass without a \
                      record";
const BUDGET: &str = "only a host counts in all: the component does not see the wire, and counts \
                      anew whenever it is instantiated";
const SECRET: &str = "its value would have to be inside the component: the server gets the \
                      placeholder";

impl Policy {
    /// Returns every part of this policy that a decider inside a component cannot enforce, in the
    /// order of the policy file. Such a decider has a request's scheme, host, port, method, path and
    /// fields; it has neither the addresses of names, nor the wire, nor a log, nor anybody to ask.
    ///
    /// The list has what the author wrote. What every policy has by default is not in it: the filter
    /// that keeps the names of rules from private addresses, the default budgets, and the audit log
    /// are missing inside a component, whatever the policy is. Grants of TLS settings and of tunnels
    /// are not in it either, because there they grant nothing.
    ///
    /// ```
    /// use sandbox_net_policy::Policy;
    ///
    /// let policy = Policy::allow(["https://db.internal to 10.0.0.0/8".parse().unwrap()]);
    /// let unenforced = policy.unenforced_inside();
    /// assert_eq!(unenforced[0].part, "the rule 'https://db.internal to 10.0.0.0/8' of 'allow'");
    /// ```
    #[must_use]
    pub fn unenforced_inside(&self) -> Vec<Unenforced> {
        let mut found: Vec<_> = self.layers.iter().flat_map(of_layer).collect();
        let budgets = self.budgets().entries().into_iter();
        let set = budgets.filter(|(_, value)| value.is_some());
        found.extend(set.map(|(key, _)| unenforced(format!("the budget '{key}'"), BUDGET)));
        let secrets = self.secrets().iter();
        found.extend(secrets.map(|it| unenforced(format!("the secret '{}'", it.name), SECRET)));
        found
    }
}

fn unenforced(part: String, why: &'static str) -> Unenforced {
    Unenforced { part, why }
}

fn of_layer(layer: &Layer) -> Vec<Unenforced> {
    let of_mode = match layer.mode {
        Mode::Enforce => None,
        Mode::Report => Some(REPORT),
        Mode::Ask => Some(ASK),
    };
    let of_mode = of_mode.map(|why| unenforced(format!("the mode '{}'", layer.mode), why));
    let opened = layer.mode != Mode::Enforce || !layer.allow.iter().all(Rule::is_about_addresses);
    let allowing = named("allow", &layer.allow, of_granting);
    let denying = named("deny", &layer.deny, |rule| of_denying(rule, opened));
    let asking = named("ask", &layer.ask, |_| Some(ASK));
    let rules = allowing.chain(denying).chain(asking);
    of_mode.into_iter().chain(rules).collect()
}

/// Those rules of a list for which `why` has a reason.
fn named(
    list: &'static str,
    rules: &[Rule],
    why: impl Fn(&Rule) -> Option<&'static str>,
) -> impl Iterator<Item = Unenforced> {
    let part = move |rule: &Rule| format!("the rule '{rule}' of '{list}'");
    let found = move |rule| why(rule).map(|why| unenforced(part(rule), why));
    rules.iter().filter_map(found)
}

fn of_granting(rule: &Rule) -> Option<&'static str> {
    let is_shared = rule.host == HostPattern::Any || rule.shared_domain().is_some();
    match rule.to.is_empty() {
        false => Some(TO),
        true => is_shared.then_some(ANYBODY),
    }
}

/// `opened` says whether names may be connected to at all.
fn of_denying(rule: &Rule, opened: bool) -> Option<&'static str> {
    (rule.is_about_addresses() && opened).then_some(DENIED_ADDRESS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Document;
    use crate::testing::policy;

    fn parts(policy: &Policy) -> Vec<String> {
        let found = policy.unenforced_inside().into_iter();
        found.map(|it| it.part).collect()
    }

    #[test]
    fn what_is_decided_by_the_request_alone_is_enforced_inside() {
        for text in [
            "",
            "https://api.example.com; GET,HEAD http://*.example.org:8000-8099/v1/**",
            "localhost:8080; 127.0.0.1:1-99; [fd00::1]; 10.0.0.0/8",
            "example.com; !https://example.com/admin/**; !any:25; !*.com to 10.0.0.0/8",
            "192.0.2.0/24; !192.0.2.7",
            "example.com; ^x-http-method-override example.com",
            "example.com; ~unverified https://example.com; @db.example.com:5432",
        ] {
            assert_eq!(parts(&policy(text)), [""; 0], "{text}");
        }
    }

    #[test]
    fn each_rule_and_mode_that_is_not_enforced_inside_is_named() {
        for (text, part, why) in [
            (
                "a.test to 10.0.0.7",
                "the rule 'a.test to 10.0.0.7' of 'allow'",
                TO,
            ),
            (
                "a.test to public",
                "the rule 'a.test to public' of 'allow'",
                TO,
            ),
            ("any", "the rule 'any' of 'allow'", ANYBODY),
            (
                "GET any/v1/**",
                "the rule 'GET any/v1/**' of 'allow'",
                ANYBODY,
            ),
            ("*.github.io", "the rule '*.github.io' of 'allow'", ANYBODY),
            (
                "a.test; !10.0.0.0/8",
                "the rule '10.0.0.0/8' of 'deny'",
                DENIED_ADDRESS,
            ),
            (
                "a.test; ![::1]:80",
                "the rule '[::1]:80' of 'deny'",
                DENIED_ADDRESS,
            ),
            ("?a.test", "the rule 'a.test' of 'ask'", ASK),
            ("ask", "the mode 'ask'", ASK),
            ("report", "the mode 'report'", REPORT),
        ] {
            let expected = vec![unenforced(part.to_owned(), why)];
            assert_eq!(policy(text).unenforced_inside(), expected, "{text}");
        }
    }

    #[test]
    fn every_budget_and_every_secret_is_named() {
        let budgets = [
            "requests",
            "requests_per_second",
            "connections",
            "bytes_up",
            "bytes_down",
            "response_head",
            "hosts",
            "seconds",
            "host_memory",
            "lookups",
            "connections_per_second",
            "denials",
        ];
        for budget in budgets {
            let text = format!("version = 1\n[budgets]\n{budget} = 7\n[end]");
            let policy = Policy::from(Document::parse(&text).unwrap());
            assert_eq!(parts(&policy), [format!("the budget '{budget}'")]);
        }
        let text = "version = 1\n[[secret]]\nname = 'api'\nrule = 'https://a.test'\n\
                    source = { env = 'KEY' }\n[end]";
        let policy = Policy::from(Document::parse(text).unwrap());
        assert_eq!(parts(&policy), ["the secret 'api'"]);
    }

    #[test]
    fn all_of_them_are_named_in_the_order_of_the_file_for_every_author() {
        let one = policy("ask; a.test to 10.0.0.7; ?b.test; !10.0.0.0/8; any");
        let other = policy("report");
        assert_eq!(
            parts(&one.intersect(&other)),
            [
                "the mode 'ask'",
                "the rule 'a.test to 10.0.0.7' of 'allow'",
                "the rule 'any' of 'allow'",
                "the rule '10.0.0.0/8' of 'deny'",
                "the rule 'b.test' of 'ask'",
                "the mode 'report'",
            ]
        );
    }

    #[test]
    fn it_is_told_on_one_line() {
        for found in policy("report; any; a.test to ::1; !10.0.0.0/8; ?c.test").unenforced_inside()
        {
            let text = found.to_string();
            assert_eq!(text, format!("{}: {}", found.part, found.why));
            assert!(
                !text.contains(['\n', '\t']) && !text.contains("  "),
                "{text}"
            );
        }
    }
}
