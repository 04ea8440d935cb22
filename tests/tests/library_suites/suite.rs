//! One folder of `tests/suites/`: what to run.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

/// A library's `suite.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    sdist: String,
    sha256: String,
    tests: Vec<String>,
    arguments: Vec<String>,
    #[serde(default = "one")]
    parts: usize,
    deadline: u64,
    allow: Vec<String>,
}

fn one() -> usize {
    1
}

/// A library with tests.
#[derive(Clone)]
pub(crate) struct Suite {
    /// The name of its folder.
    pub(crate) library: String,
    /// Its source distribution, as `NAME==VERSION`.
    pub(crate) sdist: String,
    /// The SHA-256 of that file.
    pub(crate) sha256: String,
    /// The paths in it to pass to pytest.
    pub(crate) tests: Vec<String>,
    /// Further arguments of pytest.
    pub(crate) arguments: Vec<String>,
    /// Which part of its tests this is, from 0, and of how many.
    pub(crate) part: (usize, usize),
    /// The longest request in the sandbox, if the test does not end it earlier.
    pub(crate) deadline: Duration,
    /// What the sandbox may connect to besides loopback.
    pub(crate) allow: Vec<String>,
}

impl Suite {
    /// If not empty, only these of its tests, in one part.
    pub(crate) fn only(self, ids: Vec<String>) -> Self {
        Self {
            tests: ids,
            part: (0, 1),
            ..self
        }
    }

    /// Its parts, which run at the same time.
    pub(crate) fn parts(&self) -> impl Iterator<Item = Self> {
        let of = self.part.1;
        (0..of).map(move |number| Self {
            part: (number, of),
            ..self.clone()
        })
    }

    pub(crate) fn read(library: &str) -> Self {
        let manifest: Manifest = read_toml(&folder().join(library).join("suite.toml"));
        Self {
            library: library.to_owned(),
            sdist: manifest.sdist,
            sha256: manifest.sha256,
            tests: manifest.tests,
            arguments: manifest.arguments,
            part: (0, manifest.parts),
            deadline: Duration::from_secs(manifest.deadline),
            allow: manifest.allow,
        }
    }
}

/// `tests/suites/`.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("suites")
}

/// The file at `path`, which is part of the repository.
pub(crate) fn read_toml<T: for<'de> Deserialize<'de>>(path: &Path) -> T {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    toml::from_str(&text).unwrap_or_else(|error| panic!("{path:?}: {error}"))
}

/// The pinned requirements in the file `name`.
pub(crate) fn requirements(name: &str) -> Vec<String> {
    let path = folder().join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    let lines = text.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect()
}
