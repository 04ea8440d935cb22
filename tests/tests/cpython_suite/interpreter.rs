//! The machine's own interpreter with CPython's package `test`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Prints version, program and the folder of the package `test`; fails if that is missing.
const ASK: &str = "import platform, sys, test.support; \
    print(platform.python_implementation(), platform.python_version()); \
    print(sys.executable); print(test.__path__[0])";
const NAMES: [&str; 6] = [
    "python3.15",
    "python3.14",
    "python3.13",
    "python3.12",
    "python3.11",
    "python3",
];

/// An interpreter and its tests.
#[derive(Debug)]
pub struct Interpreter {
    /// The program.
    pub program: PathBuf,
    /// Its version, such as `3.13.0`.
    pub version: String,
    /// The folder of the package `test`.
    pub tests: PathBuf,
}

/// Finds the interpreter with this version and the package `test`, on the path or in pyenv's folder.
pub fn find(version: &str) -> Option<&'static Interpreter> {
    static FOUND: OnceLock<Vec<Interpreter>> = OnceLock::new();
    let found = FOUND.get_or_init(|| candidates().iter().filter_map(|one| ask(one)).collect());
    found.iter().find(|one| one.version == version)
}

fn candidates() -> Vec<PathBuf> {
    let mut candidates: Vec<PathBuf> = NAMES.iter().map(PathBuf::from).collect();
    if let Some(home) = std::env::var_os("HOME") {
        let versions = std::fs::read_dir(Path::new(&home).join(".pyenv/versions"));
        let entries = versions.into_iter().flatten().flatten();
        candidates.extend(entries.map(|entry| entry.path().join("bin/python3")));
    }
    candidates
}

fn ask(program: &Path) -> Option<Interpreter> {
    let output = Command::new(program)
        .args(["-c", ASK])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    let mut lines = said.lines();
    Some(Interpreter {
        version: lines.next()?.strip_prefix("CPython ")?.to_owned(),
        // On the path there may be the script of a version manager.
        program: PathBuf::from(lines.next()?),
        tests: PathBuf::from(lines.next()?),
    })
}
