//! The example `server`: it streams from pooled sandboxes, refuses what is too much, and ends when it is told
//! to; and `load`, whose clients lose nothing.

use crate::http::{Reply, send};
use crate::talk::{Talk, prepare, run, soon, text};
use sandbox_net_tests::{Forbidden, HttpServer};
use serde_json::Value;
use tokio::net::TcpListener;

/// Starts the server; returns it and its address.
async fn server(args: &[&str]) -> (Talk, String) {
    prepare().await;
    let mut server = Talk::start(env!("CARGO_BIN_EXE_server"), args);
    let line = server.line().await;
    let address = line.strip_prefix("listening on http://").expect("its line");
    (server, address.to_owned())
}

async fn json(address: &str, request: &str, source: &str) -> (u16, Value) {
    let reply = send(address, request, source).await;
    let status = reply.status;
    let body = reply.rest().await;
    (status, serde_json::from_str(&body).expect("JSON"))
}

/// The next lines that say what is printed, up to the end of one.
async fn printed(reply: &mut Reply) -> String {
    let mut printed = String::new();
    while !printed.ends_with('\n') {
        let line: Value = serde_json::from_str(&reply.line().await).expect("JSON");
        printed += line["stdout"].as_str().expect("a piece of stdout");
    }
    printed
}

/// What is printed, and the end.
fn parts(body: &str) -> (String, String, Value) {
    let lines = body
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"));
    let mut lines: Vec<Value> = lines.collect();
    let end = lines.pop().expect("the end");
    let of = |name: &str| {
        lines
            .iter()
            .filter_map(|line| line[name].as_str())
            .collect()
    };
    (of("stdout"), of("stderr"), end)
}

#[tokio::test]
async fn output_arrives_while_the_program_runs_and_the_last_line_tells_its_end() {
    let (origin, forbidden) = (HttpServer::plain().await, Forbidden::start().await);
    let (_server, address) = server(&["1", "2", "4", &origin.origin()]).await;
    let source = format!(
        "import sys, urllib.request\n\
         print('first')\n\
         urllib.request.urlopen('{}/slow').read()\n\
         try: urllib.request.urlopen('{}/')\n\
         except OSError: print('denied \u{20ac}')\n\
         print('aside', file=sys.stderr)\n\
         sys.exit(3)",
        origin.origin(),
        forbidden.origin(),
    );
    let mut reply = send(&address, "POST /run", &source).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.field("content-type"), Some("application/x-ndjson"));
    assert_eq!(printed(&mut reply).await, "first\n");
    // The program waits for this server, which answers only now.
    let (status, stats) = json(&address, "GET /stats", "").await;
    assert_eq!((status, &stats["pool"]["in_use"]), (200, &Value::from(1)));
    origin.release();
    let (stdout, stderr, end) = parts(&reply.rest().await);
    assert_eq!((&*stdout, &*stderr), ("denied \u{20ac}\n", "aside\n"));
    assert_eq!(
        (&end["ended"], &end["exit_code"]),
        (&Value::from("exit"), &Value::from(3))
    );
    assert_eq!(end["requests"], 1);
    assert_eq!(forbidden.connections().await, 0);
}

#[tokio::test]
async fn limits_are_kept_each_sandbox_is_new_and_errors_are_json() {
    let (_server, address) = server(&["1", "2", "4"]).await;
    let cases = [
        (
            "?seconds=1",
            "print(1)\nwhile True: pass",
            "1\n",
            "time-limit",
        ),
        (
            "?memory=100000000",
            "try: bytes(1 << 27)\nexcept MemoryError: print('no room')",
            "no room\n",
            "exit",
        ),
        ("", "open('kept', 'w').close()", "", "exit"),
        (
            "",
            "import os; print(os.path.exists('kept'))",
            "False\n",
            "exit",
        ),
    ];
    for (limits, source, expected, ended) in cases {
        let reply = send(&address, &format!("POST /run{limits}"), source).await;
        assert_eq!(reply.status, 200, "{limits}");
        let (stdout, _, end) = parts(&reply.rest().await);
        assert_eq!(
            (&*stdout, end["ended"].as_str()),
            (expected, Some(ended)),
            "{source}"
        );
    }
    for limits in ["seconds=0", "seconds=-1", "memory=1000"] {
        let (status, told) = json(&address, &format!("POST /run?{limits}"), "pass").await;
        assert!(
            status == 400 && told["error"].is_string(),
            "{limits}: {told}"
        );
    }
    assert_eq!(
        json(&address, "GET /healthz", "").await,
        (200, serde_json::json!({"status": "ok"}))
    );
}

