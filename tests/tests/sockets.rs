//! The `socket` module itself, below the HTTP clients.

use sandbox_net::Sandbox;
use sandbox_net_tests::{Native, Servers, run};
use serde_json::json;

/// What only the sandbox refuses: it sends HTTP requests, one at a time, and nothing else.
const REFUSED: [&str; 2] = ["pipelined", "other protocol"];

#[tokio::test]
async fn sockets_behave_as_natively_for_one_request_after_another() {
    let servers = Servers::start().await;
    let arguments = [servers.http.origin(), servers.raw.origin()];
    let sandbox = Sandbox::builder()
        .allow(arguments[0].as_str())
        .allow(arguments[1].as_str())
        .arg(arguments[0].as_str())
        .arg(arguments[1].as_str())
        .build()
        .await
        .expect("a sandbox");
    let (inside, _) = run(&sandbox, "sockets.py").await;
    let outside = Native::new("sockets.py", &arguments).run().await;
    for line in &outside.lines {
        let case = line["case"].as_str().expect("a name");
        if REFUSED.contains(&case) {
            let bases = &inside.errors(case)[0]["bases"];
            assert!(
                bases
                    .as_array()
                    .is_some_and(|bases| bases.contains(&json!("Exception")))
            );
            let text = inside.errors(case)[0]["text"].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "{case} is refused with a reason");
        } else {
            assert_eq!(
                inside.case(case),
                line,
                "{case}: the sandbox is left, native right"
            );
        }
    }
    assert_eq!(inside.lines.len(), outside.lines.len());
}
