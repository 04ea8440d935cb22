//! Turns requests, denials and counts of denials into rows of a table.

use std::collections::VecDeque;

use comfy_table::Table;

use crate::console;
use crate::printable::{bytes, shortened};
use sandbox_net::{
    AuditLine, DecisionRecord, DroppedRecord, ExchangeRecord, LookupRecord, ReachedBudget, Reason,
    Stage, Time, Verdict,
};

/// The most characters of what a guest or a server wrote.
const LONGEST: usize = 120;
/// The most characters of a name that the operator chose.
const LONGEST_NAME: usize = 40;
/// The most secrets that are named in one row.
const MOST_SECRETS: usize = 8;

/// The last rows of a log.
pub(super) struct Rows {
    /// How many are kept; 0 is all.
    most: usize,
    rows: VecDeque<Row>,
    left_out: u64,
}

/// Everything in it is safe for a terminal, and short.
struct Row {
    time: String,
    sandbox: String,
    /// The other columns.
    cells: [String; 6],
}

impl Rows {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            rows: VecDeque::new(),
            left_out: 0,
        }
    }

    /// Takes a line, unless it is about something that was allowed.
    pub(super) fn add(&mut self, line: &AuditLine) {
        let row = match line {
            AuditLine::Exchange(record) => exchange(record),
            AuditLine::Decision(record) if record.verdict != Verdict::Allow => decision(record),
            AuditLine::Lookup(record) if record.verdict != Verdict::Allow => lookup(record),
            AuditLine::Dropped(record) => dropped(record),
            _ => return,
        };
        if self.most > 0 && self.rows.len() == self.most {
            self.rows.pop_front();
            self.left_out += 1;
        }
        self.rows.push_back(row);
    }

    /// How many earlier rows are not kept.
    pub(super) fn left_out(&self) -> u64 {
        self.left_out
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table; it names the sandbox only if there is more than one.
    pub(super) fn table(&self) -> Table {
        let first = self.rows.front().map(|row| &row.sandbox);
        let has_sandboxes = self.rows.iter().any(|row| Some(&row.sandbox) != first);
        let sandbox = has_sandboxes.then_some("sandbox");
        let header = ["what", "verdict", "up", "down", "ms", "secrets"];
        let mut table = console::table(["time"].into_iter().chain(sandbox).chain(header));
        for row in &self.rows {
            let sandbox = has_sandboxes.then_some(&row.sandbox);
            table.add_row([&row.time].into_iter().chain(sandbox).chain(&row.cells));
        }
        table
    }
}

fn exchange(record: &ExchangeRecord) -> Row {
    let status = record.status.map(|status| status.to_string());
    let error = record
        .error
        .as_deref()
        .map(|it| shortened(it, LONGEST_NAME));
    let error = error.map(|error| match &record.budget {
        Some(budget) => format!("{error} ({})", allowed(budget)),
        None => error,
    });
    let outcome: Vec<String> = status.into_iter().chain(error).collect();
    let named = record.secrets.iter().take(MOST_SECRETS);
    let mut secrets: Vec<_> = named.map(|it| shortened(it, LONGEST_NAME)).collect();
    if record.secrets.len() > MOST_SECRETS {
        secrets.push("…".to_owned());
    }
    Row {
        time: time_of_day(record.time),
        sandbox: shortened(&record.sandbox, LONGEST_NAME),
        cells: [
            what(Stage::Request, Some(&record.method), &record.target),
            outcome.join(", "),
            bytes(record.bytes_up),
            bytes(record.bytes_down),
            record.duration_ms.to_string(),
            secrets.join(", "),
        ],
    }
}

fn decision(record: &DecisionRecord) -> Row {
    let [up, down, ms, secrets] = [const { String::new() }; 4];
    Row {
        time: time_of_day(record.time),
        sandbox: shortened(&record.sandbox, LONGEST_NAME),
        cells: [
            what(record.stage, record.method.as_deref(), &record.target),
            judged_with(record.verdict, record.reason, record.budget.as_ref()),
            up,
            down,
            ms,
            secrets,
        ],
    }
}

fn lookup(record: &LookupRecord) -> Row {
    let [up, down, ms, secrets] = [const { String::new() }; 4];
    let verdict = judged_with(record.verdict, record.reason, record.budget.as_ref());
    let what = looked_up(record);
    Row {
        time: time_of_day(record.time),
        sandbox: shortened(&record.sandbox, LONGEST_NAME),
        cells: [what, verdict, up, down, ms, secrets],
    }
}

fn dropped(record: &DroppedRecord) -> Row {
    let [up, down, ms, secrets] = [const { String::new() }; 4];
    let host = record.host.as_deref();
    let host = host.map_or_else(
        || "(other hosts)".to_owned(),
        |host| shortened(host, LONGEST),
    );
    let stage = record.stage.map_or("lookup", Stage::as_str);
    let what = format!("{} more: {stage} {host}", record.count);
    let verdict = judged(record.verdict, record.reason);
    Row {
        time: time_of_day(record.time),
        sandbox: shortened(&record.sandbox, LONGEST_NAME),
        cells: [what, verdict, up, down, ms, secrets],
    }
}

/// A lookup, in one short text.
pub(super) fn looked_up(record: &LookupRecord) -> String {
    format!("lookup {}", shortened(&record.name, LONGEST))
}

/// What was requested, in one short text.
pub(super) fn what(stage: Stage, method: Option<&str>, target: &str) -> String {
    let target = shortened(target, LONGEST);
    match stage {
        Stage::Connect => format!("connect {target}"),
        Stage::Tls => format!("tls {target}"),
        Stage::Tunnel => format!("tunnel {target}"),
        Stage::Request => format!(
            "{} {target}",
            shortened(method.unwrap_or("?"), LONGEST_NAME)
        ),
    }
}

/// What was decided, and the budget that decided it.
fn judged_with(verdict: Verdict, reason: Option<Reason>, budget: Option<&ReachedBudget>) -> String {
    let text = judged(verdict, reason);
    match (text.strip_suffix(')'), budget) {
        (Some(open), Some(budget)) => format!("{open}: {})", allowed(budget)),
        _ => text,
    }
}

/// A budget with what it allows.
fn allowed(budget: &ReachedBudget) -> String {
    format!(
        "{} = {}",
        shortened(&budget.key, LONGEST_NAME),
        budget.value
    )
}

/// What was decided.
pub(super) fn judged(verdict: Verdict, reason: Option<Reason>) -> String {
    let verdict = match verdict {
        Verdict::Allow => "allowed",
        Verdict::Deny => "denied",
        Verdict::Report => "reported",
        Verdict::Abandoned => "abandoned",
    };
    match reason {
        Some(reason) => format!("{verdict} ({reason})"),
        None => verdict.to_owned(),
    }
}

fn time_of_day(time: Time) -> String {
    let text = time.to_string();
    text.get(11..19).unwrap_or("?").to_owned()
}
