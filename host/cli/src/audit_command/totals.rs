//! Counts what was requested of each host.

use std::collections::HashMap;
use std::io::{self, Write};

use super::subject;
use crate::console;
use crate::printable::{bytes, shortened};
use sandbox_net::{AuditLine, Stage, Verdict};

/// The most hosts that are counted individually, because guests choose their number. Hosts to which
/// something was sent have as much room again, so that denials alone cannot fill it.
const MOST: usize = 10_000;
/// The most hosts that are printed.
const MOST_PRINTED: usize = 50;

/// The numbers of every host.
#[derive(Default)]
pub(super) struct Totals {
    hosts: HashMap<String, Total>,
    /// The total of the hosts beyond [`MOST`].
    others: Total,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Total {
    requests: u64,
    denied: u64,
    bytes_up: u64,
    bytes_down: u64,
}

impl Total {
    fn add(&mut self, other: Self) {
        let sum = u64::saturating_add;
        self.requests = sum(self.requests, other.requests);
        self.denied = sum(self.denied, other.denied);
        self.bytes_up = sum(self.bytes_up, other.bytes_up);
        self.bytes_down = sum(self.bytes_down, other.bytes_down);
    }

    fn cells(self) -> [String; 4] {
        [
            self.requests.to_string(),
            self.denied.to_string(),
            bytes(self.bytes_up),
            bytes(self.bytes_down),
        ]
    }
}

impl Totals {
    pub(super) fn add(&mut self, line: &AuditLine) {
        let denied = Total {
            denied: 1,
            ..Total::default()
        };
        let (host, one) = match line {
            AuditLine::Exchange(record) => {
                let (stage, requests) = match record.is_tunnel() {
                    true => (Stage::Tunnel, 0),
                    false => (Stage::Request, 1),
                };
                let total = Total {
                    requests,
                    denied: 0,
                    bytes_up: record.bytes_up,
                    bytes_down: record.bytes_down,
                };
                (subject::host(stage, &record.target), total)
            }
            AuditLine::Decision(record) if record.verdict == Verdict::Deny => {
                (subject::host(record.stage, &record.target), denied)
            }
            AuditLine::Lookup(record) if record.verdict == Verdict::Deny => {
                (subject::name(record), denied)
            }
            AuditLine::Dropped(record) if record.verdict == Verdict::Deny => {
                let denied = Total {
                    denied: record.count,
                    ..Total::default()
                };
                (record.host.clone(), denied)
            }
            _ => return,
        };
        let host = host.unwrap_or_else(|| "(no host)".to_owned());
        let most = if one.requests > 0 { 2 * MOST } else { MOST };
        let is_full = self.hosts.len() >= most;
        match self.hosts.get_mut(&host) {
            Some(total) => total.add(one),
            None if is_full => self.others.add(one),
            None => {
                self.hosts.insert(host, one);
            }
        }
    }

    /// Prints the hosts with the most traffic, and the others in one row.
    pub(super) fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut hosts: Vec<_> = self.hosts.iter().collect();
        hosts.sort_by_key(|(host, total)| {
            let bytes = u128::from(total.bytes_up) + u128::from(total.bytes_down);
            let count = u128::from(total.requests) + u128::from(total.denied);
            (std::cmp::Reverse((bytes, count)), *host)
        });
        let mut table = console::table(["host", "requests", "denied", "up", "down"]);
        for (host, total) in hosts.iter().take(MOST_PRINTED) {
            let cells = total.cells();
            table.add_row([shortened(host, 120)].into_iter().chain(cells));
        }
        let mut others = self.others;
        for (_, total) in hosts.iter().skip(MOST_PRINTED) {
            others.add(**total);
        }
        if others != Total::default() {
            let name = "(other hosts)".to_owned();
            table.add_row([name].into_iter().chain(others.cells()));
        }
        console::print_table(out, &table)
    }
}

#[cfg(test)]
mod tests {
    use sandbox_net::policy::DenyReason;

    use super::*;
    use crate::audit_command::testing::{denied, exchange};

    #[test]
    fn a_guest_cannot_push_the_host_with_the_most_traffic_out_of_sight() {
        let mut totals = Totals::default();
        for number in 0..2 * MOST {
            let what = format!("h{number}.test:443");
            let record = denied(&what, DenyReason::NoRule, None);
            totals.add(&AuditLine::Decision(record));
        }
        totals.add(&AuditLine::Exchange(exchange("https://a.test/")));
        assert_eq!(totals.hosts.len(), MOST + 1);
        let mut out = Vec::new();
        totals.print(&mut out).unwrap();
        let out = String::from_utf8(out).unwrap();
        let rows: Vec<Vec<&str>> = out
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(rows[3][..3], ["a.test", "1", "0"]);
        assert_eq!(rows.len(), 3 + MOST_PRINTED + 1 + 1);
        let others = ["(other", "hosts)", "0", "19951", "0", "B", "0", "B"];
        assert_eq!(rows[3 + MOST_PRINTED], others);
    }
}
