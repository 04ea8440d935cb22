//! The options of a run bind that run, and no other one.

use std::time::Duration;

use sandbox_net::{AuditStderr, Engine, Error, Exit, Output, RunOptions, Sandbox, Stdin, Verdict};
use sandbox_net_tests::Servers;

use crate::{built, soon};

#[tokio::test]
async fn arguments_and_variables_of_a_run_are_its_own() {
    let sandbox = built(Sandbox::builder().arg("first").env("A", "1").env("B", "2")).await;
    let code = "import os, sys; print(sys.argv[1:], os.environ['A'], os.environ['B'], \
                os.environ.get('C'))";
    let options = RunOptions::new()
        .arg("second")
        .env("B", "two")
        .env("C", "3");
    let (own, plain) = tokio::join!(
        async { sandbox.start(code, options).await.unwrap().wait().await },
        sandbox.run(code)
    );
    assert_eq!(own.unwrap().stdout_text(), "['first', 'second'] 1 two 3\n");
    assert_eq!(plain.unwrap().stdout_text(), "['first'] 1 2 None\n");
}

#[tokio::test]
async fn of_two_limits_the_smaller_one_ends_the_run_and_says_which_it_was() {
    let sandbox = built(
        Sandbox::builder()
            .time_limit(Duration::from_secs(10))
            .cpu_limit(Duration::from_secs(40)),
    )
    .await;
    let (short, long) = (Duration::from_millis(700), Duration::from_secs(100));
    let spin = "while True: pass";
    let sleep = "import time; time.sleep(1000)";
    let cases = [
        (spin, RunOptions::new().cpu_limit(short), Exit::CpuLimit),
        (sleep, RunOptions::new().time_limit(short), Exit::TimeLimit),
        (
            sleep,
            RunOptions::new().time_limit(long).cpu_limit(short),
            Exit::TimeLimit,
        ),
        (
            spin,
            RunOptions::new().time_limit(long).cpu_limit(long),
            Exit::TimeLimit,
        ),
    ];
    for (code, options, exit) in cases {
        let mut run = sandbox.start(code, options.clone()).await.unwrap();
        let outcome = soon(run.wait()).await.unwrap();
        assert_eq!(outcome.exit, exit, "{code} {options:?}");
    }
}

#[tokio::test]
async fn memory_and_captured_output_are_limited_for_one_run() {
    let sandbox = built(Sandbox::builder().memory_limit(200 << 20)).await;
    let code = "try:\n    x = bytearray(120 << 20)\n    print('fits')\nexcept MemoryError:\n    \
                print('does not')";
    let mut small = sandbox
        .start(code, RunOptions::new().memory_limit(100 << 20))
        .await
        .unwrap();
    let mut large = sandbox
        .start(code, RunOptions::new().memory_limit(1 << 40))
        .await
        .unwrap();
    assert_eq!(
        soon(small.wait()).await.unwrap().stdout_text(),
        "does not\n"
    );
    assert_eq!(soon(large.wait()).await.unwrap().stdout_text(), "fits\n");

    let mut cut = sandbox
        .start("print('x' * 1000)", RunOptions::new().capture_limit(10))
        .await
        .unwrap();
    let outcome = soon(cut.wait()).await.unwrap();
    assert_eq!(
        (outcome.stdout_text().as_ref(), outcome.truncated),
        ("xxxxxxxxxx", true)
    );
    let mut nothing = sandbox
        .start("print('x')", RunOptions::new().capture_limit(0))
        .await
        .unwrap();
    let outcome = soon(nothing.wait()).await.unwrap();
    assert_eq!((outcome.stdout.len(), outcome.truncated), (0, true));
}

