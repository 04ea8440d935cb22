//! However a run ends, nothing of it stays: no descriptor, no directory, no task, no thread.
//!
//! The only test of its binary, because it counts what the process has.

use std::time::{Duration, Instant};

use sandbox_net::{
    Engine, Error, ForkOptions, HookAnswer, HookError, HookRequest, Output, RunOptions, Sandbox,
    Session, Stdin,
};
use sandbox_net_tests::Servers;

/// Far from every limit here.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a process has: open descriptors, threads, tasks of this runtime, directories of sandboxes.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
struct Held {
    descriptors: usize,
    threads: usize,
    tasks: usize,
    directories: usize,
    /// Mappings of frozen memory.
    memories: usize,
}

fn count(directory: &std::path::Path) -> usize {
    std::fs::read_dir(directory).map_or(0, Iterator::count)
}

fn held(temporary: &std::path::Path) -> Held {
    Held {
        descriptors: count("/proc/self/fd".as_ref()),
        threads: count("/proc/self/task".as_ref()),
        tasks: tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks(),
        directories: count(temporary),
        memories: std::fs::read_to_string("/proc/self/maps")
            .unwrap()
            .matches("memfd:sandbox-net memory")
            .count(),
    }
}

async fn soon<T>(work: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(PATIENCE, work).await;
    done.expect("an end in time")
}

/// Panics at `/panic`, fails at `/fail`, holds its thread at `/block`, and never answers at `/never`.
async fn hook(request: HookRequest) -> Result<HookAnswer, HookError> {
    match request.path.as_deref() {
        Some(b"/panic") => panic!("the hook's own fault"),
        Some(b"/fail") => Err("no answer today".into()),
        Some(b"/block") => {
            std::thread::sleep(Duration::from_millis(300));
            Ok(HookAnswer::allow())
        }
        Some(b"/never") => std::future::pending().await,
        _ => Ok(HookAnswer::allow()),
    }
}

