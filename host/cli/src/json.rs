//! The one object that `run --json` prints.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sandbox_net::{DecisionRecord, Dropped, ExchangeRecord, Exit, LookupRecord, Outcome};
use serde::Serialize;

use crate::budgets::{self, Reached};
use crate::{Failure, console};

#[derive(Serialize)]
struct Report<'a> {
    exit_code: i32,
    /// As [`Exit::as_str`].
    ended: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    trap: Option<&'a str>,
    duration_seconds: f64,
    memory_bytes: usize,
    #[serde(flatten)]
    stdout: Stdout<'a>,
    #[serde(flatten)]
    stderr: Stderr<'a>,
    /// Whether output is missing.
    truncated: bool,
    decisions: &'a [DecisionRecord],
    exchanges: &'a [ExchangeRecord],
    lookups: &'a [LookupRecord],
    /// What to do about the exception that ended the program, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    /// The budgets that refused something: key, value, how often, and what to do about it.
    budgets_reached: Vec<Reached<'a>>,
    /// How many of each are missing in the lists above.
    dropped: Dropped,
}

/// Text if it is text, and base64 otherwise, so that no byte is lost.
#[derive(Serialize)]
enum Stdout<'a> {
    #[serde(rename = "stdout")]
    Text(&'a str),
    #[serde(rename = "stdout_base64")]
    Bytes(String),
}

#[derive(Serialize)]
enum Stderr<'a> {
    #[serde(rename = "stderr")]
    Text(&'a str),
    #[serde(rename = "stderr_base64")]
    Bytes(String),
}

pub(crate) fn print(outcome: &Outcome, hint: Option<String>) -> Result<(), Failure> {
    let trap = match &outcome.exit {
        Exit::Trap(why) => Some(why.as_str()),
        _ => None,
    };
    let report = Report {
        exit_code: outcome.exit_code(),
        ended: outcome.exit.as_str(),
        trap,
        duration_seconds: outcome.duration.as_secs_f64(),
        memory_bytes: outcome.memory,
        stdout: match std::str::from_utf8(&outcome.stdout) {
            Ok(text) => Stdout::Text(text),
            Err(_) => Stdout::Bytes(STANDARD.encode(&outcome.stdout)),
        },
        stderr: match std::str::from_utf8(&outcome.stderr) {
            Ok(text) => Stderr::Text(text),
            Err(_) => Stderr::Bytes(STANDARD.encode(&outcome.stderr)),
        },
        truncated: outcome.truncated,
        decisions: &outcome.decisions,
        exchanges: &outcome.exchanges,
        lookups: &outcome.lookups,
        hint,
        budgets_reached: budgets::reached(outcome),
        dropped: outcome.dropped,
    };
    console::print(&serde_json::to_string(&report)?)
}
