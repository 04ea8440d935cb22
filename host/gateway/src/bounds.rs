//! Tells what each limit of a sandbox allows, for messages that it was reached.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use sandbox_net_egress::{EgressConfig, Limit};
use sandbox_net_policy::Budgets;

/// How many lookups of one sandbox may be under way at once.
pub(crate) const MAX_LOOKUPS: usize = 256;

/// The name of that bound. No key of a policy has it.
const LOOKUPS_AT_ONCE: &str = "lookups_at_once";

/// The name of the bound of all sandboxes together. No key of a policy has it either.
const TOTAL_HOST_MEMORY: &str = "total_host_memory";

/// A reached limit, as the operator knows it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ReachedBudget {
    /// The key in the policy's `[budgets]`, such as `requests`; or `lookups_at_once` or
    /// `total_host_memory`, which the host sets and no key changes.
    pub key: Cow<'static, str>,
    /// Its value: a number, bytes, or seconds.
    pub value: u64,
    /// Whether it is the host's own bound, which a policy can lower but not raise. Omitted from the
    /// line if not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fixed: bool,
}

/// The limits of one sandbox.
#[derive(Debug)]
pub struct Bounds {
    /// The effective limits: the policy's budgets, if they are below the host's own bounds.
    budgets: Budgets,
    /// The host's own bounds, which no policy raises.
    fixed: Fixed,
}

#[derive(Clone, Debug)]
struct Fixed {
    connections: u64,
    response_head: u64,
    host_memory: Option<u64>,
    /// What all sandboxes of the process may hold together.
    total_host_memory: Option<u64>,
    /// What the embedder allows one run.
    requests: Option<u64>,
}

impl Bounds {
    /// The limits under a policy's budgets and the host's configuration.
    pub(crate) fn new(policy: &Budgets, host: &EgressConfig) -> Self {
        let fixed = Fixed {
            connections: host.max_connections as u64,
            response_head: host.max_response_head as u64,
            host_memory: host.max_host_memory,
            total_host_memory: host.total_host_memory.as_ref().map(|it| it.limit() as u64),
            requests: None,
        };
        let number = |bound: u64| u32::try_from(bound).unwrap_or(u32::MAX);
        let budgets = policy.tightest(Budgets {
            connections: Some(number(fixed.connections)),
            response_head: Some(number(fixed.response_head)),
            host_memory: fixed.host_memory,
            ..Budgets::default()
        });
        Self { budgets, fixed }
    }

    /// The limits of a run that may send at most this many requests.
    pub(crate) fn within(&self, requests: u64) -> Self {
        let budgets = self.budgets.tightest(Budgets {
            requests: Some(requests),
            ..Budgets::default()
        });
        Self {
            budgets,
            fixed: Fixed {
                requests: Some(requests),
                ..self.fixed.clone()
            },
        }
    }

    /// Returns what a limit allows, by its name in the interface, such as `request-rate`; `None` if
    /// it has no key, or is more than one number.
    pub fn of(&self, limit: &str) -> Option<ReachedBudget> {
        let fixed = |key, value| ReachedBudget {
            key: Cow::Borrowed(key),
            value,
            fixed: true,
        };
        if limit == Limit::LookupsAtOnce.as_str() {
            return Some(fixed(LOOKUPS_AT_ONCE, MAX_LOOKUPS as u64));
        }
        if limit == Limit::TotalHostMemory.as_str() {
            let total = self.fixed.total_host_memory;
            return total.map(|total| fixed(TOTAL_HOST_MEMORY, total));
        }
        let (key, value) = self.budgets.of_limit(limit)?;
        let value = value?;
        let most = match limit {
            "connections" => Some(self.fixed.connections),
            "response-head-size" => Some(self.fixed.response_head),
            "host-memory" => self.fixed.host_memory,
            "requests" => self.fixed.requests,
            _ => None,
        };
        Some(ReachedBudget {
            key: Cow::Borrowed(key),
            value,
            fixed: most.is_some_and(|most| value >= most),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandbox_net_egress::{Roots, TlsConfig};

    fn config() -> EgressConfig {
        EgressConfig::new(TlsConfig::new(Roots::Bundled, []).unwrap())
    }

    fn told(policy: Budgets, host: &EgressConfig, limit: &str) -> Option<(u64, bool)> {
        let reached = Bounds::new(&policy, host).of(limit);
        reached.map(|reached| (reached.value, reached.fixed))
    }

    #[test]
    fn the_smaller_of_policy_and_host_is_told_and_whether_a_policy_raises_it() {
        let mut host = config();
        host.max_connections = 100;
        host.max_response_head = 1000;
        host.max_host_memory = Some(5000);
        for (limit, most) in [
            ("connections", 100_u32),
            ("response-head-size", 1000),
            ("host-memory", 5000),
        ] {
            let with = |value: u32| Budgets {
                connections: Some(value),
                response_head: Some(value),
                host_memory: Some(u64::from(value)),
                ..Budgets::default()
            };
            for (policy, expected) in [
                (Budgets::default(), (most, true)),
                (with(7), (7, false)),
                (with(most), (most, true)),
                (with(most + 1), (most, true)),
            ] {
                let expected = Some((u64::from(expected.0), expected.1));
                assert_eq!(told(policy, &host, limit), expected, "{limit}");
            }
        }
        let default = config();
        let memory = Some((Budgets::HOST_MEMORY, false));
        assert_eq!(told(Budgets::default(), &default, "host-memory"), memory);
        let lookups = Some((Budgets::LOOKUPS, false));
        assert_eq!(told(Budgets::default(), &default, "lookups"), lookups);
        assert_eq!(
            told(Budgets::default(), &default, "request-head-size"),
            None
        );
        assert_eq!(told(Budgets::default(), &default, "requests"), None);
    }

    #[test]
    fn what_all_sandboxes_hold_together_has_a_bound_that_no_policy_changes() {
        let mut host = config();
        let bounds = Bounds::new(&Budgets::default(), &host);
        assert_eq!(
            bounds.of("total-host-memory"),
            None,
            "there is no such bound"
        );
        host.total_host_memory = Some(sandbox_net_egress::account::HostMemory::new(9000));
        let bounds = Bounds::new(&Budgets::default(), &host);
        let reached = bounds.of("total-host-memory").unwrap();
        assert_eq!((&*reached.key, reached.value), ("total_host_memory", 9000));
        assert!(reached.fixed);
    }

    #[test]
    fn lookups_at_once_have_a_bound_of_their_own() {
        let bounds = Bounds::new(&Budgets::default(), &config());
        let reached = bounds.of("lookups-at-once").unwrap();
        assert_eq!((reached.value, reached.fixed), (256, true));
        assert_eq!(reached.key, "lookups_at_once");
        assert_ne!(bounds.of("connections").unwrap().value, 256);
    }
}
