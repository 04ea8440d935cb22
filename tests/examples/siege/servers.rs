//! The servers, in their own process: their records for tests, and what hostile guests do to the
//! sandboxes' runtime, are not measured.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use anyhow::Context;
use sandbox_net_tests::{DnsServer, HttpServer, RawServer};

use crate::guests::Targets;

/// The argument that makes this program run the servers.
pub(crate) const COMMAND: &str = "serve";

/// The other process, which ends when this value is dropped.
pub(crate) struct Elsewhere {
    pub(crate) targets: Targets,
    process: Child,
}

impl Elsewhere {
    /// Starts it.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg(COMMAND)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut lines = BufReader::new(process.stdout.take().context("no output")?).lines();
        let mut address = || -> anyhow::Result<SocketAddr> {
            Ok(lines.next().context("the servers ended")??.parse()?)
        };
        Ok(Self {
            targets: Targets {
                http: address()?,
                raw: address()?,
                dns: address()?,
            },
            process,
        })
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Serves until the other process has ended.
pub(crate) fn serve() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let servers = runtime.block_on(async {
        let http = HttpServer::plain().await;
        (http, RawServer::start().await, DnsServer::start().await)
    });
    println!("{}", servers.0.address());
    println!("{}", servers.1.address());
    println!("{}", servers.2.address());
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
