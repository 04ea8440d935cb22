//! The variables that the patcher and an interpreter see.

use std::collections::BTreeMap;
use std::process::Command;

/// The variables of this process, with some that are set otherwise.
#[derive(Debug, Clone, Default)]
pub(super) struct Environment {
    changed: BTreeMap<String, String>,
}

impl Environment {
    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.changed.insert(name.to_owned(), value.to_owned());
    }

    /// Returns the value of a variable that is not empty.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        let changed = self.changed.get(name).cloned();
        changed
            .or_else(|| std::env::var(name).ok())
            .filter(|value| !value.is_empty())
    }

    /// Gives them to a command.
    pub(super) fn apply(&self, command: &mut Command) {
        command.envs(&self.changed);
    }
}
