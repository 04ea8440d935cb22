//! Prints what was measured.

use std::time::Duration;

use super::Failure;
use super::clients::{Outcome, Plan};

/// One way and what came of it.
pub(crate) struct Row {
    name: &'static str,
    outcome: Outcome,
}

impl Row {
    pub(crate) fn of(name: &'static str, outcome: Outcome) -> Self {
        Self { name, outcome }
    }

    /// # Errors
    ///
    /// What was lost or wrong.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let checked = self.outcome.check();
        checked.map_err(|error| format!("{}: {error}", self.name).into())
    }

    /// Requests in a second.
    fn rate(&self) -> f64 {
        let requests = u32::try_from(self.outcome.requests.len()).unwrap_or(u32::MAX);
        f64::from(requests) / self.outcome.elapsed.as_secs_f64()
    }
}

/// The time that this share of the times does not exceed.
fn percentile(times: &[Duration], percent: usize) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    let last = times.len().saturating_sub(1);
    times.get(last * percent / 100).copied().unwrap_or_default()
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// Prints a table, and the ratios to the first row.
pub(crate) fn print(plan: &Plan, rows: &[Row]) {
    println!(
        "{} requests from {} clients; times in milliseconds",
        plan.requests, plan.clients
    );
    println!(
        "{:<30} {:>7} {:>6} {:>8} {:>8} {:>9} {:>9} {:>8}",
        "", "right", "wrong", "p50", "p99", "conn p50", "conn p99", "req/s"
    );
    for row in rows {
        let Outcome {
            requests,
            connections,
            right,
            wrong,
            ..
        } = &row.outcome;
        println!(
            "{:<30} {:>7} {:>6} {:>8.2} {:>8.2} {:>9.2} {:>9.2} {:>8.0}",
            row.name,
            right,
            wrong.len(),
            milliseconds(percentile(requests, 50)),
            milliseconds(percentile(requests, 99)),
            milliseconds(percentile(connections, 50)),
            milliseconds(percentile(connections, 99)),
            row.rate(),
        );
    }
    let Some((first, others)) = rows.split_first() else {
        return;
    };
    for row in others {
        let ratio = |percent| {
            let of = |row: &Row| percentile(&row.outcome.requests, percent).as_secs_f64();
            of(row) / of(first)
        };
        println!(
            "{} / {}: p50 {:.2}, p99 {:.2}, throughput {:.2}",
            row.name,
            first.name,
            ratio(50),
            ratio(99),
            row.rate() / first.rate(),
        );
    }
}
