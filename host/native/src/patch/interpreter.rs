//! Asks an interpreter about itself.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::environment::Environment;
use super::error::PatchError;

const PROBE: &str = include_str!("../../patch/commands/probe.py");
const COMPILE: &str = include_str!("../../patch/commands/compile.py");
/// Runs its input; the working directory is not a place of modules for it.
const RUN_INPUT: &str =
    "import sys; sys.path[:] = [place for place in sys.path if place]; exec(sys.stdin.read())";
const PROBE_MARK: &str = "sandbox-net-probe: ";
const OLDEST: (u32, u32) = (3, 6);

/// Variables that change what Python imports at its start. An installation does not depend on them.
const IMPORT_VARIABLES: [&str; 4] = [
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONSTARTUP",
    "PYTHONNOUSERSITE",
];

/// What an interpreter says about itself.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Interpreter {
    /// Such as `3.11.7`.
    pub(super) version: String,
    /// The real one, not a launcher.
    pub(super) executable: PathBuf,
    /// The folder of packages.
    pub(super) site_packages: PathBuf,
    /// The user's folder of packages.
    pub(super) user_site: Option<PathBuf>,
    pub(super) user_site_enabled: bool,
    /// What was asked: it may be a launcher that sets variables.
    #[serde(skip)]
    pub(super) python: PathBuf,
}

impl Interpreter {
    /// Runs `python` to ask it. The routing is off, and variables that change its imports are unset.
    pub(super) fn ask(python: &Path) -> Result<Interpreter, PatchError> {
        let failed = |reason: String| PatchError::Interpreter {
            python: python.to_path_buf(),
            reason,
        };
        let mut command = quiet(python);
        command.args(["-c", PROBE]);
        let done = command
            .output()
            .map_err(|error| failed(error.to_string()))?;
        let text = String::from_utf8_lossy(&done.stdout);
        let told = text
            .lines()
            .rev()
            .find_map(|line| line.strip_prefix(PROBE_MARK));
        let Some(told) = told else {
            let said = String::from_utf8_lossy(&done.stderr);
            let last = said
                .lines()
                .last()
                .unwrap_or("it does not answer")
                .to_owned();
            return Err(failed(last));
        };
        let mut found: Interpreter =
            serde_json::from_str(told).map_err(|error| failed(error.to_string()))?;
        found.python = python.to_path_buf();
        let mut numbers = found
            .version
            .split('.')
            .map(|number| number.parse().unwrap_or(0));
        if (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) < OLDEST {
            return Err(failed(format!(
                "it is Python {}, and 3.6 is the oldest",
                found.version
            )));
        }
        Ok(found)
    }

    /// Compiles files, so that no start of the interpreter has to. A failure costs only time.
    pub(super) fn compile<P: AsRef<OsStr>>(&self, files: &[P]) {
        let _ = quiet(&self.python)
            .args(["-c", COMPILE])
            .args(files)
            .output();
    }

    /// Whether a new interpreter runs the patch; otherwise what it says.
    pub(super) fn is_patched(&self) -> Result<(), String> {
        let program = "import sys; package = sys.modules.get('sandbox_net_native'); \
             print('\\nactive' if package is not None and package.is_active() else '\\nnot active')";
        let mut command = quiet(&self.python);
        command
            .env_remove("SANDBOX_NET_ENABLED")
            .args(["-c", program]);
        let done = command.output().map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(&done.stdout);
        if text.lines().next_back() == Some("active") {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&done.stderr).trim().to_owned();
        Err(if said.is_empty() {
            "another sitecustomize runs in its place".to_owned()
        } else {
            said
        })
    }
}

/// A command that runs an interpreter unrouted, and as an installation finds it.
fn quiet(python: &Path) -> Command {
    let mut command = Command::new(python);
    for name in IMPORT_VARIABLES {
        command.env_remove(name);
    }
    command.env("SANDBOX_NET_ENABLED", "0").stdin(Stdio::null());
    command
}

/// Runs `python` with a program on its standard input, in the caller's environment.
pub(super) fn run_program(
    python: &Path,
    program: &str,
    environment: &Environment,
    variables: &[(&str, String)],
) -> std::io::Result<std::process::Output> {
    let mut command = Command::new(python);
    command.arg("-c").arg(RUN_INPUT).stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    environment.apply(&mut command);
    for (name, value) in variables {
        if value.is_empty() {
            command.env_remove(name);
        } else {
            command.env(name, value);
        }
    }
    let mut child = command.spawn()?;
    if let Some(mut input) = child.stdin.take() {
        // A program that ends early says why on stderr.
        let _ = input.write_all(program.as_bytes());
    }
    child.wait_with_output()
}
