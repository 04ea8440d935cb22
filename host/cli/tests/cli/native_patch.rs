//! `sandbox-net native install`, `verify`, `uninstall` and `wrapper`, with a broker as a user starts it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use super::{TOOL_ERROR, command, text};

/// A virtual environment; `None` where the machine has no Python.
fn environment(folder: &Path) -> Option<PathBuf> {
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv", "--without-pip"]).arg(folder);
    if !venv.output().is_ok_and(|done| done.status.success()) {
        eprintln!("skipped: there is no python3 that makes virtual environments");
        return None;
    }
    Some(folder.join("bin/python"))
}

fn native(python: &Path, arguments: &[&str], more: &[(String, String)]) -> Output {
    let mut native = command(&["native"]);
    native.args(arguments).arg("--python").arg(python);
    for name in ["PYTHONPATH", "SANDBOX_NET_ENABLED"] {
        native.env_remove(name);
    }
    let more = more.iter().map(|(name, value)| (name, value));
    native
        .envs(more)
        .output()
        .expect("the binary of this crate")
}

/// A broker with a token and the variables that it prints.
struct Broker {
    child: Child,
    variables: Vec<(String, String)>,
}

impl Broker {
    fn start(arguments: &[&str]) -> Broker {
        let mut broker = command(&["broker", "--listen", "127.0.0.1:0"]);
        broker
            .args(arguments)
            .env("SANDBOX_NET_BROKER_TOKEN", "t".repeat(64));
        let mut child = broker.stdout(Stdio::piped()).spawn().expect("a broker");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let mut variables = vec![("SANDBOX_NET_BROKER_TOKEN".to_owned(), "t".repeat(64))];
        while variables.len() < 3 {
            let line = lines.next().expect("more lines").expect("UTF-8");
            let set = line
                .strip_prefix("export ")
                .and_then(|set| set.split_once('='));
            if let Some((name, value)) = set.filter(|(name, _)| name.starts_with("SANDBOX_NET_")) {
                variables.push((name.to_owned(), value.to_owned()));
            }
        }
        Broker { child, variables }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn python(program: &Path, code: &str, variables: &[(String, String)]) -> String {
    let variables = variables.iter().map(|(name, value)| (name, value));
    let done = Command::new(program)
        .args(["-c", code])
        .envs(variables)
        .output();
    let done = done.expect("a Python");
    format!("{}{}", text(&done.stdout), text(&done.stderr))
}

const CONNECT: &str = "import socket; socket.create_connection(('example.com', 80))";

#[test]
fn a_patched_python_meets_the_policy_and_verify_knows() {
    let folder = tempfile::tempdir().expect("a directory");
    let Some(venv) = environment(folder.path()) else {
        return;
    };
    let installed = native(&venv, &["install"], &[]);
    assert!(
        text(&installed.stdout).starts_with("installed in '"),
        "{installed:?}"
    );
    let again = native(&venv, &["install"], &[]);
    assert!(
        text(&again.stdout).starts_with("already installed in '"),
        "{again:?}"
    );
    let broker = Broker::start(&["--allow", "https://a.test"]);
    let verified = native(&venv, &["verify"], &broker.variables);
    assert_eq!(
        verified.status.code(),
        Some(0),
        "{}",
        text(&verified.stdout)
    );
    assert!(
        text(&verified.stdout).contains("asyncio: routed: "),
        "{}",
        text(&verified.stdout)
    );
    let denied = python(&venv, CONNECT, &broker.variables);
    assert!(
        denied.contains("PermissionError: [Errno 13] sandbox-net denied example.com:80"),
        "{denied}"
    );
    let wrapper = folder.path().join("wrapper");
    let wrapped = native(
        &venv,
        &["wrapper", "-o", wrapper.to_str().expect("UTF-8")],
        &broker.variables,
    );
    assert_eq!(wrapped.status.code(), Some(0), "{wrapped:?}");
    assert_eq!(
        python(&wrapper, CONNECT, &[]),
        denied.replace(venv.to_str().unwrap_or(""), "")
    );
    let variables = broker.variables.clone();
    drop(broker);
    let refused = python(&venv, CONNECT, &variables);
    assert!(
        refused.contains("ConnectionRefusedError: [Errno 111] sandbox-net: the broker at"),
        "{refused}"
    );
    let verified = native(&venv, &["verify", "--json"], &variables);
    assert_eq!(verified.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&verified.stdout).expect("JSON");
    assert_eq!(report["works"], false);
    let removed = native(&venv, &["uninstall"], &[]);
    assert!(
        text(&removed.stdout).starts_with("removed from '"),
        "{removed:?}"
    );
    let nothing = native(&venv, &["restore"], &[]);
    assert_eq!(text(&nothing.stdout), "nothing is installed\n");
}

#[test]
fn a_python_that_is_none_is_named() {
    let output = native(Path::new("/no/such/python"), &["install"], &[]);
    assert_eq!(output.status.code(), Some(TOOL_ERROR));
    let said = text(&output.stderr);
    assert!(
        said.contains("'/no/such/python' is not a Python that can be patched"),
        "{said}"
    );
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[cfg(target_os = "linux")]
#[test]
fn in_confinement_what_is_only_patched_is_blocked_by_the_kernel() {
    let folder = tempfile::tempdir().expect("a directory");
    let Some(venv) = environment(folder.path()) else {
        return;
    };
    native(&venv, &["install"], &[]);
    let base = python(&venv, "import sys; print(sys.base_prefix, end='')", &[]);
    let own = Path::new(env!("CARGO_BIN_EXE_sandbox-net"));
    let mut confined = command(&["native", "run", "--allow", "https://a.test"]);
    for path in [
        folder.path(),
        Path::new(&base),
        own.parent().expect("a folder"),
    ] {
        confined.arg("--read").arg(path);
    }
    confined
        .arg("--")
        .arg(own)
        .args(["native", "verify", "--json", "--python"])
        .arg(&venv);
    let done = confined.output().expect("the binary of this crate");
    if done.status.code() == Some(TOOL_ERROR) {
        eprintln!("skipped: {}", text(&done.stderr));
        return;
    }
    let report: serde_json::Value = serde_json::from_slice(&done.stdout).expect("JSON");
    assert_eq!(report["works"], true, "{report:#}");
    let states: Vec<_> = report["items"].as_array().expect("items").iter().collect();
    let of = |name: &str| {
        states
            .iter()
            .find(|item| item["name"] == name)
            .map(|item| &item["state"])
    };
    for name in [
        "TCP by _socket",
        "UDP",
        "C libraries",
        "saved originals",
        "other programs",
    ] {
        assert_eq!(of(name).expect("an item"), "blocked", "{name}: {report:#}");
    }
    for name in ["asyncio", "urllib.request", "socket.create_connection"] {
        assert_eq!(of(name).expect("an item"), "routed", "{name}: {report:#}");
    }
}
