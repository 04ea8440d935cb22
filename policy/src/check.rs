//! Holds policies that were built in code to the same checks as policy files.

use std::fmt;

use crate::budgets::Budgets;
use crate::document::{Document, DocumentFault, MAX_RULES};
use crate::overrides::FieldGrants;
use crate::policy::Policy;
use crate::rule::Rule;
use crate::rule_parser::refuse_broad;
use crate::secret::{Secret, first_twin};
use crate::tls::TlsGrants;

/// Why a policy that was built in code is refused. It displays as one line that names the part and
/// the fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{part}: {fault}")]
#[non_exhaustive]
pub struct PolicyFault {
    /// The part, such as `budgets` or `secret 2`.
    pub part: String,
    /// What is wrong with it, as in a file.
    pub fault: DocumentFault,
}

impl PolicyFault {
    pub(crate) fn new(part: impl fmt::Display, fault: impl Into<DocumentFault>) -> Self {
        Self {
            part: part.to_string(),
            fault: fault.into(),
        }
    }
}

impl Document {
    /// Checks what a policy file is checked for: rules that are too broad, invalid budgets, secrets
    /// that could not work or would leak, and grants of TLS settings or of fields that grant nothing
    /// or something else. What [`parse`](Self::parse) returns has passed this.
    ///
    /// # Errors
    ///
    /// The first fault.
    pub fn check(&self) -> Result<(), PolicyFault> {
        check_rules("allow", &self.allow)?;
        check_rules("ask", &self.ask)?;
        check_grants(&self.tls)?;
        check_fields(&self.fields)?;
        let lists = [&self.allow, &self.deny, &self.ask];
        let others = self.secrets.len() + self.tunnel.len();
        check_count(lists, (&self.tls, &self.fields), others)?;
        self.budgets.check()?;
        check_secrets(&self.secrets)
    }
}

impl Policy {
    /// Does [`Document::check`] for the parts of this policy.
    ///
    /// # Errors
    ///
    /// The first fault.
    pub fn check(&self) -> Result<(), PolicyFault> {
        for (index, layer) in self.layers.iter().enumerate() {
            check_rules("allow", &layer.allow)?;
            check_rules("ask", &layer.ask)?;
            check_grants(&layer.tls)?;
            check_fields(&layer.fields)?;
            let lists = [&layer.allow, &layer.deny, &layer.ask];
            // The secrets are the first author's.
            let secrets = self.secrets().len() * usize::from(index == 0);
            let others = secrets + layer.tunnel.len();
            check_count(lists, (&layer.tls, &layer.fields), others)?;
        }
        self.budgets().check()?;
        check_secrets(self.secrets())
    }
}

impl Budgets {
    /// Checks that nothing is zero that must not be: with a rate, a size of heads, a time, or host
    /// memory of zero nothing would work.
    ///
    /// # Errors
    ///
    /// The first budget that is zero.
    pub fn check(&self) -> Result<(), PolicyFault> {
        let zeros = [
            ("requests_per_second", self.requests_per_second == Some(0)),
            ("response_head", self.response_head == Some(0)),
            ("seconds", self.time.is_some_and(|time| time.is_zero())),
            ("host_memory", self.host_memory == Some(0)),
            (
                "connections_per_second",
                self.connections_per_second == Some(0),
            ),
        ];
        let Some((key, _)) = zeros.into_iter().find(|(_, is_zero)| *is_zero) else {
            return Ok(());
        };
        let unexpected = DocumentFault::Unexpected {
            key: key.to_owned(),
            expected: "a whole number of at least 1".to_owned(),
            found: "0".to_owned(),
        };
        Err(fault("budgets", unexpected))
    }
}

/// Checks all secrets of a policy, and that they do not conflict.
///
/// # Errors
///
/// The first fault.
pub fn check_secrets(secrets: &[Secret]) -> Result<(), PolicyFault> {
    let part = |index: usize| format!("secret {}", index + 1);
    for (index, secret) in secrets.iter().enumerate() {
        secret.check().map_err(|error| fault(part(index), error))?;
        let rule = std::slice::from_ref(&secret.rule);
        check_rules(&format!("{}: rule", part(index)), rule)?;
    }
    match first_twin(secrets) {
        Some((index, error)) => Err(fault(part(index), error)),
        None => Ok(()),
    }
}

