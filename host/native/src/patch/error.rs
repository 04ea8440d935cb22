//! Why the patcher did not do its work.

use std::io;
use std::path::{Path, PathBuf};

/// Why the patcher did not do its work: what happened, to what, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PatchError {
    /// The interpreter could not be run, or it is no Python.
    #[error("'{}' is not a Python that can be patched: {reason}", python.display())]
    Interpreter {
        /// What was run.
        python: PathBuf,
        /// What happened.
        reason: String,
    },
    /// The folder of packages cannot be written.
    #[error(
        "'{}' cannot be written ({source}): run this as its owner, install for the user alone with --user, \
         or make a virtual environment with '{} -m venv DIR' and give its python",
        folder.display(), python.display()
    )]
    NotWritable {
        /// The folder of packages.
        folder: PathBuf,
        /// The interpreter.
        python: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// This interpreter does not read the user's folder of packages.
    #[error("'{}' does not read packages of the user: install without --user", python.display())]
    NoUserSite {
        /// The interpreter.
        python: PathBuf,
    },
    /// Files are not as the patcher left them. Nothing was changed.
    #[error(
        "nothing was changed, because somebody changed these files since the installation: {}. Move them \
         away if you want to keep them, and run 'sandbox-net native restore' again",
        listed(files)
    )]
    Changed {
        /// Those files.
        files: Vec<PathBuf>,
    },
    /// Something else has the name of the patch.
    #[error("'{}' is there and is not the patcher's: move it away, and install again", path.display())]
    Foreign {
        /// What is there.
        path: PathBuf,
    },
    /// Some of the patch is missing, so that it cannot be removed as a whole.
    #[error(
        "the installation in '{}' is not whole ({} missing): run 'sandbox-net native restore'",
        folder.display(), listed(missing)
    )]
    Incomplete {
        /// The folder of packages.
        folder: PathBuf,
        /// What is missing.
        missing: Vec<PathBuf>,
    },
    /// The patch is in place, but the interpreter does not run it.
    #[error("'{}' does not run the patch, so it was removed again: {reason}", python.display())]
    Ineffective {
        /// The interpreter.
        python: PathBuf,
        /// What was seen.
        reason: String,
    },
    /// The wrapper would take the place of another file.
    #[error("'{}' is there and is no wrapper of sandbox-net: give another name with -o", path.display())]
    NotAWrapper {
        /// The file.
        path: PathBuf,
    },
    /// A file could not be read or written.
    #[error("'{}': {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl PatchError {
    /// For `map_err`: the error of a file.
    pub(super) fn of(path: &Path) -> impl FnOnce(io::Error) -> PatchError {
        let path = path.to_path_buf();
        move |source| PatchError::File { path, source }
    }
}

fn listed(files: &[PathBuf]) -> String {
    let names: Vec<_> = files
        .iter()
        .map(|path| format!("'{}'", path.display()))
        .collect();
    names.join(", ")
}
