//! What an embedder sees and changes of a sandbox's policy, secrets and budgets while programs run.

use sandbox_net_gateway::secrets::COMMAND_LIMIT;
use sandbox_net_gateway::{Amount, NetworkUsage, ReplacePolicyError};
use sandbox_net_policy::{Policy, PolicyFault, Rules, SecretSource};
use sandbox_net_process::TimeBox;
use sandbox_net_python::Capability;
use serde::Serialize;

use crate::builder::check_source;
use crate::error::Error;
use crate::sandbox::Sandbox;

/// How much a sandbox has used of what it may use, in all its runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Usage {
    /// The budgets of the network, and the host's memory.
    #[serde(flatten)]
    pub network: NetworkUsage,
    /// Bytes of the sandbox's own files, counted as for the
    /// [limit](crate::SandboxBuilder::disk_limit).
    pub disk_bytes: Amount,
    /// Files, directories and links among them.
    pub disk_entries: Amount,
}

impl Sandbox {
    /// Returns the policy that decides at the moment, with the sandbox's budgets and secrets.
    pub fn policy(&self) -> Policy {
        self.gateway.policy()
    }

    /// Replaces the policy from now on, also for current runs. Connections that were made before
    /// are not reused, and requests under way that it denies end with that denial.
    ///
    /// Budgets, with what is used of them, and secrets stay those of the first policy. The new policy may
    /// have the same ones, as one that [`policy`](Self::policy) returned has, or none. To replace only
    /// rules, use [`set_rules`](Self::set_rules).
    ///
    /// ```no_run
    /// # fn example(sandbox: &sandbox_net::Sandbox) -> Result<(), sandbox_net::Error> {
    /// let narrow = sandbox.policy().narrow(["GET https://api.example.com"])?;
    /// sandbox.set_policy(narrow)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// For a policy with other budgets or secrets; for one that a policy file could not have; and if
    /// the sandbox was made without a network.
    pub fn set_policy(&self, policy: Policy) -> Result<(), Error> {
        self.check_capability(policy.denies_everything())?;
        Ok(self.gateway.replace_policy(policy)?)
    }

    /// Replaces the rules and the mode from now on, also for current runs, as
    /// [`set_policy`](Self::set_policy) does. Budgets, with what is used of them, secrets and grants of
    /// TLS settings and fields stay. So do the rules of every policy that
    /// [narrows](crate::SandboxBuilder::intersect) the sandbox's own.
    ///
    /// ```no_run
    /// # fn example(sandbox: &sandbox_net::Sandbox) -> Result<(), sandbox_net::Error> {
    /// use sandbox_net::policy::Rules;
    ///
    /// let rules = Rules::default()
    ///     .allow("https://api.example.com")?
    ///     .deny("https://api.example.com/admin/**")?;
    /// sandbox.set_rules(rules)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// For rules that a policy file could not have, and if the sandbox was made without a network.
    pub fn set_rules(&self, rules: Rules) -> Result<(), Error> {
        let policy = self.gateway.policy().with_rules(rules.clone());
        self.check_capability(policy.denies_everything())?;
        Ok(self.gateway.set_rules(rules)?)
    }

    /// Gives a secret of the policy another source, also for current runs. Requests from now on carry
    /// its value, and the program's placeholder stays the same. Responses are masked for the new value
    /// and for the last four that it had before, also those under way. Forks keep what they have.
    ///
    /// It is not cancel safe: a call that is dropped may replace the secret or not.
    ///
    /// ```no_run
    /// # async fn example(sandbox: &sandbox_net::Sandbox) -> Result<(), sandbox_net::Error> {
    /// use sandbox_net::policy::SecretSource;
    ///
    /// let token = String::from("a token that was fetched");
    /// sandbox.replace_secret("api-key", SecretSource::value(token)).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// If there is no such secret, no value, or a file or command that the program could replace; then
    /// nothing changes. A callback is not asked yet.
    pub async fn replace_secret(&self, name: &str, source: SecretSource) -> Result<(), Error> {
        check_source(&self.settings.writable, name, &source)?;
        let (vault, name) = (self.settings.network.vault.clone(), name.to_owned());
        let each = TimeBox::new(COMMAND_LIMIT);
        // If the caller stops waiting, the command ends.
        let waiting = each.waiting();
        let replacing = move || vault.replace_within(&name, &source, &each);
        let replaced = tokio::task::spawn_blocking(replacing).await;
        drop(waiting);
        Ok(replaced.map_err(|e| Error::Internal(e.to_string()))??)
    }

    /// How much of its budgets and of its disk the sandbox has used so far, in all its runs, those under
    /// way included.
    ///
    /// ```no_run
    /// # fn example(sandbox: &sandbox_net::Sandbox) {
    /// let usage = sandbox.usage();
    /// println!("{} bytes came in", usage.network.bytes_down.used);
    /// for (key, amount) in usage.network.budgets() {
    ///     println!("{key}: {} of {:?}", amount.used, amount.limit);
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn usage(&self) -> Usage {
        let (used, limits) = self.root.usage();
        Usage {
            network: self.gateway.usage(),
            disk_bytes: Amount::new(used.bytes, Some(limits.bytes)),
            disk_entries: Amount::new(used.entries, Some(limits.entries)),
        }
    }

    fn check_capability(&self, denies_everything: bool) -> Result<(), Error> {
        if self.settings.capability == Capability::None && !denies_everything {
            let why = "the sandbox was made without a network, for a policy that denies everything";
            return Err(Error::Policy(why.to_owned()));
        }
        Ok(())
    }
}

impl From<ReplacePolicyError> for Error {
    fn from(error: ReplacePolicyError) -> Self {
        Self::Policy(error.to_string())
    }
}

impl From<PolicyFault> for Error {
    fn from(fault: PolicyFault) -> Self {
        Self::Policy(fault.to_string())
    }
}
