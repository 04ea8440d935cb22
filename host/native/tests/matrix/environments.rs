//! Virtual environments with the newest packages, in the cache outside the clone.

use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

/// Writes past the capture of tests, so that what is skipped is seen.
pub(crate) fn skipped(why: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
}

fn home() -> PathBuf {
    PathBuf::from(std::env::var_os("HOME").unwrap_or_default())
}

/// The folder of one list of requirements.
pub(crate) fn cached(kind: &str, key: &str) -> PathBuf {
    let cache = std::env::var_os("SANDBOX_NET_CACHE").map(PathBuf::from);
    let cache = cache.unwrap_or_else(|| home().join(".cache/sandbox-net"));
    let hash = Sha256::digest(key.as_bytes());
    let short: String = hash[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    cache.join("native-matrix").join(format!("{kind}-{short}"))
}

/// The interpreter of the version manager, such as `3.6`.
pub(crate) fn interpreter(version: &str) -> Option<PathBuf> {
    let prefix = format!("{version}.");
    let entries = std::fs::read_dir(home().join(".pyenv/versions")).ok()?;
    let names = entries.flatten().map(|one| one.path());
    let found = names.into_iter().find(|path| {
        path.file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with(&prefix))
    });
    found.map(|path| path.join("bin/python3"))
}

/// Makes an environment with these packages, or finds it; `None` where PyPI is out of reach.
pub(crate) fn with_packages(python: &Path, requirements: &[&str]) -> Option<PathBuf> {
    let key = format!("{}\n{}", python.display(), requirements.join("\n"));
    let folder = cached("python", &key);
    let inside = folder.join("bin/python");
    let done = folder.join("complete");
    if done.exists() {
        return Some(inside);
    }
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let made = succeeded(Command::new(python).args(["-m", "venv"]).arg(&folder))
        && succeeded(Command::new(&inside).args(["-m", "pip", "install", "-qU", "pip"]))
        && succeeded(
            Command::new(&inside)
                .args(["-m", "pip", "install", "-q"])
                .args(requirements),
        );
    if !made {
        skipped(&format!(
            "{}: the packages cannot be fetched",
            python.display()
        ));
        return None;
    }
    std::fs::write(done, "").unwrap();
    Some(inside)
}

pub(crate) fn succeeded(command: &mut Command) -> bool {
    let done = command.env_remove("PYTHONPATH").output().unwrap();
    if !done.status.success() {
        eprintln!("{}", String::from_utf8_lossy(&done.stderr));
    }
    done.status.success()
}
