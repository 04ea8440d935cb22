//! Programs as a shell starts them: `python3 program.py` beside `sandbox-net run program.py`.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use sandbox_net_tests::HttpServer;
use tokio::process::Command;

use super::interpreters::{Native, programs};
use super::measure::{Row, Side, Unit, row};

/// What to measure of a run.
#[derive(Clone, Copy)]
pub(super) enum Measure {
    /// The whole process, from its start to its end.
    Process,
    /// The seconds that the program prints.
    Printed,
}

/// A program and what it is given.
#[derive(Clone, Copy)]
pub(super) struct Case {
    pub(super) name: &'static str,
    program: &'static str,
    path: &'static str,
    more: &'static [&'static str],
    packages: &'static [&'static str],
    measure: Measure,
}

const fn case(name: &'static str, program: &'static str, path: &'static str) -> Case {
    Case {
        name,
        program,
        path,
        more: &[],
        packages: &[],
        measure: Measure::Printed,
    }
}

impl Case {
    const fn with(self, packages: &'static [&'static str]) -> Self {
        Self { packages, ..self }
    }

    const fn more(self, more: &'static [&'static str]) -> Self {
        Self { more, ..self }
    }

    const fn process(self) -> Self {
        let measure = Measure::Process;
        Self { measure, ..self }
    }
}

pub(super) const CASES: [Case; 14] = [
    case(
        "process start to printed response, urllib",
        "first_urllib.py",
        "/get",
    )
    .process(),
    case(
        "process start to printed response, requests",
        "first_requests.py",
        "/get",
    )
    .with(&["requests"])
    .process(),
    case(
        "500 GETs over one requests.Session",
        "keep_alive.py",
        "/get",
    )
    .with(&["requests"])
    .more(&["500"]),
    case(
        "500 POSTs of 1 KiB over one requests.Session",
        "keep_alive.py",
        "/get",
    )
    .with(&["requests"])
    .more(&["500", "1024"]),
    case("64 MiB download, urllib", "download.py", "/large/64"),
    case("64 MiB upload, urllib", "upload.py", "/take").more(&["64"]),
    case(
        "asyncio.gather of 100 GETs that take 100 ms, asyncio",
        "gather.py",
        "/wait/100",
    )
    .more(&["100", "asyncio"]),
    case(
        "asyncio.gather of 1,000 GETs that take 100 ms, asyncio",
        "gather.py",
        "/wait/100",
    )
    .more(&["1000", "asyncio"]),
    case(
        "asyncio.gather of 100 GETs that take 100 ms, aiohttp",
        "gather.py",
        "/wait/100",
    )
    .with(&["aiohttp"])
    .more(&["100", "aiohttp"]),
    case(
        "one of 20,000 server-sent events, requests",
        "events.py",
        "",
    )
    .with(&["requests"])
    .more(&["requests", "rate"]),
    case("one of 20,000 server-sent events, httpx", "events.py", "")
        .with(&["httpx"])
        .more(&["httpx", "rate"]),
    case(
        "an acknowledgement and the event after it, requests",
        "events.py",
        "",
    )
    .with(&["requests"])
    .more(&["requests", "latency"]),
    case(
        "an acknowledgement and the event after it, httpx",
        "events.py",
        "",
    )
    .with(&["httpx"])
    .more(&["httpx", "latency"]),
    case("process start to the end of print(1)", "print_one.py", "").process(),
];

/// The command line that `cargo build --release` puts beside this program.
pub(super) fn command_line() -> Result<PathBuf> {
    let here = std::env::current_exe()?;
    let target = here
        .parent()
        .and_then(Path::parent)
        .context("no target directory")?;
    let binary = target.join("sandbox-net");
    match binary.is_file() {
        true => Ok(binary),
        false => bail!("build the command line first: cargo build --release -p sandbox-net-cli"),
    }
}

/// Measures one case.
pub(super) async fn measured(
    case: &Case,
    runs: usize,
    native: &Native,
    command_line: &Path,
    server: &HttpServer,
) -> Result<Row> {
    let url = server.origin() + case.path;
    let program = programs().join(case.program);
    let more = case.more.iter().copied();
    let (url, program, more) = (&url, &program, &more);
    let theirs = move || {
        let mut command = Command::new(&native.python);
        command.arg(program).arg(url).args(more.clone());
        seconds(command, case.measure)
    };
    let ours = move || {
        let mut command = Command::new(command_line);
        command.args(["run", "--allow", &server.origin()]);
        for package in case.packages {
            command.args(["--with", *package]);
        }
        command.arg(program).arg(url).args(more.clone());
        seconds(command, case.measure)
    };
    let sides = vec![
        Side::new(native.version.as_str(), theirs),
        Side::new("sandbox-net", ours),
    ];
    row(case.name, Unit::Seconds, runs, sides).await
}

/// One point of a growth curve: `growth.py` on both sides.
pub(super) struct Growth {
    pub(super) kind: &'static str,
    pub(super) size: u64,
    pub(super) runs: usize,
}

impl Growth {
    pub(super) async fn measured(
        &self,
        native: &Native,
        command_line: &Path,
        server: &HttpServer,
    ) -> Result<Row> {
        let program = programs().join("growth.py");
        let (base, size) = (server.origin(), self.size.to_string());
        let arguments = || [base.as_str(), self.kind, size.as_str()];
        let (program, base, arguments) = (&program, &base, &arguments);
        let theirs = move || {
            let mut command = Command::new(&native.python);
            command.arg(program).args(arguments());
            seconds(command, Measure::Printed)
        };
        let ours = move || {
            let mut command = Command::new(command_line);
            command.args(["run", "--allow", base]);
            command.arg(program).args(arguments());
            seconds(command, Measure::Printed)
        };
        let sides = vec![
            Side::new(native.version.as_str(), theirs),
            Side::new("sandbox-net", ours),
        ];
        row(self.kind, Unit::Seconds, self.runs, sides).await
    }
}

/// Runs a program to its end.
async fn seconds(mut command: Command, measure: Measure) -> Result<f64> {
    let start = Instant::now();
    let output = command.stdin(Stdio::null()).output().await?;
    let elapsed = start.elapsed().as_secs_f64();
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr));
    }
    match measure {
        Measure::Process => Ok(elapsed),
        Measure::Printed => Ok(String::from_utf8(output.stdout)?.trim().parse()?),
    }
}
