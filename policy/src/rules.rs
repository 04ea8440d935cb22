//! Rules alone: what replaces a policy's rules, or narrows a policy, and leaves the rest as it is.

use crate::check::PolicyFault;
use crate::document::{DocumentFault, MAX_RULES, Mode};
use crate::layer::Layer;
use crate::policy::Policy;
use crate::rule::Rule;
use crate::rule_error::RuleError;

/// The rules of one author and the mode, without budgets, secrets and grants.
///
/// ```
/// use sandbox_net_policy::{Mode, PolicyFault, Rules};
///
/// # fn main() -> Result<(), PolicyFault> {
/// let rules = Rules::default()
///     .allow("GET https://api.example.com")?
///     .deny("https://api.example.com/admin/**")?
///     .mode(Mode::Ask);
/// assert_eq!(rules.allow.len(), 1);
/// let refused = Rules::default().allow("*.com").unwrap_err();
/// assert!(refused.to_string().starts_with("allow: the rule '*.com' is refused: "));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rules {
    /// What happens to requests that no rule allows.
    pub mode: Mode,
    /// What is allowed.
    pub allow: Vec<Rule>,
    /// What is denied even if a rule of the others matches too.
    pub deny: Vec<Rule>,
    /// What the hook is asked about.
    pub ask: Vec<Rule>,
}

impl Rules {
    /// Allows what `rule` matches.
    ///
    /// # Errors
    ///
    /// If the rule is invalid or too broad.
    pub fn allow(mut self, rule: impl AsRef<str>) -> Result<Self, PolicyFault> {
        self.allow.push(parsed("allow", rule.as_ref(), str::parse)?);
        Ok(self)
    }

    /// Denies what `rule` matches.
    ///
    /// # Errors
    ///
    /// If the rule is invalid.
    pub fn deny(mut self, rule: impl AsRef<str>) -> Result<Self, PolicyFault> {
        let parse = Rule::parse_deny;
        self.deny.push(parsed("deny", rule.as_ref(), parse)?);
        Ok(self)
    }

    /// Lets the hook decide what `rule` matches.
    ///
    /// # Errors
    ///
    /// If the rule is invalid or too broad.
    pub fn ask(mut self, rule: impl AsRef<str>) -> Result<Self, PolicyFault> {
        self.ask.push(parsed("ask", rule.as_ref(), str::parse)?);
        Ok(self)
    }

    /// Sets what happens to requests that no rule allows.
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }
}

impl Policy {
    /// Returns a policy that allows only what both this one and these rules allow, such as for one run
    /// or one tenant. Without rules it denies everything.
    ///
    /// Budgets, secrets and grants are those of this policy. A host that this policy opens at addresses
    /// of a `to` list needs these addresses in the `to` list of the narrowing rule, too. To narrow by
    /// whole policies use [`intersect`](Self::intersect).
    ///
    /// ```
    /// use sandbox_net_policy::{Policy, PolicyFault};
    ///
    /// # fn main() -> Result<(), PolicyFault> {
    /// let wide = Policy::allow(["*.example.com".parse().unwrap()]);
    /// let narrow = wide.narrow(["GET https://api.example.com/v1/**"])?;
    /// assert!(wide.covers(&narrow));
    /// assert!(!narrow.covers(&wide));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// For the first rule that is invalid or too broad, and for more than [`MAX_RULES`].
    pub fn narrow<R: AsRef<str>>(
        &self,
        rules: impl IntoIterator<Item = R>,
    ) -> Result<Self, PolicyFault> {
        let mut narrowing = Layer::default();
        for rule in rules {
            if narrowing.allow.len() == MAX_RULES {
                return Err(PolicyFault::new("narrow", DocumentFault::TooManyRules));
            }
            let rule = parsed("narrow", rule.as_ref(), str::parse)?;
            narrowing.allow.push(rule);
        }
        // Every layer has to grant a setting or a field. This one grants what any other does.
        for layer in self.layers.iter() {
            add_new(&mut narrowing.tls, &layer.tls);
            add_new(&mut narrowing.fields, &layer.fields);
        }
        Ok(self.intersect(&Self::of_layer(narrowing)))
    }

    /// Returns the same policy with other rules of its first author. Budgets, secrets, grants, and
    /// the rules of the policies that it was narrowed by stay.
    #[must_use]
    pub fn with_rules(&self, rules: Rules) -> Self {
        let mut layers = self.layers.to_vec();
        let Rules {
            mode,
            allow,
            deny,
            ask,
        } = rules;
        if let Some(first) = layers.first_mut() {
            (first.mode, first.allow, first.deny, first.ask) = (mode, allow, deny, ask);
        }
        self.with_layers(layers)
    }
}

fn add_new<T: Clone + PartialEq>(to: &mut Vec<T>, from: &[T]) {
    for one in from {
        if !to.contains(one) {
            to.push(one.clone());
        }
    }
}

