//! Requests that are refused as they are: too large, too slow, too many, or read in two ways.

use std::time::Duration;

use sandbox_net_broker::BrokerLimits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::*;

#[tokio::test]
async fn a_body_that_is_declared_too_large_is_refused_before_it_is_sent() {
    let broker = allowing(&[]).await;
    let auth = auth(&broker);
    for (path, expected) in [("/api/proxy", 413), ("/api/resolve", 413)] {
        for more in ["", "Expect: 100-continue\r\n"] {
            let request = format!(
                "POST {path} HTTP/1.1\r\nHost: localhost\r\n{auth}{more}Content-Length: 1073741824\r\n\r\n"
            );
            let mut stream = dial(&broker).await;
            let answer = ask(&mut stream, &request).await.unwrap();
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (expected, "too-large")
            );
            assert_eq!(answer.field("connection").as_deref(), Some("close"));
        }
    }
    assert_eq!(api(&broker, "GET", "/health", "").await.status, 200);
}

#[tokio::test]
async fn a_body_that_grows_too_large_is_refused_when_it_does() {
    let mut limits = BrokerLimits::default();
    limits.api_body = 1000;
    let broker = start(builder().limits(limits)).await;
    let auth = auth(&broker);
    let head = format!(
        "POST /api/resolve HTTP/1.1\r\nHost: localhost\r\n{auth}Transfer-Encoding: chunked\r\n\r\n"
    );
    for (size, expected) in [(1000, 400), (1001, 413)] {
        let request = format!("{head}{size:x}\r\n{}\r\n0\r\n\r\n", "x".repeat(size));
        let answer = ask(&mut dial(&broker).await, &request).await.unwrap();
        assert_eq!(answer.status, expected, "{size}");
    }
}

#[tokio::test]
async fn heads_are_bounded_in_bytes_and_in_fields() {
    let broker = allowing(&[]).await;
    let auth = auth(&broker);
    let start = format!("GET /health HTTP/1.1\r\nHost: localhost\r\n{auth}");
    let used = start.len() + "a: \r\n\r\n".len();
    let most = 64 << 10;
    for (more, expected) in [
        (format!("a: {}\r\n", "b".repeat(most - used)), 200),
        (format!("a: {}\r\n", "b".repeat(most - used + 1)), 431),
        (format!("a: {}\r\n", "b".repeat(1 << 20)), 431),
        ("a: b\r\n".repeat(254), 200),
        ("a: b\r\n".repeat(255), 431),
    ] {
        let answer = ask(&mut dial(&broker).await, &format!("{start}{more}\r\n")).await;
        assert_eq!(answer.unwrap().status, expected, "{}", more.len());
    }
    // A head without an end is not waited for, and neither are blank lines.
    let blanks = "\r\n".repeat(most / 2 + 1);
    for endless in [format!("{start}a: {}", "b".repeat(most)), blanks] {
        let mut stream = dial(&broker).await;
        let answer = tokio::time::timeout(Duration::from_secs(5), ask(&mut stream, &endless));
        assert_eq!(answer.await.unwrap().unwrap().status, 431);
    }
}

#[tokio::test]
async fn slow_and_silent_clients_are_closed() {
    let mut limits = BrokerLimits::default();
    limits.head_time = Duration::from_millis(200);
    limits.idle = Duration::from_millis(200);
    limits.pause = Duration::from_millis(200);
    let (server, _requests) = reflecting().await;
    let rules = [format!("http://{}", server.address)];
    let broker = start(with_rules(builder().limits(limits), &rules)).await;
    let (auth, address) = (auth(&broker), server.address);
    let within = Duration::from_secs(5);
    let mut bytes = Vec::new();
    // Nothing at all, after a connection, and after a CONNECT.
    for mut stream in [
        dial(&broker).await,
        connect(&broker, &address.to_string()).await,
    ] {
        let read = stream.read_to_end(&mut bytes);
        tokio::time::timeout(within, read).await.unwrap().unwrap();
        assert!(bytes.is_empty());
    }
    // Half a head, and half a body.
    let mut stream = dial(&broker).await;
    let answer = tokio::time::timeout(within, ask(&mut stream, "GET / HT"))
        .await
        .unwrap();
    assert_eq!(answer.unwrap().status, 408);
    let head = format!("POST http://{address}/ HTTP/1.1\r\n{auth}Content-Length: 9\r\n\r\nhalf");
    let mut stream = dial(&broker).await;
    let answer = tokio::time::timeout(within, ask(&mut stream, &head))
        .await
        .unwrap();
    assert_eq!(
        (
            answer.as_ref().unwrap().status,
            answer.unwrap().code().as_str()
        ),
        (400, "malformed")
    );
    assert_eq!(api(&broker, "GET", "/health", "").await.status, 200);
}

