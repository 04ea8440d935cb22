//! Bodies arrive complete, for every size, content and framing.

use sandbox_net::Sandbox;
use sandbox_net_tests::{COUNT_ANSWER_LENGTH, Servers, pattern_sha256, run, sha256};
use serde_json::json;

#[tokio::test]
async fn bodies_arrive_whole_over_http_and_https() {
    let servers = Servers::start().await;
    for server in [&servers.http, &servers.https, &servers.http2] {
        let origin = server.origin();
        let sandbox = Sandbox::builder()
            .allow(origin.as_str())
            .arg(origin.as_str())
            .trust_ca_pem(servers.ca.root_pem())
            .build()
            .await
            .expect("a sandbox");
        let (report, _) = run(&sandbox, "bodies.py").await;
        let counted = pattern_sha256(COUNT_ANSWER_LENGTH as u64);
        let cases = [
            ("all bytes", json!([true, true, true])),
            ("sizes", json!([])),
            ("chunk sizes", json!([])),
            ("files", json!([true, true])),
            ("executed once", json!(["1", COUNT_ANSWER_LENGTH, counted])),
            ("two at a time", json!([true, true])),
            ("left unread", json!([true, true])),
        ];
        for (case, expected) in cases {
            assert_eq!(report.result(case), &expected, "{case} at {origin}");
        }
        assert_eq!(
            server.requests_for("/count").len(),
            1,
            "{origin}: executed once"
        );
        let every_byte: Vec<u8> = (0..=255).collect();
        let digest = sha256(&every_byte);
        let echoed = server.requests_for("/echo");
        let digests = echoed.iter().filter_map(|request| request.body.as_ref());
        assert!(
            digests.into_iter().any(|body| body.sha256 == digest),
            "{origin}: 256 values"
        );
    }
}
