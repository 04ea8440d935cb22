//! Replaces the first line of a decision or a lookup by its later ones.

use std::collections::{HashMap, VecDeque};

use sandbox_net::AuditLine;

/// The most lines that wait for an update, and their most bytes together, because a log may be
/// larger than memory. A later update is reported as a line of its own.
const MOST: usize = 16_384;
const MOST_BYTES: usize = 16 << 20;

/// Lines in order, each held back for a while.
#[derive(Default)]
pub(super) struct Merged {
    waiting: VecDeque<(AuditLine, usize)>,
    /// How many lines were given out.
    gone: usize,
    bytes: usize,
    places: HashMap<Key, usize>,
}

/// What lines about the same thing share.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    is_lookup: bool,
    sandbox: String,
    sequence: u64,
}

impl Merged {
    /// Takes a line of this many bytes, and gives out those that have waited long enough.
    pub(super) fn add(
        &mut self,
        mut line: AuditLine,
        bytes: usize,
        each: &mut impl FnMut(AuditLine),
    ) {
        let key = Key::of(&line);
        if take_update(&mut line)
            && let Some(place) = key.as_ref().and_then(|key| self.places.get(key))
            && let Some((before, _)) = self.waiting.get_mut(place - self.gone)
        {
            *before = line;
            return;
        }
        if let Some(key) = key {
            // A log that another process has continued contains the same numbers again.
            self.places.insert(key, self.gone + self.waiting.len());
        }
        self.bytes += bytes;
        self.waiting.push_back((line, bytes));
        while self.waiting.len() > MOST || self.bytes > MOST_BYTES {
            self.give(each);
        }
    }

    /// Gives out the remaining lines.
    pub(super) fn finish(mut self, each: &mut impl FnMut(AuditLine)) {
        while !self.waiting.is_empty() {
            self.give(each);
        }
    }

    fn give(&mut self, each: &mut impl FnMut(AuditLine)) {
        let Some((line, bytes)) = self.waiting.pop_front() else {
            return;
        };
        if let Some(key) = Key::of(&line)
            && self.places.get(&key) == Some(&self.gone)
        {
            self.places.remove(&key);
        }
        self.gone += 1;
        self.bytes -= bytes;
        each(line);
    }
}

impl Key {
    fn of(line: &AuditLine) -> Option<Self> {
        let (is_lookup, sandbox, sequence) = match line {
            AuditLine::Decision(it) => (false, &it.sandbox, it.sequence),
            AuditLine::Lookup(it) => (true, &it.sandbox, it.sequence?),
            _ => return None,
        };
        Some(Self {
            is_lookup,
            sandbox: sandbox.clone(),
            sequence,
        })
    }
}

/// Whether the line replaces an earlier one. From here on it is a line like any other.
fn take_update(line: &mut AuditLine) -> bool {
    match line {
        AuditLine::Decision(it) => std::mem::take(&mut it.update),
        AuditLine::Lookup(it) => std::mem::take(&mut it.update),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use sandbox_net::policy::DenyReason;

    use super::*;
    use crate::audit_command::testing::{changed, decision, denied, exchange, lookup};
    use sandbox_net::DecisionRecord;

    fn merged(lines: Vec<AuditLine>) -> Vec<AuditLine> {
        let (mut merged, mut given) = (Merged::default(), Vec::new());
        for line in lines {
            merged.add(line, 100, &mut |line| given.push(line));
        }
        merged.finish(&mut |line| given.push(line));
        given
    }

    fn overruled() -> DecisionRecord {
        changed(
            denied("a.test:443", DenyReason::Address, Some("10.0.0.1")),
            |it| {
                it.sequence = decision().sequence;
            },
        )
    }

    fn updating(record: DecisionRecord) -> AuditLine {
        AuditLine::Decision(changed(record, |it| {
            it.update = true;
        }))
    }

    #[test]
    fn the_last_line_of_a_decision_counts_at_the_place_of_the_first() {
        let between = AuditLine::Exchange(exchange("https://a.test/"));
        let before = AuditLine::Decision(decision());
        let found = merged(vec![
            before.clone(),
            between.clone(),
            updating(decision()),
            updating(overruled()),
        ]);
        assert_eq!(found, [AuditLine::Decision(overruled()), between.clone()]);
        // Another process has continued the log.
        let found = merged(vec![before.clone(), before.clone(), updating(overruled())]);
        assert_eq!(found, [before.clone(), AuditLine::Decision(overruled())]);
        // Another sandbox has the same numbers.
        let other = changed(overruled(), |it| {
            it.sandbox = "two".to_owned();
        });
        let found = merged(vec![before.clone(), updating(other.clone())]);
        assert_eq!(found, [before, AuditLine::Decision(other)]);
    }

    #[test]
    fn a_lookup_is_one_thing_too_and_those_of_old_logs_stay_apart() {
        let asked = changed(lookup("a.test", None), |it| {
            it.sequence = Some(7);
            it.outcome = Some("asked".to_owned());
        });
        let found = changed(asked.clone(), |it| {
            it.outcome = Some("found".to_owned());
        });
        let update = changed(found.clone(), |it| {
            it.update = true;
        });
        let given = merged(vec![AuditLine::Lookup(asked), AuditLine::Lookup(update)]);
        assert_eq!(given, [AuditLine::Lookup(found)]);
        let old = AuditLine::Lookup(lookup("a.test", None));
        assert_eq!(merged(vec![old.clone(), old.clone()]), [old.clone(), old]);
    }

    #[test]
    fn a_bounded_number_of_lines_waits_and_none_is_lost() {
        let between = AuditLine::Exchange(exchange("https://a.test/"));
        let mut lines = vec![AuditLine::Decision(decision())];
        lines.extend(vec![between; MOST]);
        lines.push(updating(overruled()));
        let count = lines.len();
        let found = merged(lines);
        assert_eq!(found.len(), count);
        assert_eq!(found.last(), Some(&AuditLine::Decision(overruled())));
    }
}
