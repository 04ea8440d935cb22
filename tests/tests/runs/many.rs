//! Many sandboxes that wait at once: what each has of the process's memory, and what is left of them.
#![cfg(target_os = "linux")]

use std::path::Path;
use std::time::Duration;

use sandbox_net::{Engine, RunOptions, Sandbox, Script};
use sandbox_net_tests::{HttpServer, Servers, private_memory};
use tokio::task::JoinSet;

use crate::{built, soon};

const MANY: usize = 100;
/// What one that waits may have of its own. It has about 2.8 MiB.
const EACH: u64 = 4 << 20;

/// Objects of a program's are not immortal; those that it begins with are, besides those whose end it can
/// see.
#[tokio::test]
async fn what_a_program_begins_with_is_not_counted_and_what_it_makes_is() {
    let code = "import io, sys, urllib.request, http.client\n\
                immortal = lambda thing: sys.getrefcount(thing) > 1 << 28\n\
                print(*map(immortal, (urllib.request, http.client.HTTPConnection, http.client.HTTPConnection.send,\n\
                http.client.HTTPConnection.send.__code__, sys.modules, sys.path_hooks)))\n\
                class Own: pass\n\
                print(*map(immortal, (Own, Own(), io.StringIO(), sys.stdout, sys.stderr.buffer)))\n\
                sys.getrefcount(sys.stdout)";
    let sandbox = built(Sandbox::builder().allow("http://127.0.0.1:1")).await;
    let outcome = soon(sandbox.run(code)).await.unwrap();
    let expected = "True True True True True True\nFalse False False False False\n";
    assert_eq!(
        (&*outcome.stdout_text(), &*outcome.stderr_text()),
        (expected, "")
    );
}

/// In a process of its own, with a temporary directory of its own.
#[test]
fn sandboxes_that_wait_share_their_memory_and_dropping_them_frees_all_at_once() {
    let temporary = tempfile::tempdir().unwrap();
    let this = std::env::current_exe().unwrap();
    let child = std::process::Command::new(this)
        .args([
            "--exact",
            "--ignored",
            "--nocapture",
            "many::wait_and_are_dropped",
        ])
        .env("TMPDIR", temporary.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{said}");
    let passed = String::from_utf8_lossy(&child.stdout).contains("1 passed");
    assert!(passed, "it was run");
}

fn count(directory: impl AsRef<Path>) -> usize {
    directory.as_ref().read_dir().map_or(0, Iterator::count)
}

fn waiting(engine: &Engine, server: &HttpServer, count: usize) -> JoinSet<()> {
    let mut all = JoinSet::new();
    for _ in 0..count {
        let sandbox = Sandbox::builder()
            .engine(engine.clone())
            .allow(server.origin());
        let options = RunOptions::new().arg(server.origin() + "/slow");
        all.spawn(async move {
            let code = "import sys, urllib.request; urllib.request.urlopen(sys.argv[1]).read()";
            let sandbox = built(sandbox).await;
            let mut run = sandbox.start(Script::code(code), options).await.unwrap();
            assert_eq!(run.wait().await.unwrap().exit_code(), 0);
        });
    }
    all
}

#[test]
#[ignore = "counts what its whole process has"]
fn wait_and_are_dropped() {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    // Those that make files, one after the other.
    let runtime = runtime
        .worker_threads(2)
        .max_blocking_threads(4)
        .enable_all();
    runtime.build().unwrap().block_on(are_dropped());
}

async fn are_dropped() {
    let engine = Engine::builder().threads(2).build().await.unwrap();
    let servers = Servers::start().await;
    let server = &servers.http;
    // What is made once in a process is made now.
    let mut first = waiting(&engine, server, 1);
    soon(server.until_requested_times("/slow", 1)).await;
    first.shutdown().await;
    let gone = async || {
        let usage = engine.usage();
        let used = [
            usage.sandboxes,
            usage.running,
            usage.memory,
            usage.host_memory,
        ];
        used.map(|amount| amount.used) == [0; 4] && count(std::env::temp_dir()) == 0
    };
    let until_gone = async || {
        while !gone().await {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    soon(until_gone()).await;
    let (memory, descriptors) = (private_memory(), count("/proc/self/fd"));

    let mut all = waiting(&engine, server, MANY);
    soon(server.until_requested_times("/slow", 1 + MANY)).await;
    let each = private_memory().saturating_sub(memory) / MANY as u64;
    assert!(each < EACH, "{each} bytes of memory each");
    assert_eq!(engine.usage().running.used, MANY as u64);
    // None has a thread: there are the runtime's and the engine's.
    let threads = count("/proc/self/task");
    assert!(threads < 20, "{threads} threads");

    all.shutdown().await;
    soon(until_gone()).await;
    soon(async {
        while count("/proc/self/fd") > descriptors {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    let left = private_memory().saturating_sub(memory) / MANY as u64;
    assert!(left < EACH / 2, "{left} bytes of memory are left of each");
}
