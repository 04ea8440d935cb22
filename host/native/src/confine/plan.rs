//! What the parent asks of the helper, and what the helper tells.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::limits::Limits;

/// What the helper does first, while the parent starts the broker.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Beginning {
    /// The port of the two listeners in the new network namespace. `None`: no namespaces, the weaker mode.
    pub(super) port: Option<u16>,
    /// Control groups that the helper joins, with all that it starts.
    pub(super) groups: Vec<OsString>,
}

/// Everything else that the helper does, decided by the parent.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Plan {
    pub(super) program: Program,
    /// The fresh root. `None`: no namespaces, the weaker mode.
    pub(super) root: Option<Root>,
    /// Whether Landlock is applied.
    pub(super) landlock: bool,
    /// What Landlock lets the program read and execute.
    pub(super) readable: Vec<OsString>,
    /// What Landlock lets the program change.
    pub(super) writable: Vec<OsString>,
    /// The only address that the program may connect to, without a network namespace.
    pub(super) only: Option<std::net::SocketAddr>,
    /// The run's private directories, without a root of its own.
    pub(super) private: Vec<OsString>,
    pub(super) limits: Limits,
    /// Whether a control group limits the memory.
    pub(super) memory_is_grouped: bool,
}

impl Plan {
    /// Where the program may make Unix sockets for itself, without a root of its own.
    pub(super) fn private_directories(&self) -> Vec<PathBuf> {
        self.private.iter().map(PathBuf::from).collect()
    }
}

/// The command.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Program {
    /// An absolute path.
    pub(super) file: OsString,
    /// What the program finds as its own name.
    pub(super) name: OsString,
    pub(super) arguments: Vec<OsString>,
    pub(super) environment: Vec<(OsString, OsString)>,
    pub(super) directory: OsString,
    /// Whether it gets a session of its own, without a terminal.
    pub(super) new_session: bool,
}

/// The fresh root.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(super) struct Root {
    /// The most that the program may store in its private directories, in bytes.
    pub(super) size: u64,
    /// Private directories that the program may write to, and their modes.
    pub(super) private: Vec<(OsString, u32)>,
    /// Paths of the host, parents before children.
    pub(super) mounts: Vec<Mount>,
    /// Symbolic links: where, and to what.
    pub(super) links: Vec<(OsString, OsString)>,
    /// Files of the run's own, and their contents.
    pub(super) files: Vec<(OsString, Vec<u8>)>,
    /// Files and directories that appear empty.
    pub(super) hidden: Vec<OsString>,
    /// Devices of the host.
    pub(super) devices: Vec<OsString>,
    pub(super) host_name: String,
}

/// A path of the host in the fresh root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mount {
    /// An absolute path without symbolic links, the same outside and inside.
    pub(super) path: OsString,
    pub(super) writable: bool,
    /// What asked for it, for messages.
    pub(super) origin: String,
}

/// What the helper tells the parent.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Report {
    /// The namespaces are there. Their listeners come with this message.
    Begun,
    /// The program runs.
    Started,
    /// The program's file cannot be executed: the number of the error.
    NotExecuted(i32),
    /// The confinement could not be set up. Nothing ran.
    Failed(Fault),
    /// The program has ended.
    Exited(i32),
    /// A signal has ended the program.
    Killed(i32),
}

/// What the parent tells the program's init.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// Send the program a signal.
    Signal(i32),
    /// Send the program's whole process group a signal.
    SignalGroup(i32),
}

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
            error: error.to_string(),
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
