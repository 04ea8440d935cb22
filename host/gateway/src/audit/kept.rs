//! What a log keeps in memory of one run. Records of what was allowed have room of their own, so
//! that no number of denials displaces them.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use super::dropped::{Counts, Dropped, DroppedRecord};
use super::{AuditLine, DecisionRecord, ExchangeRecord, LookupRecord, Reason, Verdict};
use sandbox_net_egress::account::{HostMemory, Reservation};
use sandbox_net_policy::TlsOverride;

/// About how many bytes the records of what was allowed may take, and no more than half of the
/// host's memory for the guest.
pub(super) const ALLOWED: usize = 32 << 20;
/// About how many bytes the records of denials may take, and how many there may be; those beyond
/// are counted.
const DENIED: usize = 512 << 10;
const DENIALS: usize = 1000;
/// About how many bytes a record takes besides its texts.
const RECORD: usize = 472;

/// There is no room for one more record of something allowed.
#[derive(Debug)]
pub(super) struct Full;

/// The position of a record, to complete it later.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place(usize);

/// How memory represents something that was allowed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Slot {
    /// By its own record.
    Own(Place),
    /// By a count at the record of something alike.
    Repeat(Place),
    /// Not at all: the sinks have it.
    Nothing,
}

/// A record that was kept, or completed, by its place.
#[derive(Debug, Clone, Copy)]
pub(super) enum News {
    Decision(Place),
    DecisionUpdate(Place),
    Exchange(Place),
    Lookup(Place),
    LookupUpdate(Place),
}

/// How a denial is recorded.
pub(super) enum Denied {
    /// It is kept, and goes to every sink.
    Kept,
    /// It is counted; the line with the count is given if it is due.
    Counted(Option<DroppedRecord>),
}

/// The records of one run.
#[derive(Default)]
pub(super) struct Kept {
    pub(super) decisions: Vec<DecisionRecord>,
    pub(super) exchanges: Vec<ExchangeRecord>,
    pub(super) lookups: Vec<LookupRecord>,
    pub(super) dropped: Dropped,
    /// What became of the records, in order, for those who follow the log.
    news: Vec<News>,
    /// All decisions, including those that are not kept.
    pub(super) count: u64,
    counts: Counts,
    /// The first record of each group of like ones, by a hash that no guest can predict.
    seen: HashMap<u64, Place>,
    hasher: RandomState,
    /// What the records take of the host's memory for the guest.
    held: Option<Reservation>,
    allowed: usize,
    denied: usize,
    denials: usize,
}

impl Kept {
    /// Keeps what is about to be done: as a record, with room for that of its request, which has to
    /// be kept too; if there is no room, as a count at a like record; or not at all if the sinks have
    /// it.
    pub(super) fn allow(
        &mut self,
        line: &AuditLine,
        has_exchange: bool,
        has_sinks: bool,
        memory: Option<&HostMemory>,
    ) -> Result<Slot, Full> {
        let key = self.hasher.hash_one(alike(line));
        let known = self.seen.get(&key).copied();
        let known = known.filter(|place| self.is_alike(*place, line));
        let size = size(line) * if has_exchange { 2 } else { 1 };
        let allowed = self.allowed.saturating_add(size);
        let most = memory.map_or(ALLOWED, |memory| ALLOWED.min(memory.limit() / 2));
        if allowed <= most && self.take(size, memory) {
            self.allowed = allowed;
            let place = self.keep(line.clone());
            if known.is_none() {
                self.seen.insert(key, place);
            }
            return Ok(Slot::Own(place));
        }
        let slot = match known {
            _ if has_sinks => Slot::Nothing,
            Some(place) => {
                *self.repeats(place, line) += 1;
                Slot::Repeat(place)
            }
            None => return Err(Full),
        };
        self.drop_one(line);
        Ok(slot)
    }