/// Refuses more rules than a file may have, in all its lists, secrets, tunnels and grants.
fn check_count(
    lists: [&Vec<Rule>; 3],
    (tls, fields): (&[TlsGrants], &[FieldGrants]),
    others: usize,
) -> Result<(), PolicyFault> {
    let tls = tls.iter().map(|grants| grants.hosts.len());
    let fields = fields.iter().map(|grants| grants.hosts.len());
    let rules = lists.into_iter().map(Vec::len).chain(tls).chain(fields);
    match rules.fold(others, usize::saturating_add) > MAX_RULES {
        true => Err(fault("rules", DocumentFault::TooManyRules)),
        false => Ok(()),
    }
}

fn check_grants(grants: &[TlsGrants]) -> Result<(), PolicyFault> {
    for (index, grants) in grants.iter().enumerate() {
        let part = format!("tls {}", index + 1);
        grants
            .check()
            .map_err(|error| fault(part.as_str(), error))?;
        check_rules(&format!("{part}: hosts"), &grants.hosts)?;
    }
    Ok(())
}

fn check_fields(grants: &[FieldGrants]) -> Result<(), PolicyFault> {
    for (index, grants) in grants.iter().enumerate() {
        let part = format!("field {}", index + 1);
        grants
            .check()
            .map_err(|error| fault(part.as_str(), error))?;
        check_rules(&format!("{part}: hosts"), &grants.hosts)?;
    }
    Ok(())
}

/// Rules that allow may be too broad if they were parsed as rules that deny.
fn check_rules(part: &str, rules: &[Rule]) -> Result<(), PolicyFault> {
    let refused = |rule: &Rule| {
        let error = refuse_broad(rule).err()?;
        let text = rule.as_str().to_owned();
        Some(fault(part, DocumentFault::Rule { text, error }))
    };
    rules.iter().find_map(refused).map_or(Ok(()), Err)
}

