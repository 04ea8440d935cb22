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
async fn sessions_that_take_a_tenants_share_of_memory_take_none_of_another() {
    let settings = "[programs]\nmemory = \"150MiB\"\ntotal_memory = \"400MiB\"\nready = 1";
    let running = start(settings, "").await;
    let hold = json!({ "code": "held = bytearray(60 << 20)" });
    let mut refusals = 0;
    for _ in 0..4 {
        let begun = running.post("/v1/sessions", json!({})).await;
        if begun.status != 201 {
            refusals += 1;
            continue;
        }
        let begun = begun.json();
        let id = begun["id"].as_str().expect("an id");
        let held = running
            .post(&format!("/v1/sessions/{id}/turns"), hold.clone())
            .await;
        refusals += usize::from(held.status != 200 || held.end()["ended"] != "done");
    }
    assert!(refusals > 0, "the share is bounded");
    let code = json!({ "code": "print(len(bytearray(60 << 20)))" }).to_string();
    let other = crate::client::ask(running.address(), "POST", "/v1/run", Some(BETA), &code).await;
    let printed = format!("{}\n", 60 << 20);
    assert_eq!(other.printed("stdout"), printed, "{}", other.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_with_more_parts_than_have_room_are_refused_with_the_reason() {
    let running = start("", "").await;
    let many = vec![""; 4001];
    let files: serde_json::Map<_, _> = (0..1001)
        .map(|it| (format!("/home/{it}"), "".into()))
        .collect();
    let deep = format!("/home{}", "/a".repeat(40));
    for (more, why) in [
        (json!({ "arguments": many }), "more than 4000 entries"),
        (json!({ "files": files }), "more than 1000 entries"),
        (json!({ "files": { deep: "" } }), "more than 32 parts"),
        (json!({ "limits": [5] }), "a JSON object"),
        (json!({ "policy": [[], []] }), "a JSON object"),
        (json!({ "policy": { "budgets": [1] } }), "a JSON object"),
        (json!({ "stdin": ["eA=="] }), "Content"),
        (
            json!({ "limits": { "seconds": -1 } }),
            "seconds is -1, which is negative",
        ),
    ] {
        let mut request = json!({ "code": "" });
        for (key, value) in more.as_object().expect("an object") {
            request[key] = value.clone();
        }
        let answer = running.run(request).await;
        assert_eq!(answer.status, 400, "{}", answer.body);
        assert!(answer.body.contains(why), "{why}: {}", answer.body);
    }
    for (path, body) in [
        ("/v1/run", json!(["print(1)"])),
        ("/v1/sessions", json!([[], {}])),
    ] {
        let answer = running.post(path, body).await;
        assert_eq!(answer.status, 400, "{}", answer.body);
        assert!(answer.body.contains("a JSON object"), "{}", answer.body);
    }
    running.is_as_new().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_tells_what_was_denied_and_the_exit_code_of_a_program_that_ends_itself() {
    let running = start("[programs]\nallow = [\"http://allowed.test\"]", "").await;
    let begun = running.post("/v1/sessions", json!({})).await.json();
    let turns = format!(
        "/v1/sessions/{}/turns",
        begun["id"].as_str().expect("an id")
    );
    let ask = "import urllib.request\ntry: urllib.request.urlopen('http://evil.test/')\nexcept OSError: pass";
    let denied = running.post(&turns, json!({ "code": ask })).await;
    assert_eq!(
        denied.end()["denied"][0]["target"],
        "evil.test:80",
        "{}",
        denied.body
    );
    assert!(denied.end()["exit_code"].is_null());
    let ended = running
        .post(&turns, json!({ "code": "import sys; sys.exit(4)" }))
        .await;
    assert_eq!(ended.end()["exit_code"], 4, "{}", ended.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_beyond_the_sandboxs_own_disk_are_the_clients_fault_and_not_a_full_disk() {
    let running = start("[programs]\ndisk = \"64KiB\"", "").await;
    let begun = running.post("/v1/sessions", json!({})).await.json();
    let turns = format!(
        "/v1/sessions/{}/turns",
        begun["id"].as_str().expect("an id")
    );
    let fill = "try:\n    for n in range(100_000): open(f'/home/{n}', 'w').close()\nexcept OSError: print('full')";
    let filled = running.post(&turns, json!({ "code": fill })).await;
    assert_eq!(filled.printed("stdout"), "full\n", "{}", filled.body);
    let answer = running
        .post(&turns, json!({ "code": "", "files": { "/home/x": "" } }))
        .await;
    let json = answer.json();
    assert_eq!((answer.status, json["code"].as_str()), (413, Some("files")));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_is_no_text_is_refused_as_any_other_that_is_unknown() {
    let running = start("", "").await;
    let path = "/v1/sessions/%ff/turns";
    for (token, status, code) in [
        (None, 401, "unknown-token"),
        (Some(ACME), 404, "no-session"),
    ] {
        let body = "{\"code\": \"\"}";
        let answer = crate::client::ask(running.address(), "POST", path, token, body).await;
        let json = answer.json();
        assert_eq!((answer.status, json["code"].as_str()), (status, Some(code)));
    }
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
