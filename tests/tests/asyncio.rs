//! `asyncio`, unmodified, behaves in the sandbox as outside.

use sandbox_net::Sandbox;
use sandbox_net_tests::{HttpServer, Native, Report, Servers, TestCa, outcome, run};
use serde_json::json;
use tokio::net::TcpListener;

/// How many tasks run at once, and a bound for the guest's memory: 64 KiB each, and the interpreter.
const MANY: usize = 1_000;
const ENOUGH_MEMORY: usize = 192 << 20;

/// An origin on loopback where nobody listens.
async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    format!("http://{}", listener.local_addr().expect("an address"))
}

async fn inside(arguments: &[String], ca: &TestCa) -> Report {
    let mut builder = Sandbox::builder()
        .allow("http://no-such-name.invalid")
        .trust_ca_pem(ca.root_pem());
    for argument in arguments {
        builder = builder.allow(argument.as_str()).arg(argument.as_str());
    }
    let sandbox = builder.build().await.expect("a sandbox");
    run(&sandbox, "asyncio_client.py").await.0
}

async fn outside(arguments: &[String], ca: &TestCa) -> Report {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), ca.root_pem()).expect("a temporary file");
    Native::new("asyncio_client.py", arguments)
        .trust(file.path())
        .run()
        .await
}

/// Compares results as they are, and exceptions by their type and error number.
const COMPARED: &[&str] = &["type", "errno"];

#[tokio::test]
async fn asyncio_behaves_as_natively_over_http_and_https_and_does_not_notice_http2() {
    let servers = Servers::start().await;
    let origins = [
        servers.http.origin(),
        servers.https.origin_as("localhost"),
        servers.http2.origin_as("localhost"),
    ];
    for origin in origins {
        let arguments = [origin.clone(), nobody().await];
        let inside = inside(&arguments, &servers.ca).await;
        let outside = outside(&arguments, &servers.ca).await;
        for line in &outside.lines {
            let case = line["case"].as_str().expect("a name");
            let got = outcome(inside.case(case), COMPARED);
            assert_eq!(
                got,
                outcome(line, COMPARED),
                "{case} at {origin}: {}",
                inside.case(case)
            );
        }
        assert_eq!(inside.lines.len(), outside.lines.len());
    }
}

/// Sends `count` requests to a server that answers only when all of them have arrived.
async fn together(server: &HttpServer, count: usize, memory: usize, ca: &TestCa) {
    let origin = server.origin_as("localhost");
    let sandbox = Sandbox::builder()
        .allow(origin.as_str())
        .arg(format!("{origin}/slow"))
        .arg(count.to_string())
        .memory_limit(memory)
        .trust_ca_pem(ca.root_pem())
        .build()
        .await
        .expect("a sandbox");
    let release = async {
        server.until_requested_times("/slow", count).await;
        server.release();
    };
    // A request that fails never arrives; then the run ends without the release.
    let (report, _) = tokio::select! {
        ended = run(&sandbox, "asyncio_together.py") => ended,
        never = async { release.await; std::future::pending().await } => never,
    };
    let expected: Vec<_> = std::iter::repeat_n("200", count).collect();
    assert_eq!(report.result("statuses"), &json!(expected));
}

#[tokio::test]
async fn a_hundred_requests_are_in_flight_together() {
    let servers = Servers::start().await;
    together(&servers.http, 100, ENOUGH_MEMORY, &servers.ca).await;
}

#[tokio::test]
async fn a_thousand_requests_are_in_flight_together_in_bounded_memory() {
    let servers = Servers::start().await;
    together(&servers.http, MANY, ENOUGH_MEMORY, &servers.ca).await;
}

#[tokio::test]
async fn a_thousand_requests_are_in_flight_together_over_tls_in_either_version_of_http() {
    let servers = Servers::start().await;
    together(&servers.http2, MANY, 2 * ENOUGH_MEMORY, &servers.ca).await;
    together(&servers.https, MANY, 2 * ENOUGH_MEMORY, &servers.ca).await;
}