fn fault(part: impl fmt::Display, fault: impl Into<DocumentFault>) -> PolicyFault {
    PolicyFault::new(part, fault)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::secret::tests::secret;
    use crate::secret_source::SecretSource;

    /// The fault of a document and of its policy, which is the same.
    fn told(document: &Document) -> String {
        let fault = document.check().err().map(|fault| fault.to_string());
        let policy = Policy::from(document.clone());
        assert_eq!(policy.check().err().map(|fault| fault.to_string()), fault);
        // `intersect` keeps the fault, except one of secrets.
        if document.secrets.is_empty() {
            let narrowed = Policy::deny_all().intersect(&policy);
            assert_eq!(narrowed.check().is_err(), fault.is_some());
        }
        fault.unwrap_or_default()
    }

    #[test]
    fn a_secret_that_a_file_could_not_have_is_refused_in_a_document_too() {
        type Change = fn(&mut Secret);
        let cases: [(Change, &str); 11] = [
            (|_| {}, ""),
            (
                |s| s.rule = "any".parse().unwrap(),
                "a secret cannot use 'any'",
            ),
            (
                |s| s.rule = Rule::parse_deny("*.com").unwrap(),
                "'*.com' is refused",
            ),
            (|s| s.headers.clear(), "the secret is never sent"),
            (
                |s| s.headers = vec!["Host".to_owned()],
                "'host' is set by the host",
            ),
            (
                |s| s.headers = vec!["a\nb".to_owned()],
                "write names of header fields",
            ),
            (|s| s.name = "a\nb".to_owned(), "name: write 1 to 64 of"),
            (
                |s| s.rule = "http://api.test".parse().unwrap(),
                "without TLS",
            ),
            (|s| s.env.clear(), "env: a variable name cannot be empty"),
            (|s| s.query = vec!["\0".to_owned()], "query: write names"),
            (
                |s| s.source = SecretSource::Command(Vec::new()),
                "a command begins with a program",
            ),
        ];
        for (change, expected) in cases {
            let mut changed = secret();
            change(&mut changed);
            let said = told(&Document {
                secrets: vec![changed],
                ..Document::default()
            });
            assert!(said.contains(expected), "{said}");
            assert!(
                said.is_empty() || said.starts_with("secret 1: ") && !said.contains('\n'),
                "{said:?}"
            );
            assert_eq!(said.is_empty(), expected.is_empty(), "{said}");
        }
        let other = |name: &str, env: &str| Secret {
            name: name.to_owned(),
            env: env.to_owned(),
            ..secret()
        };
        for (second, expected) in [
            (
                other("api", "OTHER"),
                "secret 2: name: another secret is already called 'api'",
            ),
            (
                other("other", "API"),
                "secret 2: env: another secret already has the guest's variable 'API'",
            ),
            (other("other", "OTHER"), ""),
        ] {
            let secrets = vec![secret(), second];
            let document = Document {
                secrets,
                ..Document::default()
            };
            assert_eq!(told(&document), expected);
        }
    }

    #[test]
    fn a_budget_that_a_file_could_not_have_is_refused_in_a_document_too() {
        let zero = Budgets {
            requests: Some(0),
            connections: Some(0),
            bytes_up: Some(0),
            bytes_down: Some(0),
            hosts: Some(0),
            lookups: Some(0),
            denials: Some(0),
            ..Budgets::default()
        };
        let cases = [
            (zero, ""),
            (
                Budgets {
                    requests_per_second: Some(0),
                    ..zero
                },
                "requests_per_second",
            ),
            (
                Budgets {
                    response_head: Some(0),
                    ..zero
                },
                "response_head",
            ),
            (
                Budgets {
                    time: Some(Duration::ZERO),
                    ..zero
                },
                "seconds",
            ),
            (
                Budgets {
                    host_memory: Some(0),
                    ..zero
                },
                "host_memory",
            ),
            (
                Budgets {
                    connections_per_second: Some(0),
                    ..zero
                },
                "connections_per_second",
            ),
            (
                Budgets {
                    time: Some(Duration::from_millis(1)),
                    ..zero
                },
                "",
            ),
        ];
        for (budgets, key) in cases {
            let said = told(&Document {
                budgets,
                ..Document::default()
            });
            let expected = match key {
                "" => String::new(),
                key => format!("budgets: {key}: expected a whole number of at least 1, found 0"),
            };
            assert_eq!(said, expected);
        }
    }

    #[test]
    fn rules_and_grants_that_a_file_could_not_have_are_refused_in_a_document_too() {
        let broad = Rule::parse_deny("*.com").unwrap();
        let large = Rule::parse_deny("0.0.0.0/0").unwrap();
        let grants = |hosts: Vec<Rule>, own_roots| Document {
            tls: vec![TlsGrants {
                hosts,
                own_roots,
                ..TlsGrants::default()
            }],
            ..Document::default()
        };
        let fields = |name: &str, hosts: Vec<Rule>| Document {
            fields: vec![FieldGrants {
                names: vec![name.to_owned()],
                hosts,
            }],
            ..Document::default()
        };
        let with = |list: fn(&mut Document) -> &mut Vec<Rule>, rule: &Rule| {
            let mut document = Document::default();
            list(&mut document).push(rule.clone());
            document
        };
        for (document, expected) in [
            (
                with(|d| &mut d.allow, &broad),
                "allow: the rule '*.com' is refused",
            ),
            (
                with(|d| &mut d.ask, &large),
                "ask: the rule '0.0.0.0/0' is refused",
            ),
            (with(|d| &mut d.deny, &broad), ""),
            (
                grants(Vec::new(), true),
                "tls 1: hosts: name at least one host",
            ),
            (
                grants(vec!["a.test".parse().unwrap()], false),
                "tls 1: nothing is granted",
            ),
            (
                grants(vec!["a.test/x".parse().unwrap()], true),
                "tls 1: hosts: 'a.test/x' has a path",
            ),
            (
                grants(vec![broad.clone()], true),
                "tls 1: hosts: the rule '*.com' is refused",
            ),
            (grants(vec!["a.test".parse().unwrap()], true), ""),
            (
                fields("x-host", Vec::new()),
                "field 1: hosts: name at least one host",
            ),
            (
                fields("accept", vec!["a.test".parse().unwrap()]),
                "field 1: names: 'accept' needs no grant",
            ),
            (
                fields("x-host", vec!["a.test/x".parse().unwrap()]),
                "field 1: hosts: 'a.test/x' has a path",
            ),
            (
                fields("x-host", vec![broad.clone()]),
                "field 1: hosts: the rule '*.com' is refused",
            ),
            (fields("x-host", vec!["a.test".parse().unwrap()]), ""),
        ] {
            let said = told(&document);
            assert!(said.starts_with(expected), "{said}");
            assert_eq!(said.is_empty(), expected.is_empty(), "{said}");
        }
        let hosts = vec!["a.test".parse().unwrap(); MAX_RULES + 1];
        let many = Document {
            deny: vec![broad; MAX_RULES + 1],
            ..Document::default()
        };
        for many in [many, fields("x-host", hosts)] {
            let policy = Policy::from(many.clone());
            assert_eq!(policy.check(), many.check());
            assert!(matches!(
                many.check(),
                Err(PolicyFault {
                    fault: DocumentFault::TooManyRules,
                    ..
                })
            ));
        }
    }
}
