//! The example `telemetry`: what a program does on the network arrives at a collector as spans.

use crate::talk::{prepare, run, script, text};
use sandbox_net_tests::{Forbidden, HttpServer};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// A collector on loopback; returns its address, and the body of each `POST /v1/traces`.
async fn collector() -> (String, mpsc::UnboundedReceiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(collect(BufReader::new(stream), sender.clone()));
        }
    });
    (address, receiver)
}

async fn collect(mut stream: BufReader<TcpStream>, traces: mpsc::UnboundedSender<Value>) {
    loop {
        let (mut first, mut length) = (String::new(), 0);
        if stream.read_line(&mut first).await.unwrap_or(0) == 0 {
            return;
        }
        assert!(first.starts_with("POST /v1/traces "), "{first}");
        loop {
            let mut field = String::new();
            stream.read_line(&mut field).await.expect("a field");
            match field.to_ascii_lowercase().trim_end().split_once(": ") {
                Some(("content-length", value)) => length = value.parse().expect("a length"),
                Some(("content-type", value)) => assert_eq!(value, "application/json"),
                Some(_) => {}
                None => break,
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.expect("the whole body");
        traces
            .send(serde_json::from_slice(&body).expect("JSON"))
            .expect("the test goes on");
        let answer =
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
        stream.write_all(answer).await.expect("an exporter");
    }
}

/// The attribute of a span as text; numbers too.
fn attribute(span: &Value, key: &str) -> Option<String> {
    let attributes = span["attributes"].as_array()?;
    let found = attributes.iter().find(|it| it["key"] == key)?;
    let value = found["value"].as_object()?.values().next()?;
    Some(value.as_str().map_or(value.to_string(), str::to_owned))
}

#[tokio::test]
async fn decisions_and_requests_arrive_with_the_names_of_the_conventions() {
    prepare().await;
    let (server, forbidden) = (HttpServer::plain().await, Forbidden::start().await);
    let (collector, mut traces) = collector().await;
    let folder = tempfile::tempdir().expect("a temporary directory");
    let code = format!(
        "import urllib.request\n\
         print(urllib.request.urlopen('{}/get?token=private').status)\n\
         try: urllib.request.urlopen('{}/')\n\
         except OSError: print('denied')",
        server.origin(),
        forbidden.origin()
    );
    let args = [
        collector,
        script(folder.path(), "two.py", &code),
        server.origin(),
    ];
    let ended = run(env!("CARGO_BIN_EXE_telemetry"), &args, "").await;
    assert!(ended.status.success(), "{}", text(&ended.stderr));
    assert_eq!(text(&ended.stdout), "200\ndenied\n");

    let (mut spans, mut all) = (Vec::new(), String::new());
    while let Ok(batch) = traces.try_recv() {
        all += &batch.to_string();
        let resources = batch["resourceSpans"].as_array().expect("a list").clone();
        for scope in resources.iter().flat_map(|it| it["scopeSpans"].as_array()) {
            let of_scope = scope.iter().flat_map(|it| it["spans"].as_array());
            spans.extend(of_scope.flatten().cloned());
        }
    }
    assert!(all.contains("sandbox-net-example"), "the service's name");
    assert!(!all.contains("private"), "a query may hold a credential");
    let named = |name: &str| {
        let named = spans.iter().filter(|span| span["name"] == name);
        named.collect::<Vec<_>>()
    };
    let has = |span: &Value, key: &str, value: &str| attribute(span, key).as_deref() == Some(value);

    let port = server.address().port().to_string();
    let [request] = named("GET")[..] else {
        panic!("one request: {all}");
    };
    for (key, value) in [
        ("server.address", "127.0.0.1"),
        ("server.port", &port),
        ("http.request.method", "GET"),
        ("http.response.status_code", "200"),
        ("network.protocol.version", "1.1"),
    ] {
        assert!(has(request, key, value), "{key} of {request}");
    }
    assert_eq!(named("TCP connect").len(), 1);
    // Both connections are decided on, and one is denied, which is an error of the span.
    let decided = named("decide connect");
    let verdicts = ["allow", "deny"].map(|verdict| {
        let of_verdict = decided.iter();
        let of_verdict = of_verdict.filter(|span| has(span, "sandbox_net.verdict", verdict));
        of_verdict.collect::<Vec<_>>()
    });
    assert_eq!(verdicts.each_ref().map(Vec::len), [1, 1], "{all}");
    let denied = verdicts[1][0];
    assert!(has(denied, "error.type", "no-rule"), "{denied}");
    let port = forbidden.address().port().to_string();
    assert!(has(denied, "server.port", &port), "{denied}");
    // They are parts of one trace: that of the run.
    let [run] = named("run")[..] else {
        panic!("one run: {all}");
    };
    assert!(
        spans.iter().all(|span| span["traceId"] == run["traceId"]),
        "{all}"
    );
}

#[tokio::test]
async fn without_a_collector_the_program_ends_as_it_does_with_one() {
    prepare().await;
    let server = HttpServer::plain().await;
    let folder = tempfile::tempdir().expect("a temporary directory");
    let code = format!(
        "import sys, urllib.request\n\
         print(urllib.request.urlopen('{}/get').status)\n\
         sys.exit(3)",
        server.origin()
    );
    // A port that is free again: nobody listens there.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let collector = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let script = script(folder.path(), "one.py", &code);
    let args = [collector, script, server.origin()];
    let ended = run(env!("CARGO_BIN_EXE_telemetry"), &args, "").await;
    assert_eq!(text(&ended.stdout), "200\n");
    assert_eq!(ended.status.code(), Some(3), "{}", text(&ended.stderr));
}
