//! What an embedder is told when something other than the guest's program fails.

use std::io;
use std::path::PathBuf;

use sandbox_net_egress::{NameServersError, TlsSettingsError};
use sandbox_net_gateway::secrets::VaultError;
use sandbox_net_policy::{DocumentError, FieldGrantsError, RuleError, TlsGrantsError};
use sandbox_net_python::BuildError;

/// Why a sandbox could not be made, or a run not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A rule that is none, or that means more than its author can want.
    #[error("the rule '{rule}' is refused: {source}")]
    Rule {
        /// The rule as it was given.
        rule: String,
        /// What is wrong with it.
        source: RuleError,
    },
    /// A script that needs what the sandbox does not have.
    #[error("the script's metadata: {0}")]
    ScriptMetadata(#[from] crate::script_metadata::ScriptMetadataError),
    /// A grant of TLS settings that is none.
    #[error("the grant of TLS settings '{grant}' is refused: {source}")]
    TlsGrant {
        /// The grant as it was given.
        grant: String,
        /// What is wrong with it.
        source: TlsGrantsError,
    },
    /// A grant of fields that override method, path or host, that is none.
    #[error("the grant of fields '{grant}' is refused: {source}")]
    FieldGrant {
        /// The grant as it was given.
        grant: String,
        /// What is wrong with it.
        source: FieldGrantsError,
    },
    /// A policy file that can't be read, or that is none.
    #[error("the policy '{}' can't be used: {source}", path.display())]
    PolicyFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: PolicyFileError,
    },
    /// A policy that this sandbox can't have.
    #[error("the policy can't be used: {0}")]
    Policy(String),
    /// Secrets whose values can't be had.
    #[error(transparent)]
    Secrets(#[from] VaultError),
    /// An audit log that can't be written.
    #[error("the audit log '{}' can't be written: {source}", path.display())]
    Audit {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// A directory that can't be shown to the guest.
    #[error("the directory '{}' can't be mounted: {why}", path.display())]
    Directory {
        /// The host's directory.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// A path of the host that the guest could lead elsewhere, or a file that it could replace: it lies
    /// in, or is reached through, a directory that is mounted writable.
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
    /// A file that can't be read or written.
    #[error("the file '{path}' can't be used: {source}")]
    File {
        /// The file: the host's path of a script, the guest's path otherwise.
        path: String,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The sandbox's own directory can't be made or copied.
    #[error("the sandbox's files can't be kept: {0}")]
    Files(#[source] io::Error),
    /// The sandbox's own directory can't be removed.
    #[error("{0}")]
    CleanUp(io::Error),
    /// An environment variable that can't be: an empty name, `=` in a name, or a NUL.
    #[error("the environment variable '{0}' has a name or a value that can't be set")]
    Environment(String),
    /// An environment variable that would be without effect, or that another setting has.
    #[error("the environment variable '{name}' can't be set: {why}")]
    Variable {
        /// Its name.
        name: String,
        /// Why not, and what to do instead.
        why: String,
    },
    /// A setting that would mean nothing, or something else than was wanted.
    #[error("the {name} can't be used: {why}")]
    Setting {
        /// What it is called, such as `time limit`.
        name: &'static str,
        /// Why not, and what to do instead.
        why: String,
    },
    /// An argument or a script with a NUL in it.
    #[error("an argument of the program has a NUL character in it")]
    Argument,
    /// Certificates to trust that can't be read.
    #[error("the certificates to trust can't be used: {0}")]
    Certificate(#[source] TlsSettingsError),
    /// DNS servers that can't be asked.
    #[error("the DNS servers can't be used: {0}")]
    NameServers(#[source] NameServersError),
    /// A runtime or a package that can't be had.
    #[error(transparent)]
    Runtime(#[from] sandbox_net_python::Error),
    /// Packages that the interpreter can't compile.
    #[error("the packages can't be compiled: {0}")]
    Packages(String),
    /// An interpreter that can't be made ready.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The interpreter can't be started, as where its memory is above the limit.
    #[error("the interpreter can't be started: {0}")]
    Start(String),
    /// A task of the host ended without a result.
    #[error("a task of the host failed: {0}")]
    Internal(String),
}

/// Why a file is no policy. Nothing is allowed by it, then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyFileError {
    /// It can't be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is not a policy.
    #[error(transparent)]
    Document(#[from] DocumentError),
}
