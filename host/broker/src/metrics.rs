//! Counts what the broker does, and writes it as Prometheus reads it. All labels are from closed lists.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use sandbox_net_gateway::NetworkUsage;

/// What came on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// A call of the API.
    Api,
    /// A `CONNECT`.
    Connect,
    /// A request on a connection made by `CONNECT`.
    Connected,
    /// A request with a URL.
    Forwarded,
}

const CALLS: [&str; 4] = ["api", "connect", "connected", "forwarded"];

/// Why a client was refused before anything was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Token,
    Peer,
    Browser,
    Malformed,
    TooMany,
}

const REFUSED: [&str; 5] = ["token", "peer", "browser", "malformed", "too-many"];

/// The codes of errors.
const CODES: [&str; 17] = [
    "denied",
    "dns",
    "refused",
    "unreachable",
    "reset",
    "timeout",
    "tls",
    "protocol",
    "limit",
    "closed",
    "invalid",
    "unauthorized",
    "forbidden",
    "too-large",
    "not-found",
    "malformed",
    "other",
];

/// The counters of a broker.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    calls: [AtomicU64; CALLS.len()],
    refused: [AtomicU64; REFUSED.len()],
    errors: [AtomicU64; CODES.len()],
    connections: AtomicU64,
    open: AtomicI64,
    reloads: AtomicU64,
}

/// A client's connection while it is open.
#[derive(Debug)]
pub(crate) struct Open<'a>(&'a Metrics);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Metrics {
    pub(crate) fn connection(&self) -> Open<'_> {
        add(&self.connections);
        self.open.fetch_add(1, Ordering::Relaxed);
        Open(self)
    }

    pub(crate) fn call(&self, call: Call) {
        add(&self.calls[call as usize]);
    }

    pub(crate) fn refused(&self, why: Refused) {
        add(&self.refused[why as usize]);
    }

    pub(crate) fn error(&self, code: &str) {
        let place = CODES.iter().position(|known| *known == code);
        add(&self.errors[place.unwrap_or(CODES.len() - 1)]);
    }

    pub(crate) fn reloaded(&self) {
        add(&self.reloads);
    }

    /// The text for Prometheus.
    pub(crate) fn text(&self, usage: &NetworkUsage, is_healthy: bool) -> String {
        let mut text = String::new();
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut list = |(name, help), label, values: &[&str], counters: &[AtomicU64]| {
            let name = format!("sandbox_net_broker_{name}_total");
            head(&mut text, &name, help, "counter");
            for (value, counter) in values.iter().zip(counters) {
                let _ = writeln!(text, "{name}{{{label}=\"{value}\"}} {}", read(counter));
            }
        };
        list(("calls", "Calls by kind."), "kind", &CALLS, &self.calls);
        let refused = "Clients that were refused before anything was decided.";
        list(("refused", refused), "why", &REFUSED, &self.refused);
        list(
            ("errors", "Errors that clients were told."),
            "code",
            &CODES,
            &self.errors,
        );
        let open = self.open.load(Ordering::Relaxed).max(0).unsigned_abs();
        for (name, help, kind, value) in [
            (
                "connections_total",
                "Connections of clients.",
                "counter",
                read(&self.connections),
            ),
            (
                "open_connections",
                "Connections of clients that are open.",
                "gauge",
                open,
            ),
            (
                "policy_reloads_total",
                "Changes of the policy file.",
                "counter",
                read(&self.reloads),
            ),
            (
                "policy_valid",
                "Whether there is a valid policy.",
                "gauge",
                u64::from(is_healthy),
            ),
        ] {
            let name = format!("sandbox_net_broker_{name}");
            head(&mut text, &name, help, kind);
            let _ = writeln!(text, "{name} {value}");
        }
        budgets(&mut text, usage);
        text
    }
}

fn budgets(text: &mut String, usage: &NetworkUsage) {
    let (used, limit) = ("sandbox_net_budget_used", "sandbox_net_budget_limit");
    head(text, used, "What is used of each budget.", "gauge");
    for (key, amount) in usage.budgets() {
        let _ = writeln!(text, "{used}{{budget=\"{key}\"}} {}", amount.used);
    }
    head(text, limit, "What each budget allows.", "gauge");
    for (key, amount) in usage.budgets() {
        if let Some(most) = amount.limit {
            let _ = writeln!(text, "{limit}{{budget=\"{key}\"}} {most}");
        }
    }
}

fn head(text: &mut String, name: &str, help: &str, kind: &str) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}
