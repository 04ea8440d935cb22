//! Bodies: large, early, unread, and without an end.

use std::time::Duration;

use sandbox_net_egress::test_support::tls::{Authority, serve_tls};
use sandbox_net_egress::test_support::{Server, read_head, write};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use crate::support::*;

#[tokio::test]
async fn a_large_body_passes_whole_in_both_directions_within_tls() {
    const SIZE: usize = 20 << 20;
    let authority = Authority::new();
    let config = authority.server_with(&["http/1.1"], &["localhost"], |_| {});
    let server = serve_tls(config, |mut stream, _| async move {
        read_head(&mut stream).await;
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n");
        write(&mut stream, head.as_bytes()).await;
        let (mut read, mut write) = tokio::io::split(stream);
        let _ = tokio::io::copy(&mut (&mut read).take(SIZE as u64), &mut write).await;
        let _ = write.flush().await;
        let _ = read.read_u8().await;
    })
    .await;
    let port = server.address.port();
    let rules = [format!("https://localhost:{port}")];
    let broker = start(with_rules(builder().trust_ca_pem(authority.pem()), &rules)).await;
    let stream = connect(&broker, &format!("localhost:{port}")).await;
    let stream = tls(&broker, stream, "localhost").await.unwrap();
    let (mut read, mut write) = tokio::io::split(stream);
    let sent: Vec<u8> = (0..SIZE).map(|index| (index / 7 % 251) as u8).collect();
    let body = sent.clone();
    let sending = tokio::spawn(async move {
        let head =
            format!("POST / HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Length: {SIZE}\r\n\r\n");
        write.write_all(head.as_bytes()).await.unwrap();
        write.write_all(&body).await.unwrap();
        write.flush().await.unwrap();
        write
    });
    let answer = read_answer(&mut read).await.unwrap();
    assert!(answer.body == sent, "the bodies differ");
    sending.await.unwrap();
}

