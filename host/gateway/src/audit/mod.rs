//! Records every decision of the host, and its result.

mod dropped;
mod entry;
mod follow;
mod kept;
mod line;
mod lookup;
mod place;
mod places;
mod run;
mod sink;
mod waiting;
mod writer;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

pub use self::dropped::{Dropped, DroppedRecord};
pub(crate) use self::entry::{CONNECT, PendingDecision, PendingRequest};
pub use self::follow::Follow;
pub use self::line::{
    AuditLine, BudgetReason, DecisionRecord, ExchangeRecord, HookReason, LookupRecord, Reason,
    Time, Verdict,
};
pub(crate) use self::lookup::PendingLookup;
pub use self::place::{Place, Stream};
pub use self::places::{AuditPlaces, AuditPlacesError};
pub use self::run::AtEnd;
use self::run::Run;
pub(crate) use self::run::Unrecorded;
pub use self::sink::{AuditFile, AuditSink, AuditStderr};
use self::waiting::Places;
use self::writer::Writer;
use crate::bounds::Bounds;
use crate::spans;
use sandbox_net_egress::account::HostMemory;
pub use sandbox_net_policy::Stage;
use sandbox_net_policy::{Denial, Host, TlsOverrides};

/// Bytes of a target and of a method that are kept.
pub(crate) const TARGET: usize = 2048;
pub(crate) const METHOD: usize = 32;
/// Bytes of a failed hook's text that are kept.
const HOOK_ERROR: usize = 1024;

/// The decisions of one sandbox and its requests. Cloning gives another handle to the same log.
///
/// Nothing is done before it is recorded: if a sink fails to take a line, the request is denied.
/// Records of what was allowed have 32 MiB of memory for each run, or half of the host's memory for
/// the sandbox. Beyond that only the sinks have them. Without a sink, what equals an earlier record
/// is counted there ([`DecisionRecord::repeats`]), and nothing else is allowed any more. The first
/// 1,000 denials of a run, or 512 KiB of them, are kept and written; later ones are counted by stage,
/// host, rule and reason.
#[derive(Clone, Default)]
pub struct AuditLog {
    run: Arc<Run>,
}

/// What the logs of all runs of one sandbox share.
#[derive(Default)]
struct Shared {
    sandbox: String,
    has_queries: bool,
    sinks: Vec<Writer>,
    /// Places for the lines that wait for the sinks.
    places: Places,
    next: AtomicU64,
    next_lookup: AtomicU64,
    memory: OnceLock<HostMemory>,
    bounds: OnceLock<Arc<Bounds>>,
    is_broken: Arc<AtomicBool>,
}

/// Settings of an [`AuditLog`].
#[derive(Clone, Default)]
pub struct AuditSettings {
    /// The name of the sandbox in every line.
    pub sandbox: String,
    /// Whether URLs are recorded with their queries, which may contain credentials.
    pub queries: bool,
    /// Where the lines go, besides the log's own memory and `tracing` (target
    /// `sandbox_net::audit`).
    pub sinks: Vec<Arc<dyn AuditSink>>,
}

impl std::fmt::Debug for AuditSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuditSettings")
            .field("sandbox", &self.sandbox)
            .field("queries", &self.queries)
            .field("sinks", &self.sinks.len())
            .finish()
    }
}

/// Marks a limit in place of a decision's rule.
const RULE: &str = "budget:";
/// Marks a limit in a request's error.
const ERROR: &str = "limit:";

impl std::fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuditLog")
            .field("sandbox", &self.sandbox())
            .finish_non_exhaustive()
    }
}

/// The subject of a decision: the parts of a record that are known beforehand.
#[derive(Clone)]
pub(crate) struct Subject {
    pub(crate) stage: Stage,
    /// The host; `None` if there is none, because the call was malformed.
    pub(crate) host: Option<Host>,
    pub(crate) target: String,
    /// The port of the target; 0 if there is none.
    pub(crate) port: u16,
    pub(crate) method: Option<String>,
    pub(crate) tls: TlsOverrides,
}

impl Subject {
    /// What spans show of it.
    pub(crate) fn shown(&self) -> spans::Target<'_> {
        spans::Target {
            stage: self.stage,
            host: self.host.as_ref(),
            port: self.port,
            method: self.method.as_deref(),
            url: &self.target,
        }
    }
}

impl AuditLog {
    /// Makes an empty log in memory.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes an empty log with these settings.
    #[must_use]
    pub fn with(settings: AuditSettings) -> Self {
        let shared = Shared {
            sandbox: settings.sandbox,
            has_queries: settings.queries,
            sinks: settings.sinks.into_iter().map(Writer::of).collect(),
            ..Shared::default()
        };
        Self {
            run: Run::new(Arc::new(shared)),
        }
    }

    /// Makes a log of the same sandbox for its next run, with nothing in memory.
    #[must_use]
    pub fn next_run(&self) -> Self {
        Self {
            run: Run::new(Arc::clone(&self.run.shared)),
        }
    }

    /// Follows the records of this run as they are made, from the first one on.
    ///
    /// It needs no memory besides that of the log, holds up nothing, and may come late: what it gives
    /// is what the log keeps. It ends once [`settle`](Self::settle) has completed the log, or the log
    /// is dropped.
    pub fn follow(&self) -> Follow {
        Follow::new(Arc::clone(&self.run))
    }

