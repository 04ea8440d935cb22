//! Bodies are sent as they are made, in both directions, and end when the program ends them. Servers
//! and programs continue only in step with each other, so a client that delays bytes hangs. No clock
//! is used.

use sandbox_net::Sandbox;
use sandbox_net_tests::{LIBRARIES, LIMIT, Report, Servers, native_python, run, run_natively};
use serde_json::Value;

/// Runs `program` on both sides; every case must have the same result, and no exception.
async fn moves_as_natively(program: &str) {
    let Some(python) = native_python().await else {
        return;
    };
    let program = format!("streaming/{program}");
    let inside = inside(&program).await;
    let servers = Servers::start().await;
    let outside = run_natively(python, &servers.ca, &program, arguments(&servers)).await;

    let mut faults = Vec::new();
    for (ours, theirs) in inside.lines.iter().zip(&outside.lines) {
        let result = ours.get("result");
        let stood_still = result.and_then(Value::as_array);
        let ran_on = stood_still.is_some_and(|parts| parts.contains(&Value::Bool(false)));
        if ours != theirs || result.is_none() || result == Some(&Value::Bool(false)) || ran_on {
            faults.push(format!("sandbox: {ours}\n native: {theirs}"));
        }
    }
    assert!(faults.is_empty(), "{program}\n{}", faults.join("\n"));
    assert_eq!(inside.lines.len(), outside.lines.len());
    assert!(!inside.lines.is_empty());
}

/// The output of `program` in a sandbox.
async fn inside(program: &str) -> Report {
    let servers = Servers::start().await;
    let mut sandbox = Sandbox::builder()
        .trust_ca_pem(servers.ca.root_pem())
        .time_limit(LIMIT);
    for argument in arguments(&servers) {
        let url = argument.split_once('=').expect("name=URL").1;
        sandbox = sandbox.allow(url).arg(argument);
    }
    for library in LIBRARIES {
        sandbox = sandbox.with_package(*library);
    }
    let sandbox = sandbox.build().await.expect("a sandbox");
    run(&sandbox, program).await.0
}

fn arguments(servers: &Servers) -> [String; 3] {
    [
        format!("http={}", servers.http.origin()),
        format!("https={}", servers.https.origin()),
        format!("http2={}", servers.http2.origin()),
    ]
}

#[tokio::test]
async fn streams_of_urllib_move_in_step_with_the_server() {
    moves_as_natively("with_urllib.py").await;
}

#[tokio::test]
async fn streams_of_requests_move_in_step_with_the_server() {
    moves_as_natively("with_requests.py").await;
}

#[tokio::test]
async fn streams_of_httpx_move_in_step_with_the_server() {
    moves_as_natively("with_httpx.py").await;
}

#[tokio::test]
async fn streams_of_httpx_on_asyncio_move_in_step_with_the_server() {
    moves_as_natively("with_httpx_async.py").await;
}

#[tokio::test]
async fn streams_of_aiohttp_move_in_step_with_the_server() {
    moves_as_natively("with_aiohttp.py").await;
}
