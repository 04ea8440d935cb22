//! Counts denials instead of repeating them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{AuditLine, DecisionRecord, LookupRecord, Reason, Stage, Time, Verdict, shortened};

/// The most kinds of denials that are counted separately.
const KINDS: usize = 128;
/// Bytes of a host and of a rule that are kept.
const HOST: usize = 256;
const RULE: usize = 256;
/// A line reports the count of a kind at this number, and at each ten times as many.
const FIRST_TOLD: u64 = 1000;

/// How many denials of one kind were not written individually since the last line about that kind.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DroppedRecord {
    /// When it was last counted.
    pub time: Time,
    /// The name of the sandbox.
    pub sandbox: String,
    /// The stage at which they were denied; `None` for lookups.
    pub stage: Option<Stage>,
    /// The requested host; `None` for all hosts that are not counted separately.
    pub host: Option<String>,
    /// What was decided.
    pub verdict: Verdict,
    /// The rule that decided; `None` if the host is `None`.
    pub rule: Option<String>,
    /// Why they were denied.
    pub reason: Option<Reason>,
    /// The number of denials.
    pub count: u64,
}

/// How many records of a run are not in its outcome, by kind: denials beyond a bound, and allowed
/// ones whose lines a sink has, or that are counted at a record like them
/// ([`DecisionRecord::repeats`]).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Dropped {
    /// Decisions.
    pub decisions: u64,
    /// Requests that were sent.
    pub exchanges: u64,
    /// Lookups.
    pub lookups: u64,
}

impl Dropped {
    /// Whether nothing is missing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn count(&mut self, line: &AuditLine) {
        if let Some(number) = self.of(line) {
            *number += 1;
        }
    }

    /// Reverses the count of a line.
    pub(super) fn uncount(&mut self, line: &AuditLine) {
        if let Some(number) = self.of(line) {
            *number = number.saturating_sub(1);
        }
    }

    fn of(&mut self, line: &AuditLine) -> Option<&mut u64> {
        match line {
            AuditLine::Decision(_) => Some(&mut self.decisions),
            AuditLine::Exchange(_) => Some(&mut self.exchanges),
            AuditLine::Lookup(_) => Some(&mut self.lookups),
            AuditLine::Dropped(_) => None,
        }
    }
}

/// The properties by which denials are counted together.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    stage: Option<&'static str>,
    host: Option<String>,
    verdict: &'static str,
    rule: Option<String>,
    reason: Option<&'static str>,
}

/// The counts of one run.
#[derive(Default)]
pub(super) struct Counts {
    kinds: BTreeMap<Kind, Count>,
}

struct Count {
    /// The content of the line, with the count that was not reported yet.
    record: DroppedRecord,
    total: u64,
}

impl Counts {
    /// Counts a denial; returns the line that is due, if any.
    pub(super) fn add(&mut self, line: &AuditLine) -> Option<DroppedRecord> {
        let mut record = summary(line)?;
        let mut kind = Kind::of(&record);
        if self.kinds.len() >= KINDS && !self.kinds.contains_key(&kind) {
            // Reasons and stages are few, so there are few of these.
            (record.host, record.rule) = (None, None);
            kind = Kind::of(&record);
        }
        let count = self.kinds.entry(kind).or_insert(Count { record, total: 0 });
        count.record.count += 1;
        count.total += 1;
        is_told_at(count.total).then(|| count.take())
    }

    /// Reverses that the count of a line was reported.
    pub(super) fn put_back(&mut self, record: &DroppedRecord) {
        if let Some(count) = self.kinds.get_mut(&Kind::of(record)) {
            count.record.count += record.count;
        }
    }

    /// Takes the lines for what was not reported yet.
    pub(super) fn take(&mut self) -> Vec<DroppedRecord> {
        let counts = self.kinds.values_mut();
        let untold = counts.filter(|count| count.record.count > 0);
        untold.map(Count::take).collect()
    }
}

impl Count {
    fn take(&mut self) -> DroppedRecord {
        let told = DroppedRecord {
            time: Time::now(),
            ..self.record.clone()
        };
        self.record.count = 0;
        told
    }
}

