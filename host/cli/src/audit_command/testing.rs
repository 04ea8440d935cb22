//! Records for tests.

use std::net::SocketAddr;

use sandbox_net::policy::DenyReason;

use crate::testing::Directory;
use sandbox_net::{AuditLine, DecisionRecord, ExchangeRecord, LookupRecord, Stage, Verdict};

/// An allowed connection to `a.test`.
pub(super) fn decision() -> DecisionRecord {
    DecisionRecord {
        time: "2026-11-21T10:20:30.123Z".parse().unwrap(),
        sandbox: "one".to_owned(),
        sequence: 7,
        stage: Stage::Connect,
        target: "a.test:443".to_owned(),
        method: None,
        tls: Vec::new(),
        verdict: Verdict::Allow,
        rule: "a.test".to_owned(),
        reason: None,
        budget: None,
        hook_error: None,
        address: None,
        update: false,
        repeats: 0,
    }
}

/// An allowed decision at another stage; a space separates the method of a request from its URL.
pub(super) fn decision_on(what: &str) -> DecisionRecord {
    let (stage, method, target) = match what.split_once(' ') {
        Some((method, target)) => (Stage::Request, Some(method.to_owned()), target),
        None if what.contains("://") => (Stage::Tls, None, what),
        None => (Stage::Connect, None, what),
    };
    DecisionRecord {
        stage,
        method,
        target: target.to_owned(),
        ..decision()
    }
}

/// A denial.
pub(super) fn denied(what: &str, reason: DenyReason, address: Option<&str>) -> DecisionRecord {
    DecisionRecord {
        verdict: Verdict::Deny,
        rule: "default-deny".to_owned(),
        reason: Some(reason.into()),
        budget: None,
        address: address.map(|it| SocketAddr::new(it.parse().unwrap(), 443)),
        ..decision_on(what)
    }
}

/// A lookup that a rule denied, or that found something.
pub(super) fn lookup(name: &str, reason: Option<DenyReason>) -> LookupRecord {
    let (verdict, rule, outcome) = match reason {
        Some(_) => (Verdict::Deny, "default-deny".to_owned(), None),
        None => (Verdict::Allow, name.to_owned(), Some("found".to_owned())),
    };
    LookupRecord {
        time: "2026-11-21T10:20:29Z".parse().unwrap(),
        sandbox: "one".to_owned(),
        sequence: None,
        name: name.to_owned(),
        verdict,
        rule,
        reason: reason.map(Into::into),
        budget: None,
        outcome,
        update: false,
        repeats: 0,
    }
}

/// A successful request.
pub(super) fn exchange(target: &str) -> ExchangeRecord {
    ExchangeRecord {
        time: "2026-11-21T10:20:31.5Z".parse().unwrap(),
        sandbox: "one".to_owned(),
        sequence: 8,
        method: "GET".to_owned(),
        target: target.to_owned(),
        address: None,
        tls: Some("1.3".to_owned()),
        status: Some(200),
        bytes_up: 100,
        bytes_down: 2048,
        duration_ms: 12,
        secrets: Vec::new(),
        error: None,
        budget: None,
    }
}

/// Writes a log.
pub(super) fn write_log(directory: &Directory, lines: impl IntoIterator<Item = AuditLine>) {
    let lines = lines
        .into_iter()
        .map(|line| serde_json::to_string(&line).unwrap() + "\n");
    directory.write("log", &lines.collect::<String>());
}
