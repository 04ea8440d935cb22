//! `verify` tells a working installation from each broken one.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use sandbox_net_native::patch::{PACKAGE, Patcher, Report, State};

use super::installing::make_older;
use super::support::{Venv, unrouted};

/// Answers as a broker that is well, and returns its port.
fn healthy_broker() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = [0; 4096];
            let count = stream.read(&mut head).unwrap();
            let is_known = String::from_utf8_lossy(&head[..count]).contains("Bearer right");
            let status = if is_known {
                "200 OK"
            } else {
                "401 Unauthorized"
            };
            let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\n{{}}");
        }
    });
    port
}

fn with_broker(patcher: Patcher) -> Patcher {
    let port = healthy_broker().to_string();
    let patcher = patcher.variable("SANDBOX_NET_BROKER_TOKEN", "right");
    patcher.variable("SANDBOX_NET_BROKER_PORT", &port)
}

fn installed() -> (Venv, Patcher) {
    let venv = Venv::new();
    let patcher = with_broker(venv.patcher());
    patcher.install().unwrap();
    (venv, patcher)
}

fn failed(report: &Report) -> Vec<(&str, &str)> {
    let items = report
        .items
        .iter()
        .filter(|item| item.state == State::Failed);
    items
        .map(|item| (item.name.as_str(), item.text.as_str()))
        .collect()
}

/// Asserts that one item fails with this text, and that the others do not.
fn assert_fails(report: &Report, name: &str, text: &str) {
    let found = failed(report);
    assert!(!report.works());
    assert!(
        found.len() == 1 && found[0].0 == name && found[0].1.contains(text),
        "{report:#?}"
    );
}

#[test]
fn a_working_installation_is_routed_item_by_item() {
    let (_venv, patcher) = installed();
    let report = patcher.verify();
    assert!(report.works(), "{report:#?}");
    for name in [
        "socket.create_connection",
        "socket.socket.connect",
        "socket.socket.connect_ex",
        "socket.getaddrinfo",
        "asyncio",
        "http.client",
        "urllib.request",
    ] {
        assert_eq!(
            report.item(name).unwrap().state,
            State::Routed,
            "{report:#?}"
        );
    }
    for name in [
        "C libraries",
        "saved originals",
        "other programs",
        "another start",
    ] {
        assert_eq!(
            report.item(name).unwrap().state,
            State::OnlyPatched,
            "{report:#?}"
        );
    }
}

#[test]
fn proxy_variables_that_name_a_broker_change_nothing() {
    let (_venv, patcher) = installed();
    let port = healthy_broker();
    let names = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"];
    let proxy = format!("http://sandbox-net:right@127.0.0.1:{port}");
    let patcher = names
        .iter()
        .fold(patcher, |patcher, name| patcher.variable(name, &proxy));
    let report = patcher.verify();
    assert!(report.works(), "{report:#?}");
}

#[test]
fn an_interpreter_without_the_patch_fails() {
    let venv = Venv::new();
    let report = with_broker(venv.patcher()).verify();
    let names: Vec<_> = failed(&report).iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["installation", "active"]);
    assert!(
        report
            .item("installation")
            .unwrap()
            .text
            .contains("native install"),
        "{report:#?}"
    );
}

#[test]
fn a_disabled_patch_fails() {
    let (_venv, patcher) = installed();
    let report = patcher.variable("SANDBOX_NET_ENABLED", "0").verify();
    assert_fails(&report, "enabled", "SANDBOX_NET_ENABLED is '0'");
}

#[test]
fn a_sitecustomize_on_pythonpath_shadows_the_patch() {
    let Some(venv) = Venv::plain() else { return };
    let patcher = with_broker(venv.patcher());
    patcher.install().unwrap();
    let first = tempfile::tempdir().unwrap();
    fs::write(first.path().join("sitecustomize.py"), "").unwrap();
    let path = first.path().to_str().unwrap();
    let report = patcher.variable("PYTHONPATH", path).verify();
    assert_fails(&report, "active", "shadowed: '");
    assert!(
        report.item("active").unwrap().text.contains(path),
        "{report:#?}"
    );
}

