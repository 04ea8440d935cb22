//! The errors of preparing a Python.

use std::io;

use crate::componentize::ComponentizeError;
use crate::runtime_error::RuntimeError;

/// Why a Python could not be prepared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Fetching or caching failed.
    #[error(transparent)]
    Distribution(#[from] crate::error::Error),
    /// The distribution's module could not be made into a component.
    #[error(transparent)]
    Componentize(#[from] ComponentizeError),
    /// The tokio runtime cannot be used.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The value of the setting is invalid.
    #[error("the {name} can't be used: {why}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// What is wrong with it, and what to do.
        why: &'static str,
    },
    /// The distribution can't be used for this.
    #[error("the distribution {0} {1}")]
    Unsupported(String, &'static str),
    /// The shim could not be put into the interpreter.
    #[error("the snapshot of the interpreter failed: {0}")]
    Snapshot(String),
    /// The component could not be compiled or loaded.
    #[error("compiling the interpreter failed: {0}")]
    Compile(String),
    /// A file could not be read or written.
    #[error("making the distribution ready failed: {0}")]
    Io(#[from] io::Error),
}

impl BuildError {
    pub(crate) fn snapshot(error: impl std::fmt::Display) -> Self {
        Self::Snapshot(format!("{error:#}"))
    }

    /// An error of the compiler.
    pub fn compile(error: impl std::fmt::Display) -> Self {
        Self::Compile(format!("{error:#}"))
    }
}
