//! The errors that an embedder gets when something other than the guest's program fails.

use std::io;
use std::path::PathBuf;

use crate::engine::EngineFull;
use crate::pool::error::PoolError;
use sandbox_net_egress::{Limit, NameServersError, TlsConfigError};
use sandbox_net_gateway::secrets::VaultError;
use sandbox_net_policy::{DocumentError, FieldGrantsError, RuleError, TlsGrantsError};
use sandbox_net_python::{BuildError, RuntimeError};

use crate::script::Exit;
use crate::snapshot::error::SnapshotError;

/// Why a sandbox could not be built, or a run could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The rule is invalid or too broad.
    #[error("the rule '{rule}' is refused: {source}")]
    Rule {
        /// The rule as it was given.
        rule: String,
        /// What is wrong with it.
        source: RuleError,
    },
    /// The script's metadata is invalid, or asks for something that the sandbox does not have.
    #[error("the script's metadata: {0}")]
    ScriptMetadata(#[from] crate::metadata_error::ScriptMetadataError),
    /// The grant of TLS settings is invalid.
    #[error("the grant of TLS settings '{grant}' is refused: {source}")]
    TlsGrant {
        /// The grant as it was given.
        grant: String,
        /// What is wrong with it.
        source: TlsGrantsError,
    },
    /// The grant of fields that override method, path or host is invalid.
    #[error("the grant of fields '{grant}' is refused: {source}")]
    FieldGrant {
        /// The grant as it was given.
        grant: String,
        /// What is wrong with it.
        source: FieldGrantsError,
    },
    /// The policy file cannot be read, or is invalid.
    #[error("the policy '{}' can't be used: {source}", path.display())]
    PolicyFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: PolicyFileError,
    },
    /// The policy does not fit this sandbox.
    #[error("the policy can't be used: {0}")]
    Policy(String),
    /// The values of the secrets are not available.
    #[error(transparent)]
    Secrets(#[from] VaultError),
    /// The audit log cannot be written.
    #[error("the audit log '{}' can't be written: {source}", path.display())]
    Audit {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The directory cannot be mounted.
    #[error("the directory '{}' can't be mounted: {why}", path.display())]
    Directory {
        /// The host's directory.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// The guest could replace this file of the host, or redirect this path: it lies in, or is reached
    /// through, a directory that is mounted writable.
    #[error(
        "{what} '{}' {how} the directory '{}', which the program may write to as {guest}: mount a \
         subdirectory or mount it read-only, or keep {what} elsewhere",
        path.display(),
        directory.display()
    )]
    Exposed {
        /// What the path is for, such as `the audit log`, or the name of an option.
        what: String,
        /// The path as it was given.
        path: PathBuf,
        /// `is`, `lies in` or `is reached through`.
        how: &'static str,
        /// The directory that is mounted writable, as it was given.
        directory: PathBuf,
        /// Where the guest has it.
        guest: String,
    },
    /// The file cannot be read or written.
    #[error("the file '{path}' can't be used: {source}")]
    File {
        /// The host's path for a script, else the guest's path.
        path: String,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The sandbox's own directory cannot be created or copied. It is created when something first uses a
    /// file.
    #[error("the sandbox's files can't be stored: {0}")]
    Files(#[source] io::Error),
    /// The sandbox's own directory cannot be removed.
    #[error("{0}")]
    CleanUp(io::Error),
    /// The environment variable is invalid: its name is empty or contains `=`, or there is a NUL in it.
    #[error("the environment variable '{0}' has a name or a value that can't be set")]
    Environment(String),
    /// The environment variable would have no effect, or another setting uses it.
    #[error("the environment variable '{name}' can't be set: {why}")]
    Variable {
        /// Its name.
        name: String,
        /// Why not, and what to do instead.
        why: String,
    },
    /// The value of the setting is invalid.
    #[error("the {name} can't be used: {why}")]
    Setting {
        /// The name of the setting, such as `time limit`.
        name: &'static str,
        /// Why not, and what to do instead.
        why: String,
    },
    /// An argument of the program contains a NUL.
    #[error("an argument of the program contains a NUL character")]
    Argument,
    /// The certificates to trust are invalid.
    #[error("the certificates to trust can't be used: {0}")]
    Certificate(#[source] TlsConfigError),
    /// The DNS servers cannot be used.
    #[error("the DNS servers can't be used: {0}")]
    NameServers(#[source] NameServersError),
    /// A distribution or a package cannot be fetched or used.
    #[error(transparent)]
    Distribution(#[from] sandbox_net_python::Error),
    /// The interpreter cannot compile the packages.
    #[error("the packages can't be compiled: {0}")]
    Packages(String),
    /// The interpreter cannot be prepared.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The interpreter cannot start, for example because it needs more memory than the limit.
    #[error("the interpreter can't be started: {0}")]
    Start(String),
    /// The engine runs as many programs as it may, and as many wait for their turn.
    #[error(
        "{running} programs run and {waiting} wait, as many as may: try again later, or raise the \
         engine's max_running or max_waiting"
    )]
    Busy {
        /// How many run.
        running: usize,
        /// How many wait.
        waiting: usize,
    },
    /// The pool gives no sandbox.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// The engine has as many sandboxes, or as much memory, as its builder allows.
    #[error(transparent)]
    Full(#[from] EngineFull),
    /// The sandbox's host memory has no room for what the run needs of it.
    #[error(
        "the sandbox's host memory has no room for the streams of another run: end a run, or raise \
         host_memory_limit"
    )]
    HostMemory,
    /// A call of [`blocking`](crate::blocking) came from that module's own runtime.
    #[error(
        "a call of sandbox_net::blocking from its own runtime, such as from a hook, would wait for \
         itself: use the asynchronous API there"
    )]
    WithinBlocking,
    /// A snapshot could not be made or used.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The run's outcome was already taken.
    #[error("the outcome of this run was already returned: wait for it only once")]
    AlreadyWaited,
    /// The session has ended, and takes no more turns.
    #[error("the session has ended ({}): start another one", how(exit))]
    SessionEnded {
        /// How it ended.
        exit: Exit,
    },
    /// A turn of the session still goes on, which nobody waits for any more.
    #[error("a turn of the session still goes on: wait for its end, or interrupt it")]
    SessionBusy,
    /// A session can't be saved there, or what was saved can't be used.
    #[error("the saved session '{}' {why}", path.display())]
    SavedSession {
        /// Its directory.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        why: String,
    },
    /// The tokio runtime that this was awaited in lacks what it needs, or was shut down.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// A task of the host ended without a result.
    #[error("a task of the host failed: {0}")]
    Internal(String),
}

/// How a session has ended, for its error.
fn how(exit: &Exit) -> String {
    match exit {
        Exit::Code(code) => format!("exit code {code}"),
        Exit::Trap(why) => format!("trap: {why}"),
        _ => exit.as_str().to_owned(),
    }
}

/// Why a policy file cannot be used. Such a file allows nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyFileError {
    /// The file cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The file is not a valid policy.
    #[error(transparent)]
    Document(#[from] DocumentError),
}

impl Error {
    /// The streams of a run have no room in the host's memory.
    pub(crate) fn no_room(limit: Limit) -> Self {
        match limit {
            Limit::TotalHostMemory => EngineFull::HostMemory.into(),
            _ => Self::HostMemory,
        }
    }
}
