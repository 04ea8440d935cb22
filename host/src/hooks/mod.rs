//! The one door to the network: every connection and every request, of `sandbox:net` and of
//! `wasi:http` guests alike, is decided, carried out and recorded here.
//!
//! The order is always the same: the policy's rules, the budgets, the embedder's hook, and only
//! then a name server, a dial, or a byte of a request.

mod broken;
mod completion;
mod consult;
mod doors;
mod exchange;
mod lookup;
#[cfg(test)]
mod memory_tests;
mod meter;
mod shared;
#[cfg(test)]
mod tls_tests;
mod tracked;
mod unframed;
mod upload;
mod wasi_http;

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use wasmtime_wasi::runtime::AbortOnDropJoinHandle;
use wasmtime_wasi_http::{RequestOptions, WasiBody, WasiHttpHooks};

pub(crate) use self::completion::Completion;
pub(crate) use self::lookup::{Found, Looking, MAX_LOOKUPS};
use self::meter::{Meter, Opened};
use self::shared::{Admission, Shared, SharedConnection, Way};
pub(crate) use self::unframed::NoHead;
use crate::Error;
use crate::account::HostMemory;
use crate::audit::{AuditLog, METHOD, Stage, Subject, TARGET};
use crate::bounds::Bounds;
use crate::egress::{
    self, BodyKind, Egress, EgressConfig, EgressError, Limit, Machine, TlsInfo, TlsTerms,
};
use crate::hook::Hook;
use crate::policy::{
    Budgets, DEFAULT_DENY, Denial, DenyReason, Origin, Policy, Scheme, TlsRequest,
};
use crate::secrets::Vault;

type HttpError = wasmtime_wasi_http::Error;
type Io = Box<dyn Future<Output = Result<(), HttpError>> + Send>;
type Sent = Box<dyn Future<Output = Result<(http::Response<WasiBody>, Io), HttpError>> + Send>;

/// A connection attempt under way; dropping it ends it.
pub(crate) type Connecting = AbortOnDropJoinHandle<Result<Link, EgressError>>;
/// A TLS handshake under way.
pub(crate) type Handshake = AbortOnDropJoinHandle<Result<(), EgressError>>;

/// The policy, the transport and the audit log of one sandbox.
///
/// It implements [`WasiHttpHooks`], so that an embedder who links `wasi:http` beside
/// `sandbox:net` gives both the same policy, pool and log. Clones are the same sandbox.
#[derive(Clone)]
pub struct EgressHooks {
    shared: Arc<Shared>,
    audit: AuditLog,
    bounds: Arc<Bounds>,
}

/// Settings of [`EgressHooks`] beside the policy.
#[derive(Default)]
pub struct EgressHooksBuilder {
    hook: Option<(Arc<dyn Hook>, Duration)>,
    vault: Vault,
    audit: AuditLog,
    machine: Option<Machine>,
}

impl EgressHooksBuilder {
    /// Asks `hook` about every request, after the policy; no answer within `deadline` denies, so that
    /// a deadline of zero denies all that the hook does not answer at once.
    #[must_use]
    pub fn hook(mut self, hook: Arc<dyn Hook>, deadline: Duration) -> Self {
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
    #[cfg(test)]
    pub(crate) fn machine(mut self, machine: Machine) -> Self {
        self.machine = Some(machine);
        self
    }

    /// Hooks that decide by `policy` and send by `config`. The policy's budgets of connections, of
    /// response heads and of memory count where they are below the configured ones. A policy that
    /// was put together by hand is not checked here: see [`Policy::check`].
    #[must_use]
    pub fn build(self, policy: Policy, mut config: EgressConfig) -> EgressHooks {
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
        let egress = Egress::on(config, wire, self.machine.unwrap_or_else(Machine::real));
        self.audit.hold_in(egress.memory());
        self.audit.bounded_by(&bounds);
        EgressHooks {
            shared: Arc::new(Shared::new(policy, egress, meter, self.vault, self.hook)),
            audit: self.audit,
            bounds,
        }
    }
}

/// A connection that was made, and what it may carry.
#[derive(Clone)]
pub(crate) struct Link {
    connection: SharedConnection,
    origin: Origin,
    address: Option<SocketAddr>,
    tls: Arc<OnceLock<Arc<TlsInfo>>>,
    /// Those of its TLS; the host's own until that begins.
    terms: Arc<TlsTerms>,
    /// Its place among the guest's connections. The guest's own handle has it, so that the place is
    /// free as soon as that is closed.
    admission: Option<Arc<Admission>>,
    /// Whether it has carried a request.
    opened: Arc<Opened>,
}

impl Link {
    pub(crate) fn is_tls(&self) -> bool {
        self.origin.scheme == Scheme::Https
    }

    /// The connection for one exchange, which may take a moment longer to end than its handle.
    pub(crate) fn for_exchange(&self) -> Self {
        Self {
            admission: None,
            ..self.clone()
        }
    }

