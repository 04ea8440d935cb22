//! A broker in a process of its own, so that its memory can be measured.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use sandbox_net_broker::Broker;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};

use super::Failure;
use super::server::TestServer;

/// The first argument of such a process.
pub(crate) const WORD: &str = "broker-process";

/// A running broker.
pub(crate) struct BrokerProcess {
    child: Child,
    stdin: ChildStdin,
    pub(crate) address: SocketAddr,
    pub(crate) token: String,
    pub(crate) ca_pem: String,
}

/// The resident memory of a process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    kibibytes: u32,
}

impl Memory {
    pub(crate) fn mebibytes(self) -> f64 {
        f64::from(self.kibibytes) / 1024.0
    }
}

/// Serves until stdin ends. It tells its address, its token and its certificate.
pub(crate) async fn serve(rule: &str, ca: &str) -> Result<(), Failure> {
    let broker = Broker::builder()
        .allow(rule)
        .trust_ca_pem(std::fs::read(ca)?)
        .listen("127.0.0.1:0".parse()?)
        .build()?;
    let running = broker.start().await?;
    let mut stdout = tokio::io::stdout();
    let token = running.token().as_str();
    let text = format!(
        "{}\n{token}\n{}\n",
        running.addresses()[0],
        running.ca_pem()
    );
    stdout.write_all(text.as_bytes()).await?;
    stdout.flush().await?;
    tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
    running.shutdown().await;
    Ok(())
}

impl BrokerProcess {
    pub(crate) async fn start(server: &TestServer, ca: &Path) -> Result<Self, Failure> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(WORD)
            .arg(server.rule())
            .arg(ca)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let stdin = stdin.ok_or("the broker has no stdin")?;
        let mut lines = BufReader::new(stdout.ok_or("the broker has no stdout")?).lines();
        let mut line = async || -> Result<String, Failure> {
            let line = lines.next_line().await?;
            Ok(line.ok_or("the broker does not start")?)
        };
        let (address, token) = (line().await?.parse()?, line().await?);
        let mut ca_pem = String::new();
        while !ca_pem.contains("-----END CERTIFICATE-----") {
            ca_pem += &line().await?;
            ca_pem.push('\n');
        }
        Ok(Self {
            child,
            stdin,
            address,
            token,
            ca_pem,
        })
    }

    /// Its resident memory.
    pub(crate) fn memory(&self) -> Result<Memory, Failure> {
        let id = self.child.id().ok_or("the broker has ended")?;
        let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
        Ok(Memory {
            kibibytes: kibibytes.ok_or("the system does not tell")?,
        })
    }

    /// Ends it.
    pub(crate) async fn stop(self) -> Result<(), Failure> {
        let Self {
            mut child, stdin, ..
        } = self;
        drop(stdin);
        match child.wait().await?.success() {
            true => Ok(()),
            false => Err("the broker failed".into()),
        }
    }
}
