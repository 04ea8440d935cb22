//! The runs of one library's tests, and the process that has the servers.

use std::io::{self, Write};
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use sandbox_net::{DirAccess, Exit, Output, Sandbox, Script};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::SILENCE;
use crate::environment::Environment;
use crate::outcomes::Outcomes;
use crate::suite::{Suite, folder, requirements};

/// So often a run is taken up again behind a test in which the interpreter died.
const MOST_DEATHS: usize = 20;

/// pytest's exit codes after which every outcome was told: all good, some bad, interrupted by files
/// that could not be imported, and nothing left to run.
const COMPLETE: [i32; 4] = [0, 1, 2, 5];

/// Where the sandbox sees the sdist and `tests/suites/`.
const SOURCES: &str = "/sources";
const SUITES: &str = "/suites";

/// The process of `serve.py`; it ends when this is dropped.
pub(crate) struct Server {
    _process: Child,
    port: u16,
}

impl Server {
    pub(crate) async fn start(suite: &Suite, environment: &Environment) -> Self {
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

/// What has been heard of a run.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<u8>>>);

impl Heard {
    fn length(&self) -> usize {
        self.0.lock().expect("no panic").len()
    }

    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().expect("no panic"))
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
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How one run of pytest ended.
enum End {
    Code(i32),
    Died(String),
}

/// The settings that `run_pytest.py` reads.
fn settings(suite: &Suite, server: &Server, root: &str, after: Option<&str>) -> String {
    let settings = json!({
        "library": suite.library,
        "root": root,
        "tests": suite.tests,
        "arguments": suite.arguments,
        "port": server.port,
        "after": after,
    });
    settings.to_string()
}

/// Runs the tests in the sandbox.
pub(crate) async fn sandboxed(
    suite: &Suite,
    environment: &Environment,
    server: &Server,
) -> Outcomes {
    let heard = Heard::default();
    let mut sandbox = Sandbox::builder()
        .allow("localhost:1-65535")
        .allow("127.0.0.1:1-65535")
        .allow("[::1]:1-65535")
        .dir(&environment.sources, SOURCES, DirAccess::ReadOnly)
        .dir(folder(), SUITES, DirAccess::ReadOnly)
        .stdout(Output::to(heard.clone()));
    for requirement in requirements("requirements.txt") {
        sandbox = sandbox.with_package(requirement);
    }
    let sandbox = sandbox.build().await.expect("a sandbox");
    let program = format!(
        "import sys; sys.path.insert(0, {SUITES:?}); import run_pytest; sys.exit(run_pytest.main())"
    );
    to_the_end("sandbox", &heard, async |after| {
        let settings = settings(suite, server, SOURCES, after);
        sandbox.set_env("SUITE", &settings).expect("a variable");
        let run = heard.end_of(sandbox.run(Script::code(program.as_str())));
        match run.await {
            None => End::Died("nothing was heard of it any more".to_owned()),
            Some(outcome) => match outcome.expect("a run of the sandbox").exit {
                Exit::Code(code) => End::Code(code),
                Exit::Trap(words) => End::Died(words),
                Exit::TimeLimit => unreachable!("there is no time limit"),
            },
        }
    })
    .await
}

/// Runs the tests on native CPython.
pub(crate) async fn native(suite: &Suite, environment: &Environment, server: &Server) -> Outcomes {
    let heard = Heard::default();
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
        match heard.end_of(run).await {
            None => End::Died("nothing was heard of it any more".to_owned()),
            Some(status) => match status.expect("the end of native Python").code() {
                Some(code) => End::Code(code),
                None => End::Died("a signal ended it".to_owned()),
            },
        }
    })
    .await
}

/// Calls `run` until all tests have run: behind a test in which the interpreter died, once more.
async fn to_the_end(
    runner: &str,
    heard: &Heard,
    run: impl AsyncFn(Option<&str>) -> End,
) -> Outcomes {
    let mut outcomes = Outcomes::default();
    let mut after: Option<String> = None;
    for _ in 0..MOST_DEATHS {
        let end = run(after.as_deref()).await;
        let text = heard.take();
        let unfinished = outcomes.add(&text);
        match (end, unfinished) {
            (End::Code(code), None) if COMPLETE.contains(&code) => return outcomes,
            (End::Died(why), Some(id)) => {
                outcomes.insert(id.clone(), "died", why);
                after = Some(id);
            }
            (End::Code(code), Some(id)) => {
                outcomes.insert(id.clone(), "died", format!("exit code {code}"));
                after = Some(id);
            }
            (End::Code(code), None) => panic!(
                "the {runner} run ended with {code}:\n{}",
                String::from_utf8_lossy(&text)
            ),
            (End::Died(why), None) => panic!(
                "the {runner} run died outside of a test: {why}\n{}",
                String::from_utf8_lossy(&text)
            ),
        }
    }
    panic!("the {runner} run died {MOST_DEATHS} times");
}