    /// Completes what is kept. A counted repeat that was denied after all becomes a denial like
    /// others.
    pub(super) fn update(&mut self, slot: Slot, line: AuditLine, memory: Option<&HostMemory>) {
        let place = match slot {
            Slot::Own(place) => return self.replace(place, line),
            Slot::Repeat(place) => Some(place),
            Slot::Nothing => None,
        };
        if !is_refused(&line) {
            return;
        }
        if let Some(place) = place {
            let repeats = self.repeats(place, &line);
            *repeats = repeats.saturating_sub(1);
        }
        if self.has_room(&line, memory) {
            self.dropped.uncount(&line);
            self.count -= u64::from(matches!(line, AuditLine::Decision(_)));
            self.keep(line);
        }
    }

    fn is_alike(&self, Place(index): Place, line: &AuditLine) -> bool {
        let kept = match line {
            AuditLine::Decision(_) => self.decisions.get(index).map(alike_decision),
            AuditLine::Lookup(_) => self.lookups.get(index).map(alike_lookup),
            AuditLine::Exchange(_) | AuditLine::Dropped(_) => None,
        };
        kept.is_some() && kept == alike(line)
    }

    fn repeats(&mut self, Place(index): Place, line: &AuditLine) -> &mut u64 {
        match line {
            AuditLine::Lookup(_) => &mut self.lookups[index].repeats,
            _ => &mut self.decisions[index].repeats,
        }
    }

    /// Reserves bytes of the host's memory for the guest.
    fn take(&mut self, bytes: usize, memory: Option<&HostMemory>) -> bool {
        match (&mut self.held, memory) {
            (Some(held), _) => held.grow(bytes).is_ok(),
            (None, Some(memory)) => {
                self.held = memory.reserve(bytes).ok();
                self.held.is_some()
            }
            (None, None) => true,
        }
    }

    /// Reserves room for a denial.
    fn has_room(&mut self, line: &AuditLine, memory: Option<&HostMemory>) -> bool {
        let size = size(line);
        let denied = self.denied.saturating_add(size);
        let has_room = denied <= DENIED && self.denials < DENIALS && self.take(size, memory);
        if has_room {
            (self.denied, self.denials) = (denied, self.denials + 1);
        }
        has_room
    }

    /// Keeps a line for which room was reserved.
    pub(super) fn keep(&mut self, line: AuditLine) -> Place {
        let (place, news): (_, fn(Place) -> News) = match line {
            AuditLine::Decision(record) => {
                self.count += 1;
                (push(&mut self.decisions, record), News::Decision)
            }
            AuditLine::Exchange(record) => (push(&mut self.exchanges, record), News::Exchange),
            AuditLine::Lookup(record) => (push(&mut self.lookups, record), News::Lookup),
            AuditLine::Dropped(_) => return Place(0),
        };
        self.news.push(news(place));
        place
    }

    /// Counts a line that is not kept.
    pub(super) fn drop_one(&mut self, line: &AuditLine) {
        self.count += u64::from(matches!(line, AuditLine::Decision(_)));
        self.dropped.count(line);
    }

    /// Replaces a record by its completed version.
    fn replace(&mut self, place: Place, line: AuditLine) {
        let (Place(index), repeats) = (place, *self.repeats(place, &line));
        match line {
            AuditLine::Decision(record) => {
                self.decisions[index] = DecisionRecord { repeats, ..record };
                self.news.push(News::DecisionUpdate(place));
            }
            AuditLine::Lookup(record) => {
                self.lookups[index] = LookupRecord { repeats, ..record };
                self.news.push(News::LookupUpdate(place));
            }
            AuditLine::Exchange(_) | AuditLine::Dropped(_) => {}
        }
    }

    /// Keeps a denial, or counts it. Without a place in the queue to the sinks it is counted.
    pub(super) fn deny(
        &mut self,
        line: &AuditLine,
        has_place: bool,
        memory: Option<&HostMemory>,
    ) -> Denied {
        if !has_place || !self.has_room(line, memory) {
            self.drop_one(line);
            return Denied::Counted(self.counts.add(line));
        }
        self.keep(line.clone());
        Denied::Kept
    }

