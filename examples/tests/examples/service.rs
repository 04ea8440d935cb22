//! The example `service`: it streams, limits each run, ends what nobody waits for, and refuses what is
//! too much.

use std::time::Duration;

use crate::http::{Reply, send};
use crate::talk::{PATIENCE, Talk, prepare, soon};
use sandbox_net_tests::{Forbidden, HttpServer};
use serde_json::Value;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::time::timeout;

/// The service's own time limit ends a program after a minute; what a disconnection ends is over before.
const BEFORE_ITS_LIMIT: Duration = Duration::from_secs(30);

/// Starts the service; returns it and its address.
async fn service(args: &[&str]) -> (Talk, String) {
    prepare().await;
    let mut service = Talk::start(env!("CARGO_BIN_EXE_service"), args);
    let line = service.line().await;
    let address = line.strip_prefix("listening on http://").expect("its line");
    (service, address.to_owned())
}

/// How the run of this reply ended.
async fn ended(address: &str, location: &str) -> Value {
    let reply = send(address, &format!("GET {location}"), "").await;
    assert_eq!(reply.status, 200);
    serde_json::from_str(&reply.rest().await).expect("JSON")
}

fn location(reply: &Reply) -> String {
    reply.field("location").expect("the run's name").to_owned()
}

#[tokio::test]
async fn a_line_arrives_before_the_program_ends_and_the_end_is_told_afterwards() {
    let (server, forbidden) = (HttpServer::plain().await, Forbidden::start().await);
    let (_service, address) = service(&["2", "4", &server.origin()]).await;
    let source = format!(
        "import sys, urllib.request\n\
         print('first')\n\
         urllib.request.urlopen('{}/slow').read()\n\
         try: urllib.request.urlopen('{}/')\n\
         except OSError: print('denied')\n\
         print('to nobody', file=sys.stderr)\n\
         sys.exit(3)",
        server.origin(),
        forbidden.origin(),
    );
    let mut reply = send(&address, "POST /runs", &source).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.line().await, "first\n");
    // The program waits for this server, which answers only now.
    let location = location(&reply);
    let early = send(&address, &format!("GET {location}"), "").await;
    assert_eq!(early.status, 404, "it goes on");
    server.release();
    assert_eq!(reply.rest().await, "denied\n");

    let outcome = ended(&address, &location).await;
    assert_eq!(outcome["exit_code"], 3);
    assert_eq!(outcome["stderr"], "to nobody\n");
    let verdicts = outcome["decisions"].as_array().expect("a list");
    let denied = verdicts.iter().filter(|it| it["verdict"] == "deny");
    assert_eq!(denied.count(), 1, "{verdicts:?}");
    assert_eq!(forbidden.connections().await, 0);
}

#[tokio::test]
async fn each_request_has_limits_and_a_sandbox_of_its_own() {
    let server = HttpServer::plain().await;
    let (_service, address) = service(&["2", "4", &server.origin()]).await;
    let twice = format!(
        "import urllib.request\n\
         for _ in range(2):\n    \
         try: print(urllib.request.urlopen('{}/get').status)\n    \
         except OSError: print('too many')",
        server.origin()
    );
    let cases = [
        ("requests=1", twice.as_str(), "200\ntoo many\n", "exit"),
        ("", &twice, "200\n200\n", "exit"),
        (
            "seconds=1",
            "print(1)\nwhile True: pass",
            "1\n",
            "time-limit",
        ),
        (
            "cpu_seconds=1",
            "print(1)\nwhile True: pass",
            "1\n",
            "cpu-limit",
        ),
        (
            "memory=100000000",
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
    for (limits, source, expected, end) in cases {
        let reply = send(&address, &format!("POST /runs?{limits}"), source).await;
        assert_eq!(reply.status, 200, "{limits}");
        let location = location(&reply);
        assert_eq!(reply.rest().await, expected, "{limits}");
        let outcome = ended(&address, &location).await;
        assert_eq!(outcome["ended"], end, "{limits}: {outcome}");
    }
    for limits in ["seconds=0", "seconds=-1", "memory=1000", "requests=some"] {
        let reply = send(&address, &format!("POST /runs?{limits}"), "pass").await;
        assert_eq!(reply.status, 400, "{limits}");
    }
}

#[tokio::test]
async fn a_client_that_goes_away_ends_its_program_and_one_too_many_is_told_to_come_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let origin = format!("http://{}", listener.local_addr().expect("an address"));
    // One program may run, and none may wait.
    let (_service, address) = service(&["1", "0", &origin]).await;
    let waiting =
        format!("import urllib.request\nprint('here')\nurllib.request.urlopen('{origin}/').read()");
    let mut reply = send(&address, "POST /runs", &waiting).await;
    assert_eq!(reply.line().await, "here\n");
    let (mut connection, _) = soon(listener.accept()).await.expect("the program");
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let read = soon(connection.read_buf(&mut request)).await;
        assert_ne!(read.expect("a request"), 0);
    }

    let refused = send(&address, "POST /runs", "print(1)").await;
    assert_eq!(refused.status, 429);
    assert_eq!(refused.field("retry-after"), Some("1"));
    assert!(refused.rest().await.starts_with("1 programs run"));

    // Nothing answers the program. Its connection closes because its client disconnects.
    drop(reply);
    // It may close or reset the connection.
    let read = timeout(BEFORE_ITS_LIMIT, connection.read_buf(&mut request)).await;
    assert_eq!(read.expect("an end before that").unwrap_or(0), 0);

    // Its place is free a moment later.
    let again = async {
        loop {
            let reply = send(&address, "POST /runs", "print('next')").await;
            match reply.status {
                429 => tokio::time::sleep(PATIENCE / 1000).await,
                status => break (status, reply.rest().await),
            }
        }
    };
    assert_eq!(soon(again).await, (200, "next\n".to_owned()));
}
