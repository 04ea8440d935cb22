//! The harness: each workload beside native CPython, and beside eryx where it can be installed.
//!
//! ```console
//! $ cargo run --release -p xtask -- bench [--runs N] [--json FILE] [--plots DIRECTORY] [WORD...]
//! ```
//!
//! The sides of a row take turns in the same run, so that they meet the same load. What counts is the
//! median; the quartiles say how far the samples lie apart. Words select the rows and curves that have one
//! of them in their names. Without `--plots` no curves are measured. The word `stages` alone measures the way
//! from a cold cache to the first output: it fetches the distribution and compiles it anew.
//!
//! The native side is `python3.13` where there is one, `python3` otherwise, or what
//! `SANDBOX_NET_BENCH_PYTHON` names, in an environment with the newest requests, httpx and aiohttp. The server
//! is in this process, on loopback, with threads of its own.

mod arguments;
mod crowds;
mod curves;
mod decisions;
mod interpreters;
mod measure;
mod plot;
mod processes;
mod report;
mod sandboxes;
mod sessions;
mod stages;

use std::num::NonZero;

use anyhow::{Result, ensure};
use sandbox_net::Engine;
use sandbox_net_tests::HttpServer;
use tokio::sync::Mutex;

use self::arguments::Arguments;
use self::interpreters::{Native, Peer};
use self::report::{Machine, Report, print, print_head};

fn main() -> Result<()> {
    let arguments = Arguments::read(std::env::args().skip(1))?;
    let runtime = tokio::runtime::Runtime::new()?;
    // The server has a runtime of its own: its times are not what is measured.
    let elsewhere = tokio::runtime::Runtime::new()?;
    let server = elsewhere.block_on(HttpServer::plain());
    runtime.block_on(measure(&arguments, &server))
}

async fn measure(arguments: &Arguments, server: &HttpServer) -> Result<()> {
    if arguments.are_only("stages") {
        return stages::print().await;
    }
    let command_line = processes::command_line()?;
    let environment = tempfile::tempdir()?;
    let native = Native::in_directory(environment.path()).await?;
    let mut report = Report::default();
    let peer = match Peer::eryx(&native).await {
        Ok((peer, version)) => {
            report.machine.peer = Some(version);
            Some(Mutex::new(peer))
        }
        Err(error) => {
            println!("skipped: the rows of eryx: {error:#}");
            report.skipped.push(format!("eryx: {error:#}"));
            None
        }
    };
    report.machine = Machine {
        processors: std::thread::available_parallelism().map_or(1, NonZero::get),
        load_before: std::fs::read_to_string("/proc/loadavg")
            .unwrap_or_default()
            .trim()
            .to_owned(),
        native: native.version.clone(),
        ..report.machine
    };
    report.print_machine();
    let engine = Engine::builder().build().await?;
    engine.warm().await?;

    print_head();
    let place = sandboxes::Place {
        engine: engine.clone(),
        server,
        native: &native,
        peer: peer.as_ref(),
        runs: arguments.runs,
    };
    for name in sandboxes::NAMES {
        if arguments.wants(name) {
            let row = place.measured(name).await?;
            print(&row);
            report.rows.push(row);
        }
    }
    if arguments.wants(sessions::TURN) {
        let row = sessions::turn(&engine, peer.as_ref(), arguments.runs).await?;
        print(&row);
        report.rows.push(row);
    }
    if arguments.wants("1,000 sandboxes that wait: time and memory") {
        for row in crowds::rows(&engine, server, 3).await? {
            print(&row);
            report.rows.push(row);
        }
    }
    for case in &processes::CASES {
        if arguments.wants(case.name) {
            let row =
                processes::measured(case, arguments.runs, &native, &command_line, server).await?;
            print(&row);
            report.rows.push(row);
        }
    }
    if arguments.wants("a decision") {
        decisions::print()?;
    }
    if let Some(directory) = &arguments.plots {
        std::fs::create_dir_all(directory)?;
        let place = curves::Place {
            engine,
            server,
            native: &native,
            command_line: &command_line,
            runs: arguments.runs,
        };
        for name in curves::NAMES {
            if arguments.wants(name) {
                let curve = place.measured(name).await?;
                plot::write(&curve, directory)?;
                println!("drew {name}.svg");
                report.curves.push(curve);
            }
        }
    }
    if let Some(path) = &arguments.json {
        report.write(path)?;
    }
    ensure!(
        !report.rows.is_empty() || !report.curves.is_empty() || arguments.wants("a decision"),
        "no row has one of these words in its name"
    );
    Ok(())
}
