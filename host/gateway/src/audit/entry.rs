//! Records that are not complete yet.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::run::{Following, Open, Run, Unrecorded, Written};
use super::{
    AuditLine, AuditLog, DecisionRecord, ERROR, ExchangeRecord, HOOK_ERROR, HookReason, RULE,
    Reason, Stage, Time, Verdict, shortened,
};
use crate::observe;
use crate::spans;
use sandbox_net_egress::HttpVersion;
use sandbox_net_policy::{Denial, DenyReason};
use tracing::Span;

/// A decision that has not taken effect yet. [`commit`](Self::commit) records it and must come
/// before the effect. What becomes known later is recorded when this is dropped. A decision that is
/// dropped without a commit had no effect.
pub(crate) struct PendingDecision {
    run: Arc<Run>,
    record: DecisionRecord,
    span: Span,
    /// The port of the target, for addresses that were refused.
    port: u16,
    /// `None` until a sink may have it.
    written: Option<Written>,
    has_changed: bool,
    _open: Open,
}

impl PendingDecision {
    pub(super) fn new(run: &Arc<Run>, (record, span): (DecisionRecord, Span), port: u16) -> Self {
        Self {
            run: Arc::clone(run),
            record,
            span,
            port,
            written: None,
            has_changed: false,
            _open: run.open(),
        }
    }

    /// The span of its decision.
    pub(crate) fn span(&self) -> Span {
        self.span.clone()
    }

    pub(crate) fn sequence(&self) -> u64 {
        self.record.sequence
    }

    /// Records the decision before its effect: waits until every sink has it.
    ///
    /// # Errors
    ///
    /// If it can't be recorded. Then it must have no effect, and the caller says so with
    /// [`overruled`](Self::overruled) or [`refused`](Self::refused).
    pub(crate) async fn commit(&mut self) -> Result<(), Unrecorded> {
        let line = AuditLine::Decision(self.record.clone());
        self.has_changed = false;
        let has_exchange = matches!(self.record.stage, Stage::Request | Stage::Tunnel);
        let committing = self.run.commit(line, has_exchange, &mut self.written);
        committing.await
    }

    /// Records that it ended before it took effect.
    fn abandon(&mut self) {
        if self.record.verdict != Verdict::Deny {
            (self.record.verdict, self.record.reason) = (Verdict::Abandoned, None);
        }
        self.has_changed = true;
    }

    pub(crate) fn dialled(&mut self, address: SocketAddr) {
        if self.record.address != Some(address) {
            self.record.address = Some(address);
            self.has_changed = true;
        }
    }

    /// Notes why the hook has no answer. The denial that follows is the hook's fault.
    pub(crate) fn hook_failed(&mut self, why: String) {
        self.record.hook_error = Some(shortened(why, HOOK_ERROR));
    }

    /// Records that it was denied after all.
    pub(crate) fn overruled(&mut self, denial: &Denial) {
        self.refused(&denial.rule, denial.reason.into());
        if let Some(address) = denial.address {
            self.dialled(SocketAddr::new(address, self.port));
        }
    }

    /// Records that a budget is used up.
    pub(crate) fn refused(&mut self, rule: &str, reason: Reason) {
        self.judge(Verdict::Deny, rule, reason);
    }

    /// Records that it would be denied if the policy's mode were not `report`.
    pub(crate) fn reported(&mut self, denial: &Denial) {
        self.judge(Verdict::Report, &denial.rule, denial.reason.into());
    }

    /// Completes the span, and counts the decision.
    fn observe(&self) {
        let Self { record, span, .. } = self;
        let (verdict, reason) = (record.verdict.as_str(), record.reason.map(Reason::as_str));
        spans::decided(span, verdict, &record.rule, reason);
        if let (Verdict::Deny, Some(reason)) = (record.verdict, reason) {
            spans::failed(span, reason);
        }
        observe::decided(record.stage.as_str(), verdict, reason);
    }

    fn judge(&mut self, verdict: Verdict, rule: &str, reason: Reason) {
        let reason = match reason {
            Reason::Policy(DenyReason::Hook) if self.record.hook_error.is_some() => {
                Reason::Hook(HookReason::HookFailed)
            }
            reason => reason,
        };
        rule.clone_into(&mut self.record.rule);
        self.record.verdict = verdict;
        let limit = match reason {
            Reason::Budget(_) => rule.strip_prefix(RULE),
            Reason::Policy(_) | Reason::Hook(_) => None,
        };
        self.record.budget = self.run.budget(limit);
        self.record.reason = Some(reason);
        self.has_changed = true;
    }
}

