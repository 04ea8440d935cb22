//! The record of a lookup that is not complete yet.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::run::{Open, Run, Unrecorded, Written};
use super::{
    AuditLine, AuditLog, ERROR, LookupRecord, RULE, Reason, TARGET, Time, Verdict, shortened,
};
use crate::observe;
use crate::spans;
use sandbox_net_policy::Denial;
use tracing::Span;

/// The outcome of a lookup before there is an answer.
const ASKED: &str = "asked";

/// A lookup that is denied, or is about to ask a name server. [`commit`](Self::commit) records it
/// before the query is sent. The result is recorded when this is dropped.
pub(crate) struct PendingLookup {
    run: Arc<Run>,
    record: LookupRecord,
    span: Span,
    /// `None` until a sink may have it.
    written: Option<Written>,
    _open: Open,
}

impl AuditLog {
    /// Begins to record a lookup that a rule allows, or that was denied.
    pub(crate) fn looked_up(&self, name: String, decided: Result<&str, &Denial>) -> PendingLookup {
        let (verdict, rule, reason) = match decided {
            Ok(rule) => (Verdict::Allow, rule, None),
            Err(denial) => (Verdict::Deny, &*denial.rule, Some(denial.reason.into())),
        };
        let name = shortened(name, TARGET);
        let sequence = self.run.shared.next_lookup.fetch_add(1, Ordering::Relaxed);
        PendingLookup {
            record: LookupRecord {
                time: Time::now(),
                sandbox: self.sandbox().to_owned(),
                sequence: Some(sequence),
                name: name.clone(),
                verdict,
                rule: rule.to_owned(),
                reason,
                budget: None,
                outcome: None,
                update: false,
                repeats: 0,
            },
            span: spans::lookup(self.sandbox(), &name),
            written: None,
            run: Arc::clone(&self.run),
            _open: self.run.open(),
        }
    }
}

impl PendingLookup {
    /// The span of the lookup.
    pub(crate) fn span(&self) -> Span {
        self.span.clone()
    }

    /// Records the lookup before a name server is asked: waits until every sink has it.
    ///
    /// # Errors
    ///
    /// If it can't be recorded. Then no query may be sent, and the caller says so with
    /// [`refused`](Self::refused).
    pub(crate) async fn commit(&mut self) -> Result<(), Unrecorded> {
        self.record.outcome = Some(ASKED.to_owned());
        let line = AuditLine::Lookup(self.record.clone());
        let committing = self.run.commit(line, false, &mut self.written);
        committing.await
    }

    /// Records that it is denied after all and no query was sent.
    pub(crate) fn refused(&mut self, rule: &str, reason: Reason) {
        self.record.verdict = Verdict::Deny;
        rule.clone_into(&mut self.record.rule);
        let limit = match reason {
            Reason::Budget(_) => rule.strip_prefix(RULE),
            Reason::Policy(_) | Reason::Hook(_) => None,
        };
        self.record.budget = self.run.budget(limit);
        (self.record.reason, self.record.outcome) = (Some(reason), None);
    }

    /// Records that it would be denied if the policy's mode were not `report`.
    pub(crate) fn reported(&mut self, denial: &Denial) {
        self.record.verdict = Verdict::Report;
        self.record.rule.clone_from(&denial.rule);
        self.record.reason = Some(denial.reason.into());
    }

    /// Records the result of the query.
    pub(crate) fn ended(&mut self, outcome: String) {
        self.record.budget = self.run.budget(outcome.strip_prefix(ERROR));
        self.record.outcome = Some(outcome);
    }
}

impl Drop for PendingLookup {
    fn drop(&mut self) {
        let mut record = self.record.clone();
        record.time = Time::now();
        let is_certain = self.written.as_ref().is_some_and(|it| it.is_certain);
        if !is_certain && record.verdict != Verdict::Deny {
            (record.verdict, record.reason) = (Verdict::Abandoned, None);
            record.outcome = None;
        }
        let (verdict, reason) = (record.verdict.as_str(), record.reason.map(Reason::as_str));
        spans::decided(&self.span, verdict, &record.rule, reason);
        if let (Verdict::Deny, Some(reason)) = (record.verdict, reason) {
            spans::failed(&self.span, reason);
        }
        observe::decided("lookup", verdict, reason);
        let Some(written) = &self.written else {
            return self.run.deny(AuditLine::Lookup(record));
        };
        if record.outcome.as_deref() == Some(ASKED) {
            // The guest has cancelled the lookup.
            record.outcome = Some("closed".to_owned());
        }
        let kept = AuditLine::Lookup(record.clone());
        record.update = true;
        self.run.update(written, kept, AuditLine::Lookup(record));
    }
}
