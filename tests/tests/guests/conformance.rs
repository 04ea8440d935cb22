//! The conformance component in this host and in the one in Python.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

use sandbox_net::egress::{EgressConfig, NameServers, Roots, TlsConfig, read_certificates};
use sandbox_net::policy::{Policy, Rule};
use sandbox_net_tests::{DnsServer, skip, wasmtime_py_for_hosts};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::host::{Ended, file, run};

/// The servers of `server.py`.
pub(crate) struct Servers {
    /// The component's arguments.
    pub(crate) arguments: Vec<String>,
    /// It has no name.
    dns: DnsServer,
    _python: Child,
}

impl Servers {
    /// `None` without a Python.
    pub(crate) async fn start() -> Option<Self> {
        let python = std::env::var_os("SANDBOX_NET_TEST_PYTHON");
        let python = python.unwrap_or_else(|| "python3".into());
        let started = Command::new(python)
            .arg("-B")
            .arg(file("conformance/server.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        let Ok(mut child) = started else {
            skip("there is no python3");
            return None;
        };
        let stdout = child.stdout.take().expect("a pipe");
        let mut lines = BufReader::new(stdout).lines();
        let mut arguments = vec!["unknown-name=nobody.invalid:80".to_owned()];
        while let Some(line) = lines.next_line().await.expect("its output") {
            if line == "ready" {
                break;
            }
            arguments.push(line);
        }
        Some(Self {
            arguments,
            dns: DnsServer::start().await,
            _python: child,
        })
    }

    /// What README.md asks to allow: all servers, except for the one that has to be denied.
    pub(crate) fn allowed(&self) -> Vec<String> {
        let rules = self.arguments.iter().filter_map(|argument| {
            let (name, place) = argument.split_once('=').expect("NAME=VALUE");
            let scheme = match name {
                "denied" => return None,
                "https" | "untrusted" | "expired" | "other-name" | "silent" => "https",
                _ => "http",
            };
            Some(format!("{scheme}://{place}"))
        });
        rules.collect()
    }

    fn policy(&self) -> Policy {
        let rules = self.allowed().into_iter().map(|rule| {
            let parsed: Result<Rule, _> = rule.parse();
            parsed.unwrap_or_else(|error| panic!("{rule}: {error}"))
        });
        Policy::allow(rules)
    }

    fn config(&self) -> EgressConfig {
        let root = std::fs::read(file("conformance/certificates/root.pem")).expect("the root");
        let roots = read_certificates(&root).expect("a certificate");
        let mut config = EgressConfig::new(TlsConfig::new(Roots::None, roots).expect("roots"));
        let servers = NameServers::new([self.dns.address()]).expect("a name server");
        config.resolver = std::sync::Arc::new(servers);
        config
    }

    /// Runs the component, with more arguments.
    async fn check(&self, more: &[&str], config: EgressConfig) -> Ended {
        let mut arguments = self.arguments.clone();
        arguments.extend(more.iter().map(|&argument| argument.to_owned()));
        run(
            &file("conformance/conformance.wasm"),
            &arguments,
            self.policy(),
            config,
        )
        .await
    }
}

/// The lines, without those that are ok.
fn others(ended: &Ended) -> Vec<&str> {
    let lines = ended.printed.lines();
    lines.filter(|line| !line.starts_with("ok ")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn this_host_passes_the_conformance_component() {
    let Some(servers) = Servers::start().await else {
        return;
    };
    let ended = servers.check(&[], servers.config()).await;
    let others = others(&ended);
    let [skipped @ .., counts] = others.as_slice() else {
        panic!("no counts: {}", ended.printed);
    };
    let ok = ended.printed.lines().count() - others.len();
    assert!(ok > 100, "{ok} are ok:\n{}", others.join("\n"));
    // What needs other settings of the host is in the tests below.
    for line in skipped {
        let why = [
            "there is no argument 'deadlines'",
            "there is no argument 'connections'",
        ];
        assert!(
            line.starts_with("skipped ") && why.iter().any(|why| line.ends_with(why)),
            "{}",
            others.join("\n")
        );
    }
    assert_eq!(
        *counts,
        format!("{ok} ok, 0 failed, {} skipped", skipped.len())
    );
    assert!(ended.is_ok);
    let names: BTreeSet<&str> = ended.printed.lines().collect();
    assert_eq!(
        names.len(),
        ok + others.len(),
        "each behaviour has a name of its own"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn this_host_keeps_its_deadlines_and_its_limits() {
    let Some(servers) = Servers::start().await else {
        return;
    };
    let mut config = servers.config();
    config.connect_timeout = Duration::from_secs(1);
    config.request_deadline = Duration::from_secs(1);
    config.max_connections = 3;
    let only = [
        "deadlines=1",
        "connections=3",
        "only=deadline",
        "only=limits",
    ];
    let ended = servers.check(&only, config).await;
    let others = others(&ended);
    assert_eq!(
        others,
        ["8 ok, 0 failed, 0 skipped"],
        "{}",
        others.join("\n")
    );
    assert!(ended.is_ok);
}

/// Its README.md says why without large bodies: the package passes bytes one by one.
#[tokio::test(flavor = "multi_thread")]
async fn the_host_in_python_passes_the_conformance_component() {
    let (Some(servers), Some(package)) = (Servers::start().await, wasmtime_py_for_hosts().await)
    else {
        return;
    };
    let python = std::env::var_os("SANDBOX_NET_TEST_PYTHON");
    let mut command = Command::new(python.unwrap_or_else(|| "python3".into()));
    command
        .arg("-B")
        .arg(file("hosts/python/host.py"))
        .arg(file("conformance/conformance.wasm"))
        .env("PYTHONPATH", package)
        .arg("--trust")
        .arg(file("conformance/certificates/root.pem"));
    for rule in servers.allowed() {
        command.args(["--allow", &rule]);
    }
    command.arg("--").args(&servers.arguments);
    for group in [
        "lookups",
        "connections",
        "tls",
        "requests",
        "responses",
        "errors",
        "cancel",
    ] {
        command.arg(format!("only={group}: "));
    }
    let ended = command.kill_on_drop(true).output().await.expect("a run");
    let printed = String::from_utf8_lossy(&ended.stdout).into_owned();
    let told = String::from_utf8_lossy(&ended.stderr);
    let others: Vec<&str> = printed.lines().filter(|l| !l.starts_with("ok ")).collect();
    let ok = printed.lines().count() - others.len();
    let Some((counts, skipped)) = others.split_last() else {
        panic!("no counts: {told}");
    };
    assert!(
        skipped.iter().all(|line| line.ends_with("'deadlines'")),
        "{others:#?}"
    );
    assert!(ok > 90, "{ok}");
    assert_eq!(
        *counts,
        format!("{ok} ok, 0 failed, {} skipped", skipped.len()),
        "{told}"
    );
    assert!(ended.status.success());
}
