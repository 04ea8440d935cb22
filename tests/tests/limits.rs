//! The limits of a program hold whatever it does, and wherever it runs.

use std::time::Duration;

use futures_util::future::join_all;
use sandbox_net::{Engine, Error, Exit, Output, Sandbox, Script};
use sandbox_net_tests::{Ended, Place, Program, Servers};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(1);

/// Much longer than every limit here, and much shorter than the five minutes that the programs wait.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs `limits.py` with `arguments` under `limit` to its end, everywhere at once.
async fn ends_of(servers: &Servers, limit: Duration, arguments: &[&str]) -> Vec<(Place, Ended)> {
    let program = &Program::new("limits.py");
    let ends = Place::ALL.map(|place| async move {
        let mut builder = Sandbox::builder()
            .allow(servers.raw.origin())
            .allow(servers.http.origin())
            .time_limit(limit);
        for argument in arguments {
            builder = builder.arg(*argument);
        }
        let end = tokio::time::timeout(PATIENCE, place.run(builder, program));
        (place, end.await.expect("the end of the program"))
    });
    join_all(ends).await
}

/// The limit has ended the program. Its session goes on, unless it has caught that too.
async fn assert_limited(what: &str, ends: Vec<(Place, Ended)>) {
    for (place, mut ended) in ends {
        let what = format!("{what} in {place:?}");
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.exit, Exit::TimeLimit, "{what}: {said}");
        assert_eq!(ended.exit.code(), 124, "{what}");
        assert_eq!(ended.stdout, b"", "{what} did not come to its end");
        let Some(session) = ended.session() else {
            continue;
        };
        match session.exec("6 * 7").await {
            Ok(outcome) => assert_eq!(outcome.value.expect("a value").text, "42", "{what}"),
            Err(error) => {
                assert!(what.contains("catch_everything"), "{what}: {error}");
                assert_eq!(session.ended(), Some(Exit::TimeLimit), "{what}");
            }
        }
    }
}

#[tokio::test]
async fn a_program_that_waits_for_the_network_ends_at_its_limit() {
    let servers = Servers::start().await;
    let silent = servers.raw.origin() + "/silent";
    let half = servers.raw.origin() + "/silent-in-body";
    let slow = servers.http.origin() + "/slow";
    let cases = [
        ["wait_for_the_server", &silent],
        ["wait_for_the_server", &slow],
        ["read_what_never_comes", &half],
        ["catch_everything", &silent],
    ];
    for arguments in cases {
        let ends = ends_of(&servers, LIMIT, &arguments).await;
        assert_limited(&arguments.join(" "), ends).await;
    }
    let requested = async {
        servers.raw.until_requested("/silent").await;
        servers.raw.until_requested("/silent-in-body").await;
        servers.http.until_requested("/slow").await;
    };
    let requested = tokio::time::timeout(PATIENCE, requested).await;
    requested.expect("requests before the limit was reached");

    let good = servers.http.origin() + "/get";
    for (place, ended) in ends_of(&servers, PATIENCE, &["succeed", &good]).await {
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.exit, Exit::Code(0), "{place:?}: {said}");
    }
}

#[tokio::test]
async fn a_program_that_never_ends_by_itself_ends_at_its_limit() {
    let servers = Servers::start().await;
    for case in ["loop", "sleep"] {
        assert_limited(case, ends_of(&servers, LIMIT, &[case]).await).await;
    }
}

#[tokio::test]
async fn a_program_without_memory_gets_memory_error() {
    for place in Place::ALL {
        let builder = Sandbox::builder().memory_limit(512 << 20);
        let builder = builder.arg("fill_memory");
        let ended = place.run(builder, &Program::new("limits.py")).await;
        let report = ended.report();
        let memory = report.result("memory");
        assert_eq!(memory, &json!(["MemoryError", true]), "{place:?}");
        assert_eq!(report.result("after it"), &json!(1 << 20), "{place:?}");
    }
}

#[tokio::test]
async fn the_cpu_limit_ends_who_computes_and_not_who_waits() {
    let limit = Duration::from_secs(2);
    for (code, exit) in [
        ("while True: pass", Exit::CpuLimit),
        ("import time; time.sleep(3); print('waited')", Exit::Code(0)),
    ] {
        let sandbox = Sandbox::builder().cpu_limit(limit).build().await;
        let outcome = sandbox.expect("a sandbox").run(Script::code(code)).await;
        let outcome = outcome.expect("a run");
        assert_eq!(outcome.exit, exit, "{code}: {}", outcome.stderr_text());
        assert_eq!(outcome.cpu >= limit, exit == Exit::CpuLimit, "{code}");
        let expected = if exit == Exit::CpuLimit { 137 } else { 0 };
        assert_eq!(outcome.exit_code(), expected);
    }
    let zero = Sandbox::builder().cpu_limit(Duration::ZERO).check();
    let why = zero.expect_err("zero").to_string();
    assert!(why.starts_with("the CPU limit can't be used: "), "{why}");
}

#[tokio::test]
async fn who_waits_for_its_turn_is_not_charged_for_it_and_one_too_many_is_refused() {
    let engine = Engine::builder().max_running(1).max_waiting(1).build();
    let engine = engine.await.expect("an engine");
    let sandbox = |limit| {
        Sandbox::builder()
            .engine(engine.clone())
            .time_limit(limit)
            .build()
    };
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let first = Sandbox::builder()
        .engine(engine.clone())
        .stdout(Output::to(writer));
    let first = first.build().await.expect("a sandbox");
    let running = tokio::spawn(async move {
        let code = "import time; print(1, flush=True); time.sleep(6)";
        first.run(Script::code(code)).await
    });
    let mut reader = reader;
    let begun = tokio::task::spawn_blocking(move || {
        let mut byte = [0];
        std::io::Read::read_exact(&mut reader, &mut byte).map(|()| reader)
    });
    let _reader = begun.await.expect("a reader").expect("it runs");
    // Its time limit is shorter than its wait.
    let second = sandbox(Duration::from_secs(4)).await.expect("a sandbox");
    let second = tokio::spawn(async move { second.run(Script::code("print(2)")).await });
    // The second waits before the third comes.
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    let third = sandbox(PATIENCE).await.expect("a sandbox");
    let refused = loop {
        match tokio::time::timeout(Duration::from_millis(100), third.run("pass")).await {
            // It was first in the queue, and left it.
            Err(_) => tokio::task::yield_now().await,
            Ok(ended) => break ended.expect_err("too many"),
        }
    };
    assert!(
        matches!(
            refused,
            Error::Busy {
                running: 1,
                waiting: 1
            }
        ),
        "{refused}"
    );
    let second = second.await.expect("a task").expect("a run");
    assert_eq!(
        (second.exit, second.stdout),
        (Exit::Code(0), b"2\n".to_vec())
    );
    assert_eq!(
        running.await.expect("a task").expect("a run").exit,
        Exit::Code(0)
    );
    for builder in [
        Engine::builder().max_running(0),
        Engine::builder().threads(0),
    ] {
        let why = builder.build().await.expect_err("zero").to_string();
        assert!(why.contains("it is zero"), "{why}");
    }
}
