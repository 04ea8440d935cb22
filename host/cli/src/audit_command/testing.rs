//! Records for tests.

use std::net::SocketAddr;

use serde::de::DeserializeOwned;
use serde_json::json;

use sandbox_net::policy::DenyReason;

use crate::testing::Directory;
use sandbox_net::{
    AuditLine, DecisionRecord, DroppedRecord, ExchangeRecord, LookupRecord, Stage, Verdict,
};

/// A record from its line in a log.
fn read<T: DeserializeOwned>(line: serde_json::Value) -> T {
    serde_json::from_value(line).unwrap()
}

/// Denials without a rule that were only counted.
pub(super) fn counted(count: u64) -> DroppedRecord {
    read(json!({
        "time": "2026-11-21T10:20:30.123Z",
        "sandbox": "one",
        "verdict": "deny",
        "reason": "no-rule",
        "count": count,
    }))
}

/// The record with a change.
pub(super) fn changed<T>(mut record: T, change: impl FnOnce(&mut T)) -> T {
    change(&mut record);
    record
}

/// An allowed connection to `a.test`.
pub(super) fn decision() -> DecisionRecord {
    read(json!({
        "time": "2026-11-21T10:20:30.123Z",
        "sandbox": "one",
        "sequence": 7,
        "stage": "connect",
        "target": "a.test:443",
        "verdict": "allow",
        "rule": "a.test",
    }))
}

/// An allowed decision at another stage; a space separates the method of a request from its URL.
pub(super) fn decision_on(what: &str) -> DecisionRecord {
    let (stage, method, target) = match what.split_once(' ') {
        Some((method, target)) => (Stage::Request, Some(method.to_owned()), target),
        None if what.contains("://") => (Stage::Tls, None, what),
        None => (Stage::Connect, None, what),
    };
    changed(decision(), |it| {
        it.stage = stage;
        it.method = method;
        it.target = target.to_owned();
    })
}

/// A denial.
pub(super) fn denied(what: &str, reason: DenyReason, address: Option<&str>) -> DecisionRecord {
    changed(decision_on(what), |it| {
        it.verdict = Verdict::Deny;
        it.rule = "default-deny".to_owned();
        it.reason = Some(reason.into());
        it.budget = None;
        it.address = address.map(|it| SocketAddr::new(it.parse().unwrap(), 443));
    })
}

/// A lookup that a rule denied, or that found something.
pub(super) fn lookup(name: &str, reason: Option<DenyReason>) -> LookupRecord {
    let (verdict, rule, outcome) = match reason {
        Some(_) => (Verdict::Deny, "default-deny".to_owned(), None),
        None => (Verdict::Allow, name.to_owned(), Some("found".to_owned())),
    };
    let record = read(json!({
        "time": "2026-11-21T10:20:29Z",
        "sandbox": "one",
        "name": name,
        "verdict": verdict,
        "rule": rule,
        "outcome": outcome,
    }));
    changed(record, |it: &mut LookupRecord| {
        it.reason = reason.map(Into::into);
    })
}

/// A successful request.
pub(super) fn exchange(target: &str) -> ExchangeRecord {
    read(json!({
        "time": "2026-11-21T10:20:31.5Z",
        "sandbox": "one",
        "sequence": 8,
        "method": "GET",
        "target": target,
        "tls": "1.3",
        "status": 200,
        "bytes_up": 100,
        "bytes_down": 2048,
        "duration_ms": 12,
        "secrets": [],
    }))
}

/// Writes a log.
pub(super) fn write_log(directory: &Directory, lines: impl IntoIterator<Item = AuditLine>) {
    let lines = lines
        .into_iter()
        .map(|line| serde_json::to_string(&line).unwrap() + "\n");
    directory.write("log", &lines.collect::<String>());
}
