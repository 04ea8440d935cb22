//! Servers that speak HTTP/2: clients of the broker see HTTP/1.1.

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{HeaderMap, Request, Response};
use sandbox_net_broker::RunningBroker;
use sandbox_net_egress::test_support::Server;
use sandbox_net_egress::test_support::tls::{Authority, serve_tls};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::*;

/// A server whose answers depend on the path, and a broker that allows it.
async fn setting() -> (Server, RunningBroker, String) {
    let authority = Authority::new();
    let config = authority.server_with(&["h2"], &["localhost"], |_| {});
    let server = serve_tls(config, |stream, _| async move {
        let mut session = h2::server::handshake(stream).await.unwrap();
        while let Some(Ok((request, answer))) = session.accept().await {
            tokio::spawn(respond(request, answer));
        }
    })
    .await;
    let endpoint = format!("localhost:{}", server.address.port());
    let settings = builder()
        .trust_ca_pem(authority.pem())
        .allow(format!("https://{endpoint}"));
    (server, start(settings).await, endpoint)
}

async fn respond(request: Request<RecvStream>, mut answer: SendResponse<Bytes>) {
    let path = request.uri().path().to_owned();
    let mut body = request.into_body();
    let mut whole = Vec::new();
    while let Some(Ok(data)) = body.data().await {
        let _ = body.flow_control().release_capacity(data.len());
        whole.extend_from_slice(&data);
    }
    let response = Response::builder().status(203).header("x-one", "1");
    match path.as_str() {
        "/length" => {
            let response = response.header("content-length", whole.len());
            let mut stream = answer
                .send_response(response.body(()).unwrap(), false)
                .unwrap();
            let _ = stream.send_data(whole.into(), true);
        }
        "/none" => {
            let empty = Response::builder().status(204).body(()).unwrap();
            let _ = answer.send_response(empty, true);
        }
        "/cut" => {
            let mut stream = answer
                .send_response(response.body(()).unwrap(), false)
                .unwrap();
            let _ = stream.send_data(whole.into(), false);
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            stream.send_reset(Reason::INTERNAL_ERROR);
        }
        _ => {
            let mut stream = answer
                .send_response(response.body(()).unwrap(), false)
                .unwrap();
            let _ = stream.send_data(whole.into(), false);
            let mut trailers = HeaderMap::new();
            trailers.insert("x-end", "2".parse().unwrap());
            let _ = stream.send_trailers(trailers);
        }
    }
}

fn post(endpoint: &str, path: &str, version: &str) -> String {
    format!("POST {path} {version}\r\nHost: {endpoint}\r\nContent-Length: 5\r\n\r\nhello")
}

#[tokio::test]
async fn a_response_without_a_length_comes_in_chunks_with_its_trailers() {
    let (_server, broker, endpoint) = setting().await;
    let stream = connect(&broker, &endpoint).await;
    let mut stream = tls(&broker, stream, "localhost").await.unwrap();
    for _ in 0..2 {
        let request = post(&endpoint, "/", "HTTP/1.1");
        stream.write_all(request.as_bytes()).await.unwrap();
        let expected = "HTTP/1.1 203 Non Authoritative Information\r\nx-one: 1\r\n\
                        Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-end: 2\r\n\r\n";
        let mut bytes = vec![0; expected.len()];
        stream.read_exact(&mut bytes).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&bytes), expected);
    }
    for (path, status, body) in [
        ("/length", 203, "hello"),
        ("/none", 204, ""),
        ("/length", 203, "hello"),
    ] {
        let answer = ask(&mut stream, &post(&endpoint, path, "HTTP/1.1"))
            .await
            .unwrap();
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (status, body),
            "{path}"
        );
    }
}

#[tokio::test]
async fn an_old_client_reads_up_to_the_end() {
    let (_server, broker, endpoint) = setting().await;
    let stream = connect(&broker, &endpoint).await;
    let mut stream = tls(&broker, stream, "localhost").await.unwrap();
    let request = post(&endpoint, "/", "HTTP/1.0");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.ends_with("x-one: 1\r\n\r\nhello"), "{text}");
}

#[tokio::test]
async fn a_stream_that_is_reset_passes_for_no_whole_response() {
    let (_server, broker, endpoint) = setting().await;
    for version in ["HTTP/1.1", "HTTP/1.0"] {
        let stream = connect(&broker, &endpoint).await;
        let mut stream = tls(&broker, stream, "localhost").await.unwrap();
        let request = post(&endpoint, "/cut", version);
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        let read = stream.read_to_end(&mut bytes).await;
        assert!(
            read.is_err(),
            "{version}: {}",
            String::from_utf8_lossy(&bytes)
        );
    }
}
