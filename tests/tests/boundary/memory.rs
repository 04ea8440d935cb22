//! What the host holds for a guest is counted and bounded: each kind of object stops at the sandbox's
//! host memory, with an error that names it, and is free again when the guest releases it.

use sandbox_net::policy::Document;
use sandbox_net::{Outcome, Sandbox, SandboxBuilder, Verdict};
use sandbox_net_tests::{
    Ended, Place, Program, Report, Script, ScriptedServer, Servers, TestCa, run,
};
use serde_json::{Value, json};

/// Small enough to be used up soon, and enough for every honest request here.
const LITTLE: u64 = 2 << 20;

fn builder(case: &str, origin: &str, ca: &TestCa) -> SandboxBuilder {
    Sandbox::builder()
        .allow(origin)
        .trust_ca_pem(ca.root_pem())
        .arg(case)
        .arg(origin)
}

async fn end_of(builder: SandboxBuilder) -> (Report, Outcome) {
    let sandbox = builder.build().await.expect("a sandbox");
    run(&sandbox, "boundary/memory.py").await
}

/// The ends of the program everywhere.
async fn ends_of(builder: impl Fn() -> SandboxBuilder) -> Vec<(Place, Ended)> {
    let program = Program::new("boundary/memory.py");
    let mut ends = Vec::new();
    for place in Place::ALL {
        ends.push((place, place.run(builder(), &program).await));
    }
    ends
}

/// Checks that the host refused at its memory, after some successes, and that everything was free
/// again afterwards; returns the number of successes.
#[track_caller]
fn assert_bounded(report: &Report) -> u64 {
    let result = report.result("refused");
    let (count, refusal) = (&result[0], &result[1]);
    assert_eq!(refusal["limit"], "host-memory", "{report}");
    assert_eq!(refusal["errno"], "ENOBUFS", "{report}");
    let text = refusal["text"].as_str().unwrap_or_default();
    assert!(text.contains("limit host-memory was reached"), "{text}");
    assert_eq!(report.result("after it"), &json!(200), "{report}");
    let count = count.as_u64().expect("a number");
    assert!(count > 0, "{report}");
    count
}

/// A server that answers only `/get`.
async fn silent() -> ScriptedServer {
    ScriptedServer::plain(|head| Script {
        pieces: match head.starts_with("GET /get ") {
            true => vec![b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec()],
            false => vec![],
        },
        close: false,
    })
    .await
}

#[tokio::test]
async fn request_heads_that_nobody_answers_are_bounded_together_with_all_their_fields() {
    let (server, ca) = (silent().await, TestCa::new("unused"));
    let builder = || builder("heads", &server.origin(), &ca).host_memory_limit(LITTLE);
    for (place, ended) in ends_of(builder).await {
        let count = assert_bounded(&ended.report());
        // Each field costs more than 100 bytes, in each of its forms.
        assert!(count * 1000 * 100 < LITTLE, "{place:?}: {count}");
        let denied: Vec<&str> = ended
            .decisions
            .iter()
            .filter(|one| one.verdict == Verdict::Deny)
            .map(|one| one.rule.as_str())
            .collect();
        assert_eq!(denied, ["budget:host-memory"], "{place:?}");
    }
}

#[tokio::test]
async fn a_budget_of_the_policy_and_the_builders_limit_bind_whichever_is_smaller() {
    let (server, ca) = (silent().await, TestCa::new("unused"));
    let origin = server.origin();
    let mut counts = Vec::new();
    for (budget, limit) in [
        (Some(LITTLE), None),
        (Some(LITTLE), Some(64 << 20)),
        (Some(64 << 20), Some(LITTLE)),
        (None, Some(2 * LITTLE)),
    ] {
        let budget = budget.map_or(String::new(), |bytes| format!("host_memory = {bytes}"));
        let text = format!(
            "version = 1\nallow = {}\n[budgets]\n{budget}\n[end]\n",
            json!([origin])
        );
        let mut builder = Sandbox::builder()
            .policy(Document::parse(&text).expect("a policy"))
            .trust_ca_pem(ca.root_pem())
            .arg("heads")
            .arg(origin.as_str());
        if let Some(bytes) = limit {
            builder = builder.host_memory_limit(bytes);
        }
        counts.push(assert_bounded(&end_of(builder).await.0));
    }
    assert_eq!((counts[0], counts[0]), (counts[1], counts[2]), "{counts:?}");
    assert!(counts[3] > counts[0], "{counts:?}");
}

#[tokio::test]
async fn a_request_head_has_at_most_a_thousand_fields() {
    let (server, ca) = (silent().await, TestCa::new("unused"));
    let (report, outcome) = end_of(builder("too_many_fields", &server.origin(), &ca)).await;
    for fields in ["1001", "5000", "52000"] {
        let error = report.error(fields, "OSError");
        assert_eq!(error["limit"], "request-head-size", "{fields}: {error}");
    }
    assert_eq!(report.result("1000"), &json!(200));
    assert_eq!(report.result("after it"), &json!(200));
    let most = server.heads().iter().map(|head| head.lines().count()).max();
    assert_eq!(
        most,
        Some(1002),
        "the request line, the fields, and nothing"
    );
    // Refused requests are in the log, as other invalid ones are.
    let denied: Vec<_> = outcome
        .decisions
        .iter()
        .filter(|one| one.verdict == Verdict::Deny)
        .map(|one| (one.stage.as_str(), one.reason.map(|it| it.to_string())))
        .collect();
    let malformed = ("request", Some("malformed".to_owned()));
    assert_eq!(denied, [malformed.clone(), malformed.clone(), malformed]);
}