#[test]
fn a_package_on_pythonpath_shadows_the_patch() {
    let (_venv, patcher) = installed();
    for text in [
        "def activate():\n    pass\ndef is_active():\n    return True\n",
        "1 / 0\n",
    ] {
        let first = tempfile::tempdir().unwrap();
        fs::create_dir(first.path().join(PACKAGE)).unwrap();
        fs::write(first.path().join(PACKAGE).join("__init__.py"), text).unwrap();
        let path = first.path().to_str().unwrap();
        let report = patcher.clone().variable("PYTHONPATH", path).verify();
        assert_fails(&report, "active", "shadowed: ");
    }
}

/// A script that runs an interpreter with an option.
fn script(venv: &Venv, option: &str) -> PathBuf {
    let path = venv.directory.path().join("wrapped");
    let text = format!(
        "#!/bin/sh\nexec '{}' {option} \"$@\"\n",
        venv.python().display()
    );
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn a_wrapper_with_an_option_that_leaves_the_patch_out_fails() {
    let (venv, _) = installed();
    let patcher = with_broker(unrouted(Patcher::new(script(&venv, "-S")).unwrap()));
    let report = patcher.verify();
    assert!(!report.works());
    let active = report.item("active").unwrap();
    assert!(
        active.state == State::Failed && active.text.contains("-S"),
        "{report:#?}"
    );
}

#[test]
fn a_wrapper_with_an_option_that_keeps_the_patch_works() {
    let (venv, _) = installed();
    let report = with_broker(unrouted(Patcher::new(script(&venv, "-I")).unwrap())).verify();
    assert!(report.works(), "{report:#?}");
}

#[test]
fn half_an_installation_fails() {
    for name in [
        "sandbox_net_native/wire.py",
        "sandbox_net_native/sockets.py",
    ] {
        let (venv, patcher) = installed();
        fs::remove_file(venv.packages().join(name)).unwrap();
        let report = patcher.verify();
        let item = report.item("installation").unwrap();
        assert!(
            item.state == State::Failed && item.text.contains("half-installed"),
            "{report:#?}"
        );
        assert!(!report.works());
    }
    let (venv, patcher) = installed();
    fs::remove_dir_all(venv.packages().join(PACKAGE)).unwrap();
    let report = patcher.verify();
    assert!(
        report
            .item("installation")
            .unwrap()
            .text
            .contains("half-installed"),
        "{report:#?}"
    );
    assert_eq!(report.item("active").unwrap().state, State::Failed);
    // An interpreter with half a patch still runs programs.
    assert_eq!(venv.run(&["-c", "print(1)"]), "1\n");
}

#[test]
fn a_changed_installation_fails() {
    let (venv, patcher) = installed();
    let path = venv.packages().join(PACKAGE).join("proxies.py");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text + "# mine\n").unwrap();
    assert_fails(
        &patcher.verify(),
        "installation",
        "changed since the installation",
    );
}

#[test]
fn an_outdated_installation_fails() {
    let (venv, patcher) = installed();
    make_older(&venv);
    assert_fails(&patcher.verify(), "installation", "outdated");
}

#[test]
fn a_broker_that_is_away_fails() {
    let (_venv, patcher) = installed();
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let report = patcher
        .variable("SANDBOX_NET_BROKER_PORT", &port.to_string())
        .verify();
    assert_fails(
        &report,
        "broker",
        &format!("127.0.0.1:{port} cannot be reached"),
    );
}

#[test]
fn a_broker_that_refuses_the_token_fails() {
    let (_venv, patcher) = installed();
    let report = patcher
        .variable("SANDBOX_NET_BROKER_TOKEN", "wrong")
        .verify();
    assert_fails(&report, "broker", "refuses the token");
}

#[test]
fn another_interpreter_than_the_one_installed_for_fails() {
    let (venv, patcher) = installed();
    let path = venv.packages().join(PACKAGE).join("manifest.json");
    let mut manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    manifest["python"] = "3.5.2".into();
    fs::write(&path, manifest.to_string()).unwrap();
    assert_fails(&patcher.verify(), "interpreter", "another interpreter");
}

#[test]
fn what_is_no_python_is_named() {
    for python in ["/no/such/python", "/bin/true"] {
        let error = Patcher::new(python).unwrap_err().to_string();
        assert!(error.contains(python), "{error}");
    }
}
