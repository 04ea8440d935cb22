//! WebSocket clients learn that upgrades are not supported, and the sandbox needs no HTTP/2 inside.

use sandbox_net::policy::DenyReason;
use sandbox_net::{Outcome, Reason};
use sandbox_net_tests::{Report, native_python, run};
use serde_json::json;

use crate::world::World;

/// What `program` prints in a sandbox; `None` without packages.
async fn inside(world: &World, program: &str) -> Option<(Report, Outcome)> {
    native_python().await?;
    let arguments = [
        ("http", world.http.origin()),
        ("https", world.https.origin()),
        ("http2", world.http2.origin()),
    ];
    let sandbox = world.sandbox(&arguments).build().await;
    Some(run(&sandbox.expect("a sandbox"), program).await)
}

#[tokio::test]
async fn an_upgrade_to_websocket_is_refused_with_a_reason() {
    let world = World::start().await;
    let Some((report, outcome)) = inside(&world, "libraries/with_websockets.py").await else {
        return;
    };
    for server in ["http", "https", "http2"] {
        // Its own errors, which still contain the reason.
        let case = format!("websocket-client / {server}");
        let text = &report.error(&case, "PermissionError")["text"];
        let text = text.as_str().unwrap_or_default();
        assert!(
            text.contains("does not upgrade connections, to WebSocket"),
            "{case}: {text}"
        );
        // It says only that there was no answer; its traceback has the reason.
        let case = format!("websockets / {server}");
        let first = &report.errors(&case)[0];
        assert_eq!(first["bases"][0], "InvalidHandshake", "{case}: {first}");
        report.error(&case, "PermissionError");
    }
    let denied = outcome.decisions.iter();
    let denied =
        denied.filter(|decision| decision.reason == Some(Reason::Policy(DenyReason::Field)));
    assert_eq!(denied.count(), 6, "{:#?}", outcome.decisions);
    for server in [&world.http, &world.https, &world.http2] {
        assert!(server.requests().is_empty());
    }
}

#[tokio::test]
async fn a_client_that_offers_http2_is_content_with_http1() {
    let world = World::start().await;
    let Some((report, _)) = inside(&world, "libraries/with_http2.py").await else {
        return;
    };
    for server in ["http", "https", "http2"] {
        for client in ["httpx", "httpx, asyncio"] {
            let case = format!("{client} / {server}");
            assert_eq!(report.result(&case), &json!([200, "HTTP/1.1"]), "{case}");
        }
    }
    // The server reads only as much of an upload as it wants.
    for client in ["requests", "httpx", "aiohttp"] {
        let case = format!("early answer / {client}");
        assert_eq!(report.result(&case), &json!([200, "enough\n"]), "{case}");
    }
    let requests = world.http2.requests();
    assert!(requests.iter().all(|request| request.version == "HTTP/2.0"));
}
