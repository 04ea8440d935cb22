//! How the tests of a run ended, from the lines of `plugin.py`.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The byte before each line (RFC 7464).
const SEPARATOR: u8 = 0x1e;

/// How one test ended.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// `passed`, `failed`, `error`, `skipped`, `xfail` or `died`.
    pub(crate) word: String,
    /// The exception, or why the test was skipped.
    pub(crate) reason: String,
}

/// How far a run of pytest got.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Progress {
    /// To its end, with this exit code of pytest.
    End(i32),
    /// It died in the test with this id.
    Test(String),
    /// It died between two tests, or before the first.
    Nowhere,
}

/// The tests of one library, by their ids.
#[derive(Default)]
pub(crate) struct Outcomes(BTreeMap<String, Outcome>);

#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Over {
        end: i32,
    },
    Start {
        start: String,
    },
    End {
        id: String,
        outcome: String,
        reason: String,
    },
}

impl Outcomes {
    /// Adds what a run wrote to stdout.
    pub(crate) fn add(&mut self, stdout: &[u8]) -> Progress {
        let mut progress = Progress::Nowhere;
        for piece in stdout.split(|byte| *byte == SEPARATOR) {
            let line = piece.split(|byte| *byte == b'\n').next();
            // Text before the first separator, and the output of tests, is not such a line.
            match serde_json::from_slice(line.unwrap_or_default()) {
                Ok(Line::Over { end }) => progress = Progress::End(end),
                Ok(Line::Start { start }) => progress = Progress::Test(start),
                Ok(Line::End {
                    id,
                    outcome,
                    reason,
                }) => {
                    progress = Progress::Nowhere;
                    self.insert(id, &outcome, reason);
                }
                Err(_) => {}
            }
        }
        progress
    }

    /// Adds one test.
    pub(crate) fn insert(&mut self, id: String, word: &str, reason: String) {
        let word = word.to_owned();
        self.0.insert(id, Outcome { word, reason });
    }

    /// Replaces earlier outcomes with those of tests that ran again.
    pub(crate) fn replace(&mut self, again: Self) {
        self.0.extend(again.0);
    }

    /// The outcome of the test `id`.
    pub(crate) fn get(&self, id: &str) -> Option<&Outcome> {
        self.0.get(id)
    }

    /// All ids, sorted.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The number of tests.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The number of tests that ended with the outcome `word`.
    pub(crate) fn count(&self, word: &str) -> usize {
        self.0
            .values()
            .filter(|outcome| outcome.word == word)
            .count()
    }
}
