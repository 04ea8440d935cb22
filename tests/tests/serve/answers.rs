//! Answers that clients do not take: they hold no more than their tenant's room, and no program's turn.

use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::client::{ask, head};
use crate::sessions::{begin, turn};
use crate::{ACME, BETA, Running, start, until};

/// Clients have ten minutes to read: what waits for them would wait longer than any test.
const PATIENT: &str =
    "[server]\ninstance = \"a\"\nwrite_timeout = \"10m\"\nbody = \"64KiB\"\nbodies = \"128KiB\"";

/// A client of `acme` that sends a request and reads nothing.
async fn silent(running: &Running, path: &str, code: &str, seconds: f64) -> TcpStream {
    let body = json!({"code": code, "limits": {"seconds": seconds}}).to_string();
    let mut stream = TcpStream::connect(running.address())
        .await
        .expect("a connection");
    let request = head("POST", path, Some(ACME), body.len()) + &body;
    stream
        .write_all(request.as_bytes())
        .await
        .expect("a request");
    stream
}

/// Prints more than the buffers of a connection hold, six bytes of JSON for each of its own.
const LOUD: &str = "import sys\nwhile True: sys.stdout.write('\\x01' * 60000)";

#[tokio::test(flavor = "multi_thread")]
async fn lines_that_slow_clients_leave_take_no_more_than_the_room_of_their_tenant() {
    let running = start(PATIENT, "output = \"16MiB\"").await;
    let held = "sandbox_net_serve_answers_bytes{tenant=\"acme\"}";
    let slow = (0..12).map(|_| silent(&running, "/v1/run", LOUD, 50.0));
    let slow = futures_util::future::join_all(slow).await;
    let is_full = async || {
        let held = running.number(held).await;
        assert!(held <= f64::from(1 << 20), "{held} bytes are held");
        held == f64::from(1 << 20)
    };
    until("the room is full", is_full).await;
    let body = json!({"code": "print('beta')"}).to_string();
    let beta = ask(running.address(), "POST", "/v1/run", Some(BETA), &body).await;
    assert_eq!(beta.printed("stdout"), "beta\n", "{}", beta.body);
    drop(slow);
    running.is_as_new().await;
    until("the room is free", async || {
        running.number(held).await == 0.0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_keeps_no_turn_after_the_end_of_its_program() {
    let settings = format!("{PATIENT}\n[programs]\nrunning = 1");
    let running = start(&settings, "output = \"16MiB\"").await;
    let body = json!({"code": "print('beta')"}).to_string();
    let beta = async || ask(running.address(), "POST", "/v1/run", Some(BETA), &body).await;
    let session = begin(&running, json!({})).await;
    for path in ["/v1/run".to_owned(), format!("{session}/turns")] {
        let slow = silent(&running, &path, LOUD, 3.0).await;
        running.runs(1).await;
        // It is answered once the other one has run into its limit, of which nobody reads.
        let answer = tokio::time::timeout(std::time::Duration::from_secs(60), beta()).await;
        let answer = answer.unwrap_or_else(|_| panic!("{path} keeps its turn"));
        assert_eq!(
            answer.printed("stdout"),
            "beta\n",
            "{path}: {}",
            answer.body
        );
        running.runs(0).await;
        drop(slow);
    }
    running.is_as_new().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_fits_comes_whole_and_a_longer_one_is_cut() {
    let running = start(PATIENT, "output = \"16MiB\"").await;
    let session = begin(&running, json!({})).await;
    let shown = "class Shown:\n    def __init__(self, length): self.length = length\n    \
        def _repr_html_(self): return '\\x01' * self.length";
    turn(&running, &session, shown).await;
    let fits = turn(&running, &session, "Shown(120_000)").await.end();
    let html = fits["value"]["mime"]["text/html"].as_str();
    assert_eq!(html.map(str::len), Some(120_000));
    assert_eq!(fits["truncated"], false);
    // An eighth of the room is 128 KiB.
    let longer = turn(&running, &session, "Shown(140_000)").await.end();
    assert_eq!(
        (&longer["ended"], &longer["truncated"]),
        (&json!("done"), &json!(true))
    );
    assert_eq!(longer["value"]["mime"], json!({}));
    let list = turn(&running, &session, "[{'a\\n': 1.5}] * 3").await.end();
    assert_eq!(
        list["value"]["json"],
        json!([{"a\n": 1.5}, {"a\n": 1.5}, {"a\n": 1.5}])
    );
}