#[tokio::test]
async fn connections_are_bounded_and_a_place_is_free_when_one_ends() {
    let mut limits = BrokerLimits::default();
    limits.connections = 3;
    let broker = start(builder().limits(limits)).await;
    let held: Vec<TcpStream> = vec![
        dial(&broker).await,
        dial(&broker).await,
        dial(&broker).await,
    ];
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut fourth = dial(&broker).await;
    assert!(
        ask(&mut fourth, "GET /health HTTP/1.1\r\n\r\n")
            .await
            .is_none()
    );
    drop(held);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let metrics = api(&broker, "GET", "/metrics", "").await.text();
    assert!(
        metrics.contains("refused_total{why=\"too-many\"} 1\n"),
        "{metrics}"
    );
}

#[tokio::test]
async fn what_two_readers_could_read_in_two_ways_is_refused_and_the_connection_closed() {
    let (server, mut requests) = reflecting().await;
    let broker = allowing(&[format!("http://{}", server.address)]).await;
    let (auth, address) = (auth(&broker), server.address);
    let hidden = format!("GET http://{address}/hidden HTTP/1.1\r\n{auth}\r\n");
    let length = hidden.len();
    for (fields, body) in [
        (
            format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"),
            format!("0\r\n\r\n{hidden}"),
        ),
        (
            format!("Content-Length: 0\r\nContent-Length: {length}\r\n"),
            hidden.clone(),
        ),
        (format!("Content-Length: +{length}\r\n"), hidden.clone()),
        (
            "Transfer-Encoding: xchunked\r\n".into(),
            format!("0\r\n\r\n{hidden}"),
        ),
        (
            "Transfer-Encoding : chunked\r\n".into(),
            format!("0\r\n\r\n{hidden}"),
        ),
        (
            "Transfer-Encoding:\u{b}chunked\r\n".into(),
            format!("0\r\n\r\n{hidden}"),
        ),
        (
            "X: y\nTransfer-Encoding: chunked\r\n".into(),
            format!("0\r\n\r\n{hidden}"),
        ),
        ("X: y\r\n folded\r\n".into(), hidden.clone()),
        (
            "Transfer-Encoding: chunked\r\n".into(),
            format!("0\n\n{hidden}"),
        ),
        (
            "Transfer-Encoding: chunked\r\n".into(),
            format!("5\r\nhello{hidden}"),
        ),
        (
            "Transfer-Encoding: chunked\r\n".into(),
            format!("0x0\r\n\r\n{hidden}"),
        ),
    ] {
        let request = format!("POST http://{address}/seen HTTP/1.1\r\n{auth}{fields}\r\n{body}");
        let mut stream = dial(&broker).await;
        let answer = ask(&mut stream, &request).await.unwrap();
        assert_eq!(answer.status, 400, "{fields}");
        assert!(
            read_answer(&mut stream).await.is_none(),
            "{fields}: a second answer"
        );
        while let Ok(request) = requests.try_recv() {
            assert!(!request.contains("hidden"), "{fields}");
        }
    }
    // The control: two requests in one write are two requests.
    let mut stream = dial(&broker).await;
    let request = format!("GET http://{address}/seen HTTP/1.1\r\n{auth}\r\n{hidden}");
    stream.write_all(request.as_bytes()).await.unwrap();
    for path in ["/seen", "/hidden"] {
        assert!(
            read_answer(&mut stream)
                .await
                .unwrap()
                .text()
                .contains(path)
        );
    }
}
