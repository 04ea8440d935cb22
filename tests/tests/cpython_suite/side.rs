//! The two sides: the same test files on native CPython and inside a sandbox.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sandbox_net::{DirAccess, Output, Sandbox, Script};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::sleep;

use crate::interpreter::Interpreter;
use crate::outcome::{Begun, Results, Told};

/// How long a test may take before it is ended.
pub const TEST_LIMIT: Duration = Duration::from_secs(20);
/// How long the import of a module may take.
const IMPORT_LIMIT: Duration = Duration::from_secs(60);
/// The number of the first test.
const FIRST: &str = "FIRST_TEST";
/// The folder of the package `test`.
const TESTS: &str = "CPYTHON_TESTS";

/// A place where the tests of a module run.
pub trait Side {
    /// Runs them from the test with the number `first` on, sends the lines of stdout, and reports
    /// how it ended.
    async fn run(&self, first: usize, lines: UnboundedSender<String>) -> String;
}

/// Runs a module to its end on `side`, whatever its tests do; none takes longer than `limit`.
pub async fn results(side: &impl Side, module: &str, limit: Duration) -> Results {
    let mut results = Results::default();
    let mut first = 0;
    while let Some((begun, word, why)) = part(side, first, limit, &mut results).await {
        let Some(begun) = begun else {
            results.insert(module, word, &why);
            break;
        };
        results.insert(&begun.test, word, &why);
        first = begun.number + 1;
    }
    results
}

/// Runs until a test ends the interpreter or is ended; returns that test, or `None` at the end.
async fn part(
    side: &impl Side,
    first: usize,
    test_limit: Duration,
    results: &mut Results,
) -> Option<(Option<Begun>, &'static str, String)> {
    let (sender, mut lines) = unbounded_channel();
    let mut run = std::pin::pin!(side.run(first, sender));
    let mut report = Report::new(results);
    let mut limit = IMPORT_LIMIT;
    let how = loop {
        tokio::select! {
            biased;
            Some(line) = lines.recv() => {
                report.take(&line);
                limit = test_limit;
            }
            how = &mut run => break how,
            () = sleep(limit) => {
                return Some((report.begun, "hung", format!("no end within {limit:?}")));
            }
        }
    };
    while let Ok(line) = lines.try_recv() {
        report.take(&line);
    }
    (!report.complete).then_some((report.begun, "died", how))
}

/// The report of one run so far.
struct Report<'a> {
    results: &'a mut Results,
    begun: Option<Begun>,
    complete: bool,
}

impl<'a> Report<'a> {
    fn new(results: &'a mut Results) -> Self {
        Self {
            results,
            begun: None,
            complete: false,
        }
    }

    fn take(&mut self, line: &str) {
        match self.results.take(line) {
            Told::Begun(test) => self.begun = Some(test),
            Told::Ended => self.begun = None,
            Told::All => self.complete = true,
            Told::Nothing => {}
        }
    }
}

fn runner() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cpython/run_tests.py")
}

/// Native CPython.
pub struct Native<'a> {
    interpreter: &'a Interpreter,
    module: String,
    home: TempDir,
}

impl<'a> Native<'a> {
    /// The interpreter for `module`, in its own folder.
    pub fn new(interpreter: &'a Interpreter, module: &str) -> Self {
        Self {
            interpreter,
            module: module.to_owned(),
            home: TempDir::new().expect("a temporary folder"),
        }
    }
}

impl Side for Native<'_> {
    async fn run(&self, first: usize, lines: UnboundedSender<String>) -> String {
        let mut child = Command::new(&self.interpreter.program)
            .arg("-B")
            .arg(runner())
            .arg(&self.module)
            .current_dir(self.home.path())
            .env_clear()
            .env("HOME", self.home.path())
            .env("TMPDIR", self.home.path())
            .env(FIRST, first.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("the interpreter");
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        while let Ok(Some(line)) = stdout.next_line().await {
            let _ = lines.send(line);
        }
        child.wait().await.expect("its end").to_string()
    }
}

/// A sandbox.
pub struct Sandboxed {
    sandbox: Sandbox,
    lines: Lines,
}

/// A stdout that sends lines to the current listener.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Unread>>);

#[derive(Default)]
struct Unread {
    bytes: Vec<u8>,
    listener: Option<UnboundedSender<String>>,
}

impl Lines {
    fn go_to(&self, listener: UnboundedSender<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Unread {
            bytes: Vec::new(),
            listener: Some(listener),
        };
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut unread = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        unread.bytes.extend_from_slice(bytes);
        while let Some(end) = unread.bytes.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = unread.bytes.drain(..=end).collect();
            if let Some(listener) = &unread.listener {
                let _ = listener.send(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Sandboxed {
    /// A sandbox for `module` that sees the tests of `interpreter` and may connect to loopback.
    pub async fn new(interpreter: &Interpreter, module: &str) -> Self {
        let lines = Lines::default();
        let sandbox = Sandbox::builder()
            .allow("http://127.0.0.0/8:1-65535")
            .allow("https://127.0.0.0/8:1-65535")
            .allow("http://[::1]:1-65535")
            .allow("https://[::1]:1-65535")
            .allow("http://localhost:1-65535")
            .allow("https://localhost:1-65535")
            .dir(&interpreter.tests, "/cpython", DirAccess::ReadOnly)
            .env(TESTS, "/cpython")
            .arg(module)
            .stdout(Output::to(lines.clone()))
            .build()
            .await
            .expect("a sandbox");
        // The very first run prepares the interpreter, which takes minutes.
        let first = sandbox.run(Script::code("")).await;
        first.expect("a run of the sandbox");
        Self { sandbox, lines }
    }
}

impl Side for Sandboxed {
    async fn run(&self, first: usize, lines: UnboundedSender<String>) -> String {
        self.lines.go_to(lines);
        let set = self.sandbox.set_env(FIRST, &first.to_string());
        set.expect("a variable of the sandbox");
        let run = self.sandbox.run(Script::path(runner())).await;
        let outcome = run.expect("a run of the sandbox");
        format!("{:?}", outcome.exit)
    }
}