    /// The decisions so far that are kept, in order.
    #[must_use]
    pub fn decisions(&self) -> Vec<DecisionRecord> {
        let mut records = self.run.kept().decisions.clone();
        records.sort_by_key(|record| record.sequence);
        records
    }

    /// The requests that are over, in the order of their ends.
    #[must_use]
    pub fn exchanges(&self) -> Vec<ExchangeRecord> {
        self.run.kept().exchanges.clone()
    }

    /// The lookups that asked a name server or were denied, in order.
    #[must_use]
    pub fn lookups(&self) -> Vec<LookupRecord> {
        let mut records = self.run.kept().lookups.clone();
        records.sort_by_key(|record| record.sequence);
        records
    }

    /// How many records were not kept.
    #[must_use]
    pub fn dropped(&self) -> Dropped {
        self.run.kept().dropped
    }

    /// How many decisions there were, including those that were not kept.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.run.kept().count
    }

    /// Waits, for a second at most, until everything that has ended is recorded, writes the counts of
    /// denials, and waits until the sinks have all lines. A sink that takes more than a second for
    /// one line, or more than ten for all of them, has lost the rest, and nothing is allowed any
    /// more. Call it at the end of a run, once its store is dropped; `Sandbox::run` does so.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with timers.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the wait; no record is lost by it.
    pub async fn settle(&self) {
        self.run.settle().await;
    }

    /// Waits, at most so long, until everything that has ended is recorded. What goes on is not waited for
    /// once the time is over, and its records come later.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with timers.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the wait; no record is lost by it.
    pub async fn pause(&self, most: std::time::Duration) {
        self.run.pause(most).await;
    }

    /// Writes the counts of denials when the returned value is dropped.
    pub fn at_end(&self) -> AtEnd {
        AtEnd(Arc::clone(&self.run))
    }

    /// Takes the records' memory from here, from now on.
    pub(crate) fn hold_in(&self, memory: &HostMemory) {
        // A log belongs to one sandbox.
        let _ = self.run.shared.memory.set(memory.clone());
    }

    /// Tells the records of this run what each limit allows, where that is less than in others.
    pub(crate) fn run_bounded_by(&self, bounds: &Arc<Bounds>) {
        // Set once, when the run begins.
        let _ = self.run.bounds.set(Arc::clone(bounds));
    }

    /// Tells records what each limit allows, from now on.
    pub(crate) fn bounded_by(&self, bounds: &Arc<Bounds>) {
        // A log belongs to one sandbox.
        let _ = self.run.shared.bounds.set(Arc::clone(bounds));
    }

    /// Whether a sink has lost a line, so that nothing may be done any more.
    pub(crate) fn is_broken(&self) -> bool {
        self.run.is_broken()
    }

    /// Whether URLs are recorded with their queries.
    pub fn has_queries(&self) -> bool {
        self.run.shared.has_queries
    }

    /// The name of the sandbox.
    #[must_use]
    pub fn sandbox(&self) -> &str {
        &self.run.shared.sandbox
    }

    /// Begins to record a decision.
    pub(crate) fn decided(
        &self,
        subject: Subject,
        decided: Result<&str, &Denial>,
    ) -> PendingDecision {
        let (verdict, rule, reason) = match decided {
            Ok(rule) => (Verdict::Allow, rule, None),
            Err(denial) => (Verdict::Deny, &*denial.rule, Some(denial.reason.into())),
        };
        let sequence = self.run.shared.next.fetch_add(1, Ordering::Relaxed);
        let span = spans::decision(self.sandbox(), sequence, &subject.shown());
        let record = DecisionRecord {
            time: Time::now(),
            sandbox: self.sandbox().to_owned(),
            sequence,
            stage: subject.stage,
            target: shortened(subject.target, TARGET),
            method: subject.method.map(|method| shortened(method, METHOD)),
            tls: subject.tls.settings().collect(),
            verdict,
            rule: rule.to_owned(),
            reason,
            budget: None,
            hook_error: None,
            address: None,
            update: false,
            repeats: 0,
        };
        let address = decided.err().and_then(|denial| denial.address);
        let mut decided = PendingDecision::new(&self.run, (record, span), subject.port);
        if let Some(address) = address {
            decided.dialled((address, subject.port).into());
        }
        decided
    }
}

fn trace(line: &AuditLine) {
    match line {
        AuditLine::Decision(it) => tracing::info!(
            target: "sandbox_net::audit",
            sandbox = it.sandbox, sequence = it.sequence, stage = ?it.stage, verdict = ?it.verdict,
            subject = it.target, method = it.method, rule = it.rule,
            reason = it.reason.map(Reason::as_str), hook_error = it.hook_error,
            address = it.address.map(tracing::field::display), update = it.update,
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
            reason = it.reason.map(Reason::as_str), outcome = it.outcome, update = it.update,
            "lookup",
        ),
        AuditLine::Dropped(it) => tracing::info!(
            target: "sandbox_net::audit",
            sandbox = it.sandbox, stage = ?it.stage, verdict = ?it.verdict, subject = it.host,
            rule = it.rule, reason = it.reason.map(Reason::as_str), count = it.count,
            "dropped",
        ),
    }
}

/// Truncates what the guest wrote, because the guest chooses its length.
fn shortened(mut text: String, most: usize) -> String {
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod blocking_tests;
#[cfg(test)]
mod tests;
