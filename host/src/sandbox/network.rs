//! What a sandbox's network is made of.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::EgressHooks;
use crate::audit::{AuditLog, AuditSettings};
use crate::egress::EgressConfig;
use crate::hook::Hook;
use crate::policy::Policy;
use crate::secrets::Vault;

/// Sandboxes of this process that were given no name, and forks, are numbered.
static NUMBER: AtomicU64 = AtomicU64::new(1);

/// The settings of a sandbox's network, for itself and for its forks.
#[derive(Clone)]
pub(super) struct Network {
    pub(super) policy: Policy,
    pub(super) egress: EgressConfig,
    pub(super) vault: Vault,
    pub(super) hook: Option<(Arc<dyn Hook>, Duration)>,
    pub(super) audit: AuditSettings,
}

impl Network {
    /// A network that leads nowhere.
    pub(super) fn none(egress: EgressConfig) -> Self {
        Self {
            policy: Policy::deny_all(),
            egress,
            vault: Vault::default(),
            hook: None,
            audit: AuditSettings::default(),
        }
    }

    /// Pool, budgets and log of one sandbox.
    pub(super) fn hooks(&self) -> EgressHooks {
        let mut audit = self.audit.clone();
        if audit.sandbox.is_empty() {
            audit.sandbox = format!("sandbox-{}", next_number());
        }
        let mut builder = EgressHooks::builder()
            .secrets(self.vault.clone())
            .audit(AuditLog::with(audit));
        if let Some((hook, deadline)) = &self.hook {
            builder = builder.hook(Arc::clone(hook), *deadline);
        }
        builder.build(self.policy.clone(), self.egress.clone())
    }

    /// The same for a fork, whose parent has come to this policy and is called `name`.
    pub(super) fn forked(&self, policy: Policy, name: &str) -> Self {
        let mut forked = self.clone();
        forked.policy = policy;
        forked.audit.sandbox = format!("{name}/fork-{}", next_number());
        forked
    }
}

fn next_number() -> u64 {
    NUMBER.fetch_add(1, Ordering::Relaxed)
}
