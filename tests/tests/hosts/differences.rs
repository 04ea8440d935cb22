//! The reviewed list of what programs see otherwise on other hosts.

use std::collections::BTreeMap;

use sandbox_net_tests::Report;
use serde::Deserialize;
use serde_json::Value;

const LIST: &str = include_str!("../../suites/hosts/differences.toml");

/// A difference: on which hosts, in which case, and what is there instead.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Difference {
    hosts: Vec<String>,
    /// Why, for the reader.
    #[expect(dead_code, reason = "for people")]
    why: String,
    /// For each case a part of the other line.
    cases: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    #[serde(default)]
    difference: Vec<Difference>,
}

/// Checks that each case is the same, or is listed and differs as the list says.
pub(crate) fn check(host: &str, ours: &Report, theirs: &Report) {
    let list: List = toml::from_str(LIST).expect("the list of differences");
    let listed: BTreeMap<_, _> = list
        .difference
        .iter()
        .filter(|difference| difference.hosts.iter().any(|name| name == host))
        .flat_map(|difference| &difference.cases)
        .collect();
    let mut faults = Vec::new();
    for line in &ours.lines {
        let case = line["case"].as_str().expect("a name").to_owned();
        let other = theirs.case(&case);
        match listed.get(&case) {
            None if other != line => {
                faults.push(format!("{case}\n  ours:  {line}\n  there: {other}"))
            }
            Some(_) if other == line => faults.push(format!("{case}: is the same, and listed")),
            Some(part) if !text(other).contains(part.as_str()) => {
                faults.push(format!(
                    "{case}: is not as listed ({part})\n  there: {other}"
                ));
            }
            _ => {}
        }
    }
    assert!(faults.is_empty(), "on {host}:\n{}", faults.join("\n"));
    assert_eq!(ours.lines.len(), theirs.lines.len());
}

fn text(line: &Value) -> String {
    line.to_string()
}
