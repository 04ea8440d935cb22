//! What `verify` found, item by item.

use std::path::PathBuf;

use serde::Serialize;

/// How it is with one item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum State {
    /// It is as it should be.
    Good,
    /// It goes through the broker. A test showed it.
    Routed,
    /// It gets nowhere, because the kernel stops it. A test showed it.
    Blocked,
    /// Only the patch routes it: a program that wants to can go around the broker this way.
    OnlyPatched,
    /// It does not work. The text says what to do.
    Failed,
}

/// One item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Item {
    /// What it is about.
    pub name: String,
    /// How it is.
    pub state: State,
    /// What was seen, and what to do where it failed.
    pub text: String,
}

/// What `verify` found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// What was run.
    pub python: PathBuf,
    /// The items, in the order in which they depend on each other.
    pub items: Vec<Item>,
}

impl Report {
    /// Whether the patch works.
    ///
    /// What is [`State::OnlyPatched`] does not make it fail: the patch is no boundary.
    pub fn works(&self) -> bool {
        self.items.iter().all(|item| item.state != State::Failed)
    }

    /// Returns the item of this name.
    pub fn item(&self, name: &str) -> Option<&Item> {
        self.items.iter().find(|item| item.name == name)
    }

    pub(super) fn add(&mut self, name: &str, state: State, text: impl Into<String>) {
        self.items.push(Item {
            name: name.to_owned(),
            state,
            text: text.into(),
        });
    }
}
