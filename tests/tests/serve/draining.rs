//! The end of a server: nothing is lost that ends in time, and what does not is told so.

use std::time::Duration;

use serde_json::json;

use crate::client::{Streamed, ask};
use crate::sessions::{begin, turn};
use crate::{ACME, Running, start, until};

/// A server that ends while `work` goes on.
async fn drained<T>(running: Running, work: impl Future<Output = T>) -> (T, Duration) {
    let begun = std::time::Instant::now();
    let (done, ()) = tokio::join!(work, running.server.drain());
    (done, begun.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_fails_at_once_and_what_runs_or_waits_ends_as_ever() {
    let settings = "[server]\nnotice = \"1s\"\ngrace = \"30s\"";
    let running = start(settings, "running = 1").await;
    let address = running.address();
    let run = move |number: u32| async move {
        let code = format!("import time; time.sleep(0.7); print({number})");
        let body = json!({ "code": code }).to_string();
        ask(address, "POST", "/v1/run", Some(ACME), &body).await
    };
    let programs = tokio::spawn(futures_util::future::join_all((0..4).map(run)));
    running.runs(1).await;
    let probes = async {
        until("it is not ready", async || {
            ask(address, "GET", "/readyz", None, "").await.status == 503
        })
        .await;
        let alive = ask(address, "GET", "/healthz", None, "").await;
        let session = ask(address, "POST", "/v1/sessions", Some(ACME), "").await;
        // Until the proxy knows, programs run as ever.
        let late = "{\"code\": \"print('late')\"}";
        let answer = ask(address, "POST", "/v1/run", Some(ACME), late).await;
        (alive.status, answer.printed("stdout"), session.status)
    };
    let (probes, _) = drained(running, probes).await;
    assert_eq!(probes, (200, "late\n".to_owned(), 503));
    let programs = programs.await.expect("programs");
    for (number, answer) in programs.iter().enumerate() {
        assert_eq!(
            answer.printed("stdout"),
            format!("{number}\n"),
            "{}",
            answer.body
        );
        assert_eq!(answer.end()["ended"], "exit");
    }
    let refused = tokio::net::TcpStream::connect(address).await;
    assert!(refused.is_err(), "it still listens");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_end_in_time_is_ended_with_a_line_that_says_so() {
    let settings = "[server]\ninstance = \"a\"\nnotice = \"0s\"\ngrace = \"500ms\"";
    let running = start(settings, "running = 2").await;
    let session = begin(&running, json!({})).await;
    let address = running.address();
    let body = json!({"code": "import time\nprint('begun')\ntime.sleep(50)"}).to_string();
    let program = Streamed::until("begun", address, "/v1/run", &body).await;
    let in_session = Streamed::until("begun", address, &format!("{session}/turns"), &body).await;
    running.runs(2).await;
    let waits =
        tokio::spawn(async move { ask(address, "POST", "/v1/run", Some(ACME), &body).await });
    let waiting = "sandbox_net_serve_waiting{tenant=\"acme\"}";
    until("one waits", async || running.number(waiting).await == 1.0).await;
    assert_eq!(turn(&running, &session, "1").await.status, 409);
    let ((), took) = drained(running, async {}).await;
    for (what, answer) in [("program", program), ("turn", in_session)] {
        let answer = answer.rest().await;
        assert_eq!(
            answer.printed("stdout"),
            "begun\n",
            "{what}: {}",
            answer.body
        );
        assert_eq!(answer.end()["ended"], "shutdown", "{what}: {}", answer.body);
    }
    let waits = waits.await.expect("an answer");
    assert_eq!(
        (waits.status, waits.json()["code"].as_str()),
        (503, Some("draining"))
    );
    assert!(took < Duration::from_secs(40), "{took:?}");
}
