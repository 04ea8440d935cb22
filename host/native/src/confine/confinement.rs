//! What a program may read, write and use, and its start.

use std::ffi::{OsStr, OsString};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::fault::plain_error;
use super::installation;
use super::layout::{Grants, Layout, lay_out};
use super::limits::Limits;
use super::plan::{Plan, Program};
use super::spawn_error::SpawnError;
use super::standard::Standard;
use super::sys::landlock_version::landlock_version;
use super::weaker::Weaker;

/// The broker's port, unless another is asked for.
const PORT: u16 = 6969;
/// The version of Landlock that scopes signals.
const SIGNAL_SCOPE: u32 = 6;
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
#[derive(Debug, Clone)]
pub struct Confinement {
    read: Vec<PathBuf>,
    write: Vec<PathBuf>,
    files: Vec<(PathBuf, Vec<u8>)>,
    environment: Vec<(OsString, OsString)>,
    directory: Option<PathBuf>,
    home: Option<PathBuf>,
    temporary: u64,
    pub(super) limits: Limits,
    pub(super) timeout: Option<Duration>,
    pub(super) weaker: Option<Weaker>,
    landlock: bool,
    pub(super) helper: Option<PathBuf>,
    pub(super) port: u16,
    pub(super) standard: [Standard; 3],
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
            landlock: true,
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

    /// Gives the program a read-only file, as [`file`](Self::file) does. In the weaker confinement it is in the
    /// private directory instead. Returns where it is.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn place(self, path: &Path, contents: &[u8]) -> Result<(Self, PathBuf), SpawnError> {
        match &self.weaker {
            None => Ok((self.file(path, contents), path.to_owned())),
            Some(weaker) => {
                let place = weaker.write(path, contents)?;
                Ok((self, place))
            }
        }
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
    /// seccomp decide alone, and a directory of the host is the private one. The program has no listeners, and
    /// can connect to the address of [`broker`](Self::broker) and to nothing else.
    ///
    /// # Errors
    ///
    /// The private directory cannot be made.
    pub fn weaker(mut self) -> Result<Self, SpawnError> {
        self.weaker = Some(Weaker::new()?);
        Ok(self)
    }

    /// Sets the only address that a program in the weaker confinement can connect to.
    #[must_use]
    pub fn broker(mut self, address: SocketAddr) -> Self {
        if let Some(weaker) = &mut self.weaker {
            weaker.broker = Some(address);
        }
        self
    }

    /// Whether Landlock is part of the confinement, which it is by default. See [`landlock_version`](super::landlock_version).
    #[must_use]
    pub fn landlock(mut self, is_applied: bool) -> Self {
        self.landlock = is_applied;
        self
    }

    /// Uses another executable as helper than the running one. Its `main` calls
    /// [`run_if_asked`](super::helper::run_if_asked).
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

    pub(super) fn plan(
        &self,
        name: &OsStr,
        arguments: Vec<OsString>,
        has_terminal: bool,
        memory_is_grouped: bool,
    ) -> Result<Plan, SpawnError> {
        let here = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
        let usual = installation::usual_search();
        let search = self.variable("PATH").unwrap_or(&usual);
        let file = command(name, search, &here)?;
        let home = self.home_directory();
        let mut layout = lay_out(self.grants(installation::of(&file, search, &home)))?;
        let mut environment = self.environment.clone();
        if let Some(weaker) = &self.weaker {
            weaker.change(&mut layout, &mut environment);
        }
        let directory = self
            .directory
            .clone()
            .unwrap_or_else(|| start(&layout, here, &home));
        Ok(Plan {
            program: Program {
                file: file.into(),
                name: name.to_owned(),
                arguments,
                environment,
                directory: directory.into(),
                // Without Landlock's scope the program could send signals to the caller's whole group.
                new_session: !(has_terminal && self.landlock && landlock_version() >= SIGNAL_SCOPE),
            },
            landlock: self.landlock,
            readable: layout.readable,
            writable: layout.writable,
            root: self.weaker.is_none().then_some(layout.root),
            only: self.weaker.as_ref().and_then(|weaker| weaker.broker),
            private: self
                .weaker
                .iter()
                .map(|weaker| weaker.path().into())
                .collect(),
            limits: self.limits.clone(),
            memory_is_grouped,
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
        if let Some(weaker) = &self.weaker {
            return weaker.path().to_owned();
        }
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

/// The command's file.
fn command(name: &OsStr, search: &OsStr, here: &Path) -> Result<PathBuf, SpawnError> {
    let file = installation::resolve(name, search, here)
        .map(|file| installation::plain(&file))
        .ok_or_else(|| SpawnError::NotFound(name.to_owned()))?;
    if file.is_dir() || !installation::is_executable(&file) {
        let reason = io::Error::from_raw_os_error(libc::EACCES);
        return Err(SpawnError::NotExecutable {
            command: name.to_owned(),
            reason: plain_error(&reason),
        });
    }
    Ok(file)
}

/// The directory that a program starts in.
fn start(layout: &Layout, here: PathBuf, home: &Path) -> PathBuf {
    match layout.has(&here) {
        true => here,
        false => home.to_owned(),
    }
}
