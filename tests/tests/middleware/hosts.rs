//! Runs components on other hosts.

use std::path::Path;

use sandbox_net_compose::{Wasi, confine};
use sandbox_net_tests::{LIMIT, Node, node, wasmtime};
use tempfile::TempDir;
use tokio::process::Command;
use wit_component::ComponentEncoder;

/// The guests as core modules: they send the requests of their arguments.
const CLIENT_P2: &[u8] = include_bytes!("../../../guest/client-p2/client_p2.wasm");
const CLIENT_P3: &[u8] = include_bytes!("../../../guest/client/client.wasm");

/// A host that has been fetched, with a version of WASI.
pub(crate) struct Host {
    program: Program,
    pub(crate) wasi: Wasi,
}

#[derive(Clone, Copy)]
enum Program {
    Wasmtime(&'static Path),
    Node(&'static Node),
}

impl Host {
    /// All of them that can be had.
    pub(crate) async fn all() -> Vec<Self> {
        let wasmtime = wasmtime().await.map(Program::Wasmtime);
        let node = node().await.map(Program::Node);
        let programs = wasmtime.into_iter().chain(node);
        let hosts = programs.flat_map(|program| Wasi::ALL.map(|wasi| Self { program, wasi }));
        hosts.collect()
    }

    pub(crate) fn name(&self) -> &'static str {
        match (self.program, self.wasi) {
            (Program::Wasmtime(_), Wasi::P2) => "wasmtime 0.2",
            (Program::Wasmtime(_), Wasi::P3) => "wasmtime 0.3",
            (Program::Node(_), Wasi::P2) => "Node 0.2",
            (Program::Node(_), Wasi::P3) => "Node 0.3",
        }
    }

    /// The guest without any policy.
    pub(crate) fn client(&self) -> Vec<u8> {
        client(self.wasi)
    }

    /// The guest under a policy file.
    pub(crate) fn under(&self, file: &str) -> Vec<u8> {
        under(self.wasi, file)
    }

    /// What a component writes: a line for each request.
    pub(crate) async fn run(&self, component: &[u8], requests: &[String]) -> Vec<String> {
        let directory = TempDir::new().expect("a temporary directory");
        let file = directory.path().join("app.wasm");
        std::fs::write(&file, component).expect("a file");
        let mut command = match (self.program, self.wasi) {
            (Program::Wasmtime(program), wasi) => on_wasmtime(program, wasi, &file),
            (Program::Node(node), Wasi::P2) => on_node(node, "run_p2.mjs", directory.path(), &file),
            (Program::Node(node), Wasi::P3) => on_node(node, "run.mjs", directory.path(), &file),
        };
        lines(command.args(requests)).await
    }

    /// Does the same where several requests are answered. In a composed component of WASI 0.3 jco 0.15 fails at the
    /// second response, whose handle it takes for another one; so there each request has a process.
    pub(crate) async fn run_answered(&self, component: &[u8], requests: &[String]) -> Vec<String> {
        let (Program::Node(_), Wasi::P3) = (self.program, self.wasi) else {
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

/// The guest of this version of WASI without any policy.
pub(crate) fn client(wasi: Wasi) -> Vec<u8> {
    component(match wasi {
        Wasi::P2 => CLIENT_P2,
        Wasi::P3 => CLIENT_P3,
    })
}

/// The component of a core module.
pub(crate) fn component(module: &[u8]) -> Vec<u8> {
    let encoder = ComponentEncoder::default().validate(true).module(module);
    encoder.expect("a module").encode().expect("a component")
}

/// The guest under a policy file.
pub(crate) fn under(wasi: Wasi, file: &str) -> Vec<u8> {
    confine(&[file], &client(wasi)).expect("a composition")
}

pub(crate) fn on_wasmtime(program: &Path, wasi: Wasi, component: &Path) -> Command {
    let mut command = Command::new(program);
    // Names are looked up by the host; everything else of the machine stays closed.
    command.args(["run", "-C", "cache=n"]);
    command.args(match wasi {
        Wasi::P2 => &["-S", "http"][..],
        Wasi::P3 => &["-W", "component-model-async=y", "-S", "p3,http"],
    });
    command.arg(component);
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

pub(crate) async fn lines(command: &mut Command) -> Vec<String> {
    let running = command.kill_on_drop(true).output();
    let ended = tokio::time::timeout(LIMIT, running).await.expect("an end");
    let ended = ended.expect("a program");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{}: {said}", ended.status);
    let written = String::from_utf8_lossy(&ended.stdout);
    written.lines().map(str::to_owned).collect()
}
