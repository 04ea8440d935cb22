//! Provides the same libraries for both sides: for the sandbox from its own resolver, and for
//! native Python in a virtual environment with exactly the versions of the sandbox.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use sandbox_net::python::progress::Silent;
use sandbox_net::python::{Cache, Manifest, PackagesBuilder};
use tokio::sync::OnceCell;

use crate::native::interpreter;
use crate::{Native, Report, TestCa, sha256, skip};

/// The kind of the cache entries that hold the environments.
const KIND: &str = "test-environment";

/// The libraries, each in its newest release.
pub const LIBRARIES: &[&str] = &[
    "requests",
    "urllib3",
    "httpx[http2]",
    "httpcore",
    "httplib2",
    "aiohttp",
    "feedparser",
    "botocore",
    "websocket-client",
    "websockets",
];

/// The variables by which the libraries accept the user's certificate authority.
const TRUST: [&str; 5] = [
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "AWS_CA_BUNDLE",
    "HTTPLIB2_CA_CERTS",
];

/// Far more than any run takes: a program that hangs fails.
pub const LIMIT: Duration = Duration::from_secs(300);

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A native Python with the libraries; `None`, after [`skip`], if no index is reachable.
///
/// # Panics
///
/// When the index is reachable and the libraries still can't be installed, or as [`skip`].
pub async fn native_python() -> Option<&'static Path> {
    static PYTHON: OnceCell<Option<PathBuf>> = OnceCell::const_new();
    let make = || native_python_with(LIBRARIES);
    PYTHON.get_or_init(make).await.as_deref()
}

/// A native Python with other `packages`.
///
/// # Panics
///
/// As [`native_python`].
pub async fn native_python_with(packages: &'static [&'static str]) -> Option<PathBuf> {
    let making = tokio::task::spawn_blocking(|| environment(packages));
    match making.await.expect("no panic") {
        Ok(python) => Some(python),
        Err(why) if index_is_reached() => panic!("the packages can't be had: {why}"),
        Err(why) => {
            skip(&format!(
                "no native Python: the packages cannot be fetched: {why}"
            ));
            None
        }
    }
}

/// What `program` prints with the interpreter `python`, trusting `ca`.
///
/// # Panics
///
/// When it does not end well within [`LIMIT`].
pub async fn run_natively(
    python: &Path,
    ca: &TestCa,
    program: &str,
    arguments: impl IntoIterator<Item = String>,
) -> Report {
    let root = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(root.path(), ca.root_pem()).expect("a temporary file");
    let path = root.path().to_str().expect("a path in UTF-8");
    let native = TRUST
        .iter()
        .fold(Native::with(python, program, arguments), |native, name| {
            native.env(name, path)
        })
        // Its parser in C words some errors differently.
        .env("AIOHTTP_NO_EXTENSIONS", "1");
    let ended = tokio::time::timeout(LIMIT, native.run()).await;
    ended.expect("an end of the native run")
}

/// Makes the environment, or finds it in the cache by its pins.
fn environment(names: &[&str]) -> Result<PathBuf, Failure> {
    let cache = Cache::open(None)?;
    let manifest = Manifest::find(None)?;
    let packages = PackagesBuilder::new(&manifest, &cache);
    let packages = names
        .iter()
        .fold(packages, |packages, one| packages.with(*one))
        .build()?;
    let pins: Vec<String> = packages
        .wheels
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
        let quiet = ["--quiet", "--disable-pip-version-check"];
        let mut pip = Command::new(directory.join("bin/python"));
        run(pip.args(["-m", "pip", "install"]).args(quiet).args(&pins))?;
        Ok(())
    })?;
    Ok(directory.join("bin/python"))
}

/// Whether pip can reach an index.
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
