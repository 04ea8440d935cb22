//! A broker that serves clients.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use sandbox_net_gateway::{AuditLog, NetworkUsage};
use sandbox_net_policy::Policy;
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use crate::listener::Listener;
use crate::shared::Shared;
use crate::token::Token;

/// A broker that serves clients. Dropping it ends it at once.
///
/// ```
/// use sandbox_net_broker::Broker;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let settings = Broker::builder().allow("https://api.example.com");
/// let running = settings.listen("127.0.0.1:0".parse()?).build()?.start().await?;
/// assert_eq!(running.fault(), None);
/// assert_eq!(running.usage().requests.used, 0);
/// assert!(running.audit().decisions().is_empty());
/// running.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct RunningBroker {
    shared: Arc<Shared>,
    token: Token,
    addresses: Vec<SocketAddr>,
    sockets: Vec<PathBuf>,
    tasks: TaskTracker,
    reload: Arc<Notify>,
}

impl RunningBroker {
    pub(crate) fn new(shared: Arc<Shared>, token: Token, reload: Arc<Notify>) -> Self {
        Self {
            shared,
            token,
            addresses: Vec::new(),
            sockets: Vec::new(),
            tasks: TaskTracker::new(),
            reload,
        }
    }

    pub(crate) fn listens_on(&mut self, listeners: &[Listener]) {
        self.addresses = listeners.iter().filter_map(Listener::address).collect();
        let paths = listeners.iter().filter_map(Listener::path);
        self.sockets = paths.map(PathBuf::from).collect();
    }

    pub(crate) fn tasks(&self) -> &TaskTracker {
        &self.tasks
    }

    /// The TCP addresses that it listens on, in the order of the settings.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The Unix sockets that it listens on.
    #[must_use]
    pub fn sockets(&self) -> &[PathBuf] {
        &self.sockets
    }

    /// The token that calls on TCP ports carry.
    #[must_use]
    pub fn token(&self) -> &Token {
        &self.token
    }

    /// The certificate of the run's authority as PEM, which clients have to trust.
    #[must_use]
    pub fn ca_pem(&self) -> String {
        self.shared.authority.pem()
    }

    /// The variables with the placeholders of secrets: programs send a placeholder, and the broker puts
    /// the secret in its place.
    #[must_use]
    pub fn placeholders(&self) -> &[(String, String)] {
        &self.shared.placeholders
    }

    /// The policy that decides at the moment.
    #[must_use]
    pub fn policy(&self) -> Policy {
        self.shared.gateway.policy()
    }

    /// Why everything is denied, if there is no valid policy.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        self.shared.fault()
    }

    /// How much of the policy's budgets is used.
    #[must_use]
    pub fn usage(&self) -> NetworkUsage {
        self.shared.gateway.usage()
    }

    /// The log of all decisions.
    #[must_use]
    pub fn audit(&self) -> &AuditLog {
        self.shared.gateway.audit()
    }

    /// Reads the policy file now, and not only within a second.
    pub fn reload(&self) {
        self.reload.notify_one();
    }

    /// Waits until the broker ends by itself, which it does only if it cannot deny what it has to.
    pub async fn ended(&self) {
        self.shared.stopping.cancelled().await;
    }

    /// Ends the broker: it accepts nobody, lets what is under way go on for a moment, and closes the
    /// rest. When it returns, the audit log is written.
    pub async fn shutdown(self) {
        self.shared.stopping.cancel();
        self.tasks.close();
        let drain = self.shared.limits.drain;
        // What is left has had its time.
        let _ = tokio::time::timeout(drain, self.tasks.wait()).await;
        self.shared.ending.cancel();
        self.tasks.wait().await;
        self.shared.gateway.audit().settle().await;
    }
}

impl Drop for RunningBroker {
    fn drop(&mut self) {
        self.shared.stopping.cancel();
        self.shared.ending.cancel();
    }
}
