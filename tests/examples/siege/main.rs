//! A siege: hostile guests of every kind beside an honest one, in one process.
//!
//! `cargo run --release -p sandbox-net-tests --example siege -- SECONDS [LANES]`, such as `600 1`
//!
//! The honest guest sends one request after the other over one session: first alone, and then for
//! `SECONDS` while hostile guests run beside it, one after the other in each of `LANES` lanes. It
//! prints the honest guest's times in both phases, and the resources of the process before and after.
//! The exit code is 1 if a request of the honest guest failed, if a hostile guest got something that
//! it should not, if the 99th percentile is more than five times that alone, or if memory or
//! descriptors leak.

mod guests;
mod servers;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use sandbox_net::{Outcome, Sandbox, Script};
use serde_json::Value;

use crate::guests::{Besieger, Targets};
use crate::servers::Elsewhere;

/// How long the honest guest runs alone.
const ALONE: u64 = 20;
/// How many times larger the honest guest's 99th percentile may be beside hostile ones.
const FACTOR: f64 = 5.0;
/// How much memory may remain: the allocator keeps some of what was freed.
const LEFT: i64 = 64 << 20;

fn main() -> anyhow::Result<()> {
    let mut words = std::env::args().skip(1).peekable();
    if words.next_if_eq(servers::COMMAND).is_some() {
        return servers::serve();
    }
    let seconds = words.next().map_or(Ok(60), |word| word.parse())?;
    let lanes = words.next().map_or(Ok(1), |word| word.parse())?;
    let servers = Elsewhere::start()?;
    tokio::runtime::Runtime::new()?.block_on(siege(servers.targets, seconds, lanes))
}

async fn siege(targets: Targets, seconds: u64, lanes: usize) -> anyhow::Result<()> {
    let besiegers = Arc::new(guests::all(targets)?);
    println!("{} kinds of hostile guests, {lanes} lanes", besiegers.len());
    // Every kind once in every lane, so that everything made only once exists, and the allocator has
    // its reserve.
    for besieger in besiegers.iter() {
        let attacks = (0..lanes).map(|_| besieger.attack());
        futures_util::future::try_join_all(attacks).await?;
        println!("{}: {:?}", besieger.name(), Held::now()?);
    }
    let alone = honest(&targets, ALONE).await?;
    println!("alone:  {alone}");
    let before = Held::settled().await?;
    let (beside, attacks) = beside(&targets, &besiegers, seconds, lanes).await?;
    println!("beside: {beside}");
    let after = Held::settled().await?;
    println!("{attacks} attacks; before: {before:?}; after: {after:?}");
    judge(&alone, &beside, &before, &after)
}

/// Runs the honest guest beside hostile ones; returns its report, and how often they attacked.
async fn beside(
    targets: &Targets,
    besiegers: &Arc<Vec<Besieger>>,
    seconds: u64,
    lanes: usize,
) -> anyhow::Result<(Value, u64)> {
    let end = Instant::now() + Duration::from_secs(seconds);
    let attacking: Vec<_> = (0..lanes)
        .map(|lane| tokio::spawn(attack(Arc::clone(besiegers), lane, end)))
        .collect();
    let said = honest(targets, seconds).await?;
    let mut attacks = 0;
    for lane in attacking {
        attacks += lane.await??;
    }
    Ok((said, attacks))
}

/// Attacks until `end`, beginning with the kind of this lane.
async fn attack(besiegers: Arc<Vec<Besieger>>, lane: usize, end: Instant) -> anyhow::Result<u64> {
    let mut attacks = 0;
    let turns = besiegers.iter().cycle().skip(lane * besiegers.len() / 2);
    for besieger in turns.take_while(|_| Instant::now() < end) {
        besieger.attack().await?;
        attacks += 1;
    }
    Ok(attacks)
}

/// The honest guest's report of its requests.
async fn honest(targets: &Targets, seconds: u64) -> anyhow::Result<Value> {
    let origin = format!("http://{}", targets.http);
    let sandbox = Sandbox::builder()
        .allow(origin.as_str())
        .with_package("requests")
        .arg(format!("{origin}/bytes/1000"))
        .arg(seconds.to_string())
        .build()
        .await?;
    let outcome: Outcome = sandbox.run(Script::path(guests::program("honest"))).await?;
    if outcome.exit_code() != 0 {
        bail!("the honest guest failed: {}", outcome.stderr_text());
    }
    Ok(serde_json::from_slice(&outcome.stdout)?)
}

/// The resources of the process.
#[derive(Debug)]
struct Held {
    memory: i64,
    descriptors: usize,
}

impl Held {
    /// Its resources once everything that was closed has ended.
    async fn settled() -> anyhow::Result<Self> {
        tokio::time::sleep(Duration::from_secs(2)).await;
        Self::now()
    }

    fn now() -> anyhow::Result<Self> {
        let status = std::fs::read_to_string("/proc/self/status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = line.and_then(|line| line.trim().strip_suffix("kB"));
        let kibibytes: i64 = kibibytes.context("no VmRSS")?.trim().parse()?;
        Ok(Self {
            memory: kibibytes << 10,
            descriptors: std::fs::read_dir("/proc/self/fd")?.count(),
        })
    }
}

fn judge(alone: &Value, beside: &Value, before: &Held, after: &Held) -> anyhow::Result<()> {
    let number = |report: &Value, key: &str| report[key].as_f64().context("no number");
    let factor = number(beside, "p99_ms")? / number(alone, "p99_ms")?;
    println!("the honest guest's 99th percentile: {factor:.2} times that alone");
    if number(beside, "failed")? + number(alone, "failed")? > 0.0 {
        bail!("requests of the honest guest failed");
    }
    if factor > FACTOR {
        bail!("beyond {FACTOR} times");
    }
    if after.memory - before.memory > LEFT || after.descriptors > before.descriptors {
        bail!("memory or descriptors are left");
    }
    Ok(())
}
