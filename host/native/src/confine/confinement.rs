//! What a program may read, write and use, and its start.

use std::ffi::{OsStr, OsString};
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::channel::Channel;
use super::confined::Confined;
use super::groups::Groups;
use super::helper;
use super::installation;
use super::layout::{Grants, Layout, lay_out};
pub use super::limits::Limits;
use super::plan::{Fault, Layer, Plan, Program, Report};

/// The broker's port, unless another is asked for.
const PORT: u16 = 6969;
const MEBIBYTE: u64 = 1 << 20;

/// A confinement for one program. Without grants it has the system's programs and libraries, a private home and
/// temporary directory, and no network but the two listeners.
///
/// ```no_run
/// use sandbox_net_native::confine::{Confinement, helper};
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     helper::run_if_asked();
///     let mut program = Confinement::new()
///         .read("./data")
///         .environment([("PATH", "/usr/bin:/bin")])
///         .spawn(["cat", "data/input.txt"])?;
///     // Serve what the program sends to `program.take_listeners()`, with a broker.
///     let exit = program.wait()?;
///     println!("{}", exit.code());
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct Confinement {
    read: Vec<PathBuf>,
    write: Vec<PathBuf>,
    files: Vec<(PathBuf, Vec<u8>)>,
    environment: Vec<(OsString, OsString)>,
    directory: Option<PathBuf>,
    home: Option<PathBuf>,
    temporary: u64,
    limits: Limits,
    timeout: Option<Duration>,
    weaker: Option<std::net::SocketAddr>,
    helper: Option<PathBuf>,
    port: u16,
    standard: [Standard; 3],
}

/// Where one of a program's standard streams goes.
#[derive(Debug, Default)]
pub enum Standard {
    /// Where the caller's goes.
    #[default]
    Inherit,
    /// Nowhere.
    Null,
    /// To this descriptor.
    Descriptor(OwnedFd),
}

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

impl Default for Confinement {
    fn default() -> Self {
        Self::new()
    }
}

impl Confinement {
    /// A confinement without grants.
    #[must_use]
    pub fn new() -> Self {
        Self {
            read: Vec::new(),
            write: Vec::new(),
            files: Vec::new(),
            environment: Vec::new(),
            directory: None,
            home: None,
            temporary: 1024 * MEBIBYTE,
            limits: Limits::default(),
            timeout: None,
            weaker: None,
            helper: None,
            port: PORT,
            standard: Default::default(),
        }
    }

    /// Lets the program read and execute a file, or what is below a directory.
    #[must_use]
    pub fn read(mut self, path: impl Into<PathBuf>) -> Self {
        self.read.push(path.into());
        self
    }

    /// Lets the program change a file, or what is below a directory.
    #[must_use]
    pub fn write(mut self, path: impl Into<PathBuf>) -> Self {
        self.write.push(path.into());
        self
    }

    /// Gives the program a read-only file that the host does not have. The path is absolute.
    #[must_use]
    pub fn file(mut self, path: impl Into<PathBuf>, contents: impl Into<Vec<u8>>) -> Self {
        self.files.push((path.into(), contents.into()));
        self
    }

    /// Sets variables of the environment, which is empty otherwise.
    #[must_use]
    pub fn environment<N: Into<OsString>, V: Into<OsString>>(
        mut self,
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let variables = variables.into_iter();
        self.environment
            .extend(variables.map(|(name, value)| (name.into(), value.into())));
        self
    }

    /// Starts the program in this directory. By default it is the caller's if the program can see it, and
    /// its home otherwise.
    #[must_use]
    pub fn directory(mut self, path: impl Into<PathBuf>) -> Self {
        self.directory = Some(path.into());
        self
    }

    /// Puts the private home here. By default it is where `HOME` of the given environment says.
    #[must_use]
    pub fn home(mut self, path: impl Into<PathBuf>) -> Self {
        self.home = Some(path.into());
        self
    }

    /// Limits what the program stores in its private directories, in bytes; 1 GiB by default.
    #[must_use]
    pub fn temporary_size(mut self, bytes: u64) -> Self {
        self.temporary = bytes;
        self
    }

