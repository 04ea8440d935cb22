//! Makes the gateway of a sandbox from its settings.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sandbox_net_egress::EgressConfig;
use sandbox_net_gateway::audit::{AuditLog, AuditSettings};
use sandbox_net_gateway::secrets::Vault;
use sandbox_net_gateway::{Gateway, SharedHook};
use sandbox_net_policy::Policy;

/// The next number for a sandbox of this process without a name, or for a fork.
static NUMBER: AtomicU64 = AtomicU64::new(1);

/// The settings of a sandbox's network, for itself and for its forks.
#[derive(Clone)]
pub(crate) struct Network {
    pub(crate) policy: Policy,
    pub(crate) egress: EgressConfig,
    pub(crate) vault: Vault,
    pub(crate) hook: Option<(SharedHook, Duration)>,
    pub(crate) audit: AuditSettings,
}

impl Network {
    /// Makes the gateway, with a pool, budgets and a log of its own.
    pub(crate) fn gateway(&self) -> Gateway {
        let mut audit = self.audit.clone();
        if audit.sandbox.is_empty() {
            audit.sandbox = format!("sandbox-{}", next_number());
        }
        let mut builder = Gateway::builder()
            .secrets(self.vault.clone())
            .audit(AuditLog::with(audit));
        if let Some((hook, deadline)) = &self.hook {
            builder = builder.hook(hook.clone(), *deadline);
        }
        builder.build(self.policy.clone(), self.egress.clone())
    }

    /// The settings of a fork called `name`, whose parent now has this policy. Its secrets have the
    /// values of now.
    pub(crate) fn forked(&self, policy: Policy, name: &str) -> Self {
        let mut forked = self.clone();
        forked.policy = policy;
        forked.vault = self.vault.fork();
        forked.audit.sandbox = format!("{name}/fork-{}", next_number());
        forked
    }
}

fn next_number() -> u64 {
    NUMBER.fetch_add(1, Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use sandbox_net_egress::{Roots, TlsConfig};
    use sandbox_net_policy::Budgets;

    use super::*;

    /// A network that allows nothing.
    fn nowhere(egress: EgressConfig) -> Network {
        Network {
            policy: Policy::deny_all(),
            egress,
            vault: Vault::default(),
            hook: None,
            audit: AuditSettings::default(),
        }
    }

    #[test]
    fn a_fork_has_the_budgets_of_the_first_policy_whatever_took_its_place() {
        let budgets = Budgets {
            requests: Some(1),
            ..Budgets::default()
        };
        let tls = TlsConfig::new(Roots::Bundled, []).unwrap();
        let mut network = nowhere(EgressConfig::new(tls));
        network.policy = network.policy.with_budgets(budgets);
        let gateway = network.gateway();
        let other = Policy::allow(["a.test".parse().unwrap()]);
        gateway.replace_policy(other).unwrap();
        let fork = network.forked(gateway.policy(), "one");
        let again = fork.forked(fork.gateway().policy(), "two");
        for policy in [fork.policy, again.policy] {
            assert_eq!(*policy.budgets(), budgets);
            assert!(!policy.denies_everything());
        }
    }
}
