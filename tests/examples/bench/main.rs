//! Compares the speed of `sandbox-net` with native CPython, in one run, as ratios.
//!
//! `cargo build --release && cargo run --release -p sandbox-net-tests --example bench`
//!
//! Words after `--` select the rows that have one of them in their names.
//!
//! Both sides talk to the same server on loopback. The native side is `python3` in its own
//! environment with the libraries; the sandbox is the release build of the command line, warmed up.

mod decisions;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, bail};
use sandbox_net_tests::HttpServer;

/// Measured runs of each side, after a warm-up.
const RUNS: usize = 7;
const REQUESTS: &str = "500";

/// What to measure of a run.
#[derive(Clone, Copy)]
enum Measure {
    /// The whole process, from its start to its end.
    Process,
    /// The seconds that the program prints.
    Printed,
}

struct Case {
    name: &'static str,
    program: &'static str,
    path: &'static str,
    more: &'static [&'static str],
    packages: &'static [&'static str],
    measure: Measure,
}

const CASES: [Case; 13] = [
    Case {
        name: "process start to first response, urllib",
        program: "first_urllib.py",
        path: "/get",
        more: &[],
        packages: &[],
        measure: Measure::Process,
    },
    Case {
        name: "process start to first response, requests",
        program: "first_requests.py",
        path: "/get",
        more: &[],
        packages: &["requests"],
        measure: Measure::Process,
    },
    Case {
        name: "500 GETs over one requests.Session",
        program: "keep_alive.py",
        path: "/get",
        more: &[REQUESTS],
        packages: &["requests"],
        measure: Measure::Printed,
    },
    Case {
        name: "64 MiB download, urllib",
        program: "download.py",
        path: "/large/64",
        more: &[],
        packages: &[],
        measure: Measure::Printed,
    },
    Case {
        name: "64 MiB upload, urllib",
        program: "upload.py",
        path: "/take",
        more: &["64"],
        packages: &[],
        measure: Measure::Printed,
    },
    Case {
        name: "500 POSTs of 1 KiB over one requests.Session",
        program: "keep_alive.py",
        path: "/get",
        more: &[REQUESTS, "1024"],
        packages: &["requests"],
        measure: Measure::Printed,
    },
    Case {
        name: "asyncio.gather of 100 GETs that take 100 ms, asyncio",
        program: "gather.py",
        path: "/wait/100",
        more: &["100", "asyncio"],
        packages: &[],
        measure: Measure::Printed,
    },
    Case {
        name: "asyncio.gather of 1,000 GETs that take 100 ms, asyncio",
        program: "gather.py",
        path: "/wait/100",
        more: &["1000", "asyncio"],
        packages: &[],
        measure: Measure::Printed,
    },
    Case {
        name: "asyncio.gather of 100 GETs that take 100 ms, aiohttp",
        program: "gather.py",
        path: "/wait/100",
        more: &["100", "aiohttp"],
        packages: &["aiohttp"],
        measure: Measure::Printed,
    },
    events(
        "one of 20,000 server-sent events, requests",
        &["requests", "rate"],
        &["requests"],
    ),
    events(
        "one of 20,000 server-sent events, httpx",
        &["httpx", "rate"],
        &["httpx"],
    ),
    events(
        "an acknowledgement and the event that follows it, requests",
        &["requests", "latency"],
        &["requests"],
    ),
    events(
        "an acknowledgement and the event that follows it, httpx",
        &["httpx", "latency"],
        &["httpx"],
    ),
];

/// Server-sent events, to a client and with a measure of `benchmarks/events.py`.
const fn events(
    name: &'static str,
    more: &'static [&'static str],
    packages: &'static [&'static str],
) -> Case {
    Case {
        name,
        program: "events.py",
        path: "",
        more,
        packages,
        measure: Measure::Printed,
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let server = HttpServer::plain().await;
    let environment = tempfile::tempdir()?;
    let python = native_python(environment.path())?;
    let sandbox = sandbox_net_binary()?;
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|word| name.contains(word));
    println!("| | native | sandbox-net | ratio |\n|---|---|---|---|");
    for case in CASES.iter().filter(|case| is_wanted(case.name)) {
        let url = server.origin() + case.path;
        let program = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("benchmarks")
            .join(case.program);
        let native = || {
            let mut command = Command::new(&python);
            command.arg(&program).arg(&url).args(case.more);
            command
        };
        let sandboxed = || {
            let mut command = Command::new(&sandbox);
            command.args(["run", "--allow", &server.origin()]);
            for package in case.packages {
                command.args(["--with", *package]);
            }
            command.arg(&program).arg(&url).args(case.more);
            command
        };
        // In turns, so that both run under the same load.
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for run in 0..=RUNS {
            let pair = (
                seconds(native(), case.measure)?,
                seconds(sandboxed(), case.measure)?,
            );
            if run > 0 {
                theirs.push(pair.0);
                ours.push(pair.1);
            }
        }
        let (theirs, ours) = (median(theirs), median(ours));
        println!(
            "| {} | {} | {} | {:.2} |",
            case.name,
            shown(theirs),
            shown(ours),
            ours / theirs
        );
    }
    if wanted.is_empty() {
        decisions::print()?;
    }
    Ok(())
}

fn seconds(mut command: Command, measure: Measure) -> anyhow::Result<f64> {
    let start = Instant::now();
    let output = command.stdin(Stdio::null()).output()?;
    let elapsed = start.elapsed().as_secs_f64();
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr));
    }
    match measure {
        Measure::Process => Ok(elapsed),
        Measure::Printed => Ok(String::from_utf8(output.stdout)?.trim().parse()?),
    }
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

/// Seconds in a unit with few digits.
fn shown(seconds: f64) -> String {
    match seconds {
        _ if seconds >= 0.01 => format!("{seconds:.3} s"),
        _ if seconds >= 0.001 => format!("{:.2} ms", seconds * 1e3),
        _ => format!("{:.0} µs", seconds * 1e6),
    }
}

/// A native Python with the libraries.
fn native_python(directory: &Path) -> anyhow::Result<PathBuf> {
    let made = Command::new("python3")
        .args(["-m", "venv"])
        .arg(directory)
        .status()?;
    let python = directory.join("bin/python");
    let pip = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "requests",
        "httpx",
        "aiohttp",
    ];
    if !made.success() || !Command::new(&python).args(pip).status()?.success() {
        bail!("python3 with venv and pip is needed for the comparison");
    }
    Ok(python)
}

/// The command line that `cargo build --release` puts beside this program.
fn sandbox_net_binary() -> anyhow::Result<PathBuf> {
    let here = std::env::current_exe()?;
    let target = here
        .parent()
        .and_then(Path::parent)
        .context("no target directory")?;
    let binary = target.join("sandbox-net");
    match binary.is_file() {
        true => Ok(binary),
        false => bail!("build the command line first: cargo build --release"),
    }
}
