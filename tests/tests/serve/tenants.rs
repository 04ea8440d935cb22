//! What one tenant uses, another one still has; what one has, another one does not see.

use serde_json::json;

use crate::client::ask;
use crate::{ACME, BETA, start, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_has_used_its_runs_of_a_minute_is_told_when_to_come_back() {
    let running = start("", "runs_per_minute = 2").await;
    let body = json!({"code": "print(1)"}).to_string();
    let run = async |token| ask(running.address(), "POST", "/v1/run", Some(token), &body).await;
    assert_eq!((run(ACME).await.status, run(ACME).await.status), (200, 200));
    let refused = run(ACME).await;
    assert_eq!(
        (refused.status, refused.json()["code"].as_str()),
        (429, Some("rate"))
    );
    let after: u64 = refused
        .field("retry-after")
        .expect("a field")
        .parse()
        .expect("seconds");
    assert!((1..=60).contains(&after), "{after}");
    assert_eq!(run(BETA).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_its_tenants_alone() {
    let running = start("", "").await;
    let session = running.post("/v1/sessions", json!({})).await;
    assert_eq!(session.status, 201, "{}", session.body);
    let id = session.json()["id"].as_str().expect("an id").to_owned();
    let body = json!({"code": "1 + 1"}).to_string();
    let turns = format!("/v1/sessions/{id}/turns");
    let own = format!("/v1/sessions/{id}");
    for (method, path) in [("POST", &turns), ("DELETE", &own)] {
        let answer = ask(running.address(), method, path, Some(BETA), &body).await;
        assert_eq!(
            (answer.status, answer.json()["code"].as_str()),
            (404, Some("no-session"))
        );
    }
    let answer = ask(running.address(), "POST", &turns, Some(ACME), &body).await;
    assert_eq!(answer.end()["value"]["json"], 2, "{}", answer.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_has_as_many_sessions_as_it_may_and_another_one_still_has_its_own() {
    let running = start("", "sessions = 1").await;
    let begin = async |token| ask(running.address(), "POST", "/v1/sessions", Some(token), "").await;
    let first = begin(ACME).await;
    let refused = begin(ACME).await;
    assert_eq!(
        (refused.status, refused.json()["code"].as_str()),
        (429, Some("sessions"))
    );
    assert_eq!(begin(BETA).await.status, 201);
    let id = first.json()["id"].as_str().expect("an id").to_owned();
    let ended = ask(
        running.address(),
        "DELETE",
        &format!("/v1/sessions/{id}"),
        Some(ACME),
        "",
    )
    .await;
    assert_eq!(ended.status, 204);
    assert_eq!(begin(ACME).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_with_a_long_queue_holds_up_no_other_one() {
    let running = start("[programs]\nrunning = 2\nwaiting = 64", "").await;
    let address = running.address();
    let slow = json!({"code": "import time; time.sleep(0.5); print('acme')"}).to_string();
    let flood = (0..40).map(|_| {
        let slow = slow.clone();
        tokio::spawn(async move { ask(address, "POST", "/v1/run", Some(ACME), &slow).await })
    });
    let flood: Vec<_> = flood.collect();
    let queue = "sandbox_net_serve_queue";
    until("many wait", async || running.number(queue).await >= 30.0).await;
    let quick = json!({"code": "print('beta')"}).to_string();
    let answer = ask(address, "POST", "/v1/run", Some(BETA), &quick).await;
    assert_eq!(answer.printed("stdout"), "beta\n", "{}", answer.body);
    // Most of the flood still waits: it was not behind it.
    let left = running.number(queue).await;
    assert!(left >= 15.0, "{left} wait");
    assert_eq!(ask(address, "GET", "/readyz", None, "").await.status, 200);
    flood.iter().for_each(tokio::task::JoinHandle::abort);
    running.is_as_new().await;
}
