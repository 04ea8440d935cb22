//! Computes the policy of a sandbox from all the settings that make it.

use std::path::Path;

use super::SandboxBuilder;
use crate::checks;
use crate::error::Error;
use sandbox_net_policy::{Document, Policy, Rule, RuleError, Secret};

impl SandboxBuilder {
    /// Adds a secret to the policy, such as one with a value that you have, or with a callback, see
    /// [`Secret::new`] and [`SecretSource`](sandbox_net_policy::SecretSource).
    ///
    /// ```
    /// use sandbox_net::Sandbox;
    /// use sandbox_net::policy::{Secret, SecretSource};
    ///
    /// let rule = "https://api.example.com".parse().unwrap();
    /// let key = String::from("sk-live-0123456789");
    /// let builder = Sandbox::builder()
    ///     .allow("https://api.example.com")
    ///     .secret(Secret::new("api-key", rule, SecretSource::value(key)));
    /// assert_eq!(builder.effective_policy().unwrap().secrets()[0].env, "API_KEY");
    /// ```
    pub fn secret(mut self, secret: Secret) -> Self {
        self.secrets.push(secret);
        self
    }

    /// Returns the policy that all settings together make.
    ///
    /// # Errors
    ///
    /// The [`Error`] that [`build`](Self::build) would return.
    pub fn effective_policy(&self) -> Result<Policy, Error> {
        let mut document = match &self.policy_file {
            Some(path) => read_policy(path)?,
            None => self.document.clone(),
        };
        document.allow.extend(rules(&self.allow, str::parse)?);
        document.deny.extend(rules(&self.deny, Rule::parse_deny)?);
        document.ask.extend(rules(&self.ask, str::parse)?);
        for grant in &self.tls_grants {
            let refused = |source| Error::TlsGrant {
                grant: grant.clone(),
                source,
            };
            document.tls.push(grant.parse().map_err(refused)?);
        }
        for grant in &self.field_grants {
            let refused = |source| Error::FieldGrant {
                grant: grant.clone(),
                source,
            };
            document.fields.push(grant.parse().map_err(refused)?);
        }
        document.secrets.extend(self.secrets.iter().cloned());
        let policy = Policy::from(document);
        if self.narrowing.iter().any(|one| !one.secrets().is_empty()) {
            let why = "a policy that narrows another can't bring secrets: they belong in the first";
            return Err(Error::Policy(why.to_owned()));
        }
        if let Some(secret) = policy
            .secrets()
            .iter()
            .find(|secret| self.env.contains_key(&secret.env))
        {
            return Err(checks::secrets(&secret.env));
        }
        let narrowing = self.narrowing.iter();
        let policy = narrowing.fold(policy, |all, next| all.intersect(next));
        checks::policy(&policy)?;
        Ok(policy)
    }
}

/// Reads a policy file.
fn read_policy(path: &Path) -> Result<Document, Error> {
    let read = || Ok(Document::parse(&std::fs::read_to_string(path)?)?);
    read().map_err(|source| Error::PolicyFile {
        path: path.to_path_buf(),
        source,
    })
}

fn rules(
    texts: &[String],
    parse: impl Fn(&str) -> Result<Rule, RuleError>,
) -> Result<Vec<Rule>, Error> {
    let rules = texts.iter().map(|text| {
        parse(text).map_err(|source| Error::Rule {
            rule: text.clone(),
            source,
        })
    });
    rules.collect()
}
