//! Runs commands confined, by the example program.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// The example, which cargo builds with the tests.
pub(crate) fn confined_program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let target = test.parent().and_then(Path::parent).unwrap();
    let program = target.join("examples/confined");
    assert!(
        program.is_file(),
        "{} is missing: cargo build -p sandbox-net-native --examples",
        program.display()
    );
    program
}

/// A confined command. Arguments for the program itself follow `--`.
pub(crate) fn confined() -> Command {
    Command::new(confined_program())
}

/// Runs a shell script confined, with options before it.
pub(crate) fn shell(options: &[&str], script: &str) -> Output {
    confined()
        .args(options)
        .args(["--", "sh", "-c", script])
        .output()
        .unwrap()
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Whether this machine can confine at all. If not, says so, and the test passes without having shown anything.
pub(crate) fn can_confine(test: &str) -> bool {
    static CAN: OnceLock<Result<(), String>> = OnceLock::new();
    let can = CAN.get_or_init(|| {
        let output = shell(&[], "true");
        match output.status.success() {
            true => Ok(()),
            false => Err(stderr(&output)),
        }
    });
    if let Err(why) = can {
        eprintln!("SKIPPED {test}: {why}");
    }
    can.is_ok()
}

/// A real Python, not a launcher's shim.
pub(crate) fn python() -> Option<PathBuf> {
    static PYTHON: OnceLock<Option<PathBuf>> = OnceLock::new();
    let found = PYTHON.get_or_init(|| {
        let names = ["python3", "/usr/bin/python3"];
        names.into_iter().find_map(executable_of)
    });
    if found.is_none() {
        eprintln!("SKIPPED what needs Python: there is no python3");
    }
    found.clone()
}

fn executable_of(name: &str) -> Option<PathBuf> {
    let code = "import sys, os; print(os.path.realpath(sys.executable))";
    let output = Command::new(name).args(["-c", code]).output().ok()?;
    let path = PathBuf::from(stdout(&output).trim());
    path.is_file().then_some(path)
}

/// Another Python than the first, of the system or the version manager.
pub(crate) fn another_python() -> Option<PathBuf> {
    let first = python()?;
    let versions = first.ancestors().nth(3)?;
    let entries = std::fs::read_dir(versions).ok()?.flatten();
    let mut all: Vec<_> = entries
        .map(|entry| entry.path().join("bin/python3"))
        .collect();
    all.push("/usr/bin/python3".into());
    let mut real = all.into_iter().filter_map(|path| path.canonicalize().ok());
    real.find(|path| path.is_file() && *path != first)
}

/// The directory of the tests' own programs.
pub(crate) fn programs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/confine")
}

/// Compiles the static binary of attacks, if the machine can.
pub(crate) fn compile_attacks(to: &Path) {
    let compiled = Command::new("cc")
        .args(["-O1", "-static", "-pthread", "-o"])
        .args([to, &programs().join("attack.c")])
        .status();
    if !compiled.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED static binaries: cc makes none here");
    }
}

/// Where a tool is, if the machine has it.
pub(crate) fn tool(name: &str) -> Option<PathBuf> {
    let found = std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|directory| directory.join(name))
        .find(|path| path.is_file());
    if found.is_none() {
        eprintln!("SKIPPED what needs {name}: it is not installed");
    }
    found
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

pub(crate) fn text(path: impl AsRef<OsStr>) -> String {
    path.as_ref().to_str().unwrap().to_owned()
}

/// Lets everybody execute a file.
pub(crate) fn make_executable(file: &Path) {
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(file, mode).unwrap();
}
