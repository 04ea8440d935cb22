//! Tells how much of its budgets a sandbox has used.

use serde::Serialize;

use crate::gateway::Gateway;

/// How much of one budget is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Amount {
    /// What is allowed: by the policy, the host's own bound, or a default. `None` without a limit.
    pub limit: Option<u64>,
    /// What is used. Bytes that come in may exceed their limit by one.
    pub used: u64,
    /// What is left; `None` without a limit.
    pub left: Option<u64>,
}

impl Amount {
    /// This much is used, and this much is allowed.
    #[must_use]
    pub fn new(used: u64, limit: Option<u64>) -> Self {
        let left = limit.map(|limit| limit.saturating_sub(used));
        Self { limit, used, left }
    }
}

/// How much a sandbox has used of the network, in all its runs. The fields have the names of the keys
/// in the policy's `[budgets]`. Rates and the size of one head are limits, but nothing of them is used
/// up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct NetworkUsage {
    /// Requests.
    pub requests: Amount,
    /// The program's connections that are open now.
    pub connections: Amount,
    /// Bytes that went out, as they are on the wire.
    pub bytes_up: Amount,
    /// Bytes that came in, as they are on the wire.
    pub bytes_down: Amount,
    /// Distinct hosts. `None` without a budget: they are remembered only for it.
    pub hosts: Option<Amount>,
    /// Whole seconds since the first use of the network.
    pub seconds: Amount,
    /// Bytes of the host's memory that are held now.
    pub host_memory: Amount,
    /// Names that were looked up.
    pub lookups: Amount,
    /// Attempts that were denied.
    pub denials: Amount,
}

impl NetworkUsage {
    /// Each budget by its key.
    pub fn budgets(&self) -> impl Iterator<Item = (&'static str, Amount)> {
        [
            ("requests", Some(self.requests)),
            ("connections", Some(self.connections)),
            ("bytes_up", Some(self.bytes_up)),
            ("bytes_down", Some(self.bytes_down)),
            ("hosts", self.hosts),
            ("seconds", Some(self.seconds)),
            ("host_memory", Some(self.host_memory)),
            ("lookups", Some(self.lookups)),
            ("denials", Some(self.denials)),
        ]
        .into_iter()
        .filter_map(|(key, amount)| Some((key, amount?)))
    }
}

impl Gateway {
    /// How much of its budgets the sandbox has used so far, in all its runs.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use sandbox_net_egress::{EgressConfig, Roots, TlsConfig};
    /// use sandbox_net_gateway::{AuditLog, Gateway};
    /// use sandbox_net_policy::{Budgets, Policy};
    ///
    /// let config = EgressConfig::new(TlsConfig::new(Roots::Bundled, [])?);
    /// let mut budgets = Budgets::default();
    /// budgets.requests = Some(10);
    /// let policy = Policy::deny_all().with_budgets(budgets);
    /// let gateway = Gateway::new(policy, config, AuditLog::new());
    /// assert_eq!(gateway.usage().requests.left, Some(10));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn usage(&self) -> NetworkUsage {
        let meter = &self.shared.meter;
        let (budgets, spent) = (meter.budgets(), meter.spent());
        let limit = |name: &str| self.bounds().of(name).map(|reached| reached.value);
        let most = |name: &str, used: u64| Amount::new(used, limit(name));
        let seconds = spent.time.as_secs();
        let time = budgets.time.map(|time| time.as_secs());
        NetworkUsage {
            requests: most("requests", spent.requests),
            connections: most("connections", self.shared.open_connections()),
            bytes_up: most("bytes-up", spent.bytes_up),
            bytes_down: most("bytes-down", spent.bytes_down),
            hosts: budgets.hosts.map(|_| most("hosts", spent.hosts)),
            // The clock goes on, but nobody can use more than there was.
            seconds: Amount::new(seconds.min(time.unwrap_or(u64::MAX)), time),
            host_memory: Amount::new(
                self.memory().used() as u64,
                Some(self.memory().limit() as u64),
            ),
            lookups: most("lookups", spent.lookups),
            denials: most("denials", spent.denials),
        }
    }
}

#[cfg(test)]
mod tests;
