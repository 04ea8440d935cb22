//! Sandboxes in a process that runs already, as a service has them.

use std::time::Instant;

use anyhow::{Result, ensure};
use sandbox_net::{Engine, Sandbox, SandboxBuilder, Script};
use sandbox_net_tests::HttpServer;
use tokio::sync::Mutex;

use super::interpreters::{Native, Peer};
use super::measure::{Row, Side, Unit, row};

const GET: &str = "import sys, urllib.request\n\
                   print(urllib.request.urlopen(sys.argv[1]).status)";
const GET_REQUESTS: &str = "import sys, requests\nprint(requests.get(sys.argv[1]).status_code)";
/// How many sandboxes one after the other, on two tasks, make a rate.
const MANY: usize = 400;

/// What the rows need.
pub(super) struct Place<'a> {
    pub(super) engine: Engine,
    pub(super) server: &'a HttpServer,
    pub(super) native: &'a Native,
    pub(super) peer: Option<&'a Mutex<Peer>>,
    pub(super) runs: usize,
}

pub(super) const NAMES: [&str; 5] = [
    "fresh sandbox, print(1), no network",
    "fresh sandbox, print(1), network",
    "fresh sandbox, one urllib GET",
    "fresh sandbox with requests, one requests.get",
    "fresh sandboxes with print(1), on two tasks",
];

impl Place<'_> {
    /// Measures the row of this name.
    pub(super) async fn measured(&self, name: &str) -> Result<Row> {
        let place = NAMES.iter().position(|one| *one == name);
        match place {
            Some(0) => self.print(name, false).await,
            Some(1) => self.print(name, true).await,
            Some(2) => self.get(name, GET, &[], "get").await,
            Some(3) => self.get(name, GET_REQUESTS, &["requests"], "").await,
            _ => self.rate(name).await,
        }
    }

    fn builder(&self, has_network: bool) -> SandboxBuilder {
        let builder = Sandbox::builder().engine(self.engine.clone());
        match has_network {
            true => builder.allow(self.server.origin()),
            false => builder,
        }
    }

    async fn print(&self, name: &str, has_network: bool) -> Result<Row> {
        let ours = move || fresh(self.builder(has_network), "print(1)", "1");
        let theirs = match has_network {
            true => "fresh_network",
            false => "fresh",
        };
        let sides = self.sides(&["print(1)"], Side::new("sandbox-net", ours), theirs);
        row(name, Unit::Seconds, self.runs * 10, sides).await
    }

    async fn get(&self, name: &str, code: &str, packages: &[&str], peers: &str) -> Result<Row> {
        let url = self.server.origin() + "/get";
        let url = &url;
        let ours = move || {
            let builder = packages
                .iter()
                .fold(self.builder(true), |builder, package| {
                    builder.with_package(*package)
                });
            fresh(builder.arg(url), code, "200")
        };
        let theirs = match peers {
            "" => String::new(),
            peers => format!("{peers} {url}"),
        };
        let sides = self.sides(&[code, url], Side::new("sandbox-net", ours), theirs);
        row(name, Unit::Seconds, self.runs * 5, sides).await
    }

    async fn rate(&self, name: &str) -> Result<Row> {
        let ours = async || {
            let start = Instant::now();
            let half = || async {
                for _ in 0..MANY / 2 {
                    fresh(self.builder(false), "print(1)", "1").await?;
                }
                Ok::<_, anyhow::Error>(())
            };
            tokio::try_join!(half(), half())?;
            Ok(MANY as f64 / start.elapsed().as_secs_f64())
        };
        let mut sides = vec![Side::new("sandbox-net", ours)];
        if let Some(peer) = self.peer {
            sides.push(Side::new("eryx", async move || {
                let each = peer.lock().await.measure(&format!("rate {MANY}")).await?;
                Ok(1.0 / each)
            }));
        }
        row(name, Unit::PerSecond, self.runs, sides).await
    }

    /// A native process, our side, and the peer's where it has this workload.
    fn sides<'b>(
        &'b self,
        program: &[&str],
        ours: Side<'b>,
        theirs: impl Into<String>,
    ) -> Vec<Side<'b>> {
        let theirs = theirs.into();
        let program: Vec<String> = program.iter().map(|&word| word.to_owned()).collect();
        let native = Side::new(format!("{}, a process", self.native.version), move || {
            let program = program.clone();
            async move { self.native.run(&program).await }
        });
        let peer = self.peer.filter(|_| !theirs.is_empty()).map(|peer| {
            Side::new("eryx", move || {
                let theirs = theirs.clone();
                async move { peer.lock().await.measure(&theirs).await }
            })
        });
        [native, ours].into_iter().chain(peer).collect()
    }
}

/// Makes a sandbox, runs `code` in it, and drops it. Returns the seconds of all that.
pub(super) async fn fresh(builder: SandboxBuilder, code: &str, expected: &str) -> Result<f64> {
    let start = Instant::now();
    let sandbox = builder.build().await?;
    let outcome = sandbox.run(Script::code(code)).await?;
    drop(sandbox);
    let took = start.elapsed().as_secs_f64();
    ensure!(
        outcome.exit_code() == 0 && outcome.stdout_text().trim() == expected,
        "the program ended otherwise: {:?} {} {}",
        outcome.exit,
        outcome.stdout_text(),
        outcome.stderr_text()
    );
    Ok(took)
}
