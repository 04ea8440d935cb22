//! What the host holds on behalf of a guest is bounded, and released to the last byte.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use http_body_util::{BodyExt, Empty};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use wasmtime_wasi_http::{WasiBody, WasiHttpHooks};

use crate::outgoing_handler::OutgoingHandler;
use sandbox_net_egress::{DnsFailure, EgressConfig, EgressError, Limit, Resolve, Roots, TlsConfig};
use sandbox_net_gateway::{Gateway, Looking};
use sandbox_net_policy::{Document, Host, Policy};

/// A resolver that never answers.
struct Silent;

impl Resolve for Silent {
    fn resolve<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, DnsFailure>> {
        Box::pin(std::future::pending())
    }
}

/// Gives `answer` to every request of every connection; returns its URL.
async fn serve(answer: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut head = Vec::new();
                while let Ok(byte) = stream.read_u8().await {
                    head.push(byte);
                    if head.ends_with(b"\r\n\r\n") {
                        head.clear();
                        let _ = stream.write_all(answer.as_bytes()).await;
                    }
                }
            });
        }
    });
    format!("http://{address}/")
}

/// An answer with this many fields of 100 bytes.
fn answer(fields: usize) -> String {
    let lines = format!("a: {}\r\n", "b".repeat(95)).repeat(fields - 1);
    format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n{lines}\r\nx")
}

fn gateway(rules: &[&str], memory: u64, connections: usize) -> Gateway {
    let document = Document {
        allow: rules.iter().map(|rule| rule.parse().unwrap()).collect(),
        ..Document::default()
    };
    let mut config = EgressConfig::new(TlsConfig::new(Roots::Bundled, []).unwrap());
    config.max_host_memory = Some(memory);
    config.max_connections = connections;
    config.max_idle_per_endpoint = 0;
    config.resolver = Arc::new(Silent);
    Gateway::builder().build(Policy::from(document), config)
}

/// A GET through `wasi:http`, with this many fields.
async fn get(
    gateway: &Gateway,
    url: &str,
    fields: usize,
) -> Result<http::Response<WasiBody>, wasmtime_wasi_http::Error> {
    let body: WasiBody = Empty::new().map_err(|never| match never {}).boxed_unsync();
    let mut request = http::Request::get(url).body(body).unwrap();
    for _ in 0..fields {
        let value = http::HeaderValue::from_static("b");
        request.headers_mut().append("a", value);
    }
    let mut handler = OutgoingHandler::new(gateway.clone());
    let sent = handler.send_request(request, None, Box::new(async { Ok(()) }));
    Pin::from(sent).await.map(|(response, _)| response)
}

/// Waits until finished tasks are gone.
async fn until_free(gateway: &Gateway, records: usize) {
    let freed = async {
        while gateway.memory().used() > records {
            tokio::task::yield_now().await;
        }
    };
    let freed = tokio::time::timeout(std::time::Duration::from_secs(60), freed);
    assert!(freed.await.is_ok(), "{} bytes", gateway.memory().used());
}

/// About what the log keeps of a request.
const RECORDS: usize = 2 << 10;

#[tokio::test]
async fn heads_and_bodies_that_a_guest_keeps_are_bounded_and_given_back() {
    for fields in [2, 100, 1000] {
        let url = serve(answer(fields)).await;
        let gateway = gateway(&[url.trim_end_matches('/')], 1 << 20, 1000);
        for round in 0..2 {
            let mut held = Vec::new();
            while let Ok(response) = get(&gateway, &url, 3).await {
                held.push(response);
                assert!(gateway.memory().used() <= 1 << 20);
            }
            assert!(!held.is_empty(), "{fields} fields, round {round}");
            // A body that is being read continues, though there is no room for another.
            let body = held.swap_remove(0).into_body().collect().await;
            assert_eq!(body.unwrap().to_bytes(), "x");
            let begun = held.len() + 2;
            drop(held);
            until_free(&gateway, (round + 1) * begun * RECORDS).await;
        }
    }
}

#[tokio::test]
async fn a_response_head_has_at_most_a_thousand_fields() {
    for (fields, fits) in [(1000, true), (1001, false), (2000, false)] {
        let url = serve(answer(fields)).await;
        let gateway = gateway(&[url.trim_end_matches('/')], 64 << 20, 10);
        let response = get(&gateway, &url, 3).await;
        assert_eq!(response.is_ok(), fits, "{fields}");
        drop(response);
        until_free(&gateway, RECORDS).await;
    }
}

#[tokio::test]
async fn a_trailer_section_has_at_most_a_thousand_fields() {
    for (fields, fits) in [(1000, true), (1001, false), (4000, false)] {
        let lines = "a: b\r\n".repeat(fields);
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n";
        let url = serve(format!("{chunked}{lines}\r\n")).await;
        let gateway = gateway(&[url.trim_end_matches('/')], 64 << 20, 10);
        let response = get(&gateway, &url, 3).await.unwrap();
        let collected = response.into_body().collect().await;
        assert_eq!(collected.is_ok(), fits, "{fields}");
        drop(collected);
        until_free(&gateway, RECORDS).await;
    }
}

#[tokio::test]
async fn a_request_head_of_wasi_http_has_at_most_a_thousand_fields() {
    let url = serve(answer(2)).await;
    let gateway = gateway(&[url.trim_end_matches('/')], 64 << 20, 10);
    for (fields, fits) in [(1000, true), (1001, false), (20_000, false)] {
        assert_eq!(get(&gateway, &url, fields).await.is_ok(), fits, "{fields}");
        let decisions = gateway.audit().decisions();
        let reason = decisions.last().and_then(|one| one.reason);
        let reason = reason.map(|it| it.to_string());
        let expected = (!fits).then_some("malformed");
        assert_eq!(reason.as_deref(), expected, "{fields}");
    }
}

#[tokio::test]
async fn exchanges_that_go_on_at_once_are_bounded_like_connections() {
    let url = serve(answer(2)).await;
    for connections in [1, 3] {
        let gateway = gateway(&[url.trim_end_matches('/')], 64 << 20, connections);
        for _ in 0..2 {
            let mut held = Vec::new();
            for _ in 0..connections {
                held.push(get(&gateway, &url, 3).await.unwrap());
            }
            let error = get(&gateway, &url, 3).await.err().unwrap();
            assert!(matches!(
                error,
                wasmtime_wasi_http::Error::ConnectionLimitReached
            ));
            // A body that was read to its end makes room, and so do those that are dropped.
            held.pop().unwrap().into_body().collect().await.unwrap();
            drop(get(&gateway, &url, 3).await.unwrap());
        }
    }
}

#[tokio::test]
async fn lookups_under_way_are_taken_from_the_hosts_memory() {
    let gateway = gateway(&["any"], 40 << 10, 1000);
    let ask = |number: usize| gateway.lookup(Host::parse(&format!("n{number}.test")).unwrap());
    for _ in 0..2 {
        let mut asking = Vec::new();
        let refused = loop {
            match ask(asking.len()) {
                Ok(Looking::Asking(task)) => asking.push(task),
                Ok(Looking::Done(_)) => panic!("nobody was asked"),
                Err(error) => break error,
            }
        };
        assert_eq!(refused, EgressError::Limit(Limit::HostMemory));
        assert!((2..=5).contains(&asking.len()), "{}", asking.len());
        drop(asking);
        until_free(&gateway, 16 << 10).await;
    }
    let records = gateway.audit().lookups();
    let rules: Vec<_> = records.iter().map(|it| it.rule.as_str()).collect();
    assert!(rules.contains(&"budget:host-memory"), "{rules:?}");
}
