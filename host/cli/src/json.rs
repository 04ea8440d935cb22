//! The one object that `run --json` prints.

use sandbox_net::Outcome;
use serde::Serialize;

use crate::{Failure, console};

#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    outcome: &'a Outcome,
    /// What to do about the exception that ended the program, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

pub(crate) fn print(outcome: &Outcome, hint: Option<String>) -> Result<(), Failure> {
    console::print(&serde_json::to_string(&Report { outcome, hint })?)
}
