//! The reviewed list of differences, and how a run disagrees with it.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde::Deserialize;

use crate::outcome::{Outcome, Results};

/// The list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reviewed {
    /// The version of CPython that the tests belong to.
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
    /// Why the difference exists, and why it is right.
    pub why: String,
    /// One of these is in the sandbox's message for each of the tests.
    pub shows: Vec<String>,
    /// Ids of tests; `Class.*` for a class in which no test has the same outcome as natively.
    pub tests: Vec<String>,
}

/// The list in `differences.toml`.
pub fn reviewed() -> Reviewed {
    toml::from_str(include_str!("../../cpython/differences.toml")).expect("the list")
}

/// Whether the test or the class that `entry` names is in `module`, or the test in a class.
pub fn is_of(entry: &str, module: &str) -> bool {
    entry
        .strip_prefix(module)
        .is_some_and(|rest| rest.starts_with('.'))
}

/// Whether the list's `entry` covers `test`.
fn means(entry: &str, test: &str) -> bool {
    match entry.strip_suffix('*') {
        Some(class) => test
            .strip_prefix(class)
            .is_some_and(|name| !name.contains('.')),
        None => entry == test,
    }
}

/// What to change in the list, or to repair, for `module`; empty if the list is right.
pub fn compare(list: &Reviewed, module: &str, native: &Results, sandbox: &Results) -> String {
    let told: BTreeSet<&str> = native.tests().chain(sandbox.tests()).collect();
    let is_class = |id: &&str| told.iter().any(|other| is_of(other, id));
    let tests: Vec<&str> = told.iter().copied().filter(|id| !is_class(id)).collect();
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

/// What is wrong with one test.
fn judge(list: &Reviewed, test: &str, native: &Outcome, sandbox: &Outcome) -> Option<String> {
    let listed: Vec<(&Difference, &str)> = list
        .difference
        .iter()
        .flat_map(|one| one.tests.iter().map(move |entry| (one, entry.as_str())))
        .filter(|(_, entry)| means(entry, test))
        .collect();
    let (word, detail) = (&sandbox.word, &sandbox.detail);
    match (&native.word == word, listed.as_slice()) {
        // This machine cannot run it natively, or the test is for another system.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn list(tests: &[&str]) -> Reviewed {
        let difference = Difference {
            reason: "threads".to_owned(),
            why: "there are none".to_owned(),
            shows: vec!["no thread".to_owned()],
            tests: tests.iter().map(|&test| test.to_owned()).collect(),
        };
        Reviewed {
            python: String::new(),
            difference: vec![difference],
        }
    }

    fn results(outcomes: &[(&str, &str, &str)]) -> Results {
        let mut results = Results::default();
        for (test, word, detail) in outcomes {
            results.insert(test, word, detail);
        }
        results
    }

    #[test]
    fn every_difference_is_on_the_list_and_everything_on_the_list_is_a_difference() {
        const LISTED: &str = "m.C.a";
        let cases = [
            ("the same", "m.C.b", ("passed", "passed"), ""),
            ("left out on both sides", LISTED, ("skipped", "skipped"), ""),
            ("listed", LISTED, ("passed", "error"), ""),
            (
                "natively it is the machine's fault",
                "m.C.b",
                ("hung", "error"),
                "",
            ),
            ("the sandbox does more", "m.C.b", ("skipped", "passed"), ""),
            (
                "not listed",
                "m.C.b",
                ("passed", "error"),
                "put on the list",
            ),
            (
                "not listed, natively left out",
                "m.C.b",
                ("skipped", "error"),
                "put on the list",
            ),
            (
                "listed and the same",
                LISTED,
                ("passed", "passed"),
                "take off the list",
            ),
        ];
        for (name, test, (native, sandbox), expected) in cases {
            let native = results(&[("m.C.a", "skipped", ""), (test, native, "")]);
            let sandbox = results(&[("m.C.a", "skipped", ""), (test, sandbox, "no thread")]);
            let wrong = compare(&list(&[LISTED]), "m", &native, &sandbox);
            assert_eq!(wrong.is_empty(), expected.is_empty(), "{name}: {wrong}");
            assert!(wrong.contains(expected), "{name}: {wrong}");
        }
    }

    #[test]
    fn a_difference_shows_as_its_reason_says() {
        let native = results(&[("m.C.a", "passed", "")]);
        let sandbox = results(&[("m.C.a", "error", "something else")]);
        let wrong = compare(&list(&["m.C.a"]), "m", &native, &sandbox);
        assert!(wrong.contains("for another reason"), "{wrong}");
    }

    #[test]
    fn a_whole_class_differs_where_it_is_listed_so() {
        let native = results(&[("m.C.a", "passed", ""), ("m.C.b", "passed", "")]);
        let alike = results(&[("m.C.a", "error", "no thread"), ("m.C.b", "passed", "")]);
        let wrong = compare(&list(&["m.C.*"]), "m", &native, &alike);
        assert!(wrong.contains("take off the list"), "{wrong}");
        let class = results(&[("m.C", "skipped", "no thread")]);
        assert_eq!(compare(&list(&["m.C.*"]), "m", &native, &class), "");
    }

    #[test]
    fn what_is_listed_exists_and_is_listed_once() {
        let both = results(&[("m.C.a", "passed", "")]);
        let wrong = compare(&list(&["m.C.gone", "n.C.elsewhere"]), "m", &both, &both);
        assert!(
            wrong.contains("m.C.gone") && !wrong.contains("elsewhere"),
            "{wrong}"
        );
        let sandbox = results(&[("m.C.a", "error", "no thread")]);
        let wrong = compare(&list(&["m.C.a", "m.C.*"]), "m", &both, &sandbox);
        assert!(wrong.contains("listed twice"), "{wrong}");
    }
}
