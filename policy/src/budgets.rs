//! Budgets: how much of the network a sandbox may use in all.

use std::time::Duration;

use schemars::JsonSchema;

/// How much of the network a sandbox may use. What has neither a budget nor a default is unlimited.
///
/// Where zero is accepted, it means none at all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, JsonSchema)]
#[schemars(default, deny_unknown_fields)]
pub struct Budgets {
    /// Requests in all. As many connections may carry no request, or 100 where that is more.
    #[schemars(with = "u64", range(min = 0, max = i64::MAX))]
    pub requests: Option<u64>,
    /// Requests that may begin within one second.
    #[schemars(with = "u32", range(min = 1, max = u32::MAX))]
    pub requests_per_second: Option<u32>,
    /// Connections that are open at once.
    #[schemars(with = "u32", range(min = 0, max = u32::MAX))]
    pub connections: Option<u32>,
    /// Bytes that go out in all, as they are on the wire below TLS: heads, bodies and their framing,
    /// handshakes, and DNS queries.
    #[schemars(with = "u64", range(min = 0, max = i64::MAX))]
    pub bytes_up: Option<u64>,
    /// Bytes that come in in all, counted in the same way. What the kernel receives before it is read
    /// does not count.
    #[schemars(with = "u64", range(min = 0, max = i64::MAX))]
    pub bytes_down: Option<u64>,
    /// Bytes of one response head, and of the informational ones before it.
    #[schemars(with = "u32", range(min = 1, max = u32::MAX))]
    pub response_head: Option<u32>,
    /// Distinct hosts that are connected to, or looked up.
    #[schemars(with = "u32", range(min = 0, max = u32::MAX))]
    pub hosts: Option<u32>,
    /// Wall-clock time, in whole seconds, from the sandbox's first use of the network on.
    #[schemars(rename = "seconds", with = "u32", range(min = 1, max = u32::MAX))]
    pub time: Option<Duration>,
    /// Bytes of the host's memory that are held on behalf of the guest at once: heads, names,
    /// options, queued bodies, windows, captured output and records. 64 MiB unless set.
    #[schemars(with = "u64", range(min = 1, max = i64::MAX))]
    pub host_memory: Option<u64>,
    /// Names that are looked up in all, by lookups and by connections. 100,000 unless set.
    #[schemars(with = "u64", range(min = 0, max = i64::MAX))]
    pub lookups: Option<u64>,
    /// Connections that are dialled within one second, each address that is tried for itself; as many
    /// that carry no request, whether they are dialled or use an open session; and as many names that
    /// are asked for. 2,000 unless set; where `requests_per_second` is, four times that, at least 100.
    #[schemars(with = "u32", range(min = 1, max = u32::MAX))]
    pub connections_per_second: Option<u32>,
    /// Attempts that are denied in all; beyond them nothing is allowed any more. 100,000 unless set.
    #[schemars(with = "u64", range(min = 0, max = i64::MAX))]
    pub denials: Option<u64>,
}

impl Budgets {
    /// The host's memory for one guest if the budget is not set, in bytes.
    pub const HOST_MEMORY: u64 = 64 << 20;
    /// The lookups if the budget is not set.
    pub const LOOKUPS: u64 = 100_000;
    /// The connections in a second if the budget is not set.
    pub const CONNECTIONS_PER_SECOND: u32 = 2_000;
    /// The denials if the budget is not set.
    pub const DENIALS: u64 = 100_000;

    /// The connections in a second that follow from these budgets: a program that may make few
    /// requests is expected to make few connections, too. A request may take several connections, to
    /// several addresses.
    #[must_use]
    pub fn connection_rate(&self) -> u32 {
        let of_requests = |requests: u32| requests.saturating_mul(4).max(100);
        let derived = self.requests_per_second.map(of_requests);
        let most = Self::CONNECTIONS_PER_SECOND;
        let default = derived.map_or(most, |rate| rate.min(most));
        self.connections_per_second.unwrap_or(default)
    }

    /// The key in `[budgets]` that raises a limit, and its value here: the one that was set, or the
    /// default. `limit` is its name in the interface, such as `request-rate`; `None` if there is no
    /// key for it.
    #[must_use]
    pub fn of_limit(&self, limit: &str) -> Option<(&'static str, Option<u64>)> {
        let of = |number: Option<u32>| number.map(u64::from);
        Some(match limit {
            "requests" => ("requests", self.requests),
            "request-rate" => ("requests_per_second", of(self.requests_per_second)),
            "connections" => ("connections", of(self.connections)),
            "bytes-up" => ("bytes_up", self.bytes_up),
            "bytes-down" => ("bytes_down", self.bytes_down),
            "response-head-size" => ("response_head", of(self.response_head)),
            "hosts" => ("hosts", of(self.hosts)),
            "time" => ("seconds", self.time.map(|time| time.as_secs())),
            "host-memory" => ("host_memory", self.host_memory.or(Some(Self::HOST_MEMORY))),
            "lookups" => ("lookups", self.lookups.or(Some(Self::LOOKUPS))),
            "connection-rate" => ("connections_per_second", of(Some(self.connection_rate()))),
            "denials" => ("denials", self.denials.or(Some(Self::DENIALS))),
            _ => return None,
        })
    }

