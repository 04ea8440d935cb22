//! Explains why a policy decides as it does, rule by rule.

use crate::decide::{Decision, decide};
use crate::operation::Operation;
use crate::path::Readings;
use crate::policy::Policy;
use crate::query::{Head, Mismatch, Query};
use crate::rule::Rule;
use crate::target::Origin;

/// What a rule does with the requests that it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It denies them, even if other rules allow them.
    Deny,
    /// It allows them.
    Allow,
    /// It lets the hook grant them.
    Ask,
}

impl Effect {
    /// The name of the list of rules in a policy file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Allow => "allow",
            Self::Ask => "ask",
        }
    }
}

/// The part of one rule in a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Step<'p> {
    /// The author of the rule, in the order of [`Policy::intersect`], from 0.
    pub author: usize,
    /// What it does.
    pub effect: Effect,
    /// The rule.
    pub rule: &'p str,
    /// Whether it matches the request; if not, the first part that does not match.
    pub outcome: Result<(), Mismatch>,
}

impl Policy {
    /// The part of every rule in the decision about a request, in the order of evaluation, and the
    /// decision itself.
    #[must_use]
    pub fn explain<'p>(
        &'p self,
        origin: &Origin,
        method: &str,
        path: &str,
    ) -> (Vec<Step<'p>>, Decision) {
        let readings = Readings::of(path.as_bytes());
        let query = Query {
            scheme: origin.scheme,
            endpoint: &origin.endpoint,
            head: Some(Head {
                method: method.as_bytes(),
                readings: &readings,
                path: path.as_bytes(),
            }),
        };
        let mut steps = Vec::new();
        for (author, layer) in self.layers.iter().enumerate() {
            let mut add = |effect, rules: &'p [Rule], judge: fn(&Rule, &Query<'_>) -> _| {
                steps.extend(rules.iter().map(|rule| Step {
                    author,
                    effect,
                    rule: rule.as_str(),
                    outcome: judge(rule, &query),
                }));
            };
            add(Effect::Deny, &layer.deny, Rule::forbids);
            add(Effect::Allow, &layer.allow, Rule::grants);
            add(Effect::Ask, &layer.ask, Rule::grants);
        }
        let request = Operation::Request {
            origin,
            method: method.as_bytes(),
            path: path.as_bytes(),
            fields: &[],
        };
        (steps, decide(&request, self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Document;
    use crate::target::{Endpoint, Scheme};

    #[test]
    fn every_rule_says_whether_it_fits_and_what_does_not() {
        let document = Document {
            deny: vec![Rule::parse_deny("a.test/admin/**").unwrap()],
            allow: ["http://a.test", "a.test:8443", "GET a.test/v1/**", "b.test"]
                .map(|rule| rule.parse().unwrap())
                .to_vec(),
            ask: vec!["POST a.test".parse().unwrap()],
            ..Document::default()
        };
        let policy = Policy::from(document);
        let origin = Origin {
            scheme: Scheme::Https,
            endpoint: Endpoint::new("a.test", 443).unwrap(),
        };
        let (steps, decision) = policy.explain(&origin, "POST", "/v1/x");
        let outcomes: Vec<_> = steps
            .iter()
            .map(|step| (step.effect.as_str(), step.outcome))
            .collect();
        assert_eq!(
            outcomes,
            [
                ("deny", Err(Mismatch::Path)),
                ("allow", Err(Mismatch::Scheme)),
                ("allow", Err(Mismatch::Port)),
                ("allow", Err(Mismatch::Method)),
                ("allow", Err(Mismatch::Host)),
                ("ask", Ok(())),
            ]
        );
        assert!(matches!(decision, Decision::Ask { rule, .. } if rule == "POST a.test"));
    }
}
