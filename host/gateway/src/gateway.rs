//! The gateway itself: its settings, the policy of the moment, and what is no HTTP.

use std::sync::Arc;
use std::time::Duration;

use sandbox_net_egress::account::HostMemory;
use sandbox_net_egress::{Client, EgressConfig, Limit, Machine};
use sandbox_net_policy::{Budgets, DEFAULT_DENY, Denial, DenyReason, Policy, TlsOverrides};

use crate::audit::{AuditLog, METHOD, Stage, Subject, TARGET};
use crate::bounds::Bounds;
use crate::hook::DecisionHook;
use crate::link::Link;
use crate::meter::Meter;
use crate::secrets::Vault;
use crate::shared::Shared;

/// The policy, the transport and the audit log of one sandbox.
///
/// Whatever the program is, its connections and requests come through here, in this order: the
/// policy's rules, the budgets, the embedder's hook, the audit log, and only then a name server, a
/// dial, or a byte of a request. Clones are the same sandbox.
#[derive(Clone)]
pub struct Gateway {
    pub(crate) shared: Arc<Shared>,
    pub(crate) audit: AuditLog,
    bounds: Arc<Bounds>,
}

/// Why a policy does not take the place of another one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplacePolicyError {
    /// It brings budgets or secrets.
    #[error(
        "budgets and secrets stay those of the sandbox's first policy: remove them from the new one"
    )]
    BudgetsOrSecrets,
    /// [`Policy::check`] refuses it, for this reason.
    #[error("{0}")]
    Policy(String),
}

/// Settings of a [`Gateway`] beside the policy.
#[derive(Default)]
pub struct GatewayBuilder {
    hook: Option<(Arc<dyn DecisionHook>, Duration)>,
    vault: Vault,
    audit: AuditLog,
    machine: Option<Machine>,
}

impl GatewayBuilder {
    /// Asks `hook` about every request, after the policy; no answer within `deadline` denies, so that
    /// a deadline of zero denies all that the hook does not answer at once.
    #[must_use]
    pub fn hook(mut self, hook: Arc<dyn DecisionHook>, deadline: Duration) -> Self {
        self.hook = Some((hook, deadline));
        self
    }

    /// The values of the policy's secrets.
    #[must_use]
    pub fn secrets(mut self, vault: Vault) -> Self {
        self.vault = vault;
        self
    }

    /// The log that everything is recorded in.
    #[must_use]
    pub fn audit(mut self, audit: AuditLog) -> Self {
        self.audit = audit;
        self
    }

    /// Dials from a machine with other addresses than this one has.
    #[cfg(any(test, feature = "test-support"))]
    #[doc(hidden)]
    pub fn machine(mut self, machine: Machine) -> Self {
        self.machine = Some(machine);
        self
    }

    /// Hooks that decide by `policy` and send by `config`. The policy's budgets of connections, of
    /// response heads and of memory count where they are below the configured ones. A policy that
    /// was put together by hand is not checked here: see [`Policy::check`].
    #[must_use]
    pub fn build(self, policy: Policy, mut config: EgressConfig) -> Gateway {
        let bounds = Arc::new(Bounds::new(policy.budgets(), &config));
        let size = |bound: Option<u32>| bound.and_then(|bound| usize::try_from(bound).ok());
        let budgets = policy.budgets();
        let connections = size(budgets.connections).unwrap_or(usize::MAX);
        config.max_connections = config.max_connections.min(connections);
        let head = size(budgets.response_head).unwrap_or(usize::MAX);
        config.max_response_head = config.max_response_head.min(head);
        let memory = [config.max_host_memory, budgets.host_memory];
        config.max_host_memory = memory.into_iter().flatten().min();
        let meter = Arc::new(Meter::new(*budgets));
        let wire = Arc::<Meter>::clone(&meter);
        let egress = Client::on(config, wire, self.machine.unwrap_or_else(Machine::real));
        self.audit.hold_in(egress.memory());
        self.audit.bounded_by(&bounds);
        Gateway {
            shared: Arc::new(Shared::new(policy, egress, meter, self.vault, self.hook)),
            audit: self.audit,
            bounds,
        }
    }
}

impl Gateway {
    /// Hooks that decide by `policy`, send by `config` and record in `audit`. A hook and secrets
    /// come with [`builder`](Self::builder).
    #[must_use]
    pub fn new(policy: Policy, config: EgressConfig, audit: AuditLog) -> Self {
        Self::builder().audit(audit).build(policy, config)
    }

    /// Settings to choose.
    #[must_use]
    pub fn builder() -> GatewayBuilder {
        GatewayBuilder::default()
    }

    /// The log that everything is recorded in.
    #[must_use]
    pub fn audit(&self) -> &AuditLog {
        &self.audit
    }

    /// What each limit allows.
    pub fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// What the host holds in memory on behalf of the guest, in all its runs, is taken from here.
    pub fn memory(&self) -> &HostMemory {
        self.shared.egress.memory()
    }

    /// The policy that decides at the moment.
    #[must_use]
    pub fn policy(&self) -> Policy {
        Policy::clone(&self.shared.policy())
    }

    /// The same sandbox with a log for its next run.
    pub fn next_run(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            audit: self.audit.next_run(),
            bounds: Arc::clone(&self.bounds),
        }
    }

    /// Lets `policy` decide from now on, in every run. Connections that were made before are not
    /// used again; exchanges under way that it denies end with that denial.
    ///
    /// # Errors
    ///
    /// For a policy that brings budgets or secrets: these are those of the first policy. For one that
    /// [`Policy::check`] refuses.
    pub fn replace_policy(&self, policy: Policy) -> Result<(), ReplacePolicyError> {
        if *policy.budgets() != Budgets::default() || !policy.secrets().is_empty() {
            return Err(ReplacePolicyError::BudgetsOrSecrets);
        }
        let fault = policy.check();
        fault.map_err(|fault| ReplacePolicyError::Policy(fault.to_string()))?;
        self.shared.replace(policy);
        Ok(())
    }

    /// Records something that is no HTTP, and that was answered so.
    pub fn malformed(&self, stage: Stage, target: &str, method: Option<&[u8]>) {
        self.is_malformed(Subject {
            stage,
            target: beginning(target).escape_default().to_string(),
            port: 0,
            method: method.map(|method| escaped(method, METHOD)),
            tls: TlsOverrides::default(),
        });
    }

    /// The same for a request on a connection.
    pub fn malformed_request(&self, link: &Link, method: &[u8], path: &[u8]) {
        self.is_malformed(self.subject(link, method, path));
    }

    fn is_malformed(&self, subject: Subject) {
        self.shared.meter.denied();
        drop(self.audit.decided(subject, Err(&malformed())));
    }
}

/// The denial, for the log, of what is no HTTP.
pub(crate) fn malformed() -> Denial {
    Denial {
        reason: DenyReason::Malformed,
        rule: DEFAULT_DENY.to_owned(),
        message: String::new(),
        address: None,
    }
}

/// As much of a name of the guest's as a record keeps of it, and more, so that it shows that it was
/// cut.
pub(crate) fn beginning(name: &str) -> &str {
    &name[..name.ceil_char_boundary(TARGET + 1)]
}

/// The same of bytes, escaped, of which a record keeps `most`.
pub(crate) fn escaped(bytes: &[u8], most: usize) -> String {
    bytes[..bytes.len().min(most + 1)]
        .escape_ascii()
        .to_string()
}

/// The name of a budget where a rule's name stands.
pub(crate) fn budget_rule(limit: Limit) -> String {
    format!("budget:{}", limit.as_str())
}