    /// Each key of `[budgets]` with its value, if it is set.
    #[must_use]
    pub fn entries(&self) -> [(&'static str, Option<u64>); 12] {
        let of = |number: Option<u32>| number.map(u64::from);
        [
            ("requests", self.requests),
            ("requests_per_second", of(self.requests_per_second)),
            ("connections", of(self.connections)),
            ("bytes_up", self.bytes_up),
            ("bytes_down", self.bytes_down),
            ("response_head", of(self.response_head)),
            ("hosts", of(self.hosts)),
            ("seconds", self.time.map(|time| time.as_secs())),
            ("host_memory", self.host_memory),
            ("lookups", self.lookups),
            ("connections_per_second", of(self.connections_per_second)),
            ("denials", self.denials),
        ]
    }

    /// The smaller one of each pair of budgets.
    #[must_use]
    pub fn tightest(self, other: Self) -> Self {
        Self {
            requests: smaller(self.requests, other.requests),
            requests_per_second: smaller(self.requests_per_second, other.requests_per_second),
            connections: smaller(self.connections, other.connections),
            bytes_up: smaller(self.bytes_up, other.bytes_up),
            bytes_down: smaller(self.bytes_down, other.bytes_down),
            response_head: smaller(self.response_head, other.response_head),
            hosts: smaller(self.hosts, other.hosts),
            time: smaller(self.time, other.time),
            host_memory: smaller(self.host_memory, other.host_memory),
            lookups: smaller(self.lookups, other.lookups),
            connections_per_second: smaller(
                self.connections_per_second,
                other.connections_per_second,
            ),
            denials: smaller(self.denials, other.denials),
        }
    }
}

/// `None` means no limit, so it is larger than everything.
fn smaller<T: Ord>(a: Option<T>, b: Option<T>) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All twelve budgets, each with a different number above `base`.
    fn all(base: u32) -> Budgets {
        Budgets {
            requests: Some(u64::from(base)),
            requests_per_second: Some(base + 1),
            connections: Some(base + 2),
            bytes_up: Some(u64::from(base) + 3),
            bytes_down: Some(u64::from(base) + 4),
            response_head: Some(base + 5),
            hosts: Some(base + 6),
            time: Some(Duration::from_secs(u64::from(base) + 7)),
            host_memory: Some(u64::from(base) + 8),
            lookups: Some(u64::from(base) + 9),
            connections_per_second: Some(base + 10),
            denials: Some(u64::from(base) + 11),
        }
    }

    #[test]
    fn each_limit_has_a_key_of_the_document_and_its_value() {
        let budgets = all(100);
        let schema = schemars::schema_for!(Budgets);
        let keys = schema.get("properties").unwrap().as_object().unwrap();
        let limits = [
            "requests",
            "request-rate",
            "connections",
            "bytes-up",
            "bytes-down",
            "response-head-size",
            "hosts",
            "time",
            "host-memory",
            "lookups",
            "connection-rate",
            "denials",
        ];
        for (index, limit) in (0..).zip(limits) {
            let (key, value) = budgets.of_limit(limit).unwrap();
            assert!(keys.contains_key(key), "{key}");
            assert!(budgets.entries().contains(&(key, value)), "{key}");
            assert!(Budgets::default().entries().contains(&(key, None)));
            assert_eq!(value, Some(100 + index), "{limit}");
        }
        assert_eq!(budgets.of_limit("request-head-size"), None);
    }

    #[test]
    fn few_requests_come_with_few_connections_unless_a_budget_says_otherwise() {
        for (requests_per_second, connections_per_second, rate) in [
            (None, None, 2_000),
            (Some(1), None, 100),
            (Some(50), None, 200),
            (Some(u32::MAX), None, 2_000),
            (Some(1), Some(5_000), 5_000),
            (None, Some(3), 3),
        ] {
            let budgets = Budgets {
                requests_per_second,
                connections_per_second,
                ..Budgets::default()
            };
            assert_eq!(budgets.connection_rate(), rate, "{budgets:?}");
        }
    }

    #[test]
    fn the_tightest_of_two_budgets_is_the_smaller_one_and_no_budget_is_no_limit() {
        let none = Budgets::default();
        for (a, b, tightest) in [
            (none, none, none),
            (all(1), none, all(1)),
            (all(1), all(10), all(1)),
            (all(0), all(0), all(0)),
        ] {
            assert_eq!(a.tightest(b), tightest);
            assert_eq!(b.tightest(a), tightest);
        }
        let mixed = Budgets {
            requests: Some(99),
            hosts: Some(2),
            ..none
        };
        let expected = Budgets {
            hosts: Some(2),
            ..all(10)
        };
        assert_eq!(mixed.tightest(all(10)), expected);
    }
}