#[tokio::test]
async fn a_list_of_protocols_has_at_most_a_thousand_names() {
    let servers = Servers::start().await;
    let (report, _) = end_of(builder("protocols", &servers.https.origin(), &servers.ca)).await;
    let too_many = "the list of protocols has more than 1000 names: give fewer";
    for names in ["32000 names", "1001 names"] {
        assert_eq!(report.result(names), &json!(["error 11", too_many]));
    }
    assert_eq!(report.result("1000 names"), &json!(["ok", ""]));
    assert_eq!(report.result("after it"), &json!(200));
}

#[tokio::test]
async fn tls_settings_of_a_programs_own_are_bounded_together() {
    let servers = Servers::start().await;
    let origin = servers.https.origin();
    let mut builder = builder("options", &origin, &servers.ca)
        .tls_grant(format!("own_roots {origin}"))
        .host_memory_limit(LITTLE);
    for number in 0..20 {
        let authority = TestCa::new(&format!("authority {number}"));
        builder = builder.arg(String::from_utf8(authority.root_pem()).expect("a text"));
    }
    let count = assert_bounded(&end_of(builder).await.0);
    assert!(count < 20, "{count}");
}

#[tokio::test]
async fn responses_that_nobody_reads_are_bounded_together_in_every_version_of_http() {
    let servers = Servers::start().await;
    for server in [&servers.http, &servers.https, &servers.http2] {
        let origin = server.origin();
        let builder = || builder("unread", &origin, &servers.ca).host_memory_limit(LITTLE);
        for (place, ended) in ends_of(builder).await {
            let count = assert_bounded(&ended.report());
            // The more buffers there are, the smaller they are: many readers may wait at once.
            assert!((15..300).contains(&count), "{place:?} {origin}: {count}");
        }
    }
}

#[tokio::test]
async fn request_bodies_that_nobody_takes_are_bounded_together() {
    let servers = Servers::start().await;
    for server in [&servers.http, &servers.http2] {
        let origin = server.origin();
        let builder = || builder("uploads", &origin, &servers.ca).host_memory_limit(LITTLE);
        for (place, ended) in ends_of(builder).await {
            let count = assert_bounded(&ended.report());
            assert!((10..100).contains(&count), "{place:?} {origin}: {count}");
        }
    }
}

#[tokio::test]
async fn a_connection_of_the_guest_counts_as_one_whatever_carries_it() {
    let servers = Servers::start().await;
    for server in [&servers.https, &servers.http2] {
        let origin = server.origin();
        for (connections, together) in [(1, None), (2, Some(200))] {
            let text = format!(
                "version = 1\nallow = {}\n[budgets]\nconnections = {connections}\n[end]\n",
                json!([origin])
            );
            let builder = builder("one_at_a_time", &origin, &servers.ca)
                .policy(Document::parse(&text).expect("a policy"));
            let (report, _) = end_of(builder).await;
            for number in 0..3 {
                assert_eq!(report.result(&format!("new {number}")), &json!(200));
                let again = report.result(&format!("again {number}"));
                assert_eq!(again, &json!([200, true]));
            }
            match together {
                Some(status) => assert_eq!(report.result("second"), &json!(status)),
                None => {
                    let error = report.error("second", "OSError");
                    assert_eq!(error["limit"], "connections", "{origin}: {error}");
                }
            }
            assert_eq!(report.result("after it"), &json!(200));
        }
    }
}

#[tokio::test]
async fn captured_output_leaves_memory_for_requests_and_says_where_it_was_cut() {
    let servers = Servers::start().await;
    let origin = servers.http.origin();
    for (kibibytes, limit, kept) in [
        (8192, Some(LITTLE), None),
        (1024, Some(LITTLE), Some(1024)),
        (20_480, None, Some(20_480)),
    ] {
        let mut builder = builder("printed", &origin, &servers.ca).arg(kibibytes.to_string());
        if let Some(bytes) = limit {
            builder = builder.host_memory_limit(bytes);
        }
        let (report, outcome) = end_of(builder).await;
        assert_eq!(report.result("after it"), &json!(200));
        assert_eq!(outcome.truncated, kept.is_none(), "{kibibytes} KiB");
        let length = outcome.stderr.len();
        match kept {
            Some(kept) => assert_eq!(length, kept << 10),
            None => assert!((1 << 20..2 << 20).contains(&length), "{length}"),
        }
    }
}

#[tokio::test]
async fn an_honest_program_with_many_connections_and_large_bodies_meets_no_bound() {
    let servers = Servers::start().await;
    for server in [&servers.http, &servers.https, &servers.http2] {
        let (report, _) = end_of(builder("many", &server.origin(), &servers.ca)).await;
        assert_eq!(report.result("down"), &json!(4 << 20));
        assert_eq!(report.result("statuses"), &json!([200]));
        assert_eq!(report.result("after it"), &Value::from(200));
    }
}
