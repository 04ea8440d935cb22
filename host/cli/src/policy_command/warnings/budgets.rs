//! Warns about budgets that are never reached because something else ends before.

use std::collections::HashSet;

use sandbox_net::egress::EgressConfig;
use sandbox_net::policy::{Document, Mode};

use super::{Parts, is_any, is_network};

/// Budgets that can never be used up, one line each.
pub(super) fn that_never_bind(document: &Document) -> Vec<String> {
    let budgets = &document.budgets;
    let mut warnings = Vec::new();
    let mut never = |name: &str, value: u64, why: String| {
        warnings.push(format!("budget '{name}' = {value} has no effect: {why}"));
    };
    let head = EgressConfig::MAX_RESPONSE_HEAD as u64;
    if let Some(own) = budgets.response_head.map(u64::from) {
        if own >= head {
            never(
                "response_head",
                own,
                format!("no response head has more than {head} bytes"),
            );
        }
        if let Some(down) = budgets.bytes_down.filter(|down| *down <= own) {
            never(
                "response_head",
                own,
                format!("'bytes_down' = {down} is used up before"),
            );
        }
    }
    let most = EgressConfig::MAX_CONNECTIONS as u64;
    if let Some(own) = budgets
        .connections
        .map(u64::from)
        .filter(|own| *own >= most)
    {
        never(
            "connections",
            own,
            format!("no more than {most} are open at once"),
        );
    }
    if let (Some(requests), Some(rate)) = (budgets.requests, budgets.requests_per_second) {
        let rate = u64::from(rate);
        if rate >= requests {
            never(
                "requests_per_second",
                rate,
                format!("'requests' = {requests} is used up before"),
            );
        }
        // Those of the last, partial second count in full.
        let seconds = budgets.time.map(|time| time.as_secs().saturating_add(1));
        let in_time = seconds.map(|seconds| rate.saturating_mul(seconds));
        if let Some(in_time) = in_time.filter(|in_time| *in_time <= requests) {
            let why = format!("'requests_per_second' and 'seconds' end it after {in_time}");
            never("requests", requests, why);
        }
    }
    if let Some(own) = budgets.hosts.map(u64::from)
        && let Some(hosts) = only_hosts(document).filter(|hosts| *hosts as u64 <= own)
    {
        never(
            "hosts",
            own,
            format!("no more than {hosts} can be talked to by the rules"),
        );
    }
    let own_head = budgets.response_head.map_or(head, u64::from).min(head);
    if let Some(memory) = budgets.host_memory.filter(|memory| *memory < own_head) {
        let why = format!("'host_memory' = {memory} is reached before");
        never("response_head", own_head, why);
    }
    warnings
}

/// How many hosts the rules allow, if that is a number.
fn only_hosts(document: &Document) -> Option<usize> {
    if document.mode != Mode::Enforce {
        return None;
    }
    let mut hosts = HashSet::new();
    for rule in document.allow.iter().chain(&document.ask) {
        let host = Parts::of(rule).host.to_ascii_lowercase();
        let is_one = !host.starts_with('*') && !is_any(rule) && !is_network(rule);
        hosts.insert(is_one.then_some(host)?);
    }
    Some(hosts.len()).filter(|number| *number > 0)
}
