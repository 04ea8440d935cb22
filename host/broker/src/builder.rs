//! The settings of a broker.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sandbox_net_gateway::audit::AuditSink;
use sandbox_net_gateway::{DecisionHook, SharedHook};
use sandbox_net_policy::{Document, Policy};

use crate::limits::BrokerLimits;
use crate::listener::ListenerSettings;
use crate::log::LogSink;
use crate::policy_source::PolicySource;
use crate::token::Token;

/// How long the certificates of a run are valid.
const CA_VALID: Duration = Duration::from_secs(24 * 3600);

/// The settings of a [`Broker`](crate::Broker).
///
/// ```
/// use sandbox_net_broker::Broker;
///
/// // A listener that was made where only one run can reach it.
/// let own = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let broker = Broker::builder()
///     .name("run-7")
///     .allow("https://pypi.org")
///     .deny("https://pypi.org/legacy/**")
///     .own_listener(own)
///     .build()?;
/// assert!(!broker.policy().denies_everything());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct BrokerBuilder {
    pub(crate) source: PolicySource,
    pub(crate) listeners: Vec<ListenerSettings>,
    pub(crate) anywhere: bool,
    pub(crate) token: Option<Token>,
    pub(crate) name: String,
    pub(crate) audit_files: Vec<PathBuf>,
    pub(crate) audit_sinks: Vec<Arc<dyn AuditSink>>,
    pub(crate) audit_queries: bool,
    pub(crate) authorities: Vec<Vec<u8>>,
    pub(crate) dns_servers: Option<Vec<SocketAddr>>,
    pub(crate) host_memory: Option<u64>,
    pub(crate) request_deadline: Option<Duration>,
    pub(crate) hook: Option<(SharedHook, Duration)>,
    pub(crate) limits: BrokerLimits,
    pub(crate) reloads: bool,
    pub(crate) ca_valid: Duration,
    pub(crate) log: Option<LogSink>,
    pub(crate) placeholders: Vec<(String, String)>,
}

impl Default for BrokerBuilder {
    fn default() -> Self {
        Self {
            source: PolicySource::default(),
            listeners: Vec::new(),
            anywhere: false,
            token: None,
            name: "broker".to_owned(),
            audit_files: Vec::new(),
            audit_sinks: Vec::new(),
            audit_queries: false,
            authorities: Vec::new(),
            dns_servers: None,
            host_memory: None,
            request_deadline: None,
            hook: None,
            limits: BrokerLimits::default(),
            reloads: true,
            ca_valid: CA_VALID,
            log: None,
            placeholders: Vec::new(),
        }
    }
}

