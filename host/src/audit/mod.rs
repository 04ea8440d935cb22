//! What the host records of every decision, and of what came of it.

mod entry;
mod line;
mod lookup;
mod sink;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(crate) use self::entry::{Decided, Exchanged};
pub use self::line::{
    AuditLine, BudgetReason, DecisionRecord, ExchangeRecord, LookupRecord, Reason, Stage, Time,
    Verdict,
};
pub(crate) use self::lookup::LookedUp;
pub use self::sink::{AuditFile, AuditSink, AuditStderr};
use crate::policy::{Denial, TlsRequest};

/// Bytes that the records of one log may take in memory, about; later ones go to the sinks only.
const CAPACITY: usize = 32 << 20;
/// Bytes that a record takes besides its texts, about.
const RECORD: usize = 384;
/// Bytes of a target and of a method that are kept.
const TARGET: usize = 2048;
const METHOD: usize = 32;

/// The decisions of one sandbox and its exchanges, in the order in which they ended. Cloning gives
/// another handle to the same log.
#[derive(Clone, Default)]
pub struct AuditLog {
    shared: Arc<Shared>,
    kept: Arc<Mutex<Kept>>,
}

/// What the logs of all runs of one sandbox have in common.
#[derive(Default)]
struct Shared {
    sandbox: String,
    has_queries: bool,
    sinks: Vec<Arc<dyn AuditSink>>,
    next: AtomicU64,
    is_broken: AtomicBool,
}

#[derive(Debug, Default)]
struct Kept {
    decisions: Vec<DecisionRecord>,
    exchanges: Vec<ExchangeRecord>,
    lookups: Vec<LookupRecord>,
    count: u64,
    held: usize,
}

/// Settings of an [`AuditLog`].
#[derive(Clone, Default)]
pub struct AuditSettings {
    /// The name of the sandbox in every line.
    pub sandbox: String,
    /// Whether URLs are recorded with their queries, which may have credentials in them.
    pub queries: bool,
    /// Where the lines go, beside the log's own memory and `tracing` (target
    /// `sandbox_net::audit`).
    pub sinks: Vec<Arc<dyn AuditSink>>,
}

impl std::fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuditLog")
            .field("sandbox", &self.shared.sandbox)
            .finish_non_exhaustive()
    }
}

/// What was decided on: the parts of a record that are known beforehand.
#[derive(Clone)]
pub(crate) struct Subject {
    pub(crate) stage: Stage,
    pub(crate) target: String,
    pub(crate) method: Option<String>,
    pub(crate) tls: TlsRequest,
}

impl AuditLog {
    /// An empty log in memory.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty log with these settings.
    #[must_use]
    pub fn with(settings: AuditSettings) -> Self {
        let shared = Shared {
            sandbox: settings.sandbox,
            has_queries: settings.queries,
            sinks: settings.sinks,
            ..Shared::default()
        };
        Self {
            shared: Arc::new(shared),
            kept: Arc::default(),
        }
    }

