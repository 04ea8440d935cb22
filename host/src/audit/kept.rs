//! What a log keeps in memory of one run. What was allowed has room of its own, so that no number of
//! denials displaces it.

use super::dropped::{Counts, Dropped, DroppedRecord};
use super::{AuditLine, DecisionRecord, ExchangeRecord, LookupRecord};

/// Bytes that the records of what was allowed may take, about.
pub(super) const ALLOWED: usize = 32 << 20;
/// Bytes that the records of denials may take, about, and how many there may be: those beyond are
/// counted.
const DENIED: usize = 512 << 10;
const DENIALS: usize = 1000;
/// Bytes that a record takes besides its texts, about.
const RECORD: usize = 384;

/// There is no room for one more record of what is allowed.
#[derive(Debug)]
pub(super) struct Full;

/// Where a record is, to be completed later.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place(usize);

/// What becomes of a denial.
pub(super) enum Denied {
    /// It is kept, and belongs into every sink.
    Kept,
    /// It is counted, and this line with the number is due, if there is one.
    Counted(Option<DroppedRecord>),
}

/// The records of one run.
#[derive(Default)]
pub(super) struct Kept {
    pub(super) decisions: Vec<DecisionRecord>,
    pub(super) exchanges: Vec<ExchangeRecord>,
    pub(super) lookups: Vec<LookupRecord>,
    pub(super) dropped: Dropped,
    /// Decisions, those that are not kept included.
    pub(super) count: u64,
    counts: Counts,
    allowed: usize,
    denied: usize,
    denials: usize,
}

impl Kept {
    /// Takes room for what is allowed: for the record itself, and for that of its exchange, which
    /// has to be kept too.
    pub(super) fn reserve(&mut self, line: &AuditLine, has_exchange: bool) -> Result<(), Full> {
        let size = size(line) * if has_exchange { 2 } else { 1 };
        let allowed = self.allowed.saturating_add(size);
        if allowed > ALLOWED {
            return Err(Full);
        }
        self.allowed = allowed;
        Ok(())
    }

    /// Keeps what there is room for.
    pub(super) fn keep(&mut self, line: AuditLine) -> Place {
        match line {
            AuditLine::Decision(record) => {
                self.count += 1;
                push(&mut self.decisions, record)
            }
            AuditLine::Exchange(record) => push(&mut self.exchanges, record),
            AuditLine::Lookup(record) => push(&mut self.lookups, record),
            AuditLine::Dropped(_) => Place(0),
        }
    }

    /// Counts what is not kept.
    pub(super) fn drop_one(&mut self, line: &AuditLine) {
        self.count += u64::from(matches!(line, AuditLine::Decision(_)));
        self.dropped.count(line);
    }

    /// Puts a completed record in the place of what it was.
    pub(super) fn replace(&mut self, Place(index): Place, line: AuditLine) {
        match line {
            AuditLine::Decision(record) => put(&mut self.decisions, index, record),
            AuditLine::Lookup(record) => put(&mut self.lookups, index, record),
            AuditLine::Exchange(_) | AuditLine::Dropped(_) => {}
        }
    }

    /// Keeps a denial, or counts it.
    pub(super) fn deny(&mut self, line: &AuditLine) -> Denied {
        let denied = self.denied.saturating_add(size(line));
        if denied > DENIED || self.denials >= DENIALS {
            self.drop_one(line);
            return Denied::Counted(self.counts.add(line));
        }
        (self.denied, self.denials) = (denied, self.denials + 1);
        self.keep(line.clone());
        Denied::Kept
    }

    /// The lines with the numbers that were not told yet.
    pub(super) fn take_counts(&mut self) -> Vec<DroppedRecord> {
        self.counts.take()
    }
}

fn push<T>(records: &mut Vec<T>, record: T) -> Place {
    records.push(record);
    Place(records.len() - 1)
}

fn put<T>(records: &mut [T], index: usize, record: T) {
    if let Some(place) = records.get_mut(index) {
        *place = record;
    }
}

fn size(line: &AuditLine) -> usize {
    let texts = match line {
        AuditLine::Decision(it) => it.target.len() + it.rule.len() + it.sandbox.len(),
        AuditLine::Exchange(it) => it.target.len() + it.sandbox.len(),
        AuditLine::Lookup(it) => it.name.len() + it.rule.len() + it.sandbox.len(),
        AuditLine::Dropped(_) => 0,
    };
    RECORD + texts
}
