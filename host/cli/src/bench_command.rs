//! The command `sandbox-net bench`: what a sandbox costs here.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use sandbox_net::python::Terminal;
use sandbox_net::{Engine, Sandbox, Script};
use tokio::process::Command;

use crate::{Failure, console, server};

const PRINT: &str = "print(1)";
const GET: &str =
    "import sys, urllib.request\nprint(urllib.request.urlopen(sys.argv[1]).read().decode())";
/// The native interpreters that are looked for, in this order.
const NATIVE: [&str; 2] = ["python3.13", "python3"];

/// Measure what sandboxes cost on this machine, beside native Python
///
/// Each number is a median. The sides take turns, so that they meet the same load.
#[derive(Args)]
pub(crate) struct Bench {
    /// Measure each row so many times
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
}

/// One workload.
struct Row {
    name: &'static str,
    code: &'static str,
    needs_server: bool,
}

const ROWS: [Row; 2] = [
    Row {
        name: "print(1)",
        code: PRINT,
        needs_server: false,
    },
    Row {
        name: "one GET with urllib, over loopback",
        code: GET,
        needs_server: true,
    },
];

impl Bench {
    pub(crate) async fn execute(
        self,
        cache_dir: Option<std::path::PathBuf>,
    ) -> Result<u8, Failure> {
        let engine = crate::engine(cache_dir, None, None, Terminal).await?;
        engine.warm().await?;
        let native = native().await;
        let origin = format!("http://{}", server::plain().await?);
        let mut measured = Vec::new();
        for row in &ROWS {
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            // The first of each side does not count.
            for run in 0..=self.runs {
                let fresh = fresh(&engine, row, &origin).await?;
                let process = match &native {
                    Some((python, _)) => Some(process(python, row, &origin).await?),
                    None => None,
                };
                if run > 0 {
                    ours.push(fresh);
                    theirs.extend(process);
                }
            }
            measured.push((row.name, median(ours), median(theirs)));
        }
        let native = native.map(|(_, version)| version);
        match self.json {
            true => console::print(&as_json(native.as_deref(), self.runs, &measured).to_string())?,
            false => console::print(&as_table(native.as_deref(), self.runs, &measured))?,
        }
        Ok(0)
    }
}

type Measured = (&'static str, Option<Duration>, Option<Duration>);

fn as_json(native: Option<&str>, runs: u32, rows: &[Measured]) -> serde_json::Value {
    let seconds = |time: Option<Duration>| time.map(|time| time.as_secs_f64());
    let rows = rows.iter().map(|(name, ours, theirs)| {
        serde_json::json!({
            "workload": name,
            "sandbox_seconds": seconds(*ours),
            "native_seconds": seconds(*theirs),
        })
    });
    serde_json::json!({
        "runs": runs,
        "native": native,
        "rows": rows.collect::<Vec<_>>(),
    })
}

fn as_table(native: Option<&str>, runs: u32, rows: &[Measured]) -> String {
    let shown = |time: Option<Duration>| {
        time.map_or("-".to_owned(), |time| {
            format!("{:.2} ms", time.as_secs_f64() * 1e3)
        })
    };
    let mut table = console::table(["workload", "a fresh sandbox", "a native process", "ratio"]);
    for (name, ours, theirs) in rows {
        let ratio = ours.zip(*theirs).map_or("-".to_owned(), |(ours, theirs)| {
            format!("{:.2}", ours.as_secs_f64() / theirs.as_secs_f64())
        });
        table.add_row([name.to_string(), shown(*ours), shown(*theirs), ratio]);
    }
    let native = native.unwrap_or("missing: there is no python3 to compare with");
    format!(
        "{}\nMedians of {runs}, in a process that runs already. Native is {native}.",
        table.trim_fmt()
    )
}

/// A sandbox of its own for a program, from its making to its drop.
async fn fresh(engine: &Engine, row: &Row, origin: &str) -> Result<Duration, Failure> {
    let start = Instant::now();
    let mut builder = Sandbox::builder().engine(engine.clone());
    if row.needs_server {
        builder = builder.allow(origin).arg(format!("{origin}/hello"));
    }
    let sandbox = builder.build().await?;
    let outcome = sandbox.run(Script::code(row.code)).await?;
    drop(sandbox);
    match outcome.exit_code() {
        0 => Ok(start.elapsed()),
        code => bail!(
            "the program of '{}' ended with {code}: {}",
            row.name,
            outcome.stderr_text()
        ),
    }
}

/// A process of its own for the same program.
async fn process(python: &str, row: &Row, origin: &str) -> Result<Duration, Failure> {
    let start = Instant::now();
    let mut command = Command::new(python);
    command.args(["-c", row.code, &format!("{origin}/hello")]);
    let output = command.stdin(Stdio::null()).output().await;
    let output = output.with_context(|| format!("can't run {python}"))?;
    match output.status.success() {
        true => Ok(start.elapsed()),
        false => bail!("{python}: {}", String::from_utf8_lossy(&output.stderr)),
    }
}

/// The native interpreter and its version.
async fn native() -> Option<(&'static str, String)> {
    for name in NATIVE {
        let asked = Command::new(name).arg("--version").output().await;
        if let Ok(output) = asked
            && output.status.success()
        {
            let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            return Some((name, version));
        }
    }
    None
}

fn median(mut times: Vec<Duration>) -> Option<Duration> {
    times.sort();
    times.get(times.len() / 2).copied()
}
