//! Trailers are masked, counted and passed to the guest.

use std::pin::Pin;

use bytes::Bytes;
use http::HeaderMap;
use http_body_util::{BodyExt, Empty};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use wasmtime_wasi_http::{WasiBody, WasiHttpHooks};

use crate::outgoing_handler::OutgoingHandler;
use sandbox_net_egress::{EgressConfig, Roots, TlsConfig};
use sandbox_net_gateway::Gateway;
use sandbox_net_gateway::Vault;
use sandbox_net_policy::{Budgets, Document, Secret, SecretSource};

const SECRET: &str = "sk-0123456789abcdef";

/// Answers one request with `answer`; returns its address.
async fn serve(answer: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        // The connection stays until the other end closes it.
        let _ = stream.read_u8().await;
    });
    format!("http://{address}/")
}

fn answer(body: &str, section: &str) -> String {
    let chunk = match body.len() {
        0 => String::new(),
        length => format!("{length:x}\r\n{body}\r\n"),
    };
    format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}0\r\n{section}\r\n")
}

/// A sandbox that may reach the URL, with a secret for it and a budget of bytes.
fn gateway(url: &str, bytes_down: Option<u64>, has_secret: bool) -> Gateway {
    let value = has_secret.then_some(SECRET);
    let budgets = Budgets {
        bytes_down,
        ..Budgets::default()
    };
    gateway_with(url, budgets, value)
}

fn gateway_with(url: &str, budgets: Budgets, value: Option<&str>) -> Gateway {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), value.unwrap_or_default()).unwrap();
    let secret = Secret {
        name: "key".to_owned(),
        rule: url.trim_end_matches('/').parse().unwrap(),
        env: "KEY".to_owned(),
        headers: vec!["authorization".to_owned()],
        query: Vec::new(),
        basic: false,
        plain_http: true,
        source: SecretSource::File(file.path().to_owned()),
    };
    let document = Document {
        allow: vec![url.trim_end_matches('/').parse().unwrap()],
        budgets,
        ..Document::default()
    };
    let vault = value.map_or_else(Vault::default, |_| Vault::open(&[secret]).unwrap());
    let config = EgressConfig::new(TlsConfig::new(Roots::Bundled, []).unwrap());
    Gateway::builder()
        .secrets(vault)
        .build(document.into(), config)
}

/// The body and the trailers of a GET through `wasi:http`; `None` if it failed.
async fn get(gateway: &Gateway, url: &str) -> Option<(Bytes, Option<HeaderMap>)> {
    let body: WasiBody = Empty::new().map_err(|never| match never {}).boxed_unsync();
    let request = http::Request::get(url).body(body).unwrap();
    let mut handler = OutgoingHandler::new(gateway.clone());
    let sent = handler.send_request(request, None, Box::new(async { Ok(()) }));
    let (response, _) = Pin::from(sent).await.ok()?;
    let collected = response.into_body().collect().await.ok()?;
    let trailers = collected.trailers().cloned();
    Some((collected.to_bytes(), trailers))
}

#[tokio::test]
async fn a_guest_of_wasi_http_gets_the_fields_behind_a_body() {
    for body in ["", "four"] {
        for has_secret in [false, true] {
            let url = serve(answer(body, "Digest: a\r\nDigest: b\r\nHost: x\r\n")).await;
            let (got, trailers) = get(&gateway(&url, None, has_secret), &url).await.unwrap();
            assert_eq!(got, body);
            let trailers = trailers.unwrap();
            let values: Vec<_> = (trailers.get_all("digest").iter())
                .map(|value| value.to_str().unwrap())
                .collect();
            assert_eq!((values, trailers.len()), (vec!["a", "b"], 2));
        }
    }
    let url = serve(answer("four", "")).await;
    let (_, trailers) = get(&gateway(&url, None, false), &url).await.unwrap();
    assert_eq!(trailers, None);
}

#[tokio::test]
async fn a_secret_behind_a_body_is_masked() {
    for body in ["", "four"] {
        let url = serve(answer(body, &format!("Key: is {SECRET}!\r\n"))).await;
        let (_, trailers) = get(&gateway(&url, None, true), &url).await.unwrap();
        let masked = format!("is {}!", "*".repeat(SECRET.len()));
        assert_eq!(trailers.unwrap()["key"], masked);
        // Without the secret it is passed on unchanged.
        let url = serve(answer(body, &format!("Key: is {SECRET}!\r\n"))).await;
        let (_, trailers) = get(&gateway(&url, None, false), &url).await.unwrap();
        assert_eq!(trailers.unwrap()["key"], format!("is {SECRET}!"));
    }
}

#[tokio::test]
async fn every_byte_of_an_answer_counts_for_the_bytes_that_come_in() {
    for body in ["", "four"] {
        let answer = answer(body, &format!("A: {}\r\n", "b".repeat(1000)));
        // The head, the lines of chunks and the trailers count as they are sent.
        let bytes = answer.len() as u64;
        for (budget, fits) in [(bytes, true), (bytes - 1, false)] {
            let url = serve(answer.clone()).await;
            let bounded = gateway(&url, Some(budget), false);
            assert_eq!(get(&bounded, &url).await.is_some(), fits, "{budget}");
            let error = bounded.audit().exchanges()[0].error.clone();
            let expected = (!fits).then(|| "limit:bytes-down".to_owned());
            assert_eq!(error, expected);
        }
        // The record counts what arrived, without its coding.
        let url = serve(answer.clone()).await;
        let free = gateway(&url, None, false);
        assert!(get(&free, &url).await.is_some());
        let recorded = free.audit().exchanges()[0].bytes_down;
        assert!(1000 < recorded && recorded < bytes, "{recorded}");
    }
}

/// What is held back until it is known to contain no secret counts as the host's memory.
#[tokio::test]
async fn what_a_mask_holds_back_is_taken_from_the_hosts_memory() {
    const SIZE: usize = 200_000;
    let long: String = ('!'..='~').cycle().take(10_000).collect();
    let body = "-%41".repeat(SIZE / 4);
    let length = SIZE + 1;
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
    for (memory, fits) in [(64 << 20, true), (SIZE as u64, false)] {
        let url = serve(answer.clone()).await;
        let budgets = Budgets {
            host_memory: Some(memory),
            ..Budgets::default()
        };
        let gateway = gateway_with(&url, budgets, Some(&long));
        let before = gateway.memory().used();
        let body: WasiBody = Empty::new().map_err(|never| match never {}).boxed_unsync();
        let request = http::Request::get(&url).body(body).unwrap();
        let mut sender = OutgoingHandler::new(gateway.clone());
        let sent = sender.send_request(request, None, Box::new(async { Ok(()) }));
        let (response, _) = Pin::from(sent).await.unwrap();
        let reading = response.into_body().collect();
        let ended = tokio::time::timeout(std::time::Duration::from_secs(5), async {
            let mut reading = std::pin::pin!(reading);
            let read = std::future::poll_fn(|cx| {
                let polled = reading.as_mut().poll(cx);
                match gateway.memory().used() - before > SIZE {
                    true => std::task::Poll::Ready(None),
                    false => polled.map(Some),
                }
            });
            read.await
        });
        match ended.await.expect("it is held, or refused") {
            None => assert!(fits),
            Some(read) => assert!(!fits && read.is_err()),
        }
        let error = gateway.audit().exchanges()[0].error.clone();
        let expected = if fits { "closed" } else { "limit:host-memory" };
        assert_eq!(error.as_deref(), Some(expected));
    }
}
