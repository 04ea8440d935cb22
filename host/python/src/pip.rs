//! Downloads pure-Python wheels with the user's own pip.
//!
//! pip brings the user's mirrors, offline indexes, proxies, certificates and credentials. It is
//! called so that it never runs code of a package: wheels only, one file for each requirement
//! (`--no-deps`), and requirements of the form `NAME SPECIFIERS` only.

mod index;

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use crate::error::Error;
use crate::progress::{Amount, Progress, Step};
use sandbox_net_process::TimeBox;

pub(crate) use index::{Files, Found, Index};

/// The environment variable that names the command which runs pip.
pub const PIP_VARIABLE: &str = "SANDBOX_NET_PIP";

/// Accepts only wheels that run everywhere.
const TARGET: [&str; 7] = [
    "--only-binary=:all:",
    "--platform",
    "any",
    "--implementation",
    "py",
    "--abi",
    "none",
];

/// How often the files that pip is writing are measured.
const MEASURE_INTERVAL: Duration = Duration::from_millis(100);

/// The number of lines of pip's output in an error.
const DETAIL_LINES: usize = 12;

/// A command that runs pip.
#[derive(Clone, Debug)]
pub struct Pip {
    program: OsString,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    within: TimeBox,
    /// How long its Python may take to start.
    start: Duration,
}

/// What to download, and where.
pub(crate) struct Download<'a> {
    /// Each `NAME SPECIFIERS`.
    pub(crate) requirements: &'a [String],
    /// The target's Python version, e.g. `3.15`.
    pub(crate) python: &'a str,
    /// An existing empty directory of this download's own; the wheels go to [`Download::wheels`].
    pub(crate) directory: &'a Path,
    /// What the user sees.
    pub(crate) label: &'a str,
    /// The size of all files together, if it is known.
    pub(crate) size: Option<u64>,
}

/// pip ran, but did not download what was requested.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    /// The last lines of pip's output.
    pub(crate) detail: String,
    /// pip's log: what it found in the index, and why it did not use it.
    pub(crate) log: String,
}

