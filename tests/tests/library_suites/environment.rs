//! What both runs need, made once and kept in the cache: virtual environments and sources.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs};

use sandbox_net::python::{Cache, Error, Silent};
use sandbox_net_tests::sha256;

use crate::suite::{Suite, folder, requirements};

/// The versions of CPython to look for, newest first.
const VERSIONS: [&str; 5] = ["3.15", "3.14", "3.13", "3.12", "3.11"];

/// The kind of the cache's entries.
const KIND: &str = "library-suites";

/// What the runs of one library need on this machine.
pub(crate) struct Environment {
    /// The interpreter whose packages are those of `requirements.txt`.
    pub(crate) tests: PathBuf,
    /// The interpreter that also has the packages of `servers.txt`.
    pub(crate) servers: PathBuf,
    /// The unpacked sdist.
    pub(crate) sources: PathBuf,
}

impl Environment {
    /// Finds it in the cache, or makes it.
    pub(crate) fn prepare(suite: &Suite) -> Self {
        let cache = Cache::open(None).expect("a cache directory");
        let (python, version) = newest_python();
        let tests = virtual_environment(&cache, &python, &version, &["requirements.txt"]);
        let both = ["requirements.txt", "servers.txt"];
        let servers = virtual_environment(&cache, &python, &version, &both);
        let sources = sources(&cache, suite, &tests);
        Self {
            tests,
            servers,
            sources,
        }
    }
}

/// The newest CPython of this machine that can make virtual environments, with its version.
fn newest_python() -> (PathBuf, String) {
    let named = VERSIONS.map(|version| PathBuf::from(format!("python{version}")));
    let candidates = named.into_iter().zip(VERSIONS).flat_map(|(name, version)| {
        // On the path there may be a version manager's script without such a version.
        [name].into_iter().chain(managed(version))
    });
    for python in candidates {
        let code = "import ensurepip, sys, venv; print(sys.version)";
        let output = Command::new(&python).args(["-I", "-c", code]).output();
        if let Ok(output) = output.as_ref()
            && output.status.success()
        {
            let version = String::from_utf8_lossy(&output.stdout).into_owned();
            return (python, version);
        }
    }
    panic!("no CPython from 3.11 with ensurepip runs on this machine");
}

/// Interpreters that pyenv keeps.
fn managed(version: &str) -> Vec<PathBuf> {
    let Some(home) = env::home_dir() else {
        return Vec::new();
    };
    let Ok(listing) = fs::read_dir(home.join(".pyenv/versions")) else {
        return Vec::new();
    };
    let beginning = format!("{version}.");
    let is_wanted = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with(&beginning))
    };
    let found = listing.flatten().map(|entry| entry.path());
    let found = found.filter(is_wanted);
    found.map(|path| path.join("bin/python")).collect()
}

/// The interpreter of a virtual environment with the packages of the files `lists`.
fn virtual_environment(cache: &Cache, python: &Path, version: &str, lists: &[&str]) -> PathBuf {
    let pins: Vec<String> = lists.iter().flat_map(|list| requirements(list)).collect();
    let key = sha256(format!("{}\n{version}\n{}", python.display(), pins.join("\n")).as_bytes());
    let entry = cache.entry(KIND, &format!("venv-{}", &key[..24]));
    let made = entry.and_then(|entry| {
        entry.get_or_make(&Silent, |directory| {
            succeed(Command::new(python).args(["-m", "venv"]).arg(directory));
            // Every package is pinned, and no code of a package runs.
            let mut pip = Command::new(interpreter(directory));
            pip.args(["-m", "pip", "install", "--quiet", "--no-deps"]);
            pip.args(["--disable-pip-version-check", "--only-binary", ":all:"]);
            succeed(pip.args(&pins));
            Ok::<(), Error>(())
        })
    });
    interpreter(&made.expect("an entry of the cache"))
}

fn interpreter(directory: &Path) -> PathBuf {
    directory.join(if cfg!(windows) {
        "Scripts/python.exe"
    } else {
        "bin/python"
    })
}

/// The directory of the unpacked sdist.
fn sources(cache: &Cache, suite: &Suite, python: &Path) -> PathBuf {
    let key = format!("sdist-{}-{}", suite.library, &suite.sha256[..24]);
    let entry = cache.entry(KIND, &key);
    let made = entry.and_then(|entry| {
        entry.get_or_make(&Silent, |directory| {
            let mut fetch = Command::new(python);
            fetch.arg(folder().join("fetch_sdist.py"));
            succeed(fetch.args([&suite.sdist, &suite.sha256]).arg(directory));
            Ok::<(), Error>(())
        })
    });
    made.expect("an entry of the cache")
}

/// Runs `command`, which must succeed.
fn succeed(command: &mut Command) -> Output {
    let output = command.output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    let text = String::from_utf8_lossy(&text);
    assert!(output.status.success(), "{command:?} failed:\n{text}");
    output
}
