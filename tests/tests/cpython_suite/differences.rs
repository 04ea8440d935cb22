//! The reviewed list of differences, and what is to be said of a run that does not agree with it.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde::Deserialize;

use crate::outcome::{Outcome, Results};

/// The list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reviewed {
    /// The version of CPython that the tests are of.
    pub python: String,
    /// The differences, by their reason.
    pub difference: Vec<Difference>,
}

/// The differences that have one reason.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// The reason in a word or two.
    pub reason: String,
    /// Why it is so, and why that is as it should be.
    pub why: String,
    /// How it shows: one of these is in what the sandbox says of each of the tests.
    pub shows: Vec<String>,
    /// Ids of tests; `Class.*` for a class none of whose tests has the same outcome as natively.
    pub tests: Vec<String>,
}

/// The list in `differences.toml`.
pub fn reviewed() -> Reviewed {
    toml::from_str(include_str!("../../cpython/differences.toml")).expect("the list")
}

/// Whether `module` has the test or the class of the list's `entry`.
pub fn is_of(entry: &str, module: &str) -> bool {
    entry
        .strip_prefix(module)
        .is_some_and(|rest| rest.starts_with('.'))
}

/// Whether the list's `entry` means `test`.
fn means(entry: &str, test: &str) -> bool {
    match entry.strip_suffix('*') {
        Some(class) => test
            .strip_prefix(class)
            .is_some_and(|name| !name.contains('.')),
        None => entry == test,
    }
}

/// What there is to change in the list, or to repair, for `module`; empty where the list is right.
pub fn compare(list: &Reviewed, module: &str, native: &Results, sandbox: &Results) -> String {
    let tests: BTreeSet<&str> = native.tests().chain(sandbox.tests()).collect();
    let mut wrong = String::new();
    for test in &tests {
        if let Some(text) = judge(list, test, &native.get(test), &sandbox.get(test)) {
            let _ = writeln!(wrong, "{text}");
        }
    }
    for difference in &list.difference {
        let entries = difference.tests.iter();
        for entry in entries.filter(|entry| is_of(entry, module)) {
            if !tests.iter().any(|test| means(entry, test)) {
                let _ = writeln!(
                    wrong,
                    "take off the list, there is no such test: \"{entry}\""
                );
            }
        }
    }
    wrong
}

/// What is wrong about one test.
fn judge(list: &Reviewed, test: &str, native: &Outcome, sandbox: &Outcome) -> Option<String> {
    let listed: Vec<(&Difference, &str)> = list
        .difference
        .iter()
        .flat_map(|one| one.tests.iter().map(move |entry| (one, entry.as_str())))
        .filter(|(_, entry)| means(entry, test))
        .collect();
    let (word, detail) = (&sandbox.word, &sandbox.detail);
    match (&native.word == word, listed.as_slice()) {
        // Natively it is this machine that can't, or it is a test for another one.
        _ if matches!(native.word.as_str(), "failed" | "error" | "died" | "hung") => None,
        (true, []) => None,
        (true, _) if native.word == "skipped" => None,
        (false, []) if native.word == "skipped" && word == "passed" => None,
        (true, [(one, entry), ..]) => Some(format!(
            "take off the list ({}), it is {word} on both sides: {entry}: {test}",
            one.reason
        )),
        (false, []) => Some(format!(
            "repair, or put on the list: \"{test}\", # {} natively, {word}: {detail}",
            native.word
        )),
        (false, [(one, _)]) => (!one.shows.iter().any(|text| detail.contains(text))).then(|| {
            format!(
                "listed for another reason ({}): \"{test}\", # {word}: {detail}",
                one.reason
            )
        }),
        (false, _) => Some(format!("listed twice: {test}")),
    }
}
