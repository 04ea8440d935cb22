//! What became of each request: what the client was told, and what the log has.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::SocketAddr;

use sandbox_net::policy::DenyReason;
use sandbox_net::{DecisionRecord, ExchangeRecord, Reason, Stage, Verdict};
use sandbox_net_tests::Report;

use super::clients::Client;
use super::entry::Entry;
use super::told::Told;

/// The fewest entries that a client can express.
const LEAST: usize = 170;

/// A decision without its time, its number and its sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Decided {
    stage: Stage,
    target: String,
    method: Option<String>,
    verdict: Verdict,
    rule: String,
    reason: Option<Reason>,
    address: Option<SocketAddr>,
}

/// A record of a request in the same way.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Exchanged {
    method: String,
    target: String,
    tls: Option<String>,
    status: Option<u16>,
    error: Option<String>,
    bytes: (u64, u64),
    address: Option<SocketAddr>,
}

/// What became of each entry.
pub struct Outcomes {
    /// `None` where the client cannot express the entry.
    told: Vec<Option<Told>>,
    decided: Vec<Vec<Decided>>,
    exchanged: Vec<Vec<Exchanged>>,
}

impl Outcomes {
    pub fn of_program(
        report: &Report,
        decisions: &[DecisionRecord],
        exchanges: &[ExchangeRecord],
        entries: usize,
    ) -> Self {
        let line = |index: usize| {
            let case = index.to_string();
            let line = report
                .lines
                .iter()
                .find(|line| line["case"] == case.as_str());
            line.unwrap_or_else(|| panic!("entry {index} has no line\n{report}"))
        };
        let told = (0..entries).map(|index| Some(Told::of_line(line(index))));
        Self::of_clients(told.collect(), decisions, exchanges)
    }

    pub fn of_clients(
        told: Vec<Option<Told>>,
        decisions: &[DecisionRecord],
        exchanges: &[ExchangeRecord],
    ) -> Self {
        let mut decided = vec![Vec::new(); told.len()];
        let mut exchanged = vec![Vec::new(); told.len()];
        let mut index = None;
        for record in decisions {
            if let Some(marker) = marker(record) {
                index = Some(marker);
                continue;
            }
            let index = index.expect("a marker before everything");
            decided[index].push(decided_as(record));
            let of_this = exchanges.iter().filter(|it| it.sequence == record.sequence);
            exchanged[index].extend(of_this.map(|it| Exchanged {
                method: it.method.clone(),
                target: it.target.clone(),
                tls: it.tls.clone(),
                status: it.status,
                error: it.error.clone(),
                bytes: (it.bytes_up, it.bytes_down),
                address: it.address,
            }));
        }
        Self {
            told,
            decided,
            exchanged,
        }
    }

    /// Makes sure that the table shows something.
    ///
    /// # Errors
    ///
    /// What it does not show.
    pub fn check_variety(&self) -> Result<(), String> {
        let responses = self.told.iter().flatten().filter(|told| told.is_response());
        let reasons = self.decided.iter().flatten().filter_map(|it| it.reason);
        let reasons: BTreeSet<_> = reasons.map(|reason| reason.as_str()).collect();
        let (entries, responses) = (self.told.len(), responses.count());
        let has = |reason: DenyReason| reasons.contains(reason.as_str());
        let is_rich = has(DenyReason::Malformed) && has(DenyReason::Method) && reasons.len() >= 4;
        match entries >= 200 && responses >= 5 && is_rich {
            true => Ok(()),
            false => Err(format!(
                "{entries} entries, {responses} responses, {reasons:?}"
            )),
        }
    }
}

/// What is no request has no target: its record quotes what came, which each way spells otherwise.
fn decided_as(record: &DecisionRecord) -> Decided {
    let decided = Decided {
        stage: record.stage,
        target: record.target.clone(),
        method: record.method.clone(),
        verdict: record.verdict,
        rule: record.rule.clone(),
        reason: record.reason,
        address: record.address,
    };
    match record.reason {
        Some(Reason::Policy(DenyReason::Malformed)) => Decided {
            stage: Stage::Request,
            target: String::new(),
            method: None,
            ..decided
        },
        _ => decided,
    }
}

/// The number of the entry that follows a marker.
fn marker(record: &DecisionRecord) -> Option<usize> {
    let rest = record.target.strip_prefix("marker-")?;
    rest.strip_suffix(".test:1")?.parse().ok()
}

/// Whether both refuse it, and one of them before it connects: a call that has everything is read whole
/// first, while the component has decided on the connection by then.
fn is_malformed_at_once(inner: &Told, here: &[Decided], told: &Told, there: &[Decided]) -> bool {
    let is_malformed = |one: &Decided| one.reason == Some(DenyReason::Malformed.into());
    let is_refused_here = here
        .last()
        .is_some_and(|last| last.verdict == Verdict::Deny);
    let is_alone = matches!(there, [only] if is_malformed(only));
    is_alone && is_refused_here && *told == Told::Refused && !inner.is_response()
}

/// Whether the decisions are the same. A call that needs no connection of its own may find one that is
/// kept, and then has no address yet.
fn are_same(client: Client, here: &[Decided], there: &[Decided]) -> bool {
    let is_same = |(here, there): (&Decided, &Decided)| {
        let is_kept = client != Client::Connect && there.address.is_none();
        let address = here.address.filter(|_| !is_kept);
        *there
            == Decided {
                address,
                ..here.clone()
            }
    };
    here.len() == there.len() && here.iter().zip(there).all(is_same)
}

/// Compares what the component got with what a client got.
///
/// # Errors
///
/// Every difference, and too few entries that the client could express.
pub fn differences(
    client: Client,
    table: &[Entry],
    inside: &Outcomes,
    outside: &Outcomes,
) -> Result<(), String> {
    let (mut faults, mut compared) = (String::new(), 0);
    for (index, entry) in table.iter().enumerate() {
        let Some(told) = &outside.told[index] else {
            assert!(outside.decided[index].is_empty(), "{entry:?}");
            continue;
        };
        compared += 1;
        let inner = inside.told[index]
            .as_ref()
            .expect("the program expresses everything");
        let (here, there) = (&inside.decided[index], &outside.decided[index]);
        if client != Client::Connect && is_malformed_at_once(inner, here, told, there) {
            continue;
        }
        if inner != told {
            let _ = writeln!(faults, "{entry:?}\n  told {inner:?}\n   not {told:?}");
        }
        if !are_same(client, here, there) {
            let _ = writeln!(faults, "{entry:?}\n  decided {here:?}\n      not {there:?}");
        }
        let (here, there) = (&inside.exchanged[index], &outside.exchanged[index]);
        if here != there {
            let _ = writeln!(
                faults,
                "{entry:?}\n  recorded {here:?}\n       not {there:?}"
            );
        }
    }
    if compared < LEAST {
        let _ = writeln!(
            faults,
            "only {compared} of {} were compared by {client:?}",
            table.len()
        );
    }
    match faults.is_empty() {
        true => Ok(()),
        false => Err(faults),
    }
}
