//! Why a program was not started.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use super::fault::{Fault, Layer};

/// Why a program was not started. Nothing of it ran.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpawnError {
    /// A path cannot be granted.
    #[error("{option} {}: {reason}", path.display())]
    Path {
        /// What named the path.
        option: &'static str,
        /// The path, as it was given.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no command of this name.
    #[error("{}: command not found", .0.to_string_lossy())]
    NotFound(OsString),
    /// The command is there, but cannot be executed.
    #[error("{}: {reason}", command.to_string_lossy())]
    NotExecutable {
        /// The command, as it was given.
        command: OsString,
        /// The kernel's reason.
        reason: String,
    },
    /// The kernel refuses a layer of the confinement.
    #[error("the program did not run: the kernel does not confine it: cannot {step}: {reason}")]
    Unconfined {
        /// What was tried.
        step: String,
        /// The kernel's reason.
        reason: String,
    },
    /// Something of this run is wrong.
    #[error("the program did not run: cannot {step}: {reason}")]
    SetUp {
        /// What was tried.
        step: String,
        /// The reason.
        reason: String,
    },
    /// The helper could not be started, or ended.
    #[error("the program did not run: the helper that confines it: {0}")]
    Helper(#[source] io::Error),
}

impl From<Fault> for SpawnError {
    fn from(Fault { layer, step, error }: Fault) -> Self {
        match layer {
            Layer::Run => Self::SetUp {
                step,
                reason: error,
            },
            _ => Self::Unconfined {
                step,
                reason: error,
            },
        }
    }
}
