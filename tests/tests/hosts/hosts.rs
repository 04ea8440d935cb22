//! Runs a composed component on other hosts.

use std::path::{Path, PathBuf};
use std::process::Output;

use sandbox_net_tests::{LIMIT, Node, Report, node, wasmtime, wasmtime_py};
use serde_json::{Map, Value};
use tokio::process::Command;
use tokio::sync::Mutex;

use crate::composed::Composed;

/// Compiling uses all processors and is kept: whoever comes second waits for it.
static ONE: Mutex<()> = Mutex::const_new(());

/// A host that has been fetched.
pub(crate) enum Host {
    Wasmtime(&'static Path),
    Node {
        node: &'static Node,
        /// A file of authorities that it trusts besides its own.
        authorities: Option<PathBuf>,
    },
    Python(&'static Path),
}

impl Host {
    /// All of them that can be had.
    pub(crate) async fn all() -> Vec<Self> {
        let wasmtime = wasmtime().await.map(Self::Wasmtime);
        let node = Self::node().await;
        let python = wasmtime_py().await.map(Self::Python);
        wasmtime.into_iter().chain(node).chain(python).collect()
    }

    /// Node, whose policy for components without one is `policy.mjs`.
    pub(crate) async fn node() -> Option<Self> {
        node().await.map(|node| Self::Node {
            node,
            authorities: None,
        })
    }

    /// Node, which trusts the authorities of a file as well. The other hosts have no setting for that.
    pub(crate) async fn node_that_trusts(file: &Path) -> Option<Self> {
        node().await.map(|node| Self::Node {
            node,
            authorities: Some(file.to_path_buf()),
        })
    }

    /// The command line of wasmtime, which has no policy.
    pub(crate) async fn wasmtime() -> Option<Self> {
        wasmtime().await.map(Self::Wasmtime)
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Wasmtime(_) => "wasmtime",
            Self::Node { .. } => "node",
            Self::Python(_) => "wasmtime-py",
        }
    }

    /// What a program reports that ends well.
    pub(crate) async fn run(
        &self,
        composed: &Composed,
        program: &str,
        arguments: &[String],
    ) -> Report {
        let ended = self.start(composed, program, arguments).await;
        let code = ended.status.code().unwrap_or(-1);
        Report::of_success(self.name(), code, &ended.stdout, &ended.stderr)
    }

    /// What a source text reports that ends well, with the component's own directories alone.
    pub(crate) async fn run_source(&self, composed: &Composed, source: &str) -> Report {
        let _one = ONE.lock().await;
        let mut command = self.command(composed, &composed.mounts).await;
        let ended = output(command.args(["-c", source])).await;
        let code = ended.status.code().unwrap_or(-1);
        Report::of_success(self.name(), code, &ended.stdout, &ended.stderr)
    }

    async fn command(&self, composed: &Composed, mounts: &[(PathBuf, String)]) -> Command {
        match self {
            Self::Wasmtime(wasmtime) => on_wasmtime(wasmtime, composed, mounts),
            Self::Node { node, authorities } => {
                let mut command = on_node(node, composed, mounts).await;
                if let Some(file) = authorities {
                    command.env("NODE_EXTRA_CA_CERTS", file);
                }
                command
            }
            Self::Python(package) => on_python(package, composed, mounts),
        }
    }

    /// Runs a program to its end.
    pub(crate) async fn start(
        &self,
        composed: &Composed,
        program: &str,
        arguments: &[String],
    ) -> Output {
        let mut mounts = composed.mounts.clone();
        mounts.push((programs(), "/programs".to_owned()));
        let _one = ONE.lock().await;
        let mut command = self.command(composed, &mounts).await;
        // The programs import what they share.
        let import = "import sys, runpy; sys.path.insert(0, '/programs'); del sys.argv[0]; \
                      runpy.run_path(sys.argv[0], run_name='__main__')";
        command
            .args(["-c", import])
            .arg(format!("/programs/{program}"))
            .args(arguments);
        output(&mut command).await
    }
}

fn programs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("programs")
}

fn own(name: &str) -> PathBuf {
    programs().join("hosts").join(name)
}

fn on_wasmtime(wasmtime: &Path, composed: &Composed, mounts: &[(PathBuf, String)]) -> Command {
    let mut command = Command::new(wasmtime);
    // It is compiled once, and kept by its hash.
    command.args([
        "run",
        "-C",
        "cache=y",
        "-W",
        "exceptions=y",
        "-O",
        "opt-level=0",
        "-S",
        "http,cli-exit-with-code",
    ]);
    for (host, guest) in mounts {
        command
            .arg("--dir")
            .arg(format!("{}::{guest}", host.display()));
    }
    command.arg(composed.file());
    command
}

/// A program of Node finds its packages in a directory above itself.
async fn on_node(node: &Node, composed: &Composed, mounts: &[(PathBuf, String)]) -> Command {
    let directory = composed.directory.join("node");
    if !directory.exists() {
        let making = tempfile::tempdir_in(&composed.directory).expect("a directory");
        let place = making.path();
        for name in ["transpile.mjs", "run.mjs", "policy.mjs"] {
            std::fs::copy(own(name), place.join(name)).expect("a copy");
        }
        let modules = place.join("node_modules");
        std::os::unix::fs::symlink(node.packages(), modules).expect("a link");
        let mut transpile = Command::new(node.program());
        transpile
            .arg(place.join("transpile.mjs"))
            .arg(composed.file())
            .arg(place.join("app"));
        let ended = output(&mut transpile).await;
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success(), "jco: {said}");
        // Another process may have been quicker.
        let _ = std::fs::rename(place, &directory);
    }
    let mut command = Command::new(node.program());
    command
        .arg(directory.join("run.mjs"))
        .arg(directory.join("app"))
        .arg(json(mounts));
    command
}

fn on_python(package: &Path, composed: &Composed, mounts: &[(PathBuf, String)]) -> Command {
    let mut command = Command::new("python3");
    command
        .env("PYTHONPATH", package)
        .arg("-B")
        .arg(own("run.py"));
    command
        .arg(composed.file())
        .arg(composed.directory.join("app.cwasm"))
        .arg(json(mounts));
    command
}

fn json(mounts: &[(PathBuf, String)]) -> String {
    let pairs = mounts.iter().map(|(host, guest)| {
        let host = host.to_str().expect("a path in UTF-8");
        (guest.clone(), Value::from(host))
    });
    Value::Object(Map::from_iter(pairs)).to_string()
}

async fn output(command: &mut Command) -> Output {
    let running = command.kill_on_drop(true).output();
    let ended = tokio::time::timeout(LIMIT, running).await.expect("an end");
    ended.expect("a program")
}