#[tokio::test]
async fn a_body_that_nobody_reads_stops_its_client() {
    let server = Server::start(|mut stream, _| async move {
        read_head(&mut stream).await;
        std::future::pending::<()>().await;
    })
    .await;
    let broker = allowing(&[format!("http://{}", server.address)]).await;
    let endpoint = server.address.to_string();
    let mut stream = connect(&broker, &endpoint).await;
    let head = format!("POST / HTTP/1.1\r\nHost: {endpoint}\r\nContent-Length: 1073741824\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let piece = vec![0; 1 << 20];
    let mut sent = 0;
    let sending = async {
        loop {
            sent += stream.write(&piece).await.unwrap();
        }
    };
    let stalled = tokio::time::timeout(Duration::from_secs(2), sending).await;
    assert!(stalled.is_err());
    // What the kernel's buffers take, and little more.
    assert!(sent < 64 << 20, "{sent} bytes were taken");
    let memory = broker.usage().host_memory.used;
    assert!(memory < 4 << 20, "{memory} bytes are held");
}

#[tokio::test]
async fn an_early_answer_is_read_whole_and_the_rest_is_not_taken_for_a_request() {
    let server = Server::start(|mut stream, _| async move {
        read_head(&mut stream).await;
        write(
            &mut stream,
            b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno",
        )
        .await;
        let _ = tokio::time::timeout(Duration::from_secs(1), stream.read_u8()).await;
    })
    .await;
    let broker = allowing(&[format!("http://{}", server.address)]).await;
    let endpoint = server.address.to_string();
    let mut stream = connect(&broker, &endpoint).await;
    let head = format!("POST / HTTP/1.1\r\nHost: {endpoint}\r\nContent-Length: 1000000\r\n\r\n");
    let answer = ask(&mut stream, &head).await.unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (413, "no"));
    let rest = format!("GET /hidden HTTP/1.1\r\nHost: {endpoint}\r\n\r\n");
    let _ = stream.write_all(rest.as_bytes()).await;
    assert!(read_answer(&mut stream).await.is_none());
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_server_that_answers_early_and_reads_on_keeps_its_connection() {
    let server = Server::start(|mut stream, _| async move {
        for _ in 0..2 {
            read_head(&mut stream).await;
            write(
                &mut stream,
                b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            )
            .await;
            let mut body = [0; 5];
            stream.read_exact(&mut body).await.unwrap();
        }
    })
    .await;
    let broker = allowing(&[format!("http://{}", server.address)]).await;
    let endpoint = server.address.to_string();
    let mut stream = connect(&broker, &endpoint).await;
    let head = format!("POST / HTTP/1.1\r\nHost: {endpoint}\r\nContent-Length: 5\r\n\r\n");
    for _ in 0..2 {
        assert_eq!(ask(&mut stream, &head).await.unwrap().text(), "ok");
        stream.write_all(b"hello").await.unwrap();
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn responses_without_a_body_end_with_their_head() {
    let server = Server::start(|mut stream, _| async move {
        loop {
            let head = read_head(&mut stream).await;
            let answer: &[u8] = match head.split(' ').next() {
                Some("HEAD") => b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n",
                Some("DELETE") => b"HTTP/1.1 204 No Content\r\n\r\n",
                Some("OPTIONS") => {
                    b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n"
                }
                Some("GET") => b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
                _ => return,
            };
            write(&mut stream, answer).await;
        }
    })
    .await;
    let broker = allowing(&[format!("http://{}", server.address)]).await;
    let endpoint = server.address.to_string();
    let mut stream = connect(&broker, &endpoint).await;
    for method in ["HEAD", "DELETE", "OPTIONS", "HEAD"] {
        let request = format!("{method} / HTTP/1.1\r\nHost: {endpoint}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
    }
    let request = format!("GET / HTTP/1.1\r\nHost: {endpoint}\r\n\r\n");
    assert_eq!(ask(&mut stream, &request).await.unwrap().text(), "ok");
}

/// A server that tells the bodies of requests as it got them, with their framing.
async fn telling() -> (Server, mpsc::UnboundedReceiver<Vec<u8>>) {
    let (tx, bodies) = mpsc::unbounded_channel();
    let server = Server::start(move |mut stream, _| {
        let tx = tx.clone();
        async move {
            read_head(&mut stream).await;
            let mut body = Vec::new();
            let _ = stream.read_to_end(&mut body).await;
            let _ = tx.send(body);
        }
    })
    .await;
    (server, bodies)
}

#[tokio::test]
async fn a_body_that_its_client_does_not_finish_never_looks_whole() {
    let (server, mut bodies) = telling().await;
    let broker = allowing(&[format!("http://{}", server.address)]).await;
    let endpoint = server.address.to_string();
    for framing in ["Content-Length: 100", "Transfer-Encoding: chunked"] {
        let mut stream = connect(&broker, &endpoint).await;
        let request =
            format!("POST / HTTP/1.1\r\nHost: {endpoint}\r\n{framing}\r\n\r\n5\r\nhello\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        drop(stream);
        let within = Duration::from_secs(5);
        let body = tokio::time::timeout(within, bodies.recv())
            .await
            .unwrap()
            .unwrap();
        assert!(
            body.len() < 100 && !body.ends_with(b"0\r\n\r\n"),
            "{framing}: {body:?}"
        );
    }
}

#[tokio::test]
async fn a_body_that_the_brokers_end_cuts_off_never_looks_whole() {
    let (server, mut bodies) = telling().await;
    let broker = allowing(&[format!("http://{}", server.address)]).await;
    let endpoint = server.address.to_string();
    let mut stream = connect(&broker, &endpoint).await;
    let head = format!("POST / HTTP/1.1\r\nHost: {endpoint}\r\nTransfer-Encoding: chunked\r\n\r\n");
    stream
        .write_all(format!("{head}5\r\nhello\r\n").as_bytes())
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(broker);
    let within = Duration::from_secs(5);
    let body = tokio::time::timeout(within, bodies.recv())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(body, b"5\r\nhello\r\n");
}
