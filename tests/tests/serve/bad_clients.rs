//! Clients that are slow, silent, too many, or gone: nothing of theirs is left.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::{head, read};
use crate::{ACME, BETA, start, until};

const SHORT: &str =
    "[server]\nhead_timeout = \"500ms\"\nbody_timeout = \"500ms\"\nwrite_timeout = \"500ms\"";

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_sends_no_head_loses_its_connection() {
    let running = start(SHORT, "").await;
    for begun in ["", "POST /v1/run HTTP/1.1\r\nhost: t\r\n"] {
        let mut stream = TcpStream::connect(running.address())
            .await
            .expect("a connection");
        stream
            .write_all(begun.as_bytes())
            .await
            .expect("a beginning");
        let mut received = Vec::new();
        let ended = stream.read_to_end(&mut received);
        let ended = tokio::time::timeout(Duration::from_secs(30), ended).await;
        ended.expect("the connection ends").ok();
    }
    running.is_as_new().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_sends_its_body_too_slowly_is_told_so() {
    let running = start(SHORT, "").await;
    let mut stream = TcpStream::connect(running.address())
        .await
        .expect("a connection");
    let request = head("POST", "/v1/run", Some(ACME), 100) + "{\"code\": ";
    stream
        .write_all(request.as_bytes())
        .await
        .expect("a beginning");
    let answer = tokio::time::timeout(Duration::from_secs(30), read(stream)).await;
    let answer = answer.expect("an answer in time");
    assert_eq!(
        (answer.status, answer.json()["code"].as_str()),
        (408, Some("slow-body"))
    );
    running.is_as_new().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_ends_its_program() {
    let running = start(SHORT, "output = \"16MiB\"").await;
    let body = json!({"code": "while True: print('x' * 10000)"}).to_string();
    let mut stream = TcpStream::connect(running.address())
        .await
        .expect("a connection");
    let request = head("POST", "/v1/run", Some(ACME), body.len()) + &body;
    stream
        .write_all(request.as_bytes())
        .await
        .expect("a request");
    running.runs(1).await;
    // It waits for its client, and is ended long before its own limit of a minute.
    let ended = tokio::time::timeout(Duration::from_secs(30), running.runs(0)).await;
    ended.expect("the program is ended");
    drop(stream);
    running.is_as_new().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_while_it_waits_leaves_the_queue() {
    let running = start("", "running = 1\nwaiting = 1").await;
    let begin = async |code: &str| {
        let body = json!({ "code": code }).to_string();
        let mut stream = TcpStream::connect(running.address())
            .await
            .expect("a connection");
        let request = head("POST", "/v1/run", Some(ACME), body.len()) + &body;
        stream
            .write_all(request.as_bytes())
            .await
            .expect("a request");
        stream
    };
    let waiting = "sandbox_net_serve_waiting{tenant=\"acme\"}";
    let first = begin("import time; time.sleep(50)").await;
    running.runs(1).await;
    let second = begin("print(2)").await;
    until("one waits", async || running.number(waiting).await == 1.0).await;
    let refused = running.run(json!({"code": "print(3)"})).await;
    assert_eq!(
        (refused.status, refused.json()["code"].as_str()),
        (429, Some("tenant-busy"))
    );
    assert_eq!(refused.field("retry-after"), Some("1"));
    drop(second);
    until("none waits", async || running.number(waiting).await == 0.0).await;
    drop(first);
    running.is_as_new().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_more_than_may_be_is_told_so() {
    let settings = "[server]\nconnections = 2\nadmin = \"127.0.0.1:0\"";
    let running = start(settings, "").await;
    let admin = running.server.admin_address().expect("an address");
    let connect = async || {
        TcpStream::connect(running.address())
            .await
            .expect("a connection")
    };
    let (first, second) = (connect().await, connect().await);
    let is_full = async || {
        let answer = crate::client::ask(admin, "GET", "/readyz", None, "").await;
        answer.status == 503
    };
    until("it is full", is_full).await;
    let answer = read(connect().await).await;
    assert_eq!(
        (answer.status, answer.json()["code"].as_str()),
        (503, Some("connections"))
    );
    drop((first, second));
    until("it is ready", async || !is_full().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_bodies_together_are_bounded() {
    let settings = "[server]\nbody = \"64KiB\"\nbodies = \"64KiB\"";
    let running = start(settings, "").await;
    let mut stream = TcpStream::connect(running.address())
        .await
        .expect("a connection");
    let held = head("POST", "/v1/run", Some(ACME), 60_000) + "{";
    stream
        .write_all(held.as_bytes())
        .await
        .expect("a beginning");
    let waiting = "sandbox_net_serve_waiting{tenant=\"acme\"}";
    until("one sends its body", async || {
        running.number(waiting).await == 1.0
    })
    .await;
    let refused = async || {
        let code = "x".repeat(10_000);
        running
            .run(json!({ "code": format!("'{code}'") }))
            .await
            .status
    };
    until("there is no room", async || refused().await == 503).await;
    drop(stream);
    until("there is room", async || refused().await == 200).await;
    running.is_as_new().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_whose_bodies_take_its_share_takes_no_room_of_another() {
    let settings = "[server]\nbody = \"64KiB\"\nbodies = \"128KiB\"";
    let running = start(settings, "").await;
    let mut stream = TcpStream::connect(running.address())
        .await
        .expect("a connection");
    let held = head("POST", "/v1/run", Some(ACME), 60_000) + "{";
    stream
        .write_all(held.as_bytes())
        .await
        .expect("a beginning");
    // A program that ran before would take the room of its own body, so that the held one is refused.
    let waiting = "sandbox_net_serve_waiting{tenant=\"acme\"}";
    until("one sends its body", async || {
        running.number(waiting).await == 1.0
    })
    .await;
    let code = json!({ "code": format!("'{}'", "x".repeat(10_000)) }).to_string();
    let run = async |token| {
        crate::client::ask(running.address(), "POST", "/v1/run", Some(token), &code).await
    };
    let is_refused = async || {
        let ran = run(ACME).await;
        ran.status == 429 && ran.json()["code"] == "tenant-bodies"
    };
    until("there is no room", is_refused).await;
    assert_eq!(run(BETA).await.status, 200);
    drop(stream);
    until("there is room", async || run(ACME).await.status == 200).await;
}
