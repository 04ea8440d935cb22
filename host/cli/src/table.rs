//! Prints decisions and requests as a table.

use comfy_table::Table;
use sandbox_net::{DecisionRecord, ExchangeRecord, Outcome, Stage, Verdict};

use crate::console;

pub(crate) fn decisions(outcome: &Outcome) -> Table {
    let mut table = console::table(["#", "asked for", "verdict", "rule", "answer"]);
    for record in &outcome.decisions {
        let asked = match (&record.stage, &record.method) {
            (Stage::Connect, _) => format!("connect {}", record.target),
            (Stage::Tls, _) => format!("tls {}", record.target),
            (Stage::Tunnel, _) => format!("tunnel {}", record.target),
            (Stage::Request, method) => {
                format!("{} {}", method.as_deref().unwrap_or("?"), record.target)
            }
        };
        let mut exchanges = outcome.exchanges.iter();
        let exchange = exchanges.find(|exchange| exchange.sequence == record.sequence);
        table.add_row([
            record.sequence.to_string(),
            asked,
            verdict(record),
            record.rule.clone(),
            exchange.map(answer).unwrap_or_default(),
        ]);
    }
    table
}

fn verdict(record: &DecisionRecord) -> String {
    let reason = record.reason.map_or("", |reason| reason.as_str());
    match record.verdict {
        Verdict::Allow => "allow".to_owned(),
        Verdict::Deny => format!("DENY ({reason})"),
        Verdict::Report => format!("let pass ({reason})"),
        Verdict::Abandoned => "abandoned".to_owned(),
    }
}

fn answer(exchange: &ExchangeRecord) -> String {
    match (exchange.status, &exchange.error) {
        (Some(status), None) => status.to_string(),
        (Some(status), Some(error)) => format!("{status}, {error}"),
        (None, error) => error.clone().unwrap_or_default(),
    }
}
