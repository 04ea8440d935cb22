//! What the host records of every decision.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::policy::{Denial, DenyReason};

/// Bytes that the records of one log may take, about; later ones are counted only.
const CAPACITY: usize = 32 << 20;
/// Bytes that a record takes besides its texts, about.
const RECORD: usize = 256;
/// Bytes of a target and of a method that are kept.
const TARGET: usize = 2048;
const METHOD: usize = 32;

/// At which door a decision was made.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// `connect`: a host and port, before any name is resolved.
    Connect,
    /// `start-tls`: the connection is to carry https.
    Tls,
    /// `request`: method, path and fields.
    Request,
}

/// Whether the policy let it pass.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// A rule allows it.
    Allow,
    /// No rule does, or something about it is never allowed.
    Deny,
}

/// One decision, and what came of it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct DecisionRecord {
    /// The place in the order of decisions of one sandbox, from 0.
    pub sequence: u64,
    /// Where it was made.
    pub stage: Stage,
    /// `host:port` at [`Stage::Connect`], an origin at [`Stage::Tls`], and a URL without its query
    /// at [`Stage::Request`].
    pub target: String,
    /// The method, at [`Stage::Request`].
    pub method: Option<String>,
    /// Allowed or denied.
    pub verdict: Verdict,
    /// The rule that decided, as the operator wrote it; `default-deny` where none did.
    pub rule: String,
    /// Why it was denied, from a closed list.
    pub reason: Option<DenyReason>,
    /// The address that was dialled.
    pub address: Option<SocketAddr>,
    /// The status code of the response.
    pub status: Option<u16>,
}

/// The decisions of one sandbox, in order. Cloning gives another handle to the same log.
#[derive(Clone, Debug, Default)]
pub struct AuditLog {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    records: Vec<DecisionRecord>,
    next: u64,
    held: usize,
}

/// What was decided on: the parts of a record that are known beforehand.
pub(crate) struct Subject {
    pub(crate) stage: Stage,
    pub(crate) target: String,
    pub(crate) method: Option<String>,
}

impl AuditLog {
    /// An empty log.
    pub fn new() -> Self {
        Self::default()
    }

    /// The decisions so far, oldest first; at most about 32 MiB of them.
    pub fn records(&self) -> Vec<DecisionRecord> {
        self.lock().records.clone()
    }

    /// How many decisions there were, those beyond the log's capacity included.
    pub fn count(&self) -> u64 {
        self.lock().next
    }

    pub(crate) fn record(&self, subject: Subject, decided: Result<&str, &Denial>) -> u64 {
        let (verdict, rule, reason) = match decided {
            Ok(rule) => (Verdict::Allow, rule.to_owned(), None),
            Err(denial) => (Verdict::Deny, denial.rule.clone(), Some(denial.reason)),
        };
        let mut inner = self.lock();
        let sequence = inner.next;
        inner.next += 1;
        tracing::info!(
            target: "sandbox_net::audit",
            sequence, ?verdict, subject = subject.target, method = subject.method, rule,
            reason = reason.map(|r| r.as_str()),
        );
        let (target, method) = (subject.target, subject.method);
        let target = shortened(target, TARGET);
        let method = method.map(|method| shortened(method, METHOD));
        let held = inner.held + RECORD + target.len() + rule.len();
        if held <= CAPACITY {
            inner.held = held;
            inner.records.push(DecisionRecord {
                sequence,
                stage: subject.stage,
                target,
                method,
                verdict,
                rule,
                reason,
                address: None,
                status: None,
            });
        }
        sequence
    }

    pub(crate) fn dialled(&self, sequence: u64, address: SocketAddr) {
        self.update(sequence, |record| record.address = Some(address));
    }

    pub(crate) fn answered(&self, sequence: u64, status: u16) {
        self.update(sequence, |record| record.status = Some(status));
    }

    /// The address filter refused what a name resolves to, after the name itself was allowed.
    pub(crate) fn overruled(&self, sequence: u64, denial: &Denial) {
        self.update(sequence, |record| {
            record.verdict = Verdict::Deny;
            record.rule.clone_from(&denial.rule);
            record.reason = Some(denial.reason);
        });
    }

    fn update(&self, sequence: u64, change: impl FnOnce(&mut DecisionRecord)) {
        let mut inner = self.lock();
        let index = usize::try_from(sequence).ok();
        if let Some(record) = index.and_then(|i| inner.records.get_mut(i)) {
            change(record);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic elsewhere cannot leave a record half written.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the guest wrote is kept up to a bound: it chooses its length.
fn shortened(mut text: String, most: usize) -> String {
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_cannot_make_the_log_grow_without_bound() {
        let log = AuditLog::new();
        for _ in 0..30_000 {
            let subject = Subject {
                stage: Stage::Request,
                target: "x".repeat(100_000),
                method: Some("M".repeat(1000)),
            };
            log.record(subject, Ok("rule"));
        }
        let records = log.records();
        let bytes: usize = records.iter().map(|r| r.target.len()).sum();
        assert!(!records.is_empty() && bytes <= CAPACITY, "{bytes}");
        assert_eq!(log.count(), 30_000);
        log.answered(29_999, 200);
    }
}
