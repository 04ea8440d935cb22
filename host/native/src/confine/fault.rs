//! A step of setting the confinement up that failed, and the layer that it belongs to.

use std::io;

use serde::{Deserialize, Serialize};

/// A layer of the confinement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Layer {
    Namespaces,
    Landlock,
    Seccomp,
    /// No layer is missing: something of this run is wrong.
    Run,
}

/// A step that failed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Fault {
    pub(super) layer: Layer,
    /// What was tried, after "cannot".
    pub(super) step: String,
    pub(super) error: String,
}

impl Fault {
    pub(super) fn new(layer: Layer, step: impl Into<String>, error: &io::Error) -> Self {
        Self {
            layer,
            step: step.into(),
            error: plain_error(error),
        }
    }
}

/// Names the step that failed.
pub(super) trait Step<T> {
    fn step(self, layer: Layer, step: impl Into<String>) -> Result<T, Fault>;
}

impl<T, E: Into<io::Error>> Step<T> for Result<T, E> {
    fn step(self, layer: Layer, step: impl Into<String>) -> Result<T, Fault> {
        self.map_err(|error| Fault::new(layer, step, &error.into()))
    }
}

/// An error without its number, which says nothing to people.
pub(super) fn plain_error(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}