#[tokio::test]
async fn one_too_many_is_told_to_come_again_and_who_goes_away_makes_room() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let origin = format!("http://{}", listener.local_addr().expect("an address"));
    let (_server, address) = server(&["1", "1", "0", &origin]).await;
    let waiting =
        format!("import urllib.request\nprint('here')\nurllib.request.urlopen('{origin}/').read()");
    let mut reply = send(&address, "POST /run", &waiting).await;
    assert_eq!(printed(&mut reply).await, "here\n");
    let (connection, _) = soon(listener.accept()).await.expect("the program");
    let refused = send(&address, "POST /run", "print(1)").await;
    assert_eq!(
        (refused.status, refused.field("retry-after")),
        (429, Some("1"))
    );
    let why: Value = serde_json::from_str(&refused.rest().await).expect("JSON");
    assert!(
        why["error"]
            .as_str()
            .expect("why")
            .contains("1 sandboxes of the pool are in use")
    );
    // Nothing answers the program.
    drop(reply);
    let again = async {
        loop {
            let reply = send(&address, "POST /run", "print('next')").await;
            if reply.status != 429 {
                break parts(&reply.rest().await).0;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    assert_eq!(soon(again).await, "next\n");
    drop(connection);
}

/// A minute of fifty clients is for the documentation; this is the same for two seconds of eight.
#[tokio::test]
async fn clients_that_compare_every_byte_lose_nothing() {
    let (_server, address) = server(&["2", "4", "2"]).await;
    let load = run(env!("CARGO_BIN_EXE_load"), &[&*address, "8", "2"], "").await;
    let told = text(&load.stdout);
    assert!(load.status.success(), "{told} {}", text(&load.stderr));
    let told: Value = serde_json::from_str(told.lines().next().expect("a line")).expect("JSON");
    assert_eq!(told["lost"], 0);
    assert_eq!(told["kinds"].as_object().expect("kinds").len(), 5, "{told}");
    let pool = &told["server"]["pool"];
    assert_eq!(
        (&pool["in_use"], &pool["failed"]),
        (&Value::from(0), &Value::from(0)),
        "{told}"
    );
    // As many as may waited, and others were sent again.
    assert!(told["refused_and_sent_again"].as_u64() > Some(0), "{told}");
    assert_eq!(pool["refused"], told["refused_and_sent_again"]);
}

#[tokio::test]
async fn a_server_that_is_told_to_end_lets_programs_end_and_leaves_nothing() {
    let origin = HttpServer::plain().await;
    let (mut server, address) = server(&["1", "2", "4", &origin.origin()]).await;
    let source = format!(
        "import urllib.request\nprint('here')\nurllib.request.urlopen('{}/slow').read()\nprint('done')",
        origin.origin()
    );
    let mut reply = send(&address, "POST /run", &source).await;
    assert_eq!(printed(&mut reply).await, "here\n");
    server.signal("TERM").await;
    assert_eq!(server.line().await, "ending");
    origin.release();
    let (stdout, _, end) = parts(&reply.rest().await);
    assert_eq!((&*stdout, &end["exit_code"]), ("done\n", &Value::from(0)));
    assert_eq!(soon(server.end()).await, 0);
}