impl std::fmt::Debug for BrokerBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BrokerBuilder")
            .field("name", &self.name)
            .field("source", &self.source)
            .field("listeners", &self.listeners)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl BrokerBuilder {
    /// Decides by this policy.
    #[must_use]
    pub fn policy(mut self, document: Document) -> Self {
        self.source.document = document;
        self.source.files.first = None;
        self
    }

    /// Decides by the policy in this file, and follows its changes: see [`reload`](Self::reload).
    #[must_use]
    pub fn policy_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.source.files.first = Some(path.into());
        self
    }

    /// Whether the policy file is followed, which is the default. What it no longer allows ends at
    /// once, and while it is not a valid policy everything is denied. Without this, the authority of
    /// the run is valid only for names that the policy has, if it has a list of them.
    #[must_use]
    pub fn reload(mut self, follows: bool) -> Self {
        self.reloads = follows;
        self
    }

    /// Allows what a rule matches, in addition to the policy.
    #[must_use]
    pub fn allow(mut self, rule: impl Into<String>) -> Self {
        self.source.allow.push(rule.into());
        self
    }

    /// Denies what a rule matches, even if another one allows it.
    #[must_use]
    pub fn deny(mut self, rule: impl Into<String>) -> Self {
        self.source.deny.push(rule.into());
        self
    }

    /// Has the hook asked about what a rule matches. Without a hook that is a denial.
    #[must_use]
    pub fn ask(mut self, rule: impl Into<String>) -> Self {
        self.source.ask.push(rule.into());
        self
    }

    /// Grants TLS settings: `SETTING[,SETTING...] RULE`.
    #[must_use]
    pub fn tls_grant(mut self, grant: impl Into<String>) -> Self {
        self.source.tls_grants.push(grant.into());
        self
    }

    /// Grants fields that override method, path or host: `NAME[,NAME...] RULE`.
    #[must_use]
    pub fn field_grant(mut self, grant: impl Into<String>) -> Self {
        self.source.field_grants.push(grant.into());
        self
    }

    /// Grants a blind tunnel: `HOST:PORT [to ADDRESSES]`. What a client sends there passes as it is, and
    /// nothing else does.
    #[must_use]
    pub fn tunnel(mut self, grant: impl Into<String>) -> Self {
        self.source.tunnels.push(grant.into());
        self
    }

    /// Allows only what this policy allows, too.
    #[must_use]
    pub fn intersect(mut self, policy: Policy) -> Self {
        self.source.narrowing.push(policy);
        self
    }

    /// Allows only what the policy in this file allows, too, and follows its changes.
    #[must_use]
    pub fn intersect_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.source.files.narrowing.push(path.into());
        self
    }

    /// Asks this hook about every request, as [`GatewayBuilder::hook`](sandbox_net_gateway::GatewayBuilder::hook)
    /// says.
    #[must_use]
    pub fn hook(mut self, hook: impl DecisionHook + 'static, deadline: Duration) -> Self {
        self.hook = Some((SharedHook::new(hook), deadline));
        self
    }

    /// Listens on a TCP port, where calls carry the token. The address has to be a loopback one.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listeners.push(ListenerSettings::Token(address));
        self
    }

    /// Lets [`listen`](Self::listen) take any address. The token and all requests are unencrypted
    /// between the clients and the broker.
    #[must_use]
    pub fn listen_anywhere(mut self) -> Self {
        self.anywhere = true;
        self
    }

    /// Listens on a Unix socket, where only processes of the broker's own user may call.
    #[must_use]
    pub fn socket(mut self, path: impl Into<PathBuf>) -> Self {
        self.listeners.push(ListenerSettings::Peer(path.into()));
        self
    }

    /// Accepts clients on a listener that only the programs of one run can reach, because it was made in
    /// their own network namespace. Calls need no token. A listener in the broker's own namespace is
    /// refused when the broker starts.
    #[must_use]
    pub fn isolated_listener(mut self, listener: std::net::TcpListener) -> Self {
        self.listeners.push(ListenerSettings::Own(listener, true));
        self
    }

    /// Accepts clients on any loopback listener without a token: the caller vouches for who can reach it.
    /// Prefer [`isolated_listener`](Self::isolated_listener), which checks that.
    #[must_use]
    pub fn own_listener(mut self, listener: std::net::TcpListener) -> Self {
        self.listeners.push(ListenerSettings::Own(listener, false));
        self
    }

    /// Sets the token. By default it is a random one.
    #[must_use]
    pub fn token(mut self, token: Token) -> Self {
        self.token = Some(token);
        self
    }

    /// Names the broker in the audit log.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Appends the audit log to this file as JSON lines. While it cannot be written, everything is
    /// denied.
    #[must_use]
    pub fn audit_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.audit_files.push(path.into());
        self
    }

    /// Gives the lines of the audit log to this sink, too.
    #[must_use]
    pub fn audit_sink(mut self, sink: impl AuditSink + 'static) -> Self {
        self.audit_sinks.push(Arc::new(sink));
        self
    }

    /// Records URLs with their queries.
    #[must_use]
    pub fn audit_queries(mut self) -> Self {
        self.audit_queries = true;
        self
    }

    /// Trusts the servers' authorities in this PEM text, in addition to the platform's.
    #[must_use]
    pub fn trust_ca_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.authorities.push(pem.into());
        self
    }

    /// Asks these DNS servers in place of the system's.
    #[must_use]
    pub fn dns_servers(mut self, servers: impl IntoIterator<Item = SocketAddr>) -> Self {
        self.dns_servers = Some(servers.into_iter().collect());
        self
    }

    /// Bounds the memory that is held for clients and servers, as `host_memory` in a policy does.
    #[must_use]
    pub fn host_memory(mut self, bytes: u64) -> Self {
        self.host_memory = Some(bytes);
        self
    }

    /// Bounds the time of each request.
    #[must_use]
    pub fn request_deadline(mut self, deadline: Duration) -> Self {
        self.request_deadline = Some(deadline);
        self
    }

    /// Sets what clients can make the broker hold, and how long it waits for them.
    #[must_use]
    pub fn limits(mut self, limits: BrokerLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets how long the certificates of the run are valid; by default 24 hours. After that, no TLS
    /// works until the broker is started again.
    #[must_use]
    pub fn ca_valid(mut self, valid: Duration) -> Self {
        self.ca_valid = valid;
        self
    }

    /// Gives the lines of the broker's own log to this function: which clients it refused, and what
    /// became of its policy.
    #[must_use]
    pub fn log(mut self, log: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.log = Some(Arc::new(log));
        self
    }
}
