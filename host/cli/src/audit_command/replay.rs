//! The command `sandbox-net audit replay`.

mod again;

use std::collections::HashSet;
use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use sandbox_net::policy::Policy;

use self::again::{Again, Comparison, Judge};
use super::lines;
use super::rows::{judged, looked_up, what};
use crate::Failure;
use crate::console::{self, Console};
use crate::input;
use crate::policy_options::{PolicyOptions, TunnelOptions};
use crate::printable::{count, shortened};
use sandbox_net::{AuditLine, DecisionRecord, LookupRecord};

/// The most changes that are listed.
const MOST: usize = 1000;

#[derive(Args, Debug)]
pub(super) struct Replay {
    /// The audit log; '-' is stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    policy: PolicyOptions,
    #[command(flatten)]
    tunnels: TunnelOptions,
}

impl Replay {
    /// The exit code is 1 if some decisions would change.
    pub(super) fn run(self, console: &mut Console<'_>) -> Result<u8, Failure> {
        if self.policy.is_empty() && self.tunnels.tunnel.is_empty() {
            bail!("no policy to apply to the log: give '--policy FILE', or rules");
        }
        let composed = self.policy.compose_with(self.tunnels)?;
        let mut changes = Changes::new(&composed.policy);
        let faults = lines::for_each(&self.file, console.err, |line| match line {
            AuditLine::Decision(record) => changes.add(&record),
            AuditLine::Lookup(record) => changes.add_lookup(&record),
            AuditLine::Dropped(record) => {
                changes.uncompared = changes.uncompared.saturating_add(record.count);
            }
            _ => {}
        })?;
        changes.print(console.out)?;
        if faults > 0 {
            let faults = count(usize::try_from(faults)?, "line");
            bail!("{}: {faults} cannot be read", input::name(&self.file));
        }
        Ok(u8::from(changes.is_any()))
    }
}

/// The changes found so far.
struct Changes<'p> {
    judge: Judge<'p>,
    decisions: u64,
    same: u64,
    denied: u64,
    allowed: u64,
    asked: u64,
    reported: u64,
    cut_short: u64,
    by_hook: u64,
    /// Denials that the log only counts.
    uncompared: u64,
    rows: Vec<Row>,
}

/// One changed decision. Everything in it is safe for a terminal, and short.
struct Row {
    sequence: String,
    sandbox: String,
    /// The other columns.
    cells: [String; 4],
}

impl<'p> Changes<'p> {
    fn new(policy: &'p Policy) -> Self {
        Self {
            judge: Judge::new(policy),
            decisions: 0,
            same: 0,
            denied: 0,
            allowed: 0,
            asked: 0,
            reported: 0,
            cut_short: 0,
            by_hook: 0,
            uncompared: 0,
            rows: Vec::new(),
        }
    }

    fn add(&mut self, record: &DecisionRecord) {
        let comparison = self.judge.compare(record);
        self.count(comparison, |again| Row {
            sequence: record.sequence.to_string(),
            sandbox: shortened(&record.sandbox, 40),
            cells: row(
                what(record.stage, record.method.as_deref(), &record.target),
                judged(record.verdict, record.reason),
                again,
            ),
        });
    }

    fn add_lookup(&mut self, record: &LookupRecord) {
        let comparison = self.judge.compare_lookup(record);
        self.count(comparison, |again| Row {
            // Lookups have no number among the decisions.
            sequence: String::new(),
            sandbox: shortened(&record.sandbox, 40),
            cells: row(
                looked_up(record),
                judged(record.verdict, record.reason),
                again,
            ),
        });
    }

    fn count(&mut self, comparison: Comparison, row: impl FnOnce(&Again) -> Row) {
        self.decisions += 1;
        let again = match comparison {
            Comparison::Changed(again) => again,
            same => {
                self.same += 1;
                self.cut_short += u64::from(same == Comparison::CutShort);
                self.by_hook += u64::from(same == Comparison::SameByHook);
                return;
            }
        };
        *match again {
            Again::Denied { .. } => &mut self.denied,
            Again::Allowed { .. } => &mut self.allowed,
            Again::Asked { .. } => &mut self.asked,
            Again::Reported { .. } => &mut self.reported,
        } += 1;
        if self.rows.len() < MOST {
            self.rows.push(row(&again));
        }
    }

    fn is_any(&self) -> bool {
        self.same < self.decisions
    }

    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        if !self.rows.is_empty() {
            self.print_rows(out)?;
        }
        let decisions = match self.decisions {
            1 => "1 decision".to_owned(),
            number => format!("{number} decisions"),
        };
        let (same, denied, allowed, asked) = (self.same, self.denied, self.allowed, self.asked);
        write!(
            out,
            "{decisions}: {same} the same, {denied} now denied, {allowed} now allowed, {asked} \
             now asked for"
        )?;
        match self.reported {
            0 => writeln!(out)?,
            reported => writeln!(out, ", {reported} now reported")?,
        }
        if self.cut_short > 0 {
            let number = self.cut_short;
            writeln!(
                out,
                "({number} cannot be decided again, since the log has them cut short; \
                           they count as the same)"
            )?;
        }
        if self.by_hook > 0 {
            let number = self.by_hook;
            writeln!(
                out,
                "({number} that the hook refused count as the same: their rule allows \
                           them, but the hook is not asked here)"
            )?;
        }
        if self.uncompared > 0 {
            let number = self.uncompared;
            writeln!(
                out,
                "({number} more denials cannot be decided again, since the log only counts them)"
            )?;
        }
        Ok(())
    }

    fn print_rows(&self, out: &mut dyn Write) -> io::Result<()> {
        let sandboxes: HashSet<_> = self.rows.iter().map(|row| &row.sandbox).collect();
        let has_sandboxes = sandboxes.len() > 1;
        let sandbox = has_sandboxes.then_some("sandbox");
        let header = ["what", "was", "would be", "rule"];
        let mut table = console::table(["#"].into_iter().chain(sandbox).chain(header));
        for row in &self.rows {
            let sandbox = has_sandboxes.then_some(&row.sandbox);
            table.add_row([&row.sequence].into_iter().chain(sandbox).chain(&row.cells));
        }
        console::print_table(out, &table)?;
        let changes = self.decisions - self.same;
        let left_out = changes - self.rows.len() as u64;
        if left_out > 0 {
            writeln!(out, "… and {left_out} more")?;
        }
        Ok(())
    }
}

/// The columns about what changed.
fn row(what: String, was: String, again: &Again) -> [String; 4] {
    let (would_be, rule) = match again {
        Again::Allowed { rule } => ("allowed".to_owned(), rule),
        Again::Asked { rule } => ("asked for".to_owned(), rule),
        Again::Reported { rule, reason } => (format!("reported ({reason})"), rule),
        Again::Denied { rule, reason } => (format!("denied ({reason})"), rule),
    };
    [what, was, would_be, shortened(rule, 120)]
}

#[cfg(test)]
mod tests;