    /// The connection in the place of another one.
    pub(crate) fn in_place_of(self, other: &Self) -> Self {
        Self {
            admission: other.admission.clone(),
            ..self
        }
    }

    /// What the policy has to grant for its TLS.
    fn asked(&self) -> TlsRequest {
        self.terms.request()
    }

    /// What its requests are judged by.
    fn way(&self) -> Way {
        Way {
            origin: self.origin.clone(),
            tls: self.asked(),
        }
    }

    pub(crate) fn tls_info(&self) -> Option<&TlsInfo> {
        self.tls.get().map(Arc::as_ref)
    }
}

/// The head of a request as the guest wrote it.
#[derive(Clone)]
pub(crate) struct RequestHead {
    pub(crate) method: Vec<u8>,
    pub(crate) path: Vec<u8>,
    pub(crate) fields: egress::Fields,
}

/// A request of `sandbox:net`, as it travels through [`WasiHttpHooks::send_request`]: `http`'s own
/// types keep neither the spelling nor the order of fields.
#[derive(Clone)]
pub(crate) struct Outgoing {
    pub(crate) link: Link,
    pub(crate) head: RequestHead,
    pub(crate) kind: BodyKind,
    pub(crate) completion: Arc<Completion>,
    /// Whether the guest takes an answer that is no HTTP as it comes.
    pub(crate) takes_unframed: bool,
}

impl EgressHooks {
    /// Hooks that decide by `policy`, send by `config` and record in `audit`. A hook and secrets
    /// come with [`builder`](Self::builder).
    #[must_use]
    pub fn new(policy: Policy, config: EgressConfig, audit: AuditLog) -> Self {
        Self::builder().audit(audit).build(policy, config)
    }

    /// Settings to choose.
    #[must_use]
    pub fn builder() -> EgressHooksBuilder {
        EgressHooksBuilder::default()
    }

    /// The log that everything is recorded in.
    #[must_use]
    pub fn audit(&self) -> &AuditLog {
        &self.audit
    }

    /// What each limit allows.
    pub(crate) fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// What the host holds in memory on behalf of the guest, in all its runs, is taken from here.
    pub(crate) fn memory(&self) -> &HostMemory {
        self.shared.egress.memory()
    }

    /// The policy that decides at the moment.
    #[must_use]
    pub fn policy(&self) -> Policy {
        Policy::clone(&self.shared.policy())
    }

    /// The same sandbox with a log for its next run.
    pub(crate) fn next_run(&self) -> Self {
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
    pub fn replace_policy(&self, policy: Policy) -> Result<(), Error> {
        if *policy.budgets() != Budgets::default() || !policy.secrets().is_empty() {
            let why =
                "budgets and secrets stay those of the sandbox's first policy: leave them out";
            return Err(Error::Policy(why.to_owned()));
        }
        let fault = policy.check();
        fault.map_err(|fault| Error::Policy(fault.to_string()))?;
        self.shared.replace(policy);
        Ok(())
    }

    /// Records something that is no HTTP, and that was answered so.
    pub(crate) fn malformed(&self, stage: Stage, target: &str, method: Option<&[u8]>) {
        self.is_malformed(Subject {
            stage,
            target: beginning(target).escape_default().to_string(),
            port: 0,
            method: method.map(|method| escaped(method, METHOD)),
            tls: TlsRequest::default(),
        });
    }

    /// The same for a request on a connection.
    pub(crate) fn malformed_request(&self, link: &Link, method: &[u8], path: &[u8]) {
        self.is_malformed(self.subject(link, method, path));
    }

    fn is_malformed(&self, subject: Subject) {
        self.shared.meter.denied();
        drop(self.audit.decided(subject, Err(&malformed())));
    }
}

/// The denial, for the log, of what is no HTTP.
fn malformed() -> Denial {
    Denial {
        reason: DenyReason::Malformed,
        rule: DEFAULT_DENY.to_owned(),
        message: String::new(),
        address: None,
    }
}

impl WasiHttpHooks for EgressHooks {
    fn send_request(
        &mut self,
        mut request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _processed: Io,
    ) -> Sent {
        match request.extensions_mut().remove::<Outgoing>() {
            Some(outgoing) => self.exchange(outgoing, request.into_body(), None),
            None => self.whole(request, options),
        }
    }
}

/// As much of a name of the guest's as a record keeps of it, and more, so that it shows that it was
/// cut.
fn beginning(name: &str) -> &str {
    &name[..name.ceil_char_boundary(TARGET + 1)]
}

/// The same of bytes, escaped, of which a record keeps `most`.
fn escaped(bytes: &[u8], most: usize) -> String {
    bytes[..bytes.len().min(most + 1)]
        .escape_ascii()
        .to_string()
}

fn no_io() -> Io {
    Box::new(async { Ok(()) })
}

/// The name of a budget where a rule's name stands.
fn budget_rule(limit: Limit) -> String {
    format!("budget:{}", limit.as_str())
}
