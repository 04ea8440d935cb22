//! Why a snapshot could not be made or used.

use std::io;
use std::path::PathBuf;

/// Why a snapshot could not be made or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The import of a module raised an exception.
    #[error("importing {module} failed: {why}")]
    Import {
        /// The module.
        module: String,
        /// The exception, as the last line of its traceback.
        why: String,
        /// The whole traceback.
        traceback: String,
    },
    /// The import of a module did not come to its end.
    #[error("importing {module} {how}")]
    Ended {
        /// The module.
        module: String,
        /// What ended it, and what to do.
        how: String,
    },
    /// The imports left what a copy cannot begin with.
    #[error(
        "the imports left something that cannot be part of a snapshot: {what}. Close it in the module \
         before the import ends, or leave the module out"
    )]
    Left {
        /// What it is.
        what: String,
    },
    /// The file is no snapshot that can be used here.
    #[error("the snapshot '{}' {why}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        why: String,
    },
    /// The file cannot be read or written.
    #[error("the snapshot '{}' can't be {done}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// `read` or `written`.
        done: &'static str,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The sandbox's packages are not those of the snapshot.
    #[error(
        "the snapshot was made with other packages than the sandbox asks for ({why}): make one with \
         these packages, or leave them out"
    )]
    Packages {
        /// The difference.
        why: String,
    },
    /// The interpreter did not answer as it should.
    #[error("the snapshot could not be made: {0}")]
    Interpreter(String),
}
