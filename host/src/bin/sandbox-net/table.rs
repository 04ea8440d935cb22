//! Decisions as a table.

use comfy_table::{Table, presets};
use sandbox_net::{DecisionRecord, Stage, Verdict};

pub(crate) fn decisions(records: &[DecisionRecord]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(["#", "asked for", "verdict", "rule", "answer"]);
    for record in records {
        let asked = match (&record.stage, &record.method) {
            (Stage::Connect, _) => format!("connect {}", record.target),
            (Stage::Tls, _) => format!("tls {}", record.target),
            (Stage::Request, method) => {
                format!("{} {}", method.as_deref().unwrap_or("?"), record.target)
            }
        };
        let verdict = match (record.verdict, record.reason) {
            (Verdict::Allow, _) => "allow".to_owned(),
            (Verdict::Deny, Some(reason)) => format!("DENY ({})", reason.as_str()),
            (Verdict::Deny, None) => "DENY".to_owned(),
        };
        let answer = record.status.map(|status| status.to_string());
        table.add_row([
            record.sequence.to_string(),
            asked,
            verdict,
            record.rule.clone(),
            answer.unwrap_or_default(),
        ]);
    }
    table
}
