//! The limits of a run hold whatever the program does.

use std::time::Duration;

use sandbox_net::{Exit, Outcome, Sandbox};
use sandbox_net_tests::{Servers, run, run_to_end};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(1);

/// Far from every limit here, and also from the five minutes that the programs would wait.
const PATIENCE: Duration = Duration::from_secs(60);

/// The end of `limits.py` with `arguments` under `limit`.
async fn end_of(servers: &Servers, limit: Duration, arguments: &[&str]) -> Outcome {
    let mut sandbox = Sandbox::builder()
        .allow(servers.raw.origin())
        .allow(servers.http.origin())
        .time_limit(limit);
    for argument in arguments {
        sandbox = sandbox.arg(*argument);
    }
    let sandbox = sandbox.build().await.expect("a sandbox");
    let end = tokio::time::timeout(PATIENCE, run_to_end(&sandbox, "limits.py"));
    end.await.expect("the end of the run")
}

fn assert_limited(what: &str, outcome: &Outcome) {
    assert_eq!(
        outcome.exit,
        Exit::TimeLimit,
        "{what}: {}",
        outcome.stderr_text()
    );
    assert_eq!(outcome.exit_code(), 124, "{what}");
    assert_eq!(outcome.stdout_text(), "", "{what} did not come to its end");
}

#[tokio::test]
async fn a_run_that_waits_for_the_network_ends_at_its_limit() {
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
        assert_limited(
            &arguments.join(" "),
            &end_of(&servers, LIMIT, &arguments).await,
        );
    }
    let requested = async {
        servers.raw.until_requested("/silent").await;
        servers.raw.until_requested("/silent-in-body").await;
        servers.http.until_requested("/slow").await;
    };
    let requested = tokio::time::timeout(PATIENCE, requested).await;
    requested.expect("requests before the limit was reached");

    let good = servers.http.origin() + "/get";
    let outcome = end_of(&servers, PATIENCE, &["succeed", &good]).await;
    assert_eq!(outcome.exit, Exit::Code(0), "{}", outcome.stderr_text());
}

#[tokio::test]
async fn a_run_that_never_ends_by_itself_ends_at_its_limit() {
    let servers = Servers::start().await;
    for case in ["loop", "sleep"] {
        assert_limited(case, &end_of(&servers, LIMIT, &[case]).await);
    }
}

#[tokio::test]
async fn a_program_without_memory_gets_memory_error() {
    let sandbox = Sandbox::builder()
        .memory_limit(512 << 20)
        .arg("fill_memory")
        .build()
        .await
        .expect("a sandbox");
    let (report, _) = run(&sandbox, "limits.py").await;
    assert_eq!(report.result("memory"), &json!(["MemoryError", true]));
    assert_eq!(report.result("after it"), &json!(1 << 20));
}
