//! The API: resolve, proxy, stream, and what the broker tells about itself.

use sandbox_net_egress::test_support::{Server, read_head, read_request, write};
use sandbox_net_policy::{Document, Secret, SecretSource};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::*;

#[tokio::test]
async fn names_are_resolved_as_far_as_the_policy_tells() {
    let broker = allowing(&["http://localhost:81".into(), "http://127.0.0.2:81".into()]).await;
    let found = api(&broker, "POST", "/api/resolve", r#"{"host": "localhost"}"#).await;
    assert_eq!(found.status, 200);
    let addresses = found.json()["addresses"].clone();
    assert!(
        addresses.as_array().unwrap().contains(&json!("127.0.0.1")),
        "{addresses}"
    );
    for (host, status, code) in [
        ("elsewhere.test", 403, "denied"),
        ("no such host", 400, "invalid"),
        ("", 400, "invalid"),
    ] {
        let body = json!({ "host": host }).to_string();
        let answer = api(&broker, "POST", "/api/resolve", &body).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (status, code),
            "{host}"
        );
    }
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_an_error_of_dns() {
    let broker = allowing(&["http://no-such-name.invalid".into()]).await;
    let answer = api(
        &broker,
        "POST",
        "/api/resolve",
        r#"{"host": "no-such-name.invalid"}"#,
    )
    .await;
    assert_eq!((answer.status, answer.code().as_str()), (502, "dns"));
}

#[tokio::test]
async fn a_whole_request_and_its_response_pass_as_json() {
    let server = Server::start(|mut stream, _| async move {
        let request = read_request(&mut stream).await;
        let head = "HTTP/1.1 201 Made\r\nSet-Cookie: a\r\nx-Y: \u{e9}\r\nSet-Cookie: b\r\n";
        let text = format!("{head}Content-Length: {}\r\n\r\n{request}", request.len());
        write(&mut stream, text.as_bytes()).await;
    })
    .await;
    let broker = allowing(&[format!("http://{}", server.address)]).await;
    let url = format!("http://{}/x?y=z#part", server.address);
    for (headers, body) in [
        (
            json!([["X-b", "1"], ["x-A", "2"], ["X-b", "3"]]),
            json!({"body": "h\u{e9}llo"}),
        ),
        (json!({"X-b": "1"}), json!({"body_base64": "aMOpbGxv"})),
    ] {
        let mut call = json!({"url": url, "method": "POST", "headers": headers, "timeout": 5});
        let object = call.as_object_mut().unwrap();
        object.extend(body.as_object().unwrap().clone());
        let answer = api(&broker, "POST", "/api/proxy", &call.to_string()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let value = answer.json();
        assert_eq!(
            (&value["status"], &value["reason"]),
            (&json!(201), &json!("Made"))
        );
        let fields = value["headers"].as_array().unwrap();
        assert_eq!(fields[0], json!(["Set-Cookie", "a"]));
        // Each byte is one character, as in Python's own client.
        assert_eq!(fields[1], json!(["x-Y", "\u{c3}\u{a9}"]));
        assert_eq!(fields[2], json!(["Set-Cookie", "b"]));
        use base64::Engine as _;
        let body = base64::engine::general_purpose::STANDARD
            .decode(value["body_base64"].as_str().unwrap())
            .unwrap();
        let request = String::from_utf8(body).unwrap();
        assert!(request.starts_with("POST /x?y=z HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("X-b: 1\r\n"), "{request}");
        assert!(request.ends_with("\r\n\r\nh\u{e9}llo"), "{request}");
    }
}

#[tokio::test]
async fn a_call_that_is_not_what_the_api_takes_is_refused_and_the_connection_lives_on() {
    let (server, mut requests) = reflecting().await;
    let broker = allowing(&[format!("http://{}", server.address)]).await;
    let url = format!("http://{}/", server.address);
    let mut stream = dial(&broker).await;
    for body in [
        "".to_owned(),
        "{".to_owned(),
        "[]".to_owned(),
        "{}".to_owned(),
        "\u{0}".to_owned(),
        json!({"url": url, "verb": "GET"}).to_string(),
        json!({"url": url, "timeout": -1}).to_string(),
        json!({"url": url, "timeout": 0}).to_string(),
        json!({"url": url, "timeout": "1"}).to_string(),
        json!({"url": url, "headers": {"a": 1}}).to_string(),
        json!({"url": url, "headers": [["a"]]}).to_string(),
        json!({"url": url, "body": "a", "body_base64": "YQ=="}).to_string(),
        json!({"url": url, "body_base64": "!"}).to_string(),
        format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000)),
    ] {
        let head = format!(
            "POST /api/proxy HTTP/1.1\r\nHost: localhost\r\n{}Content-Length: {}\r\n\r\n",
            auth(&broker),
            body.len()
        );
        let answer = ask(&mut stream, &format!("{head}{body}")).await.unwrap();
        let shown: String = body.chars().take(80).collect();
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "malformed"),
            "{shown}"
        );
    }
    for call in [
        json!({"url": "ftp://x.test/"}),
        json!({"url": "http://user:pass@x.test/"}),
        json!({"url": format!("{url}a b")}),
        json!({"url": url, "method": "G T"}),
        json!({"url": url, "headers": [["a\r\nb", "c"]]}),
        json!({"url": url, "headers": [["a", "b\r\nc: d"]]}),
    ] {
        let answer = api(&broker, "POST", "/api/proxy", &call.to_string()).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "invalid"),
            "{call}"
        );
    }
    assert!(requests.try_recv().is_err());
    let call = json!({ "url": url }).to_string();
    assert_eq!(api(&broker, "POST", "/api/proxy", &call).await.status, 200);
    assert!(requests.try_recv().is_ok());
}

