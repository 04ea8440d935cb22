//! Replaces what a sandbox was made with, while its programs run: policy, rules, secrets.

use sandbox_net_policy::{Budgets, Policy, Rules, Secret, SecretSource};

use crate::gateway::Gateway;
use crate::secrets::VaultError;

/// Why a policy cannot replace another one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplacePolicyError {
    /// It has another budget.
    #[error(
        "budgets and secrets stay those of the sandbox's first policy, and the new one has another \
         budget '{key}': {}, not {}; give it the same budgets, or none",
        number(.new),
        number(.present)
    )]
    Budgets {
        /// The key in `[budgets]`.
        key: &'static str,
        /// Its value in the new policy, if it is set.
        new: Option<u64>,
        /// Its value in the sandbox's first policy, if it was set.
        present: Option<u64>,
    },
    /// It has other secrets.
    #[error(
        "budgets and secrets stay those of the sandbox's first policy, and the new one {what}; give \
         it the same secrets, or none; to give a secret another value, replace that secret"
    )]
    Secrets {
        /// What differs, such as `lacks the secret 'api-key'`.
        what: String,
    },
    /// [`Policy::check`] refuses it, for this reason.
    #[error("{0}")]
    Policy(String),
}

impl Gateway {
    /// Replaces the policy from now on, in every run. Connections that were made before are not
    /// reused; requests under way that it denies end with that denial.
    ///
    /// Budgets, with what is used of them, and secrets stay. The new policy may have the same ones, as
    /// one that [`policy`](Self::policy) returned has, or none.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use sandbox_net_egress::{EgressConfig, Roots, TlsConfig};
    /// use sandbox_net_gateway::{AuditLog, Gateway};
    /// use sandbox_net_policy::Policy;
    ///
    /// let config = EgressConfig::new(TlsConfig::new(Roots::Bundled, [])?);
    /// let policy = Policy::allow(["https://*.example.com".parse()?]);
    /// let gateway = Gateway::new(policy, config, AuditLog::new());
    /// let narrow = gateway.policy().narrow(["https://api.example.com"])?;
    /// gateway.replace_policy(narrow)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// For a policy with other budgets or secrets, and for one that [`Policy::check`] refuses.
    pub fn replace_policy(&self, policy: Policy) -> Result<(), ReplacePolicyError> {
        self.shared.replace(|present| {
            check_budgets(policy.budgets(), self.shared.meter.budgets())?;
            check_secrets(policy.secrets(), present.secrets())?;
            self.fitted(policy.clone(), present)
        })
    }

    /// Replaces the rules and the mode from now on, as [`replace_policy`](Self::replace_policy) does.
    /// Budgets, with what is used of them, secrets and grants stay, and so do the rules of policies
    /// that narrow the first one.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use sandbox_net_egress::{EgressConfig, Roots, TlsConfig};
    /// use sandbox_net_gateway::{AuditLog, Gateway};
    /// use sandbox_net_policy::{Policy, Rules};
    ///
    /// let config = EgressConfig::new(TlsConfig::new(Roots::Bundled, [])?);
    /// let gateway = Gateway::new(Policy::deny_all(), config, AuditLog::new());
    /// gateway.set_rules(Rules::default().allow("https://api.example.com")?)?;
    /// assert!(!gateway.policy().denies_everything());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// For rules that [`Policy::check`] refuses.
    pub fn set_rules(&self, rules: Rules) -> Result<(), ReplacePolicyError> {
        self.shared
            .replace(|present| self.fitted(present.with_rules(rules.clone()), present))
    }

    /// Gives a secret of the policy another source. Requests from now on carry its value, and the
    /// program's placeholder stays the same. Responses are masked for the new value and for the last
    /// four that it had before. It blocks while a file is read or a command runs, for 30 seconds at
    /// most.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use sandbox_net_egress::{EgressConfig, Roots, TlsConfig};
    /// use sandbox_net_gateway::{Gateway, Vault};
    /// use sandbox_net_policy::{Document, Secret, SecretSource};
    ///
    /// let first = SecretSource::value("sk-live-0123456789");
    /// let document = Document {
    ///     allow: vec!["https://api.example.com".parse()?],
    ///     secrets: vec![Secret::new("key", "https://api.example.com".parse()?, first)],
    ///     ..Document::default()
    /// };
    /// let vault = Vault::open(&document.secrets)?;
    /// let config = EgressConfig::new(TlsConfig::new(Roots::Bundled, [])?);
    /// let gateway = Gateway::builder().secrets(vault).build(document.into(), config);
    /// gateway.replace_secret("key", SecretSource::value("sk-live-9876543210"))?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// If there is no such secret, or no value; then nothing changes. A callback is not asked yet.
    pub fn replace_secret(&self, name: &str, source: SecretSource) -> Result<(), VaultError> {
        self.shared.vault.replace(name, source)
    }

    /// The policy with the sandbox's budgets and secrets, checked.
    fn fitted(&self, policy: Policy, present: &Policy) -> Result<Policy, ReplacePolicyError> {
        let budgets = *self.shared.meter.budgets();
        let policy = policy.with_budgets(budgets).with_secrets_of(present);
        match policy.check() {
            Ok(()) => Ok(policy),
            Err(fault) => Err(ReplacePolicyError::Policy(fault.to_string())),
        }
    }
}

fn check_budgets(new: &Budgets, present: &Budgets) -> Result<(), ReplacePolicyError> {
    if new == present || *new == Budgets::default() {
        return Ok(());
    }
    let mut pairs = new.entries().into_iter().zip(present.entries());
    let differing = pairs.find(|(new, present)| new != present);
    // Two times may differ by less than the second in which they are told.
    let (key, new, present) = differing
        .map_or(("seconds", None, None), |((key, new), (_, present))| {
            (key, new, present)
        });
    Err(ReplacePolicyError::Budgets { key, new, present })
}

fn check_secrets(new: &[Secret], present: &[Secret]) -> Result<(), ReplacePolicyError> {
    if new.is_empty() || new == present {
        return Ok(());
    }
    let by_name = |list: &[Secret], name: &str| list.iter().any(|secret| secret.name == name);
    let lacking = present.iter().find(|secret| !by_name(new, &secret.name));
    let added = new.iter().find(|secret| !by_name(present, &secret.name));
    let differs = new.iter().find(|secret| !present.contains(secret));
    let what = match (lacking, added, differs) {
        (Some(secret), ..) => format!("lacks the secret '{}'", secret.name),
        (_, Some(secret), _) => format!("adds the secret '{}'", secret.name.escape_debug()),
        (.., Some(secret)) => format!("changes the secret '{}'", secret.name),
        _ => "has them in another order".to_owned(),
    };
    Err(ReplacePolicyError::Secrets { what })
}

fn number(value: &Option<u64>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| value.to_string())
}

#[cfg(test)]
mod tests;