impl Download<'_> {
    /// pip's log: what it found in the index, and why it did not use it.
    pub(crate) fn log(&self) -> String {
        let bytes = fs::read(self.directory.join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn wheels(&self) -> PathBuf {
        self.directory.join("wheels")
    }

    /// pip writes here before it moves a file to its place.
    fn scratch(&self) -> PathBuf {
        self.directory.join("scratch")
    }
}

impl Pip {
    /// The command in `SANDBOX_NET_PIP`, else the first of the usual ones that works.
    ///
    /// The variable contains the path of a program, or a command whose words are separated by
    /// spaces (`python3.14 -m pip`).
    ///
    /// # Errors
    /// [`Error::PipMissing`] if none works.
    pub fn find() -> Result<Pip, Error> {
        Self::find_within(&TimeBox::new(Duration::MAX))
    }

    /// Finds pip, within this time for the search and for all that this pip does.
    pub(crate) fn find_within(within: &TimeBox) -> Result<Pip, Error> {
        let candidates = Self::candidates();
        let mut candidates_within = candidates.iter().cloned().map(|pip| pip.within(within));
        match candidates_within.find(Pip::works) {
            Some(pip) => Ok(pip),
            None if within.is_over() => Err(Error::too_long("looking for pip", within.limit())),
            None => {
                let tried: Vec<_> = candidates.iter().map(Pip::to_string).collect();
                Err(Error::PipMissing {
                    tried: tried.join(", "),
                })
            }
        }
    }

    /// The commands that [`Pip::find`] tries, in this order.
    pub fn candidates() -> Vec<Pip> {
        match std::env::var_os(PIP_VARIABLE).filter(|value| !value.is_empty()) {
            Some(value) => vec![Pip::from_variable(&value)],
            None => [
                &["python3", "-m", "pip"][..],
                &["python", "-m", "pip"],
                #[cfg(windows)]
                &["py", "-m", "pip"],
                &["pip3"],
                &["pip"],
            ]
            .map(|words| Pip::command(words[0], &words[1..]))
            .to_vec(),
        }
    }

    /// A pip that is run as `program arguments…`.
    pub fn command(
        program: impl Into<OsString>,
        arguments: impl IntoIterator<Item = impl Into<OsString>>,
    ) -> Pip {
        let arguments = arguments.into_iter().map(Into::into).collect();
        Pip {
            program: program.into(),
            arguments,
            environment: Vec::new(),
            within: TimeBox::new(Duration::MAX),
            start: index::START,
        }
    }

    /// Sets how long its Python may take to start.
    #[cfg(test)]
    pub(crate) fn answers_within(self, start: Duration) -> Pip {
        Pip { start, ..self }
    }

    /// Limits its time; at the end pip is killed with everything that it started.
    pub(crate) fn within(mut self, within: &TimeBox) -> Pip {
        self.within = within.clone();
        self
    }

    /// Sets an environment variable of pip, e.g. `PIP_INDEX_URL`.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Pip {
        self.environment.push((name.into(), value.into()));
        self
    }

    fn from_variable(value: &OsStr) -> Pip {
        let path = Path::new(value);
        if path.is_file() {
            // pip runs in another directory.
            let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
            return Pip::command(path, [""; 0]);
        }
        let text = value.to_string_lossy();
        let mut words = text.split_whitespace();
        Pip::command(words.next().unwrap_or_default(), words)
    }

    /// Identifies the command and its settings.
    pub(crate) fn identity(&self) -> String {
        format!("{:?}", (&self.program, &self.arguments, &self.environment))
    }

    /// The program to start.
    pub fn program(&self) -> &OsStr {
        &self.program
    }

    /// The arguments that come before pip's own.
    pub fn arguments(&self) -> &[OsString] {
        &self.arguments
    }

    /// Whether it runs at all.
    pub fn works(&self) -> bool {
        // In a directory of its own, for the reason given at `Pip::run`.
        let Ok(directory) = tempfile::tempdir() else {
            return false;
        };
        let mut command = self.start(directory.path());
        command
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let Ok(mut running) = self.within.spawn(&mut command) else {
            return false;
        };
        matches!(running.has_ended_in_time(), Ok(true))
            && running.status().is_ok_and(|status| status.success())
    }

    /// `python -m pip` imports modules from the directory in which it is run, so this is never the
    /// user's own, which may contain anything.
    fn start(&self, directory: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(n, v)| (n, v)));
        command.current_dir(directory).stdin(Stdio::null());
        command
    }

    /// Downloads one pure wheel for each requirement, and returns their paths, sorted.
    ///
    /// The outer error is ours (no directory, no process), the inner one is pip's.
    pub(crate) fn download(
        &self,
        download: &Download<'_>,
        progress: &dyn Progress,
    ) -> Result<Result<Vec<PathBuf>, Refusal>, Error> {
        let (wheels, scratch) = (download.wheels(), download.scratch());
        for directory in [&wheels, &scratch] {
            fs::create_dir(directory).map_err(Error::io("create", directory))?;
        }
        let log = download.directory.join("log");
        let output = download.directory.join("output");
        let mut command = self.start(&scratch);
        command
            .args(["download", "--no-deps"])
            .args(TARGET)
            .args(["--python-version", download.python])
            .args(["--disable-pip-version-check", "--no-input", "--no-color"])
            .args(["--progress-bar", "off"])
            .arg("--log")
            .arg(&log)
            .arg("--dest")
            .arg(&wheels)
            .arg("--")
            .args(download.requirements);
        // Python finds a temporary directory by these names on different platforms.
        command.envs(["TMPDIR", "TEMP", "TMP"].map(|name| (name, &scratch)));
        let total = download.size.map_or(Amount::Unknown, Amount::Bytes);
        let step = progress.start(download.label, total);
        let status = self.run(command, &output, || measure(download), &*step)?;
        let status = status.ok_or_else(|| {
            let what = format!("downloading {} with pip", download.requirements.join(", "));
            Error::too_long(&what, self.within.limit())
        })?;
        if status.success() {
            return Ok(Ok(list(&wheels)?));
        }
        let read = |path| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
        Ok(Err(Refusal {
            detail: tail(&read(&output)),
            log: read(&log),
        }))
    }

    /// Runs `command` to its end with all output in the file `output`; `None` if the time was not
    /// enough.
    fn run(
        &self,
        mut command: Command,
        output: &Path,
        measure: impl Fn() -> u64 + Send,
        step: &dyn Step,
    ) -> Result<Option<ExitStatus>, Error> {
        let failed = || Error::io("run", Path::new(&self.program));
        let file = File::create(output).map_err(Error::io("create", output))?;
        let copy = file.try_clone().map_err(Error::io("create", output))?;
        command.stdout(file).stderr(copy);
        if self.within.is_over() {
            return Ok(None);
        }
        let mut running = self.within.spawn(&mut command).map_err(failed())?;
        let (ended, end) = mpsc::channel::<()>();
        let has_ended = std::thread::scope(|scope| {
            scope.spawn(move || {
                let mut told = 0;
                while end.recv_timeout(MEASURE_INTERVAL) == Err(RecvTimeoutError::Timeout) {
                    let now = measure().max(told);
                    step.advance(now - told);
                    told = now;
                }
            });
            let has_ended = running.has_ended_in_time();
            drop(ended);
            has_ended
        });
        // If the caller no longer waits, the program is killed.
        match has_ended.map_err(failed())? && !self.within.is_over() {
            true => Ok(Some(running.status().map_err(failed())?)),
            false => Ok(None),
        }
    }
}

impl std::fmt::Display for Pip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.program.display())?;
        self.arguments
            .iter()
            .try_for_each(|argument| write!(f, " {}", argument.display()))
    }
}

/// pip's machine-readable output says nothing until it ends, so the file that it writes is
/// measured: first in the scratch directory, from which it is then copied to its place.
fn measure(download: &Download<'_>) -> u64 {
    let size = size_below(&download.scratch()).max(size_below(&download.wheels()));
    // pip may have a second copy in the scratch directory, for its own cache.
    size.min(download.size.unwrap_or(u64::MAX))
}

fn size_below(directory: &Path) -> u64 {
    let Ok(listing) = fs::read_dir(directory) else {
        return 0;
    };
    let size = |item: fs::DirEntry| match item.metadata() {
        Ok(metadata) if metadata.is_dir() => size_below(&item.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    };
    listing.flatten().map(size).sum()
}

fn list(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let listing = fs::read_dir(directory).map_err(Error::io("read", directory))?;
    let paths = listing
        .map(|item| item.map(|item| item.path()))
        .collect::<Result<Vec<_>, _>>();
    let mut paths = paths.map_err(Error::io("read", directory))?;
    paths.sort();
    Ok(paths)
}

fn tail(output: &str) -> String {
    let lines: Vec<&str> = output
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let kept = &lines[lines.len().saturating_sub(DETAIL_LINES)..];
    let shorten = |line: &&str| line.chars().take(400).collect::<String>();
    kept.iter().map(shorten).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests;
