//! The record of a lookup in the making.

use super::{AuditLine, AuditLog, LookupRecord, Reason, TARGET, Time, Verdict, shortened};
use crate::policy::Denial;

/// A lookup that is denied, or that asks a name server. It is recorded when it is dropped.
pub(crate) struct LookedUp {
    log: AuditLog,
    record: Option<LookupRecord>,
}

impl AuditLog {
    /// Begins to record a lookup that a rule allows, or that was denied.
    pub(crate) fn looked_up(&self, name: String, decided: Result<&str, &Denial>) -> LookedUp {
        let (verdict, rule, reason) = match decided {
            Ok(rule) => (Verdict::Allow, rule, None),
            Err(denial) => (Verdict::Deny, &*denial.rule, Some(denial.reason.into())),
        };
        LookedUp {
            record: Some(LookupRecord {
                time: Time::now(),
                sandbox: self.sandbox().to_owned(),
                name: shortened(name, TARGET),
                verdict,
                rule: rule.to_owned(),
                reason,
                outcome: None,
            }),
            log: self.clone(),
        }
    }
}

impl LookedUp {
    /// A budget is used up.
    pub(crate) fn refused(&mut self, rule: String, reason: Reason) {
        if let Some(record) = &mut self.record {
            record.verdict = Verdict::Deny;
            (record.rule, record.reason) = (rule, Some(reason));
        }
    }

    /// It would be denied if the policy's mode were not `report`.
    pub(crate) fn reported(&mut self, denial: &Denial) {
        if let Some(record) = &mut self.record {
            record.verdict = Verdict::Report;
            record.rule.clone_from(&denial.rule);
            record.reason = Some(denial.reason.into());
        }
    }

    /// What came of the question, as far as is known.
    pub(crate) fn ended(&mut self, outcome: String) {
        if let Some(record) = &mut self.record {
            record.outcome = Some(outcome);
        }
    }
}

impl Drop for LookedUp {
    fn drop(&mut self) {
        if let Some(mut record) = self.record.take() {
            record.time = Time::now();
            self.log.write(AuditLine::Lookup(record));
        }
    }
}
