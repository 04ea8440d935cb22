//! The command `sandbox-net audit FILE`.

use std::path::PathBuf;

use clap::Args;

use super::lines;
use super::proposals::Proposals;
use super::rows::Rows;
use super::totals::Totals;
use crate::Failure;
use crate::console::{self, Console};
use crate::printable::count;
use sandbox_net::AuditLine;

#[derive(Args, Debug)]
pub(super) struct Show {
    /// The audit log; '-' is stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// List this many of the latest requests and denials; 0 lists all
    #[arg(long, value_name = "N", default_value_t = 100)]
    last: usize,
}

impl Show {
    /// The exit code is 1 if some lines cannot be read.
    pub(super) fn run(self, console: &mut Console<'_>) -> Result<u8, Failure> {
        let mut rows = Rows::new(self.last);
        let (mut totals, mut proposals) = (Totals::default(), Proposals::default());
        let faults = lines::for_each(&self.file, console.err, |line| {
            rows.add(&line);
            totals.add(&line);
            match &line {
                AuditLine::Decision(record) => proposals.add(record),
                AuditLine::Lookup(record) => proposals.add_lookup(record),
                _ => {}
            }
        })?;
        let out = &mut *console.out;
        if rows.is_empty() {
            writeln!(out, "no exchanges and no denials")?;
            return Ok(u8::from(faults > 0));
        }
        if rows.left_out() > 0 {
            let earlier = count(usize::try_from(rows.left_out())?, "earlier row");
            writeln!(out, "… {earlier} left out ('--last 0' lists all)")?;
        }
        console::print_table(out, &rows.table())?;
        writeln!(out)?;
        totals.print(out)?;
        proposals.print(out)?;
        Ok(u8::from(faults > 0))
    }
}

#[cfg(test)]
mod tests;
