//! The table and the JSON of a run.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use super::curves::Curve;
use super::measure::{Row, Unit};

/// What a run of the harness found.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    pub(super) machine: Machine,
    pub(super) rows: Vec<Row>,
    pub(super) curves: Vec<Curve>,
    /// What was left out, and why.
    pub(super) skipped: Vec<String>,
}

/// What the numbers depend on.
#[derive(Debug, Default, Serialize)]
pub(super) struct Machine {
    pub(super) processors: usize,
    pub(super) load_before: String,
    pub(super) native: String,
    pub(super) peer: Option<String>,
}

impl Report {
    pub(super) fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        std::fs::write(path, text).with_context(|| format!("can't write {}", path.display()))
    }

    /// Prints what the rows were measured on.
    pub(super) fn print_machine(&self) {
        let machine = &self.machine;
        println!(
            "{} processors, load before {}; native is {}; the peer is {}",
            machine.processors,
            machine.load_before,
            machine.native,
            machine.peer.as_deref().unwrap_or("missing"),
        );
    }
}

/// Prints the head of the table.
pub(super) fn print_head() {
    println!(
        "\n| workload | side | median | quartiles | to the first side |\n|---|---|---|---|---|"
    );
}

/// Prints a row as soon as it is measured.
pub(super) fn print(row: &Row) {
    let first = row.sides.first().map_or(1.0, |side| side.median);
    for side in &row.sides {
        let [low, high] = side.quartiles;
        println!(
            "| {} | {} | {} | {} to {} | {:.2} |",
            row.name,
            side.side,
            shown(row.unit, side.median),
            shown(row.unit, low),
            shown(row.unit, high),
            side.median / first
        );
    }
}

/// A number in a unit with few digits.
fn shown(unit: Unit, number: f64) -> String {
    match unit {
        Unit::Seconds if number >= 1.0 => format!("{number:.2} s"),
        Unit::Seconds if number >= 0.0001 => format!("{:.2} ms", number * 1e3),
        Unit::Seconds => format!("{:.1} µs", number * 1e6),
        Unit::PerSecond => format!("{number:.0}/s"),
        Unit::Bytes => format!("{:.2} MiB", number / f64::from(1 << 20)),
    }
}
