//! The gateway itself: its settings, its current policy, and records of what is not HTTP.

use std::sync::Arc;
use std::time::Duration;

use sandbox_net_egress::account::HostMemory;
use sandbox_net_egress::{Client, EgressConfig, Limit, Machine};
use sandbox_net_policy::{DEFAULT_DENY, Denial, DenyReason, Policy, TlsOverrides};

use crate::audit::{AuditLog, METHOD, Stage, Subject, TARGET};
use crate::bounds::Bounds;
use crate::hook::DecisionHook;
use crate::link::Link;
use crate::meter::Meter;
use crate::questions::Questions;
use crate::run_budget::RunBudget;
use crate::secrets::Vault;
use crate::shared::Shared;
use crate::shared_hook::SharedHook;

/// The policy, the transport and the audit log of one sandbox.
///
/// All connections and requests of any program go through here, in this order: the policy's rules,
/// the budgets, the embedder's hook, the audit log, and only then a name server, a dial, or a byte
/// of a request. Clones share the same sandbox.
#[derive(Clone)]
pub struct Gateway {
    pub(crate) shared: Arc<Shared>,
    pub(crate) audit: AuditLog,
    bounds: Arc<Bounds>,
    /// What the run may do beside the policy's budgets.
    pub(crate) run: Option<Arc<RunBudget>>,
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway")
            .field("sandbox", &self.audit.sandbox())
            .finish_non_exhaustive()
    }
}

/// Settings of a [`Gateway`] besides the policy.
///
/// ```
/// use http_body_util::{BodyExt as _, Empty};
/// use sandbox_net_egress::{BodyKind, EgressConfig, EgressError, Roots, TlsConfig};
/// use sandbox_net_gateway::{AuditLog, Gateway, Request, RequestHead, Verdict};
/// use sandbox_net_policy::{Endpoint, Origin, Policy, Scheme};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let audit = AuditLog::new();
/// let config = EgressConfig::new(TlsConfig::new(Roots::Bundled, [])?);
/// let policy = Policy::allow(["https://api.example.com".parse()?]);
/// let gateway = Gateway::builder().audit(audit.clone()).build(policy, config);
///
/// let endpoint = Endpoint::new("elsewhere.test", 80)?;
/// let origin = Origin { scheme: Scheme::Http, endpoint };
/// let request = Request::new(origin, RequestHead::default(), BodyKind::None);
/// let body = Empty::new().map_err(|never| match never {}).boxed_unsync();
/// let refused = gateway.fetch(request, body).await;
/// assert!(matches!(refused, Err(EgressError::Denied(_))));
/// assert_eq!(audit.decisions()[0].verdict, Verdict::Deny);
/// # Ok(())
/// # }
/// ```
#[derive(Default)]
pub struct GatewayBuilder {
    hook: Option<(SharedHook, Duration)>,
    vault: Vault,
    audit: AuditLog,
    machine: Option<Machine>,
}

impl std::fmt::Debug for GatewayBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GatewayBuilder")
            .field(
                "hook_deadline",
                &self.hook.as_ref().map(|(_, deadline)| deadline),
            )
            .field("vault", &self.vault)
            .field("audit", &self.audit)
            .finish_non_exhaustive()
    }
}

impl GatewayBuilder {
    /// Asks `hook` about every request, after the policy. Without an answer within `deadline` the
    /// request is denied; with a deadline of zero, unless the hook answers at once.
    #[must_use]
    pub fn hook(mut self, hook: impl DecisionHook + 'static, deadline: Duration) -> Self {
        self.hook = Some((SharedHook::new(hook), deadline));
        self
    }

    /// Sets the values of the policy's secrets.
    #[must_use]
    pub fn secrets(mut self, vault: Vault) -> Self {
        self.vault = vault;
        self
    }

    /// Sets the log that everything is recorded in.
    #[must_use]
    pub fn audit(mut self, audit: AuditLog) -> Self {
        self.audit = audit;
        self
    }

    /// Dials as from a machine with other addresses than this one has.
    #[cfg(any(test, feature = "test-support"))]
    #[doc(hidden)]
    pub fn machine(mut self, machine: Machine) -> Self {
        self.machine = Some(machine);
        self
    }

    /// Builds a gateway that decides by `policy` and sends by `config`. The policy's budgets of
    /// connections, of response heads and of memory apply if they are below the configured ones. A
    /// policy that was built in code is not checked here: see [`Policy::check`].
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
        let questions = self.hook.map(|(hook, limit)| Questions::new(hook, limit));
        Gateway {
            shared: Arc::new(Shared::new(policy, egress, meter, self.vault, questions)),
            audit: self.audit,
            bounds,
            run: None,
        }
    }
}

impl Gateway {
    /// Makes a gateway that decides by `policy`, sends by `config` and records in `audit`. To set a
    /// hook and secrets use [`builder`](Self::builder).
    #[must_use]
    pub fn new(policy: Policy, config: EgressConfig, audit: AuditLog) -> Self {
        Self::builder().audit(audit).build(policy, config)
    }

    /// Starts with the default settings.
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

    /// The account from which everything that the host holds in memory for the guest is taken, in
    /// all its runs.
    pub fn memory(&self) -> &HostMemory {
        self.shared.egress.memory()
    }

    /// Returns the policy that decides at the moment.
    #[must_use]
    pub fn policy(&self) -> Policy {
        Policy::clone(&self.shared.policy())
    }

    /// Returns the same sandbox with a log for its next run.
    pub fn next_run(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            audit: self.audit.next_run(),
            bounds: Arc::clone(&self.bounds),
            run: None,
        }
    }

    /// Returns the same sandbox with a log for its next run, which may send at most this many requests.
    /// They count toward the policy's budget too.
    pub fn next_run_within(&self, requests: u64) -> Self {
        let next = self.next_run();
        let bounds = Arc::new(self.bounds.within(requests));
        next.audit.run_bounded_by(&bounds);
        Self {
            bounds,
            run: Some(Arc::new(RunBudget::new(requests))),
            ..next
        }
    }

    /// Records a call that is not valid HTTP, and was refused as such.
    pub fn malformed(&self, stage: Stage, target: &str, method: Option<&[u8]>) {
        self.is_malformed(Subject {
            stage,
            host: None,
            target: beginning(target).escape_default().to_string(),
            port: 0,
            method: method.map(|method| escaped(method, METHOD)),
            tls: TlsOverrides::default(),
        });
    }

    /// Records an invalid request on a connection.
    pub fn malformed_request(&self, link: &Link, method: &[u8], path: &[u8]) {
        self.is_malformed(self.subject(link, method, path));
    }

    fn is_malformed(&self, subject: Subject) {
        self.shared.meter.denied();
        drop(self.audit.decided(subject, Err(&malformed())));
    }
}

/// The denial, for the log, of what is not HTTP.
pub(crate) fn malformed() -> Denial {
    Denial {
        reason: DenyReason::Malformed,
        rule: DEFAULT_DENY.to_owned(),
        message: String::new(),
        address: None,
    }
}

/// A bit more of a guest's name than a record keeps, so that the record shows that it was
/// truncated.
pub(crate) fn beginning(name: &str) -> &str {
    &name[..name.ceil_char_boundary(TARGET + 1)]
}

/// Such a beginning of bytes, escaped, of which a record keeps `most`.
pub(crate) fn escaped(bytes: &[u8], most: usize) -> String {
    bytes[..bytes.len().min(most + 1)]
        .escape_ascii()
        .to_string()
}

/// The name of a budget in place of a rule's name.
pub(crate) fn budget_rule(limit: Limit) -> String {
    format!("budget:{}", limit.as_str())
}
