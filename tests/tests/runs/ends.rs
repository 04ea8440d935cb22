//! The ends of a run: by itself, by its embedder, and with its sandbox or runtime.

use std::time::Duration;

use sandbox_net::{
    Error, Exit, Output, OutputReader, Run, RunOptions, RuntimeError, Sandbox, Stdin,
};
use sandbox_net_tests::Servers;

use crate::{built, soon};

fn piped() -> RunOptions {
    RunOptions::new().stdout(Output::Piped).unbuffered()
}

/// Waits until the program has written its first line; returns the reader of the rest.
async fn has_begun(run: &mut Run) -> OutputReader {
    let mut stdout = run.stdout().unwrap();
    soon(stdout.next()).await.expect("it has begun");
    stdout
}

#[tokio::test]
async fn a_killed_run_gives_its_whole_outcome() {
    let servers = Servers::start().await;
    let sandbox = built(Sandbox::builder().allow(servers.http.origin())).await;
    for end in [
        "while True: pass",
        "import time; time.sleep(1000)",
        "input()",
    ] {
        let url = servers.http.origin() + "/get";
        let code = format!(
            "import sys, urllib.request\nurllib.request.urlopen('{url}').read()\nprint('so far', \
             flush=True)\nprint('begun', file=sys.stderr, flush=True)\n{end}"
        );
        let options = RunOptions::new().stdin(Stdin::Piped).stderr(Output::Piped);
        let mut run = sandbox.start(code, options).await.unwrap();
        let _stdin = run.stdin();
        let mut stderr = run.stderr().unwrap();
        soon(stderr.next()).await.expect("it has begun");
        run.kill();
        let outcome = soon(run.wait()).await.unwrap();
        assert_eq!(
            (&outcome.exit, outcome.exit_code()),
            (&Exit::Killed, 137),
            "{end}"
        );
        assert_eq!(outcome.stdout_text(), "so far\n", "{end}");
        assert_eq!(outcome.exchanges.len(), 1, "{end}");
        assert!(outcome.memory > 0 && outcome.cpu > Duration::ZERO, "{end}");
    }
}

#[tokio::test]
async fn a_run_is_waited_for_once_and_killing_it_after_its_end_changes_nothing() {
    let sandbox = built(Sandbox::builder()).await;
    let mut run = sandbox.start("print(1)", piped()).await.unwrap();
    let handle = run.kill_handle();
    let mut stdout = run.stdout().unwrap();
    while soon(stdout.next()).await.is_some() {}
    let outcome = soon(run.wait()).await.unwrap();
    assert_eq!(outcome.exit, Exit::Code(0));
    handle.kill();
    let again = soon(run.wait()).await;
    assert!(matches!(again, Err(Error::AlreadyWaited)));
    drop(run);
    handle.kill();
}

#[tokio::test]
async fn dropping_a_run_ends_its_program() {
    let servers = Servers::start().await;
    let sandbox = built(Sandbox::builder().allow(servers.http.origin())).await;
    let url = servers.http.origin() + "/slow";
    let code = format!("import urllib.request; urllib.request.urlopen('{url}')");
    let run = sandbox.start(code, RunOptions::new()).await.unwrap();
    soon(servers.http.until_requested("/slow")).await;
    drop(run);
    // Its connection is closed, and closing the sandbox waits for nothing else.
    soon(sandbox.close()).await.unwrap();

    // So does giving up the short form.
    let sandbox = built(Sandbox::builder()).await;
    let spinning = sandbox.run("while True: pass");
    let given_up = tokio::time::timeout(Duration::from_millis(300), spinning).await;
    assert!(given_up.is_err());
    soon(sandbox.close()).await.unwrap();
}

#[tokio::test]
async fn closing_a_sandbox_ends_its_runs_and_removes_its_files() {
    let sandbox = built(Sandbox::builder()).await;
    let code = "open('/home/kept', 'w').write('x')\nprint('begun')\nwhile True: pass";
    let mut runs = Vec::new();
    for _ in 0..3 {
        let mut run = sandbox.start(code, piped()).await.unwrap();
        let stdout = has_begun(&mut run).await;
        runs.push((run, stdout));
    }
    soon(sandbox.close()).await.unwrap();
    for (mut run, _stdout) in runs {
        assert_eq!(soon(run.wait()).await.unwrap().exit, Exit::Killed);
    }
}

#[tokio::test]
async fn a_run_outlives_its_sandbox_with_its_files() {
    let sandbox = built(Sandbox::builder()).await;
    sandbox.write_file("/home/data", "kept").await.unwrap();
    let options = piped().stdin(Stdin::Piped);
    let code = "print('begun'); input(); print(open('/home/data').read(), file=open('/home/out', 'w'))\n\
                print(open('/home/out').read(), end='', file=__import__('sys').stderr)";
    let mut run = sandbox.start(code, options).await.unwrap();
    let _stdout = has_begun(&mut run).await;
    drop(sandbox);
    let mut stdin = run.stdin().unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stdin, b"\n")
        .await
        .unwrap();
    let outcome = soon(run.wait()).await.unwrap();
    assert_eq!(outcome.stderr_text(), "kept\n");
    assert_eq!(outcome.exit, Exit::Code(0));
}

/// The descriptors of this process, other than those that come and go with other tests.
#[cfg(target_os = "linux")]
fn directories() -> usize {
    let opened = std::fs::read_dir("/proc/self/fd").unwrap();
    let targets = opened.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    targets
        .filter(|target| target.to_string_lossy().contains("runtime-test-"))
        .count()
}

/// A runtime that is shut down in the middle leaves nothing behind, and nobody waiting.
#[cfg(target_os = "linux")]
#[test]
fn a_runtime_that_is_shut_down_ends_its_runs_and_leaves_nothing() {
    let mounted = tempfile::Builder::new()
        .prefix("runtime-test-")
        .tempdir()
        .unwrap();
    for flavour in 0..2 {
        let mut builder = match flavour {
            0 => tokio::runtime::Builder::new_current_thread(),
            _ => tokio::runtime::Builder::new_multi_thread(),
        };
        let runtime = builder.enable_all().build().unwrap();
        let (sandbox, run, mut stdout) = runtime.block_on(async {
            let builder = Sandbox::builder().dir(
                mounted.path(),
                "/mounted",
                sandbox_net::DirAccess::ReadWrite,
            );
            let sandbox = built(builder).await;
            let code = "f = open('/mounted/file', 'w')\nprint('begun')\nwhile True: pass";
            let mut run = sandbox.start(code, piped()).await.unwrap();
            let mut stdout = run.stdout().unwrap();
            soon(stdout.next()).await.expect("it has begun");
            (sandbox, run, stdout)
        });
        assert!(directories() > 0);
        runtime.shutdown_timeout(Duration::from_secs(20));
        // The stream ends, and the run says that there is no outcome.
        let other = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        other.block_on(async {
            while soon(stdout.next()).await.is_some() {}
            let mut run = run;
            let error = soon(run.wait()).await.expect_err("there is no outcome");
            assert!(
                matches!(error, Error::Runtime(RuntimeError::ShutDown)),
                "{error}"
            );
        });
        drop(sandbox);
        let begun = std::time::Instant::now();
        while directories() > 0 {
            assert!(
                begun.elapsed() < crate::PATIENCE,
                "{} are open",
                directories()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