impl Kind {
    fn of(record: &DroppedRecord) -> Self {
        Self {
            stage: record.stage.map(Stage::as_str),
            host: record.host.clone(),
            verdict: record.verdict.as_str(),
            rule: record.rule.clone(),
            reason: record.reason.map(Reason::as_str),
        }
    }
}

fn is_told_at(total: u64) -> bool {
    total >= FIRST_TOLD && 10_u64.pow(total.ilog10()) == total
}

/// The record of such a denial, with a count of 0.
fn summary(line: &AuditLine) -> Option<DroppedRecord> {
    let (stage, host, verdict, rule, reason, sandbox) = match line {
        AuditLine::Decision(it) => (
            Some(it.stage),
            host(it),
            it.verdict,
            &it.rule,
            it.reason,
            &it.sandbox,
        ),
        AuditLine::Lookup(it) => (None, name(it), it.verdict, &it.rule, it.reason, &it.sandbox),
        AuditLine::Exchange(_) | AuditLine::Dropped(_) => return None,
    };
    Some(DroppedRecord {
        time: Time::now(),
        sandbox: sandbox.clone(),
        stage,
        host: Some(shortened(host.to_owned(), HOST)),
        verdict,
        rule: Some(shortened(rule.clone(), RULE)),
        reason,
        count: 0,
    })
}

fn name(record: &LookupRecord) -> &str {
    &record.name
}

/// The host of a target: the part between a scheme and a port or a path.
fn host(record: &DecisionRecord) -> &str {
    let target = record.target.as_str();
    let rest = target.split_once("://").map_or(target, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    authority
        .rsplit_once(':')
        .map_or(authority, |(host, _)| host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandbox_net_policy::DenyReason;

    fn denied(target: &str) -> AuditLine {
        AuditLine::Decision(DecisionRecord {
            time: Time::now(),
            sandbox: "s".to_owned(),
            sequence: 0,
            stage: Stage::Request,
            target: target.to_owned(),
            method: None,
            tls: Vec::new(),
            verdict: Verdict::Deny,
            rule: "default-deny".to_owned(),
            reason: Some(DenyReason::NoRule.into()),
            budget: None,
            hook_error: None,
            address: None,
            update: false,
            repeats: 0,
        })
    }

    #[test]
    fn denials_of_one_host_are_one_line_and_the_numbers_of_all_lines_add_up() {
        let mut counts = Counts::default();
        let mut told = Vec::new();
        for number in 0..25_000 {
            told.extend(counts.add(&denied(&format!("https://a.test:8443/{number}"))));
        }
        assert_eq!(told.len(), 2, "at 1,000 and at 10,000");
        told.extend(counts.take());
        assert!(counts.take().is_empty(), "each is told once");
        assert_eq!(told.iter().map(|it| it.count).sum::<u64>(), 25_000);
        assert!(told.iter().all(|it| it.host.as_deref() == Some("a.test")));
    }

    #[test]
    fn hosts_without_number_are_counted_together() {
        let mut counts = Counts::default();
        for number in 0..10_000 {
            let host = format!("{number}{}", "x".repeat(2000));
            assert_eq!(
                counts
                    .add(&denied(&format!("http://{host}:80/")))
                    .map(|it| it.host),
                match number {
                    // One short of all, then the last: the rest is reported at 1,000 of them.
                    1127 => Some(None),
                    _ => None,
                }
            );
        }
        let told = counts.take();
        assert_eq!(told.len(), KINDS + 1);
        let bytes: usize = told
            .iter()
            .map(|it| serde_json::to_string(it).unwrap().len())
            .sum();
        assert!(bytes < 128 * 1024, "{bytes}");
        assert_eq!(told.iter().map(|it| it.count).sum::<u64>(), 10_000 - 1000);
    }

    #[test]
    fn a_host_is_found_in_every_target() {
        for (target, expected) in [
            ("a.test:443", "a.test"),
            ("[::1]:443", "[::1]"),
            ("https://a.test", "a.test"),
            ("https://a.test:8443/x:1", "a.test"),
            ("", ""),
            ("nonsense", "nonsense"),
        ] {
            let AuditLine::Decision(record) = denied(target) else {
                unreachable!()
            };
            assert_eq!(host(&record), expected, "{target}");
        }
    }
}
