//! The runs of one library's tests, and the process with the servers.

use std::env;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use futures_util::future::join_all;
use sandbox_net::{DirAccess, Output, Sandbox, Script};
use sandbox_net_tests::LOOPBACK_NAMES;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::SILENCE;
use crate::environment::Environment;
use crate::outcomes::{Outcomes, Progress};
use crate::suite::{Suite, folder, requirements};

/// How often a run continues after a test in which the interpreter died.
const MOST_DEATHS: usize = 20;

/// pytest's exit codes after which every outcome is known: all good, and some bad.
const COMPLETE: [i32; 2] = [0, 1];

/// pytest's exit code without any test.
const NOTHING: i32 = 5;

/// What a program may choose of TLS.
const TLS_SETTINGS: &str = "unverified,unverified_name,own_roots,client_certificates";

/// The end of a run that hung.
const SILENT: &str = "nothing was heard of it any more";

/// Where the sandbox sees the sdist and `tests/suites/`.
const SOURCES: &str = "/sources";
const SUITES: &str = "/suites";

/// The process of `serve.py`; it ends when this is dropped.
struct Server {
    _process: Child,
    port: u16,
}

impl Server {
    async fn start(suite: &Suite, environment: &Environment) -> Self {
        let mut command = Command::new(&environment.servers);
        command
            .arg("-B")
            .arg(folder().join("serve.py"))
            .arg(&suite.library)
            .arg(&environment.sources)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        let mut process = command.spawn().expect("the process of the servers");
        let stdout = process.stdout.take().expect("it is piped");
        let mut line = String::new();
        let read = BufReader::new(stdout).read_line(&mut line).await;
        read.expect("the port of the servers");
        Self {
            _process: process,
            port: line.trim().parse().expect("the port of the servers"),
        }
    }
}

/// The variable that names a directory for the raw output of the runs.
const LOGS: &str = "SANDBOX_NET_SUITES_LOGS";

/// The output of a run so far.
#[derive(Clone)]
struct Heard {
    text: Arc<Mutex<Vec<u8>>>,
    log: Option<Arc<File>>,
}

impl Heard {
    fn of(suite: &Suite, runner: &str) -> Self {
        let log = env::var_os(LOGS).map(|directory| {
            let path =
                Path::new(&directory).join(format!("{}-{}.{runner}", suite.library, suite.part.0));
            Arc::new(File::create(&path).unwrap_or_else(|error| panic!("{path:?}: {error}")))
        });
        Self {
            text: Arc::default(),
            log,
        }
    }

    fn length(&self) -> usize {
        self.text.lock().expect("no panic").len()
    }

    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.text.lock().expect("no panic"))
    }

    /// The end of `run`, or nothing if it is silent for too long.
    async fn end_of<T>(&self, run: impl Future<Output = T>) -> Option<T> {
        let mut run = std::pin::pin!(run);
        let mut length = self.length();
        loop {
            match timeout(SILENCE, &mut run).await {
                Ok(end) => return Some(end),
                Err(_) if self.length() == length => return None,
                Err(_) => length = self.length(),
            }
        }
    }
}

