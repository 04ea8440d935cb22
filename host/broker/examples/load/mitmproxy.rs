//! mitmproxy doing the broker's job: it ends TLS, and refuses what one rule does not allow.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use super::Failure;

/// The rule, as mitmproxy has it.
const FILTER: &str = "from mitmproxy import http


def request(flow: http.HTTPFlow) -> None:
    if flow.request.method != \"GET\" or not flow.request.path.startswith(\"/open/\"):
        flow.response = http.Response.make(403, b\"denied\")
";

/// The longest that it may take to start.
const STARTING: Duration = Duration::from_secs(60);

/// A running mitmproxy.
pub(crate) struct Mitmproxy {
    _child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) ca_pem: String,
}

/// Where it is, if it is installed.
pub(crate) fn place() -> PathBuf {
    let home = std::env::var_os("HOME").unwrap_or_default();
    Path::new(&home).join(".cache/sandbox-net/mitmproxy/bin/mitmdump")
}

impl Mitmproxy {
    /// Starts it. It trusts the server's authority, and keeps its own files in this directory. `None` if
    /// it is not installed.
    pub(crate) async fn start(ca: &Path, directory: &Path) -> Result<Option<Self>, Failure> {
        let program = place();
        if !program.exists() {
            return Ok(None);
        }
        let filter = directory.join("filter.py");
        std::fs::write(&filter, FILTER)?;
        let address = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
        let set = |name: &str, value: &Path| format!("{name}={}", value.display());
        let child = Command::new(program)
            .args(["-q", "--listen-host", "127.0.0.1", "--listen-port"])
            .arg(address.port().to_string())
            .args(["--set", &set("confdir", directory)])
            .args(["--set", &set("ssl_verify_upstream_trusted_ca", ca)])
            .arg("-s")
            .arg(filter)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let started = async {
            while TcpStream::connect(address).await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(STARTING, started).await?;
        let ca_pem = std::fs::read_to_string(directory.join("mitmproxy-ca-cert.pem"))?;
        Ok(Some(Self {
            _child: child,
            address,
            ca_pem,
        }))
    }
}
