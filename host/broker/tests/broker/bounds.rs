//! What one client can make the broker hold, and how long it waits.

use std::time::Duration;

use sandbox_net_broker::{BrokerLimits, RunningBroker};
use sandbox_net_egress::test_support::{Server, ok, read_head, read_request, write};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::*;

/// A server whose responses have as many bytes as the path says.
async fn sized() -> Server {
    Server::start(|mut stream, _| async move {
        loop {
            let request = read_request(&mut stream).await;
            let Some(size) = request.split(['/', ' ']).nth(2) else {
                return;
            };
            let body = "x".repeat(size.parse().unwrap());
            write(&mut stream, ok(&body).as_bytes()).await;
        }
    })
    .await
}

/// Waits until only the connection that asks is open.
async fn is_alone(broker: &RunningBroker) {
    let alone = async {
        loop {
            let metrics = api(broker, "GET", "/metrics", "").await.text();
            if metrics.contains("sandbox_net_broker_open_connections 1\n") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), alone)
        .await
        .expect("the others are closed");
}

#[tokio::test]
async fn a_whole_response_is_bounded_and_a_streamed_one_is_not() {
    let server = sized().await;
    let mut limits = BrokerLimits::default();
    limits.api_body = 1000;
    let rules = [format!("http://{}", server.address)];
    let broker = start(with_rules(builder().limits(limits), &rules)).await;
    for (size, status) in [(1000, 200), (1001, 502)] {
        let url = format!("http://{}/{size}", server.address);
        let call = json!({ "url": url }).to_string();
        let answer = api(&broker, "POST", "/api/proxy", &call).await;
        assert_eq!(answer.status, status);
        if status == 502 {
            assert_eq!(answer.code(), "too-large");
        }
        let auth = auth(&broker);
        let call = format!(
            "POST /api/stream HTTP/1.1\r\nHost: localhost\r\n{auth}X-Sandbox-Net-Url: {url}\r\n\r\n"
        );
        let answer = ask(&mut dial(&broker).await, &call).await.unwrap();
        assert_eq!(answer.body.len(), size);
    }
}

#[tokio::test]
async fn calls_take_their_memory_from_the_policys_account_and_give_it_back() {
    let server = sized().await;
    let rules = [format!("http://{}", server.address)];
    let broker = start(with_rules(builder().host_memory(1 << 20), &rules)).await;
    let call = |body: usize, size: usize| {
        let url = format!("http://{}/{size}", server.address);
        json!({"url": url, "method": "POST", "body": "x".repeat(body)}).to_string()
    };
    for (body, size, status) in [
        (9, 9, 200),
        (1 << 20, 9, 403),
        (9, 1 << 20, 403),
        (9, 9, 200),
    ] {
        let answer = api(&broker, "POST", "/api/proxy", &call(body, size)).await;
        assert_eq!(answer.status, status, "{body} {size}: {}", answer.text());
        if status == 403 {
            assert_eq!(answer.json()["error"]["limit"], "host-memory");
        }
    }
    is_alone(&broker).await;
    assert!(broker.usage().host_memory.used < 64 << 10);
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_closed() {
    let server = sized().await;
    let mut limits = BrokerLimits::default();
    limits.pause = Duration::from_millis(300);
    let rules = [format!("http://{}", server.address)];
    let broker = start(with_rules(builder().limits(limits), &rules)).await;
    let endpoint = server.address.to_string();
    let mut stream = connect(&broker, &endpoint).await;
    let request = format!("GET /100000000 HTTP/1.1\r\nHost: {endpoint}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    is_alone(&broker).await;
    // What it still reads does not pass for the whole.
    let mut bytes = Vec::new();
    let read = stream.read_to_end(&mut bytes).await;
    assert!(read.is_err() || bytes.len() < 100_000_000);
}

#[tokio::test]
async fn what_takes_longer_than_the_drain_is_cut_off() {
    let server = Server::start(|mut stream, _| async move {
        read_head(&mut stream).await;
        std::future::pending::<()>().await;
    })
    .await;
    let mut limits = BrokerLimits::default();
    limits.drain = Duration::from_millis(300);
    let rules = [format!("http://{}", server.address)];
    let broker = start(with_rules(builder().limits(limits), &rules)).await;
    let endpoint = server.address.to_string();
    let mut stream = connect(&broker, &endpoint).await;
    let request = format!("GET / HTTP/1.1\r\nHost: {endpoint}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let begun = std::time::Instant::now();
    broker.shutdown().await;
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
    assert!(read_answer(&mut stream).await.is_none());
}

#[tokio::test]
async fn a_first_message_of_tls_without_an_end_is_not_kept() {
    let (server, _requests) = reflecting().await;
    let broker = allowing(&[server.address.to_string()]).await;
    let endpoint = server.address.to_string();
    // Records of a handshake message that says it is as long as can be.
    let mut record = vec![0x16, 3, 1, 0x40, 0];
    record.extend(vec![0; 0x4000]);
    let mut first = record.clone();
    first[5..9].copy_from_slice(&[1, 0xff, 0xff, 0xff]);
    let mut stream = connect(&broker, &endpoint).await;
    stream.write_all(&first).await.unwrap();
    let endless = async { while stream.write_all(&record).await.is_ok() {} };
    tokio::time::timeout(Duration::from_secs(5), endless)
        .await
        .expect("the broker closes");
    is_alone(&broker).await;
}
