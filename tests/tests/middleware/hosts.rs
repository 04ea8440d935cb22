//! Runs components on other hosts.

use std::path::Path;

use sandbox_net_compose::{middleware, plug};
use sandbox_net_tests::{LIMIT, Node, node, wasmtime};
use tempfile::TempDir;
use tokio::process::Command;
use wit_component::ComponentEncoder;

/// The guest as a core module: it sends the requests of its arguments.
const CLIENT: &[u8] = include_bytes!("../../../guest/client/client.wasm");

/// A host that has been fetched.
pub(crate) enum Host {
    Wasmtime(&'static Path),
    Node(&'static Node),
}

impl Host {
    /// All of them that can be had.
    pub(crate) async fn all() -> Vec<Self> {
        let wasmtime = wasmtime().await.map(Self::Wasmtime);
        let node = node().await.map(Self::Node);
        wasmtime.into_iter().chain(node).collect()
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Wasmtime(_) => "wasmtime",
            Self::Node(_) => "Node",
        }
    }

    /// What a component writes: a line for each request.
    pub(crate) async fn run(&self, component: &[u8], requests: &[String]) -> Vec<String> {
        let directory = TempDir::new().expect("a temporary directory");
        let file = directory.path().join("app.wasm");
        std::fs::write(&file, component).expect("a file");
        let mut command = match self {
            Self::Wasmtime(program) => on_wasmtime(program, &file),
            Self::Node(node) => on_node(node, "run.mjs", directory.path(), &file),
        };
        lines(command.args(requests)).await
    }

    /// Does the same where several requests are answered. In a composed component jco 0.15 fails at the
    /// second response, whose handle it takes for another one; so on Node each request has a process.
    pub(crate) async fn run_answered(&self, component: &[u8], requests: &[String]) -> Vec<String> {
        let Self::Node(_) = self else {
            return self.run(component, requests).await;
        };
        let mut lines = Vec::new();
        for request in requests {
            lines.extend(self.run(component, std::slice::from_ref(request)).await);
        }
        lines
    }
}

/// What a program in JavaScript writes whose requests go through the middleware itself.
pub(crate) async fn through_middleware(
    node: &Node,
    middleware: &[u8],
    requests: &[String],
) -> Vec<String> {
    let directory = TempDir::new().expect("a temporary directory");
    let file = directory.path().join("policy.wasm");
    std::fs::write(&file, middleware).expect("a file");
    let mut command = on_node(node, "send.mjs", directory.path(), &file);
    lines(command.args(requests)).await
}

/// The guest without any policy.
pub(crate) fn client() -> Vec<u8> {
    let encoder = ComponentEncoder::default().validate(true).module(CLIENT);
    encoder.expect("a module").encode().expect("a component")
}

/// The guest under a policy file.
pub(crate) fn under(file: &str) -> Vec<u8> {
    let middleware = middleware(&[file]).expect("a policy");
    plug(&middleware, &client()).expect("a composition")
}

fn on_wasmtime(program: &Path, component: &Path) -> Command {
    let mut command = Command::new(program);
    // Names are looked up by the host; everything else of the machine stays closed.
    command.args(["run", "-C", "cache=n", "-W", "component-model-async=y"]);
    command.args(["-S", "p3,http"]).arg(component);
    command
}

/// A program finds its packages in a directory beside itself.
fn on_node(node: &Node, program: &str, directory: &Path, component: &Path) -> Command {
    let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs/middleware");
    for name in [program, "transpiled.mjs"] {
        std::fs::copy(programs.join(name), directory.join(name)).expect("a copy");
    }
    let modules = directory.join("node_modules");
    std::os::unix::fs::symlink(node.packages(), modules).expect("a link");
    let mut command = Command::new(node.program());
    command.arg(directory.join(program)).arg(component);
    command
}

async fn lines(command: &mut Command) -> Vec<String> {
    let running = command.kill_on_drop(true).output();
    let ended = tokio::time::timeout(LIMIT, running).await.expect("an end");
    let ended = ended.expect("a program");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{}: {said}", ended.status);
    let written = String::from_utf8_lossy(&ended.stdout);
    written.lines().map(str::to_owned).collect()
}
