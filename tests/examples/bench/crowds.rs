//! Many sandboxes that wait at once, in one process.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use sandbox_net::{Engine, RunOptions, Sandbox, Script};
use sandbox_net_tests::HttpServer;

use super::measure::{Row, Side, Unit, row};

/// How long each one waits for its response, in milliseconds.
const WAIT: u32 = 1_000;
const PROGRAM: &str = "import sys, urllib.request\n\
                       print(urllib.request.urlopen(sys.argv[1]).status)";

/// What a crowd took.
pub(super) struct Crowd {
    /// From the start of the first sandbox to the end of the last one.
    pub(super) seconds: f64,
    /// The private memory of each one while all waited.
    pub(super) bytes_each: f64,
}

/// Starts `count` sandboxes, each of which waits a second for one response, and drops them.
pub(super) async fn crowd(engine: &Engine, server: &HttpServer, count: usize) -> Result<Crowd> {
    let url = format!("{}/wait/{WAIT}", server.origin());
    let before = private_bytes()?;
    let start = Instant::now();
    let one = || async {
        let sandbox = Sandbox::builder()
            .engine(engine.clone())
            .allow(server.origin())
            .arg(&url)
            .build()
            .await?;
        let mut run = sandbox
            .start(Script::code(PROGRAM), RunOptions::new())
            .await?;
        let outcome = run.wait().await?;
        ensure!(
            outcome.stdout_text().trim() == "200",
            "a program of the crowd failed: {:?} {}",
            outcome.exit,
            outcome.stderr_text()
        );
        Ok(())
    };
    let all = futures_util::future::try_join_all((0..count).map(|_| one()));
    let peak = async {
        let mut most = 0;
        loop {
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            most = most.max(private_bytes().unwrap_or(0));
            if start.elapsed().as_millis() >= u128::from(WAIT) {
                return most;
            }
        }
    };
    let (ended, most) = tokio::join!(
        async {
            let ended = all.await;
            (ended, start.elapsed().as_secs_f64())
        },
        peak
    );
    ended.0?;
    Ok(Crowd {
        seconds: ended.1,
        bytes_each: most.saturating_sub(before) as f64 / count as f64,
    })
}

/// The rows about crowds.
pub(super) async fn rows(engine: &Engine, server: &HttpServer, runs: usize) -> Result<Vec<Row>> {
    let seconds = async || Ok(crowd(engine, server, 1_000).await?.seconds);
    let bytes = async || Ok(crowd(engine, server, 100).await?.bytes_each);
    let name = "1,000 sandboxes that each wait 1 s for a response";
    let memory = "private memory of a sandbox that waits for a response, of 100";
    Ok(vec![
        row(
            name,
            Unit::Seconds,
            runs,
            vec![Side::new("sandbox-net", seconds)],
        )
        .await?,
        row(
            memory,
            Unit::Bytes,
            runs,
            vec![Side::new("sandbox-net", bytes)],
        )
        .await?,
    ])
}

/// The memory that is this process's alone (Linux).
fn private_bytes() -> Result<u64> {
    let rollup = std::fs::read_to_string("/proc/self/smaps_rollup")?;
    let private = rollup.lines().filter(|line| line.starts_with("Private_"));
    let kib = private.map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    let sum: Option<u64> = kib.sum();
    Ok(sum.context("/proc/self/smaps_rollup is not as expected")? * 1024)
}
