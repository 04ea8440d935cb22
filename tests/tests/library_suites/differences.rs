//! The reviewed list of a library's differences, `differences.toml`.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::outcomes::{Outcome, Outcomes};
use crate::suite::{folder, read_toml};

/// Tests that end differently in the sandbox, for one reason.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    reason: String,
    /// Ids, or beginnings of ids that end in `*`.
    tests: Vec<String>,
}

/// A library's list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Differences {
    #[serde(default)]
    difference: Vec<Group>,
}

impl Differences {
    pub(crate) fn read(library: &str) -> Self {
        read_toml(&folder().join(library).join("differences.toml"))
    }

    /// The tests that ran on both sides and end differently without being listed.
    pub(crate) fn unlisted(&self, native: &Outcomes, sandboxed: &Outcomes) -> Vec<String> {
        let differs = |id: &&str| match (native.get(id), sandboxed.get(id)) {
            (Some(natively), Some(inside)) => !agree(&natively.word, &inside.word),
            _ => false,
        };
        let is_listed = |id: &&str| self.patterns().any(|(_, pattern)| covers(pattern, id));
        let ids = native.ids().filter(differs);
        ids.filter(|id| !is_listed(id)).map(str::to_owned).collect()
    }

    /// Where the list and the two runs disagree, and what to do about it.
    pub(crate) fn faults(&self, native: &Outcomes, sandboxed: &Outcomes) -> Vec<String> {
        let ids: BTreeSet<&str> = native.ids().chain(sandboxed.ids()).collect();
        let mut faults = Vec::new();
        for id in &ids {
            let (natively, inside) = (native.get(id), sandboxed.get(id));
            let same = agree(word(natively), word(inside));
            let listed: Vec<_> = self.patterns().filter(|(_, p)| covers(p, id)).collect();
            match (listed.as_slice(), same) {
                ([], true) | ([_], false) => {}
                // On a busy machine a test may fail natively: that does not concern the list.
                ([_], true) if fails(word(natively)) => {}
                ([], false) => faults.push(format!(
                    "find out why, mend it or list it: {id:?},  # native {}, sandbox {}: {}",
                    word(natively),
                    word(inside),
                    inside.or(natively).map_or("", |outcome| &outcome.reason),
                )),
                ([(reason, pattern), ..], true) => faults.push(format!(
                    "take {id:?} off the list: it is {} on both sides, and {pattern:?} is there \
                     as {reason:?}",
                    word(natively),
                )),
                (several, false) => {
                    faults.push(format!("{id:?} is listed {} times", several.len()))
                }
            }
        }
        for (_, pattern) in self.patterns() {
            if !ids.iter().any(|id| covers(pattern, id)) {
                faults.push(format!(
                    "take {pattern:?} off the list: there is no such test"
                ));
            }
        }
        faults
    }

    /// Every pattern with its reason.
    fn patterns(&self) -> impl Iterator<Item = (&str, &str)> {
        let groups = self.difference.iter();
        groups.flat_map(|group| {
            let tests = group.tests.iter();
            tests.map(|pattern| (group.reason.as_str(), pattern.as_str()))
        })
    }
}

fn covers(pattern: &str, id: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => id.starts_with(beginning),
        None => id == pattern,
    }
}

/// Whether a test ends the same. Passing in the sandbox is never a difference, because what fails or
/// is skipped natively depends on the machine's version of Python. Neither is failing in another way.
fn agree(natively: &str, inside: &str) -> bool {
    natively == inside || inside == "passed" || fails(natively) && fails(inside)
}

fn fails(word: &str) -> bool {
    ["failed", "error"].contains(&word)
}

fn word(outcome: Option<&Outcome>) -> &str {
    outcome.map_or("missing", |outcome| &outcome.word)
}