fn parsed(
    part: &str,
    text: &str,
    parse: impl Fn(&str) -> Result<Rule, RuleError>,
) -> Result<Rule, PolicyFault> {
    parse(text).map_err(|error| {
        let text = text.to_owned();
        PolicyFault::new(part, DocumentFault::Rule { text, error })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budgets::Budgets;
    use crate::document::Document;
    use crate::operation::Operation;
    use crate::secret::tests::secret;
    use crate::target::{Endpoint, Origin, Scheme};
    use crate::tls::{TlsOverride, TlsOverrides};
    use crate::{Decision, decide};

    fn rule(text: &str) -> Rule {
        text.parse().unwrap()
    }

    fn wide() -> Document {
        Document {
            allow: vec![rule("*.example.com"), rule("https://own.test to 10.0.0.1")],
            budgets: Budgets {
                requests: Some(7),
                ..Budgets::default()
            },
            secrets: vec![secret()],
            tls: vec!["own_roots https://*.example.com".parse().unwrap()],
            fields: vec!["x-host https://*.example.com".parse().unwrap()],
            ..Document::default()
        }
    }

    fn allows(policy: &Policy, method: &str, host: &str, path: &str) -> bool {
        let origin = Origin {
            scheme: Scheme::Https,
            endpoint: Endpoint::new(host, 443).unwrap(),
        };
        let request = Operation::Request {
            origin: &origin,
            method: method.as_bytes(),
            path: path.as_bytes(),
            fields: &[],
        };
        matches!(decide(&request, policy), Decision::Allow { .. })
    }

    #[test]
    fn a_narrowed_policy_keeps_budgets_secrets_and_grants() {
        let wide = Policy::from(wide());
        let once = wide.narrow(["GET https://api.example.com"]).unwrap();
        let twice = once.narrow(["https://api.example.com/v1/**"]).unwrap();
        let endpoint = Endpoint::new("api.example.com", 443).unwrap();
        let own_roots: TlsOverrides = [TlsOverride::OwnRoots].into_iter().collect();
        for policy in [&wide, &once, &twice] {
            assert_eq!(policy.budgets(), wide.budgets());
            assert_eq!(policy.secrets(), wide.secrets());
            assert!(policy.check_tls(&endpoint, None, own_roots).is_ok());
            assert!(allows(policy, "GET", "api.example.com", "/v1/x"));
        }
        let origin = Origin {
            scheme: Scheme::Https,
            endpoint,
        };
        assert_eq!(twice.granted_fields(&origin), Some(vec!["x-host"]));
        assert!(!allows(&once, "POST", "api.example.com", "/v1/x"));
        assert!(!allows(&twice, "GET", "api.example.com", "/v2"));
        assert!(!allows(&twice, "GET", "b.example.com", "/v1/x"));
        assert!(wide.narrow([""; 0]).unwrap().denies_everything());
        // The rules of another policy can be given as they are.
        let other = Policy::allow([rule("https://b.example.com")]);
        let narrow = wide.narrow(other.allow_rules()).unwrap();
        assert!(allows(&narrow, "GET", "b.example.com", "/"));
        assert!(!allows(&narrow, "GET", "api.example.com", "/"));
        assert!(narrow.check().is_ok());
    }

    #[test]
    fn a_rule_that_narrows_opens_no_address_and_needs_its_own_list() {
        let wide = Policy::from(wide());
        let endpoint = || Endpoint::new("own.test", 443).unwrap();
        let at = "10.0.0.1".parse().unwrap();
        for (narrowing, permits) in [
            ("https://own.test", false),
            ("https://own.test to 10.0.0.0/8", true),
        ] {
            let narrow = wide.narrow([narrowing]).unwrap();
            let route = narrow.check_connect(endpoint()).unwrap();
            assert_eq!(route.permits(at), permits, "{narrowing}");
            assert!(!route.permits("10.0.0.2".parse().unwrap()));
        }
    }

    #[test]
    fn a_bad_rule_is_named() {
        let said = |narrowing: &str| {
            let refused = Policy::deny_all().narrow(["a.test", narrowing]);
            refused.unwrap_err().to_string()
        };
        for (bad, expected) in [
            ("*.com", "narrow: the rule '*.com' is refused: "),
            ("a.test/x y", "narrow: the rule 'a.test/x y' is refused: "),
            ("", "narrow: the rule '' is refused: "),
        ] {
            assert!(said(bad).starts_with(expected), "{}", said(bad));
        }
        let many = std::iter::repeat_n("a.test", MAX_RULES + 1);
        let many = Policy::deny_all().narrow(many).unwrap_err();
        assert_eq!(many.fault, DocumentFault::TooManyRules);
        for (refused, part) in [
            (Rules::default().allow("*.com"), "allow"),
            (Rules::default().ask("0.0.0.0/0"), "ask"),
            (Rules::default().deny("a b c d"), "deny"),
        ] {
            assert_eq!(refused.unwrap_err().part, part);
        }
        assert!(Rules::default().deny("*.com").is_ok());
    }

    #[test]
    fn other_rules_of_the_first_author_leave_everything_else() {
        let narrowed = Policy::from(wide()).intersect(&Policy::allow([rule("*.example.com")]));
        let rules = Rules::default().allow("b.example.com").unwrap();
        let rules = rules.allow("stranger.test").unwrap();
        let policy = narrowed.with_rules(rules.deny("b.example.com/admin/**").unwrap());
        assert!(allows(&policy, "GET", "b.example.com", "/"));
        assert!(!allows(&policy, "GET", "b.example.com", "/admin/x"));
        assert!(!allows(&policy, "GET", "api.example.com", "/"));
        // The other author still does not allow it.
        assert!(!allows(&policy, "GET", "stranger.test", "/"));
        assert_eq!(policy.budgets(), narrowed.budgets());
        assert_eq!(policy.secrets(), narrowed.secrets());
        assert_eq!(policy.layers[0].tls, narrowed.layers[0].tls);
        assert_eq!(policy.layers[0].fields, narrowed.layers[0].fields);
        let reporting = narrowed.with_rules(Rules::default().mode(Mode::Report));
        assert!(reporting.reports_only() && !narrowed.reports_only());
    }
}
