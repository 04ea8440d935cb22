//! The outcome of each test of a module, as `run_tests.py` reports it.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The outcome of a test.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outcome {
    /// `passed`, `failed`, `error` or `skipped`; `died` if it ended the interpreter, `hung` if it did
    /// not end.
    pub word: String,
    /// The exception in one line, or the reason for skipping.
    pub detail: String,
}

/// The outcomes of a module.
#[derive(Debug, Default)]
pub struct Results {
    outcomes: BTreeMap<String, Outcome>,
}

/// A test that was announced and has not ended.
#[derive(Debug, Eq, PartialEq)]
pub struct Begun {
    /// Its place in the module.
    pub number: usize,
    /// Its id.
    pub test: String,
}

/// A line of the report.
#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Begin {
        begin: usize,
        test: String,
    },
    Outcome {
        test: String,
        outcome: String,
        detail: String,
    },
    End {
        end: bool,
    },
}

/// The meaning of a line.
#[derive(Debug, Eq, PartialEq)]
pub enum Told {
    /// A test begins.
    Begun(Begun),
    /// A test, a class or the module has its outcome.
    Ended,
    /// The report is complete.
    All,
    /// It is not a line of the report.
    Nothing,
}

impl Results {
    /// Takes a line of the report.
    pub fn take(&mut self, line: &str) -> Told {
        match serde_json::from_str(line) {
            Ok(Line::Begin { begin, test }) => Told::Begun(Begun {
                number: begin,
                test,
            }),
            Ok(Line::Outcome {
                test,
                outcome,
                detail,
            }) => {
                self.insert(&test, &outcome, &detail);
                Told::Ended
            }
            Ok(Line::End { end: true }) => Told::All,
            Ok(Line::End { end: false }) | Err(_) => Told::Nothing,
        }
    }

    /// Records an outcome.
    pub fn insert(&mut self, test: &str, word: &str, detail: &str) {
        let outcome = Outcome {
            word: word.to_owned(),
            detail: detail.to_owned(),
        };
        self.outcomes.insert(test.to_owned(), outcome);
    }

    /// How many tests passed.
    pub fn passed(&self) -> usize {
        let outcomes = self.outcomes.values();
        outcomes.filter(|one| one.word == "passed").count()
    }

    /// The ids that have their own outcome.
    pub fn tests(&self) -> impl Iterator<Item = &str> {
        self.outcomes.keys().map(String::as_str)
    }

    /// The outcome of `test`: its own, or that of its class or module.
    pub fn get(&self, test: &str) -> Outcome {
        let mut place = test;
        loop {
            if let Some(outcome) = self.outcomes.get(place) {
                return outcome.clone();
            }
            match place.rsplit_once('.') {
                Some((above, _)) => place = above,
                None => {
                    return Outcome {
                        word: "missing".to_owned(),
                        detail: String::new(),
                    };
                }
            }
        }
    }
}