impl Drop for PendingDecision {
    fn drop(&mut self) {
        if !self.written.as_ref().is_some_and(|it| it.is_certain) {
            self.abandon();
        }
        self.observe();
        let mut record = self.record.clone();
        match &self.written {
            Some(written) if self.has_changed => {
                let kept = AuditLine::Decision(record.clone());
                record.update = true;
                let line = AuditLine::Decision(record);
                self.run.update(written, kept, line);
            }
            Some(_) => {}
            None => self.run.deny(AuditLine::Decision(record)),
        }
    }
}

/// A request under way. It is recorded when it is over.
pub(crate) struct PendingRequest {
    run: Arc<Run>,
    begun: Instant,
    /// `None` once it is recorded.
    record: Mutex<Option<Unfinished>>,
    following: Following,
    up: AtomicU64,
    down: AtomicU64,
}

/// A record that is not complete yet.
struct Unfinished {
    record: ExchangeRecord,
    version: Option<HttpVersion>,
    span: Span,
    _open: Open,
}

impl PendingRequest {
    /// Begins the record. `of` is the decision on the request, which is recorded already, and `span` is
    /// the request's.
    pub(crate) fn new(log: &AuditLog, of: &PendingDecision, span: Span) -> Self {
        let decision = &of.record;
        let record = ExchangeRecord {
            time: Time::now(),
            sandbox: decision.sandbox.clone(),
            sequence: of.sequence(),
            method: method(decision),
            target: decision.target.clone(),
            address: decision.address,
            tls: None,
            status: None,
            bytes_up: 0,
            bytes_down: 0,
            duration_ms: 0,
            secrets: Vec::new(),
            error: None,
            budget: None,
        };
        Self {
            run: Arc::clone(&log.run),
            begun: Instant::now(),
            record: Mutex::new(Some(Unfinished {
                record,
                version: None,
                span,
                _open: log.run.open(),
            })),
            following: of
                .written
                .as_ref()
                .map(Written::following)
                .unwrap_or_default(),
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

    /// Notes the address that a tunnel was made to.
    pub(crate) fn connected(&self, address: SocketAddr) {
        self.change(|record| record.address = Some(address));
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

    /// Notes the version of HTTP of the response.
    pub(crate) fn speaks(&self, version: HttpVersion) {
        if let Some(unfinished) = &mut *self.record() {
            unfinished.version = Some(version);
        }
    }

    /// Records that a malformed or ambiguous response came back; this is the request's error.
    pub(crate) fn unframed(&self, address: SocketAddr, tls: Option<u16>) {
        self.change(|record| {
            record.address = Some(address);
            record.tls = tls.map(tls_version);
            record.error.get_or_insert_with(|| "protocol".to_owned());
        });
    }

    /// Notes a failure; the first one counts.
    pub(crate) fn failed(&self, error: &str) {
        self.change(|record| {
            if record.error.is_none() {
                record.error = Some(error.to_owned());
                record.budget = self.run.budget(error.strip_prefix(ERROR));
            }
        });
    }

    /// Records the request, once.
    pub(crate) fn finish(&self) {
        let Some(unfinished) = self.record().take() else {
            return;
        };
        let Unfinished {
            mut record,
            version,
            span,
            _open,
        } = unfinished;
        record.time = Time::now();
        record.bytes_up = self.up.load(Ordering::Relaxed);
        record.bytes_down = self.down.load(Ordering::Relaxed);
        let took = self.begun.elapsed();
        record.duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let finished = spans::Finished {
            peer: record.address,
            tls: record.tls.as_deref(),
            version,
            status: record.status,
            error: record.error.as_deref(),
        };
        finished.record_in(&span);
        let bytes = (record.bytes_up, record.bytes_down);
        observe::finished(&record.method, &finished, bytes, took);
        self.run
            .finish(AuditLine::Exchange(record), &self.following);
    }

    fn change(&self, change: impl FnOnce(&mut ExchangeRecord)) {
        if let Some(unfinished) = &mut *self.record() {
            change(&mut unfinished.record);
        }
    }

    fn record(&self) -> MutexGuard<'_, Option<Unfinished>> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for PendingRequest {
    fn drop(&mut self) {
        self.finish();
    }
}

/// What is recorded as a tunnel's method, as in the logs of proxies. No request can have it.
pub(crate) const CONNECT: &str = "CONNECT";

/// The method of a request, or of a tunnel.
fn method(of: &DecisionRecord) -> String {
    match of.stage {
        Stage::Tunnel => CONNECT.to_owned(),
        Stage::Connect | Stage::Tls | Stage::Request => of.method.clone().unwrap_or_default(),
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