    /// A log of the same sandbox, for its next run: what is kept in memory begins anew.
    #[must_use]
    pub fn next_run(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            kept: Arc::default(),
        }
    }

    /// The decisions so far, in their order; about 32 MiB of them, of the exchanges and of
    /// the lookups at most.
    #[must_use]
    pub fn decisions(&self) -> Vec<DecisionRecord> {
        let mut records = self.kept().decisions.clone();
        records.sort_by_key(|record| record.sequence);
        records
    }

    /// The exchanges that are over, in the order in which they ended.
    #[must_use]
    pub fn exchanges(&self) -> Vec<ExchangeRecord> {
        self.kept().exchanges.clone()
    }

    /// The lookups that asked a name server or were denied, in the order in which they ended.
    #[must_use]
    pub fn lookups(&self) -> Vec<LookupRecord> {
        self.kept().lookups.clone()
    }

    /// How many decisions there were, those beyond the log's capacity included.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.kept().count
    }

    /// Whether a sink has lost a line: nothing may be done any more.
    pub(crate) fn is_broken(&self) -> bool {
        self.shared.is_broken.load(Ordering::Acquire)
    }

    pub(crate) fn has_queries(&self) -> bool {
        self.shared.has_queries
    }

    /// The name of the sandbox.
    #[must_use]
    pub fn sandbox(&self) -> &str {
        &self.shared.sandbox
    }

    /// Begins to record a decision.
    pub(crate) fn decided(&self, subject: Subject, decided: Result<&str, &Denial>) -> Decided {
        let (verdict, rule, reason) = match decided {
            Ok(rule) => (Verdict::Allow, rule.to_owned(), None),
            Err(denial) => (
                Verdict::Deny,
                denial.rule.clone(),
                Some(denial.reason.into()),
            ),
        };
        let record = DecisionRecord {
            time: Time::now(),
            sandbox: self.shared.sandbox.clone(),
            sequence: self.shared.next.fetch_add(1, Ordering::Relaxed),
            stage: subject.stage,
            target: shortened(subject.target, TARGET),
            method: subject.method.map(|method| shortened(method, METHOD)),
            tls: subject.tls.settings().collect(),
            verdict,
            rule,
            reason,
            address: None,
        };
        Decided::new(self.clone(), record)
    }

    /// Records a line everywhere.
    fn write(&self, line: AuditLine) {
        trace(&line);
        for sink in &self.shared.sinks {
            if let Err(error) = sink.write(&line) {
                tracing::error!(target: "sandbox_net::audit", %error, "an audit line is lost");
                self.shared.is_broken.store(true, Ordering::Release);
            }
        }
        self.kept().keep(line);
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // A panic elsewhere cannot leave a record half written.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn keep(&mut self, line: AuditLine) {
        let texts = match &line {
            AuditLine::Decision(record) => {
                self.count += 1;
                record.target.len() + record.rule.len()
            }
            AuditLine::Exchange(record) => record.target.len(),
            AuditLine::Lookup(record) => record.name.len() + record.rule.len(),
        };
        let held = self.held + RECORD + texts;
        if held > CAPACITY {
            return;
        }
        self.held = held;
        match line {
            AuditLine::Decision(record) => self.decisions.push(record),
            AuditLine::Exchange(record) => self.exchanges.push(record),
            AuditLine::Lookup(record) => self.lookups.push(record),
        }
    }
}

fn trace(line: &AuditLine) {
    match line {
        AuditLine::Decision(it) => tracing::info!(
            target: "sandbox_net::audit",
            sandbox = it.sandbox, sequence = it.sequence, stage = ?it.stage, verdict = ?it.verdict,
            subject = it.target, method = it.method, rule = it.rule,
            reason = it.reason.map(Reason::as_str),
            address = it.address.map(tracing::field::display),
            "decision",
        ),
        AuditLine::Exchange(it) => tracing::info!(
            target: "sandbox_net::audit",
            sandbox = it.sandbox, sequence = it.sequence, subject = it.target, method = it.method,
            status = it.status, bytes_up = it.bytes_up, bytes_down = it.bytes_down,
            duration_ms = it.duration_ms, error = it.error,
            address = it.address.map(tracing::field::display),
            "exchange",
        ),
        AuditLine::Lookup(it) => tracing::info!(
            target: "sandbox_net::audit",
            sandbox = it.sandbox, verdict = ?it.verdict, subject = it.name, rule = it.rule,
            reason = it.reason.map(Reason::as_str), outcome = it.outcome,
            "lookup",
        ),
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

    struct Full;

    impl AuditSink for Full {
        fn write(&self, _: &AuditLine) -> std::io::Result<()> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
    }

    fn subject(target: String, method: String) -> Subject {
        Subject {
            stage: Stage::Request,
            target,
            method: Some(method),
            tls: TlsRequest::default(),
        }
    }

    #[test]
    fn a_guest_cannot_make_the_log_grow_without_bound() {
        let log = AuditLog::new();
        for _ in 0..30_000 {
            let subject = subject("x".repeat(100_000), "M".repeat(1000));
            let decided = log.decided(subject, Ok("rule"));
            drop(Exchanged::new(&log, &decided));
        }
        let bytes: usize = log.decisions().iter().map(|r| r.target.len()).sum();
        assert!(bytes > 0 && bytes <= CAPACITY, "{bytes}");
        assert_eq!(log.count(), 30_000);
    }

    #[test]
    fn a_sink_that_loses_a_line_breaks_the_log_of_every_run() {
        let log = AuditLog::with(AuditSettings {
            sinks: vec![Arc::new(Full)],
            ..AuditSettings::default()
        });
        let next = log.next_run();
        assert!(!next.is_broken());
        drop(log.decided(subject("x".into(), "GET".into()), Ok("rule")));
        assert!(next.is_broken() && log.decisions().len() == 1 && next.decisions().is_empty());
    }
}
