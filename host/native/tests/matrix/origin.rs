//! The servers of the matrix, and a broker before them.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use sandbox_net_broker::{Broker, BrokerBuilder, RunningBroker};
use tempfile::TempDir;

/// Where the files of this folder are.
pub(crate) fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/matrix")
        .join(name)
}

/// The patch, as it is installed.
pub(crate) fn patch() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("patch")
}

/// HTTP, HTTPS and a name server, in a process of their own.
pub(crate) struct Origin {
    pub(crate) http: u16,
    pub(crate) https: u16,
    dns: u16,
    /// The CA of its certificate.
    pub(crate) ca: PathBuf,
    pub(crate) directory: TempDir,
    child: Child,
    _stdin: Option<ChildStdin>,
}

impl Origin {
    /// Serves, with the files of `files` below `/simple/` and `/repository.git/`.
    pub(crate) fn start(files: &Path) -> Origin {
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::new("python3");
        command
            .arg(file("origin.py"))
            .arg(directory.path())
            .arg(files);
        command
            .env_remove("PYTHONPATH")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let told: serde_json::Value = serde_json::from_str(&line).unwrap();
        let port = |name: &str| u16::try_from(told[name].as_u64().unwrap()).unwrap();
        Origin {
            http: port("http"),
            https: port("https"),
            dns: port("dns"),
            ca: told["ca"].as_str().unwrap().into(),
            directory,
            _stdin: child.stdin.take(),
            child,
        }
    }

    /// How many requests it got.
    pub(crate) fn seen(&self) -> u64 {
        let seen = self.directory.path().join("seen");
        std::fs::metadata(seen).unwrap().len()
    }

    /// The name server that knows the names of the tests.
    pub(crate) fn name_server(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.dns))
    }

    /// The rules that allow these names here.
    pub(crate) fn rules(&self, names: &[&str]) -> Vec<String> {
        let rule = |name| {
            [("http", self.http), ("https", self.https)]
                .map(|(scheme, port)| format!("{scheme}://{name}:{port} to 127.0.0.0/8"))
        };
        names.iter().flat_map(rule).collect()
    }

    /// Starts a broker that allows these names here, and writes its CA to a file.
    pub(crate) async fn broker(&self) -> (RunningBroker, PathBuf) {
        let rules = self.rules(&["good.test", "git.test", "none.test"]);
        let settings = Broker::builder()
            .listen("127.0.0.1:0".parse().unwrap())
            .dns_servers([self.name_server()])
            .trust_ca_pem(std::fs::read(&self.ca).unwrap());
        self.start_broker(rules.into_iter().fold(settings, BrokerBuilder::allow))
            .await
    }

    pub(crate) async fn start_broker(&self, settings: BrokerBuilder) -> (RunningBroker, PathBuf) {
        let broker = settings.build().unwrap().start().await.unwrap();
        let ca = self.directory.path().join("run-ca.pem");
        std::fs::write(&ca, broker.ca_pem()).unwrap();
        (broker, ca)
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The variables of a client of the broker, without those of proxies.
pub(crate) fn variables(broker: &RunningBroker, ca: &Path) -> Vec<(&'static str, String)> {
    let mut found = vec![("SANDBOX_NET_CA", ca.display().to_string())];
    if let Some(path) = broker.sockets().first() {
        found.push(("SANDBOX_NET_BROKER_SOCKET", path.display().to_string()));
        return found;
    }
    found.push(("SANDBOX_NET_BROKER_HOST", "127.0.0.1".to_owned()));
    found.push((
        "SANDBOX_NET_BROKER_PORT",
        broker.addresses()[0].port().to_string(),
    ));
    found.push((
        "SANDBOX_NET_BROKER_TOKEN",
        broker.token().as_str().to_owned(),
    ));
    found
}

/// The variables that `native run` sets for programs that know proxies.
pub(crate) fn proxy_variables(broker: &RunningBroker, ca: &Path) -> Vec<(String, String)> {
    let (token, address) = (broker.token().as_str(), broker.addresses()[0]);
    let proxy = format!("http://sandbox-net:{token}@{address}");
    let mut found = Vec::new();
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        found.push((name.to_owned(), proxy.clone()));
        found.push((name.to_lowercase(), proxy.clone()));
    }
    for name in [
        "SSL_CERT_FILE",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "GIT_SSL_CAINFO",
        "PIP_CERT",
        "NODE_EXTRA_CA_CERTS",
    ] {
        found.push((name.to_owned(), ca.display().to_string()));
    }
    found
}

/// Runs a command in a thread that may wait, with only these variables.
pub(crate) async fn run(mut command: Command) -> (bool, String, String) {
    let done = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        done.status.success(),
        text(&done.stdout),
        text(&done.stderr),
    )
}

/// A command with an environment of its own.
pub(crate) fn bare(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().stdin(Stdio::null());
    for name in ["PATH", "HOME", "TMPDIR"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}
