//! Sessions over HTTP: turns that share an interpreter, and how sessions end.

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::client::{Answer, ask, head};
use crate::{ACME, Running, start, until};

/// Begins a session and returns its path.
pub(crate) async fn begin(running: &Running, request: Value) -> String {
    let answer = running.post("/v1/sessions", request).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let location = answer.field("location").expect("a location").to_owned();
    let id = answer.json()["id"].as_str().expect("an id").to_owned();
    assert_eq!(location, format!("/v1/sessions/{id}"));
    assert!(id.starts_with("a."), "{id}");
    location
}

pub(crate) async fn turn(running: &Running, session: &str, code: &str) -> Answer {
    running
        .post(&format!("{session}/turns"), json!({ "code": code }))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn turns_share_what_they_define_and_tell_values_and_exceptions() {
    let running = start("", "").await;
    let request =
        json!({"environment": {"A": "b"}, "arguments": ["x"], "files": {"/home/f": "text"}});
    let session = begin(&running, request).await;
    let first = turn(
        &running,
        &session,
        "import sys, os\nx = 20\nprint('said', sys.argv[1], os.environ['A'])",
    )
    .await;
    assert_eq!(first.printed("stdout"), "said x b\n", "{}", first.body);
    assert_eq!(first.end()["ended"], "done");
    let second = turn(&running, &session, "[x + 1, open('/home/f').read()]").await;
    assert_eq!(
        second.end()["value"]["json"],
        json!([21, "text"]),
        "{}",
        second.body
    );
    let third = turn(&running, &session, "x / 0").await;
    let end = third.end();
    assert_eq!(
        (&end["ended"], &end["exception"]["type"]),
        (&json!("raised"), &json!("ZeroDivisionError"))
    );
    assert_eq!(end["session"], "goes on");
    let last = turn(&running, &session, "exit(3)").await.end();
    assert_eq!(
        (&last["ended"], &last["session"]),
        (&json!("exit"), &json!("ended"))
    );
    let gone = turn(&running, &session, "x").await;
    assert_eq!(
        (gone.status, gone.json()["code"].as_str()),
        (404, Some("no-session"))
    );
    running.is_as_new().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_goes_on_refuses_another_one_and_can_be_interrupted() {
    let running = start("", "").await;
    let session = begin(&running, json!({})).await;
    turn(&running, &session, "x = 1").await;
    // The interrupt may come before its first line: what earlier turns left stays.
    let long = turn(&running, &session, "import time; time.sleep(50)");
    let others = async {
        running.runs(1).await;
        let refused = turn(&running, &session, "x").await;
        assert_eq!(
            (refused.status, refused.json()["code"].as_str()),
            (409, Some("session-busy"))
        );
        let interrupted = running
            .post(&format!("{session}/interrupt"), json!({}))
            .await;
        assert_eq!(interrupted.status, 204);
    };
    let (long, ()) = tokio::join!(long, others);
    assert_eq!(long.end()["ended"], "interrupted", "{}", long.body);
    assert_eq!(
        turn(&running, &session, "x").await.end()["value"]["json"],
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_of_turns_end_the_turn_and_not_the_session() {
    let running = start("", "output = \"32KiB\"").await;
    let session = begin(&running, json!({"limits": {"seconds": 0.5}})).await;
    turn(&running, &session, "x = 1").await;
    let long = turn(&running, &session, "while True: pass").await.end();
    assert_eq!(
        (&long["ended"], &long["session"]),
        (&json!("time-limit"), &json!("goes on"))
    );
    let loud = turn(&running, &session, "while True: print('x' * 1000)")
        .await
        .end();
    assert_eq!(loud["ended"], "output-limit");
    until("the turn has ended", async || {
        turn(&running, &session, "x").await.status == 200
    })
    .await;
    running.is_as_new().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_interrupts_its_turn() {
    let running = start("", "").await;
    let session = begin(&running, json!({})).await;
    turn(&running, &session, "x = 5").await;
    let body = json!({"code": "import time; time.sleep(50)"}).to_string();
    let mut stream = TcpStream::connect(running.address())
        .await
        .expect("a connection");
    let request = head("POST", &format!("{session}/turns"), Some(ACME), body.len()) + &body;
    stream
        .write_all(request.as_bytes())
        .await
        .expect("a request");
    running.runs(1).await;
    drop(stream);
    running.runs(0).await;
    let goes_on = async || turn(&running, &session, "x").await;
    until("the session goes on", async || {
        goes_on().await.status == 200
    })
    .await;
    assert_eq!(goes_on().await.end()["value"]["json"], 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_nobody_uses_ends_and_one_that_is_used_does_not() {
    let running = start("[sessions]\nidle = \"1s\"", "").await;
    let (idle, used) = (
        begin(&running, json!({})).await,
        begin(&running, json!({})).await,
    );
    let sessions = "sandbox_net_serve_sessions{tenant=\"acme\"}";
    until("one is gone", async || {
        assert_eq!(turn(&running, &used, "1").await.status, 200);
        running.number(sessions).await == 1.0
    })
    .await;
    assert_eq!(turn(&running, &idle, "1").await.status, 404);
    until("both are gone", async || {
        running.number(sessions).await == 0.0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_a_session_ends_its_turn_with_a_line_that_says_so() {
    let running = start("", "").await;
    let session = begin(&running, json!({})).await;
    let long = turn(&running, &session, "import time; time.sleep(50)");
    let end = async {
        running.runs(1).await;
        ask(running.address(), "DELETE", &session, Some(ACME), "")
            .await
            .status
    };
    let (long, status) = tokio::join!(long, end);
    assert_eq!(status, 204);
    let end = long.end();
    assert_eq!(
        (&end["ended"], &end["session"]),
        (&json!("closed"), &json!("ended"))
    );
    running.is_as_new().await;
}

/// A session whose program sends a request when it ends, after so many seconds.
async fn that_ends(running: &Running, name: &str, seconds: u32) -> String {
    let session = begin(running, json!({})).await;
    let code = format!(
        "import atexit, time, urllib.request\n\
         def end():\n    time.sleep({seconds})\n    urllib.request.urlopen('http://{name}/')\n\
         atexit.register(end)"
    );
    let registered = turn(running, &session, &code).await.end();
    assert_eq!(registered["ended"], "done", "{registered}");
    session
}

async fn delete(running: &Running, session: &str) -> u16 {
    ask(running.address(), "DELETE", session, Some(ACME), "")
        .await
        .status
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_session_takes_a_turn_and_is_left_out_without_one() {
    let settings =
        "[programs]\nrunning = 1\nallow = [\"http://other.test\"]\n[audit]\nfile = \"audit.jsonl\"";
    let running = start(settings, "waiting = 0").await;
    let ran = that_ends(&running, "ran.test", 2).await;
    let left_out = that_ends(&running, "left-out.test", 0).await;
    let (status, ()) = tokio::join!(delete(&running, &ran), running.runs(1));
    assert_eq!(status, 204);
    running.runs(0).await;
    let long = running.run(json!({"code": "while True: pass", "limits": {"seconds": 30}}));
    let others = async {
        running.runs(1).await;
        // The queue is full, and still it is not refused.
        assert_eq!(delete(&running, &left_out).await, 204);
        running
            .number("sandbox_net_serve_running{tenant=\"acme\"}")
            .await
    };
    let runs = tokio::select! {
        runs = others => runs,
        _ = long => panic!("it waited for the end of the program"),
    };
    assert_eq!(runs, 1.0);
    running.is_as_new().await;
    let log = std::fs::read_to_string(running.directory.path().join("audit.jsonl")).expect("a log");
    assert!(log.contains("ran.test"), "{log}");
    assert!(!log.contains("left-out.test"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_waits_ends_with_its_session() {
    for lifetime in ["1h", "5s"] {
        let settings = format!("[programs]\nrunning = 1\n[sessions]\nlifetime = \"{lifetime}\"");
        let running = start(&settings, "").await;
        let session = begin(&running, json!({})).await;
        let long = running.run(json!({"code": "while True: pass", "limits": {"seconds": 50}}));
        let others = async {
            running.runs(1).await;
            let waits = turn(&running, &session, "print('too late')");
            let end = async {
                let waiting = "sandbox_net_serve_waiting{tenant=\"acme\"}";
                until("it waits", async || running.number(waiting).await == 1.0).await;
                match lifetime {
                    "1h" => delete(&running, &session).await,
                    _ => 204,
                }
            };
            tokio::join!(waits, end)
        };
        let (refused, status) = tokio::select! {
            both = others => both,
            _ = long => panic!("{lifetime}: it waited for the end of the program"),
        };
        assert_eq!(status, 204);
        assert_eq!(
            (refused.status, refused.json()["code"].as_str()),
            (410, Some("session-ended")),
            "{lifetime}"
        );
        running.is_as_new().await;
        assert_eq!(
            running
                .number("sandbox_net_serve_sessions{tenant=\"acme\"}")
                .await,
            0.0
        );
    }
}