#[tokio::test]
async fn a_run_sends_no_more_requests_than_its_own_limit_and_other_runs_go_on() {
    let servers = Servers::start().await;
    let url = servers.http.origin() + "/get";
    let code = format!(
        "import urllib.request\nfor n in range(5):\n    try:\n        \
         urllib.request.urlopen('{url}').read()\n        print(n, 'sent')\n    except OSError as \
         error:\n        print(n, error)"
    );
    let sandbox = built(Sandbox::builder().allow(servers.http.origin())).await;
    let options = RunOptions::new().request_limit(2);
    let mut limited = sandbox.start(code.as_str(), options).await.unwrap();
    let mut none = sandbox
        .start(code.as_str(), RunOptions::new().request_limit(0))
        .await
        .unwrap();
    let mut free = sandbox
        .start(code.as_str(), RunOptions::new())
        .await
        .unwrap();
    let limited = soon(limited.wait()).await.unwrap();
    let text = limited.stdout_text();
    assert_eq!(text.matches(" sent\n").count(), 2, "{text}");
    assert_eq!(text.matches("requests = 2").count(), 3, "{text}");
    let denied = limited
        .decisions
        .iter()
        .filter(|it| it.verdict == Verdict::Deny);
    for record in denied {
        let budget = record.budget.as_ref().expect("the budget of the denial");
        let told = (budget.key.as_ref(), budget.value, budget.fixed);
        assert_eq!(told, ("requests", 2, true), "no policy raises it");
    }
    assert_eq!(
        soon(none.wait())
            .await
            .unwrap()
            .stdout_text()
            .matches(" sent\n")
            .count(),
        0
    );
    assert_eq!(
        soon(free.wait())
            .await
            .unwrap()
            .stdout_text()
            .matches(" sent\n")
            .count(),
        5
    );
    assert_eq!(servers.http.requests_for("/get").len(), 7);
}

#[tokio::test]
async fn options_that_cannot_be_enforced_are_refused_before_anything_runs() {
    let sandbox = built(Sandbox::builder().audit_sink(AuditStderr)).await;
    let new = RunOptions::new;
    let cases = [
        (new().time_limit(Duration::ZERO), "time limit"),
        (new().cpu_limit(Duration::ZERO), "CPU limit"),
        (new().memory_limit(1 << 20), "memory limit"),
        (new().env("PYTHONHASHSEED", "7"), "PYTHONHASHSEED"),
        (new().env("", "7"), "environment variable ''"),
        (new().arg("a\0b"), "NUL"),
        // The program could forge lines of the log.
        (new().stderr(Output::Inherit), "stderr"),
    ];
    for (options, named) in cases {
        let error = sandbox.start("print(1)", options).await.err();
        let error = error.unwrap_or_else(|| panic!("{named} is accepted"));
        assert!(error.to_string().contains(named), "{named}: {error}");
    }
    let stdin = new().stdin(Stdin::Bytes(b"fits".to_vec()));
    let mut run = sandbox.start("print(input())", stdin).await.unwrap();
    assert_eq!(soon(run.wait()).await.unwrap().stdout_text(), "fits\n");
}

#[tokio::test]
async fn a_run_waits_for_its_turn_and_is_refused_where_too_many_wait() {
    let engine = Engine::builder().max_running(1).max_waiting(1);
    let engine = engine.build().await.unwrap();
    let sandbox = built(Sandbox::builder().engine(engine)).await;
    let options = || RunOptions::new().stdin(Stdin::Piped);
    let mut first = sandbox.start("input()", options()).await.unwrap();
    let stdin = first.stdin();
    let second = sandbox.start(
        "print('second')",
        options().time_limit(Duration::from_secs(30)),
    );
    let mut second = std::pin::pin!(second);
    let waits = tokio::time::timeout(Duration::from_millis(300), second.as_mut()).await;
    assert!(waits.is_err());
    let third = sandbox.start("print('third')", options()).await;
    assert!(matches!(
        third,
        Err(Error::Busy {
            running: 1,
            waiting: 1
        })
    ));
    drop(stdin);
    let mut second = soon(second).await.unwrap();
    assert_eq!(soon(second.wait()).await.unwrap().stdout_text(), "second\n");
    assert_eq!(soon(first.wait()).await.unwrap().exit, Exit::Code(1));
}
