//! Records in the making.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::{AuditLine, AuditLog, DecisionRecord, ExchangeRecord, Reason, Time, Verdict};
use crate::policy::Denial;

/// A decision whose outcome may still be corrected, or completed by an address. It is recorded
/// when it is dropped.
pub(crate) struct Decided {
    log: AuditLog,
    record: Option<DecisionRecord>,
}

impl Decided {
    pub(super) fn new(log: AuditLog, record: DecisionRecord) -> Self {
        Self {
            log,
            record: Some(record),
        }
    }

    pub(crate) fn sequence(&self) -> u64 {
        self.record.as_ref().map_or(0, |record| record.sequence)
    }

    pub(crate) fn dialled(&mut self, address: SocketAddr) {
        if let Some(record) = &mut self.record {
            record.address = Some(address);
        }
    }

    /// It was denied after all.
    pub(crate) fn overruled(&mut self, denial: &Denial) {
        self.refused(&denial.rule, denial.reason.into());
    }

    /// A budget is used up.
    pub(crate) fn refused(&mut self, rule: &str, reason: Reason) {
        if let Some(record) = &mut self.record {
            rule.clone_into(&mut record.rule);
            record.verdict = Verdict::Deny;
            record.reason = Some(reason);
        }
    }

    /// It would be denied if the policy's mode were not `report`.
    pub(crate) fn reported(&mut self, denial: &Denial) {
        if let Some(record) = &mut self.record {
            record.rule.clone_from(&denial.rule);
            record.verdict = Verdict::Report;
            record.reason = Some(denial.reason.into());
        }
    }
}

impl Drop for Decided {
    fn drop(&mut self) {
        if let Some(record) = self.record.take() {
            self.log.write(AuditLine::Decision(record));
        }
    }
}

/// An exchange under way. It is recorded when it is over.
pub(crate) struct Exchanged {
    log: AuditLog,
    begun: Instant,
    /// None once it is recorded.
    record: Mutex<Option<ExchangeRecord>>,
    up: AtomicU64,
    down: AtomicU64,
}

impl Exchanged {
    /// `of` is the decision on it.
    pub(crate) fn new(log: &AuditLog, of: &Decided) -> Self {
        let decision = of.record.as_ref();
        let text = |part: Option<String>| part.unwrap_or_default();
        Self {
            log: log.clone(),
            begun: Instant::now(),
            record: Mutex::new(Some(ExchangeRecord {
                time: Time::now(),
                sandbox: text(decision.map(|it| it.sandbox.clone())),
                sequence: of.sequence(),
                method: text(decision.and_then(|it| it.method.clone())),
                target: text(decision.map(|it| it.target.clone())),
                address: decision.and_then(|it| it.address),
                tls: None,
                status: None,
                bytes_up: 0,
                bytes_down: 0,
                duration_ms: 0,
                secrets: Vec::new(),
                error: None,
            })),
            up: AtomicU64::new(0),
            down: AtomicU64::new(0),
        }
    }

    pub(crate) fn sent(&self, bytes: u64) {
        self.up.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn received(&self, bytes: u64) {
        self.down.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn with_secrets(&self, names: Vec<String>) {
        self.change(|record| record.secrets = names);
    }

    pub(crate) fn answered(&self, address: SocketAddr, tls: Option<u16>, status: u16) {
        self.change(|record| {
            record.address = Some(address);
            record.tls = tls.map(tls_version);
            record.status = Some(status);
        });
    }

    /// The first failure counts.
    pub(crate) fn failed(&self, error: &str) {
        self.change(|record| {
            record.error.get_or_insert_with(|| error.to_owned());
        });
    }

    /// Records it, once.
    pub(crate) fn finish(&self) {
        let Some(mut record) = self.record().take() else {
            return;
        };
        record.time = Time::now();
        record.bytes_up = self.up.load(Ordering::Relaxed);
        record.bytes_down = self.down.load(Ordering::Relaxed);
        record.duration_ms = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.log.write(AuditLine::Exchange(record));
    }

    fn change(&self, change: impl FnOnce(&mut ExchangeRecord)) {
        if let Some(record) = &mut *self.record() {
            change(record);
        }
    }

    fn record(&self) -> MutexGuard<'_, Option<ExchangeRecord>> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Exchanged {
    fn drop(&mut self) {
        self.finish();
    }
}

/// The version by its two wire bytes (RFC 8446 section 4.2.1).
fn tls_version(wire: u16) -> String {
    match wire {
        0x0303 => "1.2".to_owned(),
        0x0304 => "1.3".to_owned(),
        other => format!("{other:#06x}"),
    }
}
