//! WebSocket clients are told what is not carried, and HTTP/2 inside the sandbox is not needed.

use sandbox_net_tests::{Report, run};
use serde_json::json;

use crate::environment::native_python;
use crate::world::World;

/// What `program` prints in a sandbox; `None` without packages.
async fn inside(world: &World, program: &str) -> Option<Report> {
    native_python().await?;
    let arguments = [
        ("http", world.http.origin()),
        ("https", world.https.origin()),
        ("http2", world.http2.origin()),
    ];
    let sandbox = world.sandbox(&arguments).build().await;
    Some(run(&sandbox.expect("a sandbox"), program).await.0)
}

#[tokio::test]
async fn an_upgrade_to_websocket_is_refused_with_a_reason() {
    let world = World::start().await;
    let Some(report) = inside(&world, "libraries/with_websockets.py").await else {
        return;
    };
    assert_eq!(report.lines.len(), 6, "{report}");
    for line in &report.lines {
        let case = line["case"].as_str().expect("a name");
        let texts = report.errors(case).iter().map(|error| &error["text"]);
        let says = |text: &serde_json::Value| {
            let text = text.as_str().unwrap_or_default();
            text.contains("sandbox-net") && text.to_ascii_lowercase().contains("upgrade")
        };
        assert!(texts.clone().any(says), "{case}: {line:#}");
    }
    for server in [&world.http, &world.https, &world.http2] {
        let requests = server.requests();
        let upgrades = requests
            .iter()
            .filter(|one| one.header("upgrade").is_some());
        assert_eq!(upgrades.count(), 0);
    }
}

#[tokio::test]
async fn a_client_that_offers_http2_is_content_with_http1() {
    let world = World::start().await;
    let Some(report) = inside(&world, "libraries/with_http2.py").await else {
        return;
    };
    for server in ["http", "https", "http2"] {
        for client in ["httpx", "httpx, asyncio"] {
            let case = format!("{client} / {server}");
            assert_eq!(report.result(&case), &json!([200, "HTTP/1.1"]), "{case}");
        }
    }
    let requests = world.http2.requests();
    assert!(requests.iter().all(|request| request.version == "HTTP/2.0"));
}
