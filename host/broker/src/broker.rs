//! A broker that has its settings, and starts.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sandbox_net_egress::EgressConfig;
use sandbox_net_gateway::audit::{AuditFile, AuditSettings, AuditSink};
use sandbox_net_gateway::{AuditLog, DecisionHook, Gateway, Vault};
use sandbox_net_policy::Policy;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::accept::accept;
use crate::authority::RunAuthority;
use crate::builder::BrokerBuilder;
use crate::constraints::names;
use crate::error::BrokerError;
use crate::kept_errors::KeptErrors;
use crate::listener::Listener;
use crate::log::Log;
use crate::metrics::Metrics;
use crate::policy_files::Contents;
use crate::reload::Follower;
use crate::running::RunningBroker;
use crate::shared::Shared;
use crate::token::Token;

/// A broker that has not started.
///
/// ```
/// use sandbox_net_broker::Broker;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let broker = Broker::builder()
///     .allow("GET https://api.example.com/v1/**")
///     .listen("127.0.0.1:0".parse()?)
///     .build()?;
/// let running = broker.start().await?;
/// let port = running.addresses()[0].port();
/// println!("export HTTPS_PROXY=http://sandbox-net:{}@127.0.0.1:{port}", running.token().as_str());
/// assert!(running.ca_pem().starts_with("-----BEGIN CERTIFICATE-----"));
/// running.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Broker {
    settings: BrokerBuilder,
    policy: Policy,
    contents: Contents,
    egress: EgressConfig,
}

impl Broker {
    /// Starts with the default settings: nothing is allowed, and there is no listener.
    #[must_use]
    pub fn builder() -> BrokerBuilder {
        BrokerBuilder::default()
    }

    /// Checks the settings. It reads the policy file.
    fn checked(settings: BrokerBuilder) -> Result<Self, BrokerError> {
        let contents = settings.source.files.read();
        let policy = settings.source.policy(&contents)?;
        Vault::check(policy.secrets())?;
        let servers = settings.dns_servers.as_deref();
        let mut egress = EgressConfig::configured(&settings.authorities, servers)?;
        egress.max_host_memory = settings.host_memory;
        if let Some(deadline) = settings.request_deadline {
            egress.request_deadline = deadline;
        }
        Ok(Self {
            settings,
            policy,
            contents,
            egress,
        })
    }

    /// The policy that decides at first.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Asks this hook about every request, as [`BrokerBuilder::hook`] does, now that it is known whether
    /// the policy asks.
    #[must_use]
    pub fn hook(mut self, hook: impl DecisionHook + 'static, deadline: Duration) -> Self {
        self.settings = self.settings.hook(hook, deadline);
        self
    }

    /// Listens on this address too, as [`BrokerBuilder::listen`] does.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.settings = self.settings.listen(address);
        self
    }

    /// Listens here too, as [`BrokerBuilder::isolated_listener`] does: the settings can be checked while the
    /// namespace is made.
    #[must_use]
    pub fn isolated_listener(mut self, listener: std::net::TcpListener) -> Self {
        self.settings = self.settings.isolated_listener(listener);
        self
    }

    /// Opens the listeners, fetches the secrets, makes the certificate authority, and serves clients
    /// until [`RunningBroker::shutdown`], or until the running broker is dropped.
    ///
    /// # Errors
    ///
    /// If there is no listener, or one cannot be opened, a secret has no value, or the audit log cannot be opened.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with timers and sockets.
    pub async fn start(self) -> Result<RunningBroker, BrokerError> {
        let Self {
            mut settings,
            policy,
            contents,
            egress,
        } = self;
        if settings.listeners.is_empty() {
            return Err(BrokerError::NoListener);
        }
        let mut listeners = Vec::new();
        for listener in std::mem::take(&mut settings.listeners) {
            listeners.push(listener.open(settings.anywhere).await?);
        }
        let token = match settings.token.take() {
            Some(token) => token,
            None => Token::random().map_err(BrokerError::Random)?,
        };
        let authority = settings.authority(&policy)?;
        let gateway = settings.gateway(policy, egress).await?;
        let shared = Arc::new(Shared {
            placeholders: std::mem::take(&mut settings.placeholders),
            gateway,
            authority,
            limits: Arc::new(settings.limits.clone()),
            errors: KeptErrors::default(),
            metrics: Metrics::default(),
            log: Log::new(settings.log.take()),
            fault: Mutex::new(None),
            stopping: CancellationToken::new(),
            ending: CancellationToken::new(),
        });
        let now = Arc::new(Notify::new());
        let mut running = RunningBroker::new(Arc::clone(&shared), token.clone(), Arc::clone(&now));
        running.listens_on(&listeners);
        if settings.reloads && !settings.source.files.is_empty() {
            let follower = Follower {
                shared: Arc::clone(&shared),
                source: settings.source,
                seen: contents,
                now,
            };
            running.tasks().spawn(follower.run());
        }
        serve_all(&shared, listeners, &token, running.tasks());
        Ok(running)
    }
}

fn serve_all(shared: &Arc<Shared>, listeners: Vec<Listener>, token: &Token, tasks: &TaskTracker) {
    for listener in listeners {
        let (shared, token, clients) = (Arc::clone(shared), token.clone(), tasks.clone());
        tasks.spawn(accept(shared, listener, token, clients));
    }
}

impl BrokerBuilder {
    /// Checks the settings, and reads the policy file.
    ///
    /// # Errors
    ///
    /// If the policy cannot be used, a certificate or a DNS server is invalid, or there is no listener.
    pub fn build(self) -> Result<Broker, BrokerError> {
        Broker::checked(self)
    }

    /// The authority of the run. With a policy that may change it is not limited to some names: a new
    /// rule would not work otherwise.
    fn authority(&self, policy: &Policy) -> Result<RunAuthority, BrokerError> {
        let may_change = !self.source.files.is_empty() && self.reloads;
        let names = match may_change {
            true => None,
            false => names(policy, self.hook.is_some()),
        };
        RunAuthority::new(self.ca_valid, names.as_ref())
            .map_err(|error| BrokerError::Authority(error.to_string()))
    }

    /// The gateway that all clients share.
    async fn gateway(
        &mut self,
        policy: Policy,
        egress: EgressConfig,
    ) -> Result<Gateway, BrokerError> {
        let vault = Vault::opened(policy.secrets().to_vec()).await?;
        let variables = vault.variables();
        self.placeholders = variables
            .map(|(variable, placeholder)| (variable.to_owned(), placeholder.to_owned()))
            .collect();
        let mut sinks: Vec<Arc<dyn AuditSink>> = std::mem::take(&mut self.audit_sinks);
        for path in std::mem::take(&mut self.audit_files) {
            let file = AuditFile::open(&path);
            sinks.push(Arc::new(
                file.map_err(|source| BrokerError::Audit { path, source })?,
            ));
        }
        let audit = AuditLog::with(AuditSettings {
            sandbox: self.name.clone(),
            queries: self.audit_queries,
            sinks,
        });
        let mut builder = Gateway::builder().audit(audit).secrets(vault);
        if let Some((hook, deadline)) = self.hook.take() {
            builder = builder.hook(hook, deadline);
        }
        Ok(builder.build(policy, egress))
    }
}