#[tokio::test]
async fn unknown_paths_and_methods_are_told_apart() {
    let broker = allowing(&[]).await;
    for (method, path, status) in [
        ("GET", "/", 404),
        ("GET", "/api/proxy/x", 404),
        ("GET", "/api/proxy", 405),
        ("PUT", "/api/resolve", 405),
        ("BREW", "/health", 405),
        ("GET", "/health", 200),
        ("GET", "/health?x", 200),
    ] {
        let answer = api(&broker, method, path, "").await;
        assert_eq!(answer.status, status, "{method} {path}");
    }
    let answer = api(&broker, "PUT", "/api/resolve", "").await;
    assert_eq!(answer.field("allow").as_deref(), Some("POST"));
}

#[tokio::test]
async fn a_timeout_of_a_call_ends_it() {
    let server = Server::start(|mut stream, _| async move {
        read_head(&mut stream).await;
        std::future::pending::<()>().await;
    })
    .await;
    let broker = allowing(&[format!("http://{}", server.address)]).await;
    let call = json!({"url": format!("http://{}/", server.address), "timeout": 0.2}).to_string();
    let answer = api(&broker, "POST", "/api/proxy", &call).await;
    assert_eq!((answer.status, answer.code().as_str()), (504, "timeout"));
}

#[tokio::test]
async fn the_broker_tells_its_policy_and_its_counters_and_no_secret() {
    let server = echoing().await;
    // Files name where a value comes from, and never the value.
    let rule = format!("http://{}", server.address).parse().unwrap();
    let source = SecretSource::value("never-shown-0123456789");
    let mut secret = Secret::new("key", rule, source);
    secret.plain_http = true;
    let allow = format!("POST http://{}/**", server.address);
    let document = Document {
        allow: vec![allow.parse().unwrap()],
        secrets: vec![secret],
        ..Document::default()
    };
    let broker = start(builder().policy(document)).await;
    let told = api(&broker, "GET", "/policy", "").await;
    assert_eq!(
        told.json()["allow"],
        json!([format!("POST http://{}/**", server.address)])
    );
    let placeholder = broker.placeholders()[0].1.clone();
    assert!(told.text().contains(&placeholder));
    let metrics = api(&broker, "GET", "/metrics", "").await;
    assert!(
        metrics
            .text()
            .contains("sandbox_net_broker_calls_total{kind=\"api\"} 2\n")
    );
    // The placeholder becomes the value on its way, and comes back as the placeholder.
    let call = json!({
        "url": format!("http://{}/", server.address),
        "method": "POST",
        "headers": [["Authorization", format!("Bearer {placeholder}")]],
        "body": "x",
    });
    let answer = api(&broker, "POST", "/api/proxy", &call.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    for answer in [told, metrics, answer] {
        assert!(!answer.text().contains("never-shown"), "{}", answer.text());
    }
}

/// The head of a call of the streaming form.
fn stream_head(broker: &sandbox_net_broker::RunningBroker, url: &str, more: &str) -> String {
    let auth = auth(broker);
    format!(
        "POST /api/stream HTTP/1.1\r\nHost: localhost\r\n{auth}X-Sandbox-Net-Url: {url}\r\n{more}\r\n"
    )
}

#[tokio::test]
async fn the_streaming_form_passes_heads_exactly_and_bodies_as_they_come() {
    let server = Server::start(|mut stream, _| async move {
        let head = read_head(&mut stream).await;
        assert!(head.starts_with("PUT /up?x HTTP/1.1\r\n"), "{head}");
        assert!(
            head.contains("x-One: 1\r\nX-Two: 2\r\nx-One: 3\r\n"),
            "{head}"
        );
        assert!(!head.to_lowercase().contains("sandbox"), "{head}");
        let answer = b"HTTP/1.1 418 Tea\r\nx-Y: 1\r\nTransfer-Encoding: chunked\r\n\r\n";
        write(&mut stream, answer).await;
        let mut piece = [0; 8];
        stream.read_exact(&mut piece).await.unwrap();
        assert_eq!(&piece, b"3\r\none\r\n");
        write(&mut stream, b"3\r\nONE\r\n").await;
        stream.read_exact(&mut piece).await.unwrap();
        write(&mut stream, b"3\r\nTWO\r\n0\r\n\r\n").await;
    })
    .await;
    let broker = allowing(&[format!("http://{}", server.address)]).await;
    let mut stream = dial(&broker).await;
    let fields = "X-Sandbox-Net-Method: PUT\r\nX-Sandbox-Net-Field-x-One: 1\r\n\
                  x-sandbox-net-field-X-Two: 2\r\nX-Sandbox-Net-Field-x-One: 3\r\n\
                  Transfer-Encoding: chunked\r\n";
    let head = stream_head(&broker, &format!("http://{}/up?x", server.address), fields);
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(b"3\r\none\r\n").await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(
        head.contains("X-Sandbox-Net-Status: 418\r\nX-Sandbox-Net-Reason: Tea\r\n"),
        "{head}"
    );
    assert!(head.contains("X-Sandbox-Net-Field-x-Y: 1\r\n"), "{head}");
    // The first half of the answer is there before the second half of the request.
    let mut piece = [0; 8];
    stream.read_exact(&mut piece).await.unwrap();
    assert_eq!(&piece, b"3\r\nONE\r\n");
    stream.write_all(b"3\r\ntwo\r\n0\r\n\r\n").await.unwrap();
    stream.read_exact(&mut piece).await.unwrap();
    assert_eq!(&piece, b"3\r\nTWO\r\n");
    let mut end = [0; 5];
    stream.read_exact(&mut end).await.unwrap();
    assert_eq!(&end, b"0\r\n\r\n");
}

#[tokio::test]
async fn the_streaming_form_says_what_is_wrong_with_a_call() {
    let broker = allowing(&["http://127.0.0.1:9".into()]).await;
    for (url, more, status, code) in [
        ("nonsense", "", 400, "malformed"),
        (
            "http://127.0.0.1:9/",
            "X-Sandbox-Net-Timeout: soon\r\n",
            400,
            "malformed",
        ),
        (
            "http://127.0.0.1:9/",
            "X-Sandbox-Net-Url: http://b.test/\r\n",
            400,
            "malformed",
        ),
        (
            "http://127.0.0.1:9/",
            "X-Sandbox-Net-Method: G T\r\n",
            400,
            "invalid",
        ),
        ("http://denied.test/", "", 403, "denied"),
        ("http://127.0.0.1:9/", "", 502, "refused"),
    ] {
        let head = stream_head(&broker, url, more);
        let answer = ask(&mut dial(&broker).await, &head).await.unwrap();
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (status, code),
            "{url} {more}"
        );
    }
}