    /// The line for the piece of news with this number, as it is now.
    pub(super) fn told(&self, number: usize) -> Option<AuditLine> {
        let decision = |Place(index)| self.decisions.get::<usize>(index).cloned();
        let lookup = |Place(index)| self.lookups.get::<usize>(index).cloned();
        match *self.news.get(number)? {
            News::Decision(place) => decision(place).map(AuditLine::Decision),
            News::DecisionUpdate(place) => decision(place).map(|record| {
                AuditLine::Decision(DecisionRecord {
                    update: true,
                    ..record
                })
            }),
            News::Exchange(Place(index)) => {
                self.exchanges.get(index).cloned().map(AuditLine::Exchange)
            }
            News::Lookup(place) => lookup(place).map(AuditLine::Lookup),
            News::LookupUpdate(place) => lookup(place).map(|record| {
                AuditLine::Lookup(LookupRecord {
                    update: true,
                    ..record
                })
            }),
        }
    }

    /// Counts again what could not be reported, to report it later.
    pub(super) fn put_back(&mut self, record: &DroppedRecord) {
        self.counts.put_back(record);
    }

    /// Takes the lines with counts that were not reported yet.
    pub(super) fn take_counts(&mut self) -> Vec<DroppedRecord> {
        self.counts.take()
    }
}

fn push<T>(records: &mut Vec<T>, record: T) -> Place {
    records.push(record);
    Place(records.len() - 1)
}

/// The properties that like records share, and no others: the kind, stage, method, target, rule,
/// verdict, reason and TLS settings.
#[derive(PartialEq, Eq, Hash)]
struct Alike<'a>([&'a str; 7], &'a [TlsOverride]);

fn alike(line: &AuditLine) -> Option<Alike<'_>> {
    match line {
        AuditLine::Decision(it) => Some(alike_decision(it)),
        AuditLine::Lookup(it) => Some(alike_lookup(it)),
        AuditLine::Exchange(_) | AuditLine::Dropped(_) => None,
    }
}

fn alike_decision(it: &DecisionRecord) -> Alike<'_> {
    let (method, reason) = (it.method.as_deref(), it.reason.map(Reason::as_str));
    let texts = [
        "decision",
        it.stage.as_str(),
        method.unwrap_or_default(),
        &it.target,
        &it.rule,
        it.verdict.as_str(),
        reason.unwrap_or_default(),
    ];
    Alike(texts, &it.tls)
}

fn alike_lookup(it: &LookupRecord) -> Alike<'_> {
    let reason = it.reason.map(Reason::as_str).unwrap_or_default();
    let texts = [
        "lookup",
        "",
        "",
        &it.name,
        &it.rule,
        it.verdict.as_str(),
        reason,
    ];
    Alike(texts, &[])
}

/// Whether it had no effect.
fn is_refused(line: &AuditLine) -> bool {
    let verdict = match line {
        AuditLine::Decision(it) => it.verdict,
        AuditLine::Lookup(it) => it.verdict,
        AuditLine::Exchange(_) | AuditLine::Dropped(_) => return false,
    };
    matches!(verdict, Verdict::Deny | Verdict::Abandoned)
}

/// About how many bytes a record takes.
pub(super) fn size(line: &AuditLine) -> usize {
    let texts = match line {
        AuditLine::Decision(it) => {
            let hook_error = it.hook_error.as_ref().map_or(0, String::len);
            it.target.len() + it.rule.len() + it.sandbox.len() + hook_error
        }
        AuditLine::Exchange(it) => it.target.len() + it.sandbox.len(),
        AuditLine::Lookup(it) => it.name.len() + it.rule.len() + it.sandbox.len(),
        AuditLine::Dropped(it) => {
            let texts = [&it.host, &it.rule].map(|text| text.as_ref().map_or(0, String::len));
            it.sandbox.len() + texts.iter().sum::<usize>()
        }
    };
    RECORD + texts
}