    /// Limits what the program uses.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Ends the program after this time.
    #[must_use]
    pub fn timeout(mut self, time: Duration) -> Self {
        self.timeout = Some(time);
        self
    }

    /// Confines without namespaces, for a kernel that refuses them. Then there is no fresh root: Landlock and
    /// seccomp decide alone. The program can connect to `broker` and to nothing else, and has no listeners.
    #[must_use]
    pub fn weaker(mut self, broker: std::net::SocketAddr) -> Self {
        self.weaker = Some(broker);
        self
    }

    /// Uses another executable as helper than the running one. Its `main` calls [`helper::run_if_asked`].
    #[must_use]
    pub fn helper(mut self, executable: impl Into<PathBuf>) -> Self {
        self.helper = Some(executable.into());
        self
    }

    /// Listens on another port than 6969.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Sets where stdin, stdout and stderr go. By default, where the caller's go.
    #[must_use]
    pub fn standard(mut self, input: Standard, output: Standard, error: Standard) -> Self {
        self.standard = [input, output, error];
        self
    }

    /// Whether the program could read a path of the host: for hints to people.
    #[must_use]
    pub fn shows(&self, path: &Path) -> bool {
        let Ok(real) = path.canonicalize() else {
            return false;
        };
        lay_out(self.grants(Vec::new())).is_ok_and(|layout| layout.shows(&real))
    }

    /// Starts a command: its name or path, and its arguments.
    ///
    /// # Errors
    ///
    /// See [`SpawnError`]. Nothing of the program has run then.
    pub fn spawn<A: Into<OsString>>(
        mut self,
        command: impl IntoIterator<Item = A>,
    ) -> Result<Confined, SpawnError> {
        let deadline = self.timeout.map(|time| Instant::now() + time);
        let [input, output, error] = std::mem::take(&mut self.standard);
        let own = SpawnError::Helper;
        let standard = [
            input.open(io::stdin().as_fd()).map_err(own)?,
            output.open(io::stdout().as_fd()).map_err(own)?,
            error.open(io::stderr().as_fd()).map_err(own)?,
        ];
        let mut command = command.into_iter().map(Into::into);
        let name = command.next().unwrap_or_default();
        let groups = Groups::make(&self.limits);
        let plan = self.plan(&name, command.collect(), &standard[0], &groups)?;
        let mut starting = Starting::new(self.helper.as_deref(), groups)?;
        let listeners = starting.start(&plan, &standard, &name)?;
        Ok(Confined::new(starting, listeners, deadline))
    }

    fn plan(
        &self,
        name: &OsStr,
        arguments: Vec<OsString>,
        input: &OwnedFd,
        groups: &Groups,
    ) -> Result<Plan, SpawnError> {
        let here = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
        let usual = installation::usual_search();
        let search = self.variable("PATH").unwrap_or(&usual);
        let file = installation::resolve(name, search, &here)
            .map(|file| installation::plain(&file))
            .ok_or_else(|| SpawnError::NotFound(name.to_owned()))?;
        if file.is_dir() || !installation::is_executable(&file) {
            let reason = io::Error::from_raw_os_error(libc::EACCES);
            return Err(SpawnError::NotExecutable {
                command: name.to_owned(),
                reason: plain_error(&reason),
            });
        }
        let home = self.home_directory();
        let layout = lay_out(self.grants(installation::of(&file, search, &home)))?;
        let directory = self
            .directory
            .clone()
            .unwrap_or_else(|| start(&layout, here, &home));
        Ok(Plan {
            program: Program {
                file: file.into(),
                name: name.to_owned(),
                arguments,
                environment: self.environment.clone(),
                directory: directory.into(),
                new_session: !rustix::termios::isatty(input),
            },
            landlock: true,
            readable: layout.readable,
            writable: layout.writable,
            root: self.weaker.is_none().then_some(layout.root),
            port: self.port,
            only: self.weaker,
            private: Vec::new(),
            limits: self.limits.clone(),
            groups: groups.paths(),
            memory_is_grouped: groups.limit("memory"),
        })
    }

