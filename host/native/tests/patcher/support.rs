//! Virtual environments, and what is in them.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sandbox_net_native::patch::Patcher;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// An interpreter in a folder of its own.
pub(crate) struct Venv {
    pub(crate) directory: TempDir,
}

impl Venv {
    /// Makes one of the Python in `PATH`.
    pub(crate) fn new() -> Venv {
        Venv::of(Path::new("python3"))
    }

    /// Makes one of a Python that has no `sitecustomize` beside its standard library, as Debian's has;
    /// `None` where there is no such Python.
    pub(crate) fn plain() -> Option<Venv> {
        let home = std::env::var_os("HOME").unwrap_or_default();
        let versions = fs::read_dir(Path::new(&home).join(".pyenv/versions"));
        let others = versions.into_iter().flatten().flatten();
        let others = others.map(|one| one.path().join("bin/python3"));
        let found = std::iter::once(PathBuf::from("python3"))
            .chain(others)
            .find(|python| {
                let mut asked = Command::new(python);
                asked.args(["-I", "-c", "import venv, sys; import sitecustomize"]);
                let told = asked
                    .output()
                    .map(|done| String::from_utf8_lossy(&done.stderr).into_owned());
                told.is_ok_and(|told| told.contains("No module named 'sitecustomize'"))
            });
        if found.is_none() {
            eprintln!("skipped: each Python here has a sitecustomize of its own");
        }
        found.map(|python| Venv::of(&python))
    }

    /// Makes one of `python`.
    pub(crate) fn of(python: &Path) -> Venv {
        let directory = tempfile::tempdir().unwrap();
        let made = Command::new(python)
            .args(["-m", "venv", "--without-pip"])
            .arg(directory.path())
            .output()
            .unwrap();
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        Venv { directory }
    }

    pub(crate) fn python(&self) -> PathBuf {
        self.directory.path().join("bin/python")
    }

    /// The folder of packages.
    pub(crate) fn packages(&self) -> PathBuf {
        let lib = self.directory.path().join("lib");
        let mut entries = fs::read_dir(lib)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let found = entries.find(|path| path.join("site-packages").exists());
        found.unwrap().join("site-packages")
    }

    pub(crate) fn patcher(&self) -> Patcher {
        unrouted(Patcher::new(self.python()).unwrap())
    }

    /// Writes a `sitecustomize.py` that says `text`.
    pub(crate) fn customize(&self, text: &str) {
        fs::write(
            self.packages().join("sitecustomize.py"),
            format!("print({text:?})\n"),
        )
        .unwrap();
    }

    /// Runs a program, with no variable of a broker.
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        let done = output(Command::new(self.python()).args(arguments));
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
        String::from_utf8(done.stdout).unwrap()
    }
}

/// A patcher that sees no variable of the machine that changes an interpreter or names a broker.
pub(crate) fn unrouted(patcher: Patcher) -> Patcher {
    let names = [
        "PYTHONPATH",
        "SANDBOX_NET_ENABLED",
        "SANDBOX_NET_BROKER_SOCKET",
    ];
    names
        .iter()
        .fold(patcher, |patcher, name| patcher.variable(name, ""))
}

/// Runs a command with no variable of a broker.
pub(crate) fn output(command: &mut Command) -> Output {
    for (name, _) in std::env::vars() {
        if name.starts_with("SANDBOX_NET_") || name.starts_with("PYTHON") {
            command.env_remove(name);
        }
    }
    command.output().unwrap()
}

/// Everything in a folder: kinds, rights, times of files, and the SHA-256 of their bytes.
pub(crate) fn tree(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut left = vec![folder.to_path_buf()];
    while let Some(next) = left.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            let about = path.symlink_metadata().unwrap();
            let mode = about.permissions().mode();
            let told = if about.is_symlink() {
                format!("link to {}", fs::read_link(&path).unwrap().display())
            } else if about.is_dir() {
                left.push(path.clone());
                format!("folder {mode:o}")
            } else {
                let hash = Sha256::digest(fs::read(&path).unwrap());
                format!(
                    "file {mode:o} {}.{} {hash:x?}",
                    about.mtime(),
                    about.mtime_nsec()
                )
            };
            found.insert(path, told);
        }
    }
    found
}

/// Asserts that two trees are the same, and names what differs.
pub(crate) fn assert_same(before: &BTreeMap<PathBuf, String>, after: &BTreeMap<PathBuf, String>) {
    for (path, told) in after {
        assert_eq!(before.get(path), Some(told), "{}", path.display());
    }
    for path in before.keys() {
        assert!(after.contains_key(path), "{} is gone", path.display());
    }
}
