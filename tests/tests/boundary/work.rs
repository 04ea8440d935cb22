//! No work of the host continues beyond a run's limits.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use sandbox_net::{
    AuditLine, AuditSink, DecisionHook, Exit, HookAnswer, HookError, HookRequest, Output, Sandbox,
    SandboxBuilder, Script,
};
use sandbox_net_tests::Servers;

/// The longest wait for something that must happen.
const GUARD: Duration = Duration::from_secs(120);

/// Compiling the interpreter, once on a machine, may take longer than any guard.
async fn build(sandbox: SandboxBuilder) -> Sandbox {
    let sandbox = sandbox.prepare().await.expect("an interpreter");
    sandbox.build().await.expect("a sandbox")
}

/// Returns the result of `work`, which must come eventually.
async fn guarded<T>(work: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(GUARD, work).await;
    done.expect("what should have ended long ago")
}

/// A writer that does not return before its other end is dropped.
struct Blocked(Receiver<()>);

impl Blocked {
    fn new() -> (Sender<()>, Self) {
        let (open, wait) = channel();
        (open, Self(wait))
    }
}

impl Write for Blocked {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.0.recv();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The runtime has one thread: whatever blocks it blocks the time limit, too.
#[tokio::test]
async fn a_writer_that_never_returns_does_not_hold_a_run_beyond_its_limit() {
    for code in [
        "while True: print('x' * 100)",
        "print('x', flush=True)",
        "print('x')",
        "import sys; sys.stderr.write('x')",
    ] {
        let (open, writer) = Blocked::new();
        let writer = Output::to(writer);
        let limited = Sandbox::builder().time_limit(Duration::from_secs(2));
        let sandbox = build(limited.stdout(writer.clone()).stderr(writer)).await;
        let outcome = guarded(sandbox.run(code)).await.expect("a run");
        assert_eq!(outcome.exit, Exit::TimeLimit, "{code}");
        assert!(outcome.truncated, "{code}");
        // The next run of the same sandbox does not hang either.
        let outcome = guarded(sandbox.run("print('x')")).await.expect("a run");
        assert_eq!(outcome.exit, Exit::TimeLimit, "{code}");
        drop(open);
    }
}

/// A slow writer that keeps everything.
#[derive(Clone, Default)]
struct Slow(Arc<Mutex<Vec<u8>>>);

impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        std::thread::sleep(Duration::from_millis(1));
        let count = bytes.len().min(1000);
        let mut kept = self.0.lock().expect("no panic");
        kept.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn what_a_program_writes_arrives_whole_and_in_order_before_its_run_ends() {
    let writer = Slow::default();
    let limited = Sandbox::builder().time_limit(GUARD);
    let sandbox = limited
        .stdout(Output::to(writer.clone()))
        .stderr(Output::to(writer.clone()));
    let sandbox = build(sandbox).await;
    let code = "import sys\nfor n in range(100):\n print('out', n, flush=True)\n \
                print('err', n, file=sys.stderr)\nsys.stdout.write('x' * 100_000)";
    let outcome = guarded(sandbox.run(code)).await.expect("a run");
    assert_eq!((outcome.exit, outcome.truncated), (Exit::Code(0), false));
    let lines: String = (0..100)
        .map(|number| format!("out {number}\nerr {number}\n"))
        .collect();
    let expected = lines + &"x".repeat(100_000);
    let kept = writer.0.lock().expect("no panic").clone();
    assert!(kept == expected.as_bytes(), "{} bytes", kept.len());
}

struct Fails(i32);

impl Write for Fails {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::Error::from_raw_os_error(self.0))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn an_error_of_a_writer_is_the_programs() {
    // EPIPE and ENOSPC of Linux.
    for (number, name) in [(32, "BrokenPipeError True"), (28, "OSError True")] {
        let sandbox = build(Sandbox::builder().stdout(Output::to(Fails(number)))).await;
        let code = "import errno, os, sys\ntry: os.write(1, b'x')\nexcept OSError as e: \
                    sys.stderr.write(f'{type(e).__name__} {e.errno in (errno.EPIPE, errno.ENOSPC)}')";
        let outcome = guarded(sandbox.run(code)).await.expect("a run");
        assert_eq!(outcome.stderr_text(), name);
    }
}

#[tokio::test]
async fn a_deadline_that_has_passed_runs_nothing() {
    let sandbox = build(Sandbox::builder().deadline(Instant::now())).await;
    let folder = tempfile::tempdir().expect("a directory");
    let script = folder.path().join("script.py");
    std::fs::write(&script, "print('ran')").expect("a file");
    for script in [Script::code("print('ran')"), Script::path(script)] {
        let outcome = guarded(sandbox.run(script)).await.expect("a run");
        assert_eq!(
            (outcome.exit, outcome.stdout),
            (Exit::TimeLimit, Vec::new())
        );
    }
}

/// Writes a wheel of this many modules, each of this many lines.
fn wheel(folder: &Path, modules: usize, lines: usize) -> PathBuf {
    let path = folder.join("large-1.0-py3-none-any.whl");
    let code = "import sys, zipfile\n\
        path, modules, lines = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])\n\
        with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as wheel:\n \
          add = lambda name, text: wheel.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)\n \
          for n in range(modules): add(f'large/m{n}.py', 'x = [1, 2]\\n' * lines)\n \
          add('large/__init__.py', '')\n \
          add('large-1.0.dist-info/METADATA', 'Metadata-Version: 2.1\\nName: large\\nVersion: 1.0\\n')\n \
          add('large-1.0.dist-info/WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n \
          add('large-1.0.dist-info/RECORD', '')\n";
    let made = Command::new("python3")
        .args(["-c", code])
        .args([
            &path.display().to_string(),
            &modules.to_string(),
            &lines.to_string(),
        ])
        .status();
    assert!(made.expect("Python").success());
    path
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compiling_packages_has_a_limit_of_its_own() {
    let folder = tempfile::tempdir().expect("a directory");
    build(Sandbox::builder()).await;
    let large = wheel(folder.path(), 4000, 1000).display().to_string();
    // The limit of runs does not apply here.
    let sandbox = Sandbox::builder().time_limit(GUARD).with_package(large);
    let limited = sandbox.preparation_limit(Duration::from_secs(2)).build();
    let error = guarded(limited).await.expect_err("a limit");
    let text = error.to_string();
    let source = std::error::Error::source(&error).map_or(String::new(), ToString::to_string);
    let said = format!("{text} {source}");
    assert!(
        said.contains("longer than the preparation limit of 2s"),
        "{said}"
    );

    let small = wheel(folder.path(), 1, 1).display().to_string();
    let sandbox = Sandbox::builder().with_package(small).prepare();
    let sandbox = guarded(sandbox).await.expect("packages");
    // The preparation is done: this limit is for runs alone.
    let limited = sandbox
        .preparation_limit(Duration::from_nanos(1))
        .time_limit(GUARD);
    let sandbox = build(limited).await;
    let outcome = guarded(sandbox.run("import large.m0; print(large.m0.x)")).await;
    let outcome = outcome.expect("a run");
    assert_eq!(
        outcome.stdout_text(),
        "[1, 2]\n",
        "{}",
        outcome.stderr_text()
    );
}

/// A hook that blocks its thread until the other end is dropped.
struct Blocking(Mutex<Receiver<()>>);

impl DecisionHook for Blocking {
    async fn decide(&self, _: &HookRequest) -> Result<HookAnswer, HookError> {
        let _ = self.0.lock().expect("no panic").recv();
        Ok(HookAnswer::allow())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hook_that_blocks_its_thread_is_denied_at_its_deadline() {
    let (open, wait) = channel();
    let sandbox = Sandbox::builder()
        .allow("http://127.0.0.1:9")
        .hook(Blocking(Mutex::new(wait)))
        .hook_deadline(Duration::from_millis(300));
    let sandbox = build(sandbox).await;
    let code = "import socket\ntry: socket.create_connection(('127.0.0.1', 9))\n\
                except PermissionError as e: print(e)";
    let outcome = guarded(sandbox.run(code)).await.expect("a run");
    // The hook has not answered yet.
    assert!(
        outcome.stdout_text().contains("did not answer in time"),
        "{outcome:?}"
    );
    drop(open);
}

/// A sink that takes this many lines, and then blocks until it is opened.
#[derive(Clone)]
struct Gate {
    free: usize,
    given: Arc<AtomicUsize>,
    is_open: Arc<(Mutex<bool>, Condvar)>,
}

impl Gate {
    fn after(free: usize) -> Self {
        Self {
            free,
            given: Arc::default(),
            is_open: Arc::default(),
        }
    }

    fn open(&self) {
        *self.is_open.0.lock().expect("no panic") = true;
        self.is_open.1.notify_all();
    }

    /// Opens it eventually, whatever happens to the test: if the sink blocks the runtime's only
    /// thread, nothing in the runtime can open it.
    fn open_after(&self, time: Duration) {
        let gate = self.clone();
        std::thread::spawn(move || {
            std::thread::sleep(time);
            gate.open();
        });
    }
}

impl AuditSink for Gate {
    fn write(&self, _: &AuditLine) -> io::Result<()> {
        if self.given.fetch_add(1, Ordering::SeqCst) >= self.free {
            let (is_open, opened) = &*self.is_open;
            let shut = opened.wait_while(is_open.lock().expect("no panic"), |it| !*it);
            drop(shut.expect("no panic"));
        }
        Ok(())
    }
}

/// Sends one request; returns the response or the exception.
fn get(url: &str) -> String {
    format!(
        "import urllib.request\ntry: print(urllib.request.urlopen('{url}').status)\n\
         except OSError as e: print(type(e).__name__)"
    )
}

/// The runtime has one thread: whatever blocks it blocks the time limit, too.
#[tokio::test]
async fn a_sink_that_never_returns_holds_no_run_beyond_its_limit_and_no_other_sandbox() {
    const SHUT: Duration = Duration::from_secs(30);
    // The lines of a request: the connection, its address, the request, and the result.
    for (free, arrived) in [(0, (0, 0)), (1, (1, 0)), (2, (1, 0)), (3, (1, 1))] {
        let servers = Servers::start().await;
        let (origin, url) = (servers.http.origin(), servers.http.origin() + "/get");
        let gate = Gate::after(free);
        let blocked = Sandbox::builder().allow(origin.as_str());
        let blocked = blocked.audit_sink(gate.clone());
        let blocked = build(blocked.time_limit(Duration::from_secs(2))).await;
        let other = build(Sandbox::builder().allow(origin.as_str()).time_limit(GUARD)).await;
        gate.open_after(SHUT);
        let start = Instant::now();
        // A first answer may have arrived: the next request waits.
        let code = get(&url) + "\nurllib.request.urlopen('" + &url + "')";
        let outcome = guarded(blocked.run(code.as_str()));
        let others = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let outcome = guarded(other.run(get(&url))).await.expect("a run");
            (outcome.stdout_text().into_owned(), start.elapsed())
        };
        let (outcome, (said, took)) = tokio::join!(outcome, others);
        let outcome = outcome.expect("a run");
        assert_eq!(outcome.exit, Exit::TimeLimit, "{free}");
        assert!(outcome.duration < Duration::from_secs(6), "{outcome:?}");
        assert_eq!(said, "200\n");
        assert!(took < SHUT, "{took:?}");
        // The other sink has one of each.
        let seen = (servers.http.connections(), servers.http.requests().len());
        assert_eq!(seen, (arrived.0 + 1, arrived.1 + 1), "{free}");
        // A lost record is not ignored: nothing is done any more.
        let outcome = guarded(blocked.run(get(&url))).await.expect("a run");
        assert!(outcome.duration < Duration::from_secs(6), "{outcome:?}");
        let seen = (servers.http.connections(), servers.http.requests().len());
        assert_eq!(seen, (arrived.0 + 1, arrived.1 + 1), "{free}");
        gate.open();
    }
}

#[tokio::test]
async fn a_run_whose_sink_blocks_can_be_dropped() {
    let servers = Servers::start().await;
    let gate = Gate::after(0);
    let sandbox = Sandbox::builder().allow(servers.http.origin());
    let sandbox = build(sandbox.audit_sink(gate.clone())).await;
    gate.open_after(Duration::from_secs(30));
    let start = Instant::now();
    let url = servers.http.origin() + "/get";
    let run = tokio::time::timeout(Duration::from_secs(1), sandbox.run(get(&url)));
    assert!(run.await.is_err());
    drop(sandbox);
    assert!(start.elapsed() < Duration::from_secs(5));
    assert_eq!(servers.http.connections(), 0);
    gate.open();
}

#[tokio::test]
async fn a_sink_that_takes_its_time_gets_every_line_and_the_program_every_answer() {
    let servers = Servers::start().await;
    let gate = Gate::after(0);
    let sandbox = Sandbox::builder().allow(servers.http.origin());
    let sandbox = build(sandbox.audit_sink(gate.clone()).time_limit(GUARD)).await;
    let url = servers.http.origin() + "/get";
    gate.open_after(Duration::from_secs(2));
    let outcome = guarded(sandbox.run(get(&url))).await.expect("a run");
    assert_eq!(outcome.stdout_text(), "200\n", "{}", outcome.stderr_text());
    assert!(outcome.duration > Duration::from_secs(1));
    // The connection, its address, the request, and the result; before `run` returned.
    assert_eq!(gate.given.load(Ordering::SeqCst), 4);
}