    fn grants(&self, command: Vec<PathBuf>) -> Grants {
        Grants {
            read: self
                .read
                .iter()
                .map(|path| (path.clone(), "--read"))
                .collect(),
            write: self
                .write
                .iter()
                .map(|path| (path.clone(), "--write"))
                .collect(),
            command,
            home: self.home_directory(),
            files: self.files.clone(),
            size: self.temporary,
        }
    }

    fn variable(&self, name: &str) -> Option<&OsString> {
        let mut variables = self.environment.iter().rev();
        variables
            .find(|(one, _)| one == name)
            .map(|(_, value)| value)
    }

    /// Where the private home is. One in a directory of the system cannot be made.
    fn home_directory(&self) -> PathBuf {
        let wished = self
            .home
            .clone()
            .or_else(|| self.variable("HOME").map(PathBuf::from));
        wished
            .filter(|home| home.is_absolute() && home.components().count() > 1)
            .filter(|home| {
                !["/usr", "/etc", "/proc", "/dev", "/bin", "/lib"]
                    .iter()
                    .any(|own| home.starts_with(own))
            })
            .map_or_else(
                || PathBuf::from("/home/sandbox"),
                |home| installation::plain(&home),
            )
    }
}

/// The directory that a program starts in.
fn start(layout: &Layout, here: PathBuf, home: &Path) -> PathBuf {
    match layout.shows(&here) {
        true => here,
        false => home.to_owned(),
    }
}

impl Standard {
    fn open(self, inherited: impl AsFd) -> io::Result<OwnedFd> {
        match self {
            Self::Inherit => Ok(rustix::io::fcntl_dupfd_cloexec(inherited, 3)?),
            Self::Null => {
                let nothing = std::fs::File::options()
                    .read(true)
                    .write(true)
                    .open("/dev/null")?;
                Ok(nothing.into())
            }
            Self::Descriptor(descriptor) => Ok(descriptor),
        }
    }
}

/// The helper while it sets up. Dropped, it ends with all that it has started.
#[derive(Debug)]
pub(super) struct Starting {
    pub(super) child: Child,
    pub(super) channel: Channel,
    pub(super) groups: Groups,
}

impl Starting {
    fn new(executable: Option<&Path>, groups: Groups) -> Result<Self, SpawnError> {
        let executable = executable.unwrap_or(Path::new("/proc/self/exe"));
        let (channel, theirs) = Channel::pair().map_err(SpawnError::Helper)?;
        let child = Command::new(executable)
            .args(helper::ARGUMENTS)
            .env_clear()
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(SpawnError::Helper)?;
        Ok(Self {
            child,
            channel,
            groups,
        })
    }

    /// Has the program started, and takes the listeners.
    fn start(
        &mut self,
        plan: &Plan,
        standard: &[OwnedFd; 3],
        command: &OsStr,
    ) -> Result<Vec<TcpListener>, SpawnError> {
        let descriptors: Vec<_> = standard.iter().map(AsFd::as_fd).collect();
        self.channel
            .send(plan, &descriptors)
            .map_err(SpawnError::Helper)?;
        let mut listeners = Vec::new();
        loop {
            let report = self
                .channel
                .receive::<Report>()
                .map_err(SpawnError::Helper)?;
            match report {
                Some((Report::Listeners, descriptors)) => {
                    listeners = descriptors.into_iter().map(TcpListener::from).collect();
                }
                Some((Report::Started, _)) => return Ok(listeners),
                Some((Report::Failed(fault), _)) => return Err(fault.into()),
                Some((Report::NotExecuted(error), _)) => return Err(not_executed(command, error)),
                Some((Report::Exited(_) | Report::Killed(_), _)) | None => {
                    let gone = io::Error::other("it ended before the program began");
                    return Err(SpawnError::Helper(gone));
                }
            }
        }
    }
}

fn not_executed(command: &OsStr, error: i32) -> SpawnError {
    match error {
        // The file was there before: its interpreter, or a part of its path, is not in the fresh root.
        libc::ENOENT | libc::ENOTDIR => SpawnError::NotFound(command.to_owned()),
        error => SpawnError::NotExecutable {
            command: command.to_owned(),
            reason: plain_error(&io::Error::from_raw_os_error(error)),
        },
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