impl Write for Heard {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(mut log) = self.log.as_deref() {
            log.write_all(bytes)?;
        }
        self.text.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The settings that `run_pytest.py` reads.
fn settings(suite: &Suite, server: &Server, root: &str, after: Option<&str>) -> String {
    let settings = json!({
        "library": suite.library,
        "root": root,
        "tests": suite.tests,
        "arguments": suite.arguments,
        "port": server.port,
        "part": suite.part,
        "after": after,
    });
    settings.to_string()
}

/// Runs the tests on native CPython and in the sandbox. All parts do at the same time, because much of it waits;
/// each run has its own servers.
pub(crate) async fn both(suite: &Suite, environment: &Environment) -> (Outcomes, Outcomes) {
    let part =
        async |part: Suite| tokio::join!(native(&part, environment), sandboxed(&part, environment));
    let (mut natively, mut inside) = (Outcomes::default(), Outcomes::default());
    for (outside, sandboxed) in join_all(suite.parts().map(part)).await {
        natively.replace(outside);
        inside.replace(sandboxed);
    }
    (natively, inside)
}

/// Runs the tests in the sandbox.
async fn sandboxed(suite: &Suite, environment: &Environment) -> Outcomes {
    let server = &Server::start(suite, environment).await;
    let heard = Heard::of(suite, "sandbox");
    let mut sandbox = Sandbox::builder();
    for host in LOOPBACK_NAMES {
        let host = if host.contains(':') {
            format!("[{host}]")
        } else {
            host.to_owned()
        };
        sandbox = sandbox.allow(format!("{host}:1-65535"));
        sandbox = sandbox.tls_grant(format!("{TLS_SETTINGS} {host}:1-65535"));
    }
    sandbox = sandbox
        .request_deadline(suite.deadline)
        .dir(&environment.sources, SOURCES, DirAccess::ReadOnly)
        .dir(folder(), SUITES, DirAccess::ReadOnly)
        .stdout(Output::to(heard.clone()));
    for rule in &suite.allow {
        sandbox = sandbox.allow(rule);
    }
    for requirement in requirements("requirements.txt") {
        sandbox = sandbox.with_package(requirement);
    }
    let sandbox = sandbox.build().await.expect("a sandbox");
    // Preparing the interpreter may take minutes, and does not count as silence of the tests.
    sandbox.run("").await.expect("an interpreter");
    let program = format!(
        "import sys; sys.path.insert(0, {SUITES:?}); import run_pytest; sys.exit(run_pytest.main())"
    );
    to_the_end("sandbox", &heard, async |after| {
        let settings = settings(suite, server, SOURCES, after);
        sandbox.set_env("SUITE", &settings).expect("a variable");
        let run = heard.end_of(sandbox.run(Script::code(program.as_str())));
        run.await.map_or(SILENT.to_owned(), |outcome| {
            let outcome = outcome.expect("a run of the sandbox");
            format!("{:?} {}", outcome.exit, outcome.stderr_text())
        })
    })
    .await
}

/// Runs the tests on native CPython.
async fn native(suite: &Suite, environment: &Environment) -> Outcomes {
    let server = &Server::start(suite, environment).await;
    let heard = Heard::of(suite, "native");
    let root = environment.sources.display().to_string();
    to_the_end("native", &heard, async |after| {
        // A directory of its own, as the sandbox has one.
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut command = Command::new(&environment.tests);
        command
            .arg(folder().join("run_pytest.py"))
            .env_clear()
            .env("HOME", directory.path())
            .env("TMPDIR", directory.path())
            .env("SUITE", settings(suite, server, &root, after))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        let mut process = command.spawn().expect("native Python");
        let mut stdout = process.stdout.take().expect("it is piped");
        let run = async {
            let mut buffer = vec![0; 1 << 16];
            while let Ok(length @ 1..) = stdout.read(&mut buffer).await {
                heard.clone().write_all(&buffer[..length])?;
            }
            process.wait().await
        };
        heard.end_of(run).await.map_or(SILENT.to_owned(), |status| {
            status.expect("the end of native Python").to_string()
        })
    })
    .await
}

/// Calls `run`, which reports how it ended, until all tests have run: again after each test in which
/// the interpreter died.
async fn to_the_end(
    runner: &str,
    heard: &Heard,
    run: impl AsyncFn(Option<&str>) -> String,
) -> Outcomes {
    let mut outcomes = Outcomes::default();
    let mut after: Option<String> = None;
    for _ in 0..MOST_DEATHS {
        let end = run(after.as_deref()).await;
        let text = heard.take();
        match outcomes.add(&text) {
            Progress::End(code) if COMPLETE.contains(&code) => return outcomes,
            Progress::End(NOTHING) if after.is_some() => return outcomes,
            Progress::Test(id) => {
                outcomes.insert(id.clone(), "died", end);
                after = Some(id);
            }
            Progress::End(_) | Progress::Nowhere => panic!(
                "the {runner} run ended outside of a test: {end}\n{}",
                String::from_utf8_lossy(&text)
            ),
        }
    }
    panic!("the {runner} run died {MOST_DEATHS} times");
}
