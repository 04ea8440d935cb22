//! Starts an example and talks to it.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use sandbox_net::Engine;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// Far from every limit here, also on a machine that has much else to do.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// What comes of `work`, which must not hang.
pub(crate) async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work)
        .await
        .expect("an end in time")
}

/// Compiles the interpreters, once on a machine: that takes longer than anything else here.
pub(crate) async fn prepare() {
    let engine = Engine::shared().await.expect("the default distribution");
    engine.warm().await.expect("a compiled interpreter");
}

/// Writes a Python program; returns its path.
pub(crate) fn script(folder: &Path, name: &str, code: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, code).expect("a temporary file");
    path.to_str().expect("a path in UTF-8").to_owned()
}

/// The command `program` with these arguments. It ends with the test.
pub(crate) fn command<S: AsRef<str>>(program: &str, args: &[S]) -> Command {
    let mut command = Command::new(program);
    command
        .args(args.iter().map(AsRef::as_ref))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Runs `program` to its end with `input` as its stdin.
pub(crate) async fn run<S: AsRef<str>>(program: &str, args: &[S], input: &str) -> Output {
    let mut child = command(program, args).spawn().expect("the example");
    let mut stdin = child.stdin.take().expect("it is piped");
    // An example that reads nothing may have ended.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    soon(child.wait_with_output())
        .await
        .expect("the example's end")
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// An example that goes on, and is talked to line by line.
pub(crate) struct Talk {
    child: Child,
    stdin: ChildStdin,
    stdout: Lines<BufReader<ChildStdout>>,
}

impl Talk {
    pub(crate) fn start<S: AsRef<str>>(program: &str, args: &[S]) -> Self {
        let mut command = command(program, args);
        let mut child = command.stderr(Stdio::inherit()).spawn().expect("a program");
        Self {
            stdin: child.stdin.take().expect("it is piped"),
            stdout: BufReader::new(child.stdout.take().expect("it is piped")).lines(),
            child,
        }
    }

    /// Sends it a signal, by its name.
    pub(crate) async fn signal(&self, name: &str) {
        let process = self.child.id().expect("it goes on").to_string();
        let sent = Command::new("kill").args(["-s", name, &process]).status();
        assert!(sent.await.expect("kill").success());
    }

    /// Its exit code, once it has ended.
    pub(crate) async fn end(&mut self) -> i32 {
        let status = self.child.wait().await.expect("its end");
        status.code().expect("no signal ended it")
    }

    /// The next line that it prints.
    pub(crate) async fn line(&mut self) -> String {
        let line = soon(self.stdout.next_line()).await.expect("its stdout");
        line.expect("it goes on")
    }

    pub(crate) async fn say(&mut self, line: &str) {
        let line = format!("{line}\n");
        let written = self.stdin.write_all(line.as_bytes()).await;
        written.expect("it reads");
    }
}
