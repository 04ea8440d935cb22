//! Where a broker's policy comes from: a file or a document, with single rules beside it.

use sandbox_net_policy::{Document, Policy, Rule};

use crate::error::PolicyError;
use crate::policy_files::{Contents, PolicyFiles};

/// The parts of a policy.
#[derive(Clone, Debug, Default)]
pub(crate) struct PolicySource {
    pub(crate) files: PolicyFiles,
    pub(crate) document: Document,
    pub(crate) allow: Vec<String>,
    pub(crate) deny: Vec<String>,
    pub(crate) ask: Vec<String>,
    pub(crate) tls_grants: Vec<String>,
    pub(crate) field_grants: Vec<String>,
    pub(crate) tunnels: Vec<String>,
    pub(crate) narrowing: Vec<Policy>,
}

impl PolicySource {
    /// The policy of everything together, from these contents of the files.
    pub(crate) fn policy(&self, contents: &Contents) -> Result<Policy, PolicyError> {
        let first = self.files.first(contents)?;
        let mut document = first.unwrap_or_else(|| self.document.clone());
        document.allow.extend(rules(&self.allow, str::parse)?);
        document.deny.extend(rules(&self.deny, Rule::parse_deny)?);
        document.ask.extend(rules(&self.ask, str::parse)?);
        for grant in &self.tls_grants {
            let parsed = grant.parse();
            document
                .tls
                .push(parsed.map_err(|source| PolicyError::TlsGrant {
                    grant: grant.clone(),
                    source,
                })?);
        }
        for grant in &self.field_grants {
            let parsed = grant.parse();
            document
                .fields
                .push(parsed.map_err(|source| PolicyError::FieldGrant {
                    grant: grant.clone(),
                    source,
                })?);
        }
        for grant in &self.tunnels {
            let parsed = grant.parse();
            document
                .tunnel
                .push(parsed.map_err(|source| PolicyError::Tunnel {
                    grant: grant.clone(),
                    source,
                })?);
        }
        let policy = Policy::from(document);
        let mut narrowing = self.files.narrowing(contents)?;
        narrowing.extend(self.narrowing.iter().cloned());
        if narrowing.iter().any(|one| !one.secrets().is_empty()) {
            let why = "a policy that narrows another can't bring secrets: they belong in the first";
            return Err(PolicyError::Fault(why.to_owned()));
        }
        let policy = narrowing
            .iter()
            .fold(policy, |all, next| all.intersect(next));
        let checked = policy.check();
        checked.map_err(|fault| PolicyError::Fault(fault.to_string()))?;
        Ok(policy)
    }
}

fn rules(
    texts: &[String],
    parse: impl Fn(&str) -> Result<Rule, sandbox_net_policy::RuleError>,
) -> Result<Vec<Rule>, PolicyError> {
    let rules = texts.iter().map(|text| {
        parse(text).map_err(|source| PolicyError::Rule {
            rule: text.clone(),
            source,
        })
    });
    rules.collect()
}
