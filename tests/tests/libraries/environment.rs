//! The same packages for both sides: for the sandbox from its own resolver, and for native Python
//! in a virtual environment with the very versions that the sandbox has.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sandbox_net::runtime::progress::Silent;
use sandbox_net::runtime::{Cache, Manifest, PackagesBuilder};
use sandbox_net_tests::{interpreter, sha256};
use tokio::sync::OnceCell;

/// The kind of the cache entries that hold the environments.
const KIND: &str = "test-environment";

/// Packages that are used together.
#[derive(Debug)]
pub(crate) struct PackageSet {
    /// What is asked for, always in its newest release.
    pub(crate) requirements: &'static [&'static str],
    python: OnceCell<Option<PathBuf>>,
}

/// All libraries but those of [`NIQUESTS`].
pub(crate) static LIBRARIES: PackageSet = PackageSet::new(&[
    "requests",
    "urllib3",
    "httpx[http2]",
    "httpcore",
    "aiohttp",
    "feedparser",
    "botocore",
    "websocket-client",
    "websockets",
]);

/// Niquests brings a package of its own that stands in for urllib3.
pub(crate) static NIQUESTS: PackageSet = PackageSet::new(&["niquests"]);

type Failure = Box<dyn std::error::Error + Send + Sync>;

impl PackageSet {
    const fn new(requirements: &'static [&'static str]) -> Self {
        Self {
            requirements,
            python: OnceCell::const_new(),
        }
    }

    /// A native Python with the packages; `None`, and a word about it, where no index is reached.
    pub(crate) async fn native(&'static self) -> Option<&'static Path> {
        let python = self
            .python
            .get_or_init(|| async {
                let making = tokio::task::spawn_blocking(|| native(self.requirements));
                match making.await.expect("no panic") {
                    Ok(python) => Some(python),
                    Err(why) if index_is_reached() => panic!("{:?}: {why}", self.requirements),
                    Err(why) => {
                        eprintln!("skipped: {:?} can't be fetched: {why}", self.requirements);
                        None
                    }
                }
            })
            .await;
        python.as_deref()
    }
}

/// Makes the environment, or finds it in the cache by its pins.
fn native(requirements: &[&str]) -> Result<PathBuf, Failure> {
    let cache = Cache::open(None)?;
    let manifest = Manifest::find(None)?;
    let mut packages = PackagesBuilder::new(&manifest, &cache);
    for requirement in requirements {
        packages = packages.with(*requirement);
    }
    let resolved = packages.build()?.wheels;
    let pins: Vec<String> = resolved
        .iter()
        .map(|wheel| format!("{}=={}", wheel.name, wheel.version))
        .collect();
    let version = run(Command::new(interpreter()).arg("-VV"))?;
    let key = [&version.stdout[..], pins.join("\n").as_bytes()].concat();
    let entry = cache.entry(KIND, &sha256(&key))?;
    let directory = entry.get_or_make(&Silent, |directory| -> Result<(), Failure> {
        run(Command::new(interpreter())
            .args(["-m", "venv"])
            .arg(directory))?;
        let mut pip = Command::new(directory.join("bin/python"));
        pip.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ]);
        run(pip.args(&pins))?;
        Ok(())
    })?;
    Ok(directory.join("bin/python"))
}

/// Whether pip gets anything at all.
fn index_is_reached() -> bool {
    let Ok(directory) = tempfile::tempdir() else {
        return true;
    };
    let mut pip = Command::new(interpreter());
    pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--dest"]);
    run(pip.arg(directory.path()).arg("certifi")).is_ok()
}

fn run(command: &mut Command) -> Result<Output, Failure> {
    let output = command.output()?;
    match output.status.success() {
        true => Ok(output),
        false => Err(String::from_utf8_lossy(&output.stderr).into()),
    }
}