/// Runs that end in every way.
async fn every_end(engine: &Engine, servers: &Servers) {
    let piped = || {
        RunOptions::new()
            .stdin(Stdin::Piped)
            .stdout(Output::Piped)
            .stderr(Output::Piped)
            .unbuffered()
    };
    let builder = || Sandbox::builder().engine(engine.clone());
    let flood = "while True: print('x' * 1000)";

    let sandbox = builder().build().await.unwrap();
    // Nobody reads, and nobody waits.
    drop(sandbox.start(flood, piped()).await.unwrap());
    // Nobody reads until the time is over.
    let options = piped().time_limit(Duration::from_millis(500));
    let mut run = sandbox.start(flood, options).await.unwrap();
    let unread = (run.stdout(), run.stderr());
    soon(run.wait()).await.unwrap();
    drop(unread);
    // A slow reader, who then goes away.
    let mut run = sandbox.start(flood, piped()).await.unwrap();
    let mut stdout = run.stdout().unwrap();
    for _ in 0..3 {
        soon(stdout.next()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop(stdout);
    soon(run.wait()).await.unwrap();
    // Ended by its embedder, in the middle of a wait for input.
    let mut run = sandbox.start("input()", piped()).await.unwrap();
    let stdin = run.stdin();
    run.kill();
    soon(run.wait()).await.unwrap();
    drop(stdin);
    // A start that is given up, and options that are refused.
    let _ = tokio::time::timeout(Duration::ZERO, sandbox.start(flood, piped())).await;
    for refused in [piped().time_limit(Duration::ZERO), piped().memory_limit(1)] {
        sandbox.start(flood, refused).await.unwrap_err();
    }
    // Files that are dropped with the sandbox, under a run that outlives it.
    sandbox.write_file("/home/a/b/c", "x").await.unwrap();
    let fork = sandbox.fork().await.unwrap();
    let outliving = fork.start(flood, piped()).await.unwrap();
    drop(fork);
    drop(outliving);
    soon(sandbox.close()).await.unwrap();

    // A hook that panics, fails, blocks or never answers, and a program that gives up.
    let sandbox = builder()
        .allow(servers.http.origin())
        .hook(hook)
        .hook_deadline(Duration::from_secs(2))
        .build()
        .await
        .unwrap();
    let code = "import sys, urllib.request\nfor path in '/panic', '/fail', '/block', '/never', '/get':\n    \
                try:\n        urllib.request.urlopen(sys.argv[1] + path, timeout=1).read()\n    except \
                OSError:\n        pass";
    let options = RunOptions::new().arg(servers.http.origin());
    let mut run = sandbox.start(code, options).await.unwrap();
    let records = run.records();
    soon(run.wait()).await.unwrap();
    drop(records);
    // A request is under way when the run is dropped.
    let options = RunOptions::new().arg(servers.http.origin() + "/slow");
    let code = "import sys, urllib.request; urllib.request.urlopen(sys.argv[1])";
    let run = sandbox.start(code, options).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    drop(run);
    soon(sandbox.close()).await.unwrap();
}

/// Forks of sessions that end in every order, and some that are never made.
async fn every_fork(engine: &Engine) {
    let sandbox = Sandbox::builder()
        .engine(engine.clone())
        .build()
        .await
        .unwrap();
    let mut session = sandbox.session().await.unwrap();
    let code = "x = bytearray(8 << 20); file = open('/home/file', 'w'); file.write('x') and None";
    session.exec(code).await.unwrap();
    let mut forks = session.fork_many(3, ForkOptions::new()).await.unwrap();
    for fork in &mut forks {
        fork.exec("x[0] = 1; more = bytearray(4 << 20)")
            .await
            .unwrap();
    }
    let mut grandchild = forks[0].fork().await.unwrap();
    grandchild.exec("x[1] = 1").await.unwrap();
    // Given up, in the middle or before.
    for micros in [0, 300, 3000] {
        let limit = Duration::from_micros(micros);
        let given_up = tokio::time::timeout(limit, session.fork()).await;
        drop(given_up);
    }
    let directory = tempfile::tempdir().unwrap();
    let saved = directory.path().join("saved");
    session.save(&saved).await.unwrap();
    let loaded = Session::load(&sandbox, &saved).await.unwrap();
    let last = forks.pop();
    drop((session, loaded));
    soon(sandbox.close()).await.unwrap();
    drop(forks);
    soon(last.unwrap().close()).await.unwrap();
    grandchild.exec("exit()").await.unwrap();
}

/// In a process of its own, with a temporary directory of its own.
#[test]
fn nothing_stays_of_a_run_however_it_ends() {
    let temporary = tempfile::tempdir().unwrap();
    let this = std::env::current_exe().unwrap();
    let counting = std::process::Command::new(this)
        .args(["--exact", "--ignored", "--nocapture", "counts"])
        .env("TMPDIR", temporary.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&counting.stderr);
    assert!(counting.status.success(), "{said}");
    let passed = String::from_utf8_lossy(&counting.stdout).contains("1 passed");
    assert!(passed, "it has counted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "counts what its whole process has"]
async fn counts() {
    let temporary = std::env::temp_dir();
    let engine = Engine::builder()
        .max_running(4)
        .max_waiting(0)
        .build()
        .await
        .unwrap();
    engine.warm().await.unwrap();
    let servers = Servers::start().await;
    // What is made once in a process is made now.
    every_end(&engine, &servers).await;
    every_fork(&engine).await;
    let settled = async || {
        // Idle threads of the runtime end after ten seconds.
        tokio::time::sleep(Duration::from_secs(11)).await;
        held(&temporary)
    };
    let before = settled().await;
    for _ in 0..3 {
        every_end(&engine, &servers).await;
        every_fork(&engine).await;
    }
    let begun = Instant::now();
    loop {
        let after = settled().await;
        let is_back = after.descriptors <= before.descriptors
            && after.threads <= before.threads
            && after.tasks <= before.tasks
            && after.directories <= before.directories
            && after.memories <= before.memories;
        if is_back {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{before:?}, then {after:?}");
    }
    // And the engine's places are free.
    let sandbox = Sandbox::builder().engine(engine).build().await.unwrap();
    let mut runs = Vec::new();
    for _ in 0..4 {
        let options = RunOptions::new().stdin(Stdin::Piped);
        runs.push(sandbox.start("input()", options).await.unwrap());
    }
    let fifth = sandbox.start("pass", RunOptions::new()).await;
    assert!(matches!(fifth, Err(Error::Busy { .. })));
}
