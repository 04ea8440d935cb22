//! HTTP/1.1 exchanges.

use bytes::Bytes;

use crate::egress::tests::support::{
    Server, collect, connect, egress, get, post, read_request, send, write,
};
use crate::egress::{EgressError, HttpVersion, ProtocolFailure, ProtocolFault};
use crate::policy::Scheme;

#[tokio::test]
async fn a_response_keeps_every_field_with_order_case_and_duplicates() {
    let server = Server::answering(
        "HTTP/1.1 299 Odd  One\r\nX-b: 1\r\nSet-Cookie: a\r\nx-A:  2 \r\nSet-Cookie: b\r\n\
         Content-Length: 2\r\nEmpty:\r\n\r\nhi",
    )
    .await;
    let origin = server.origin(Scheme::Http);
    let (response, body) = get(&egress(&origin), &origin).await.unwrap();
    assert_eq!(response.head.status, 299);
    assert_eq!(response.head.version, HttpVersion::Http11);
    assert_eq!(response.head.reason, b"Odd  One");
    let fields: Vec<(&str, &str)> = response
        .head
        .fields
        .iter()
        .map(|(n, v)| {
            (
                std::str::from_utf8(n).unwrap(),
                std::str::from_utf8(v).unwrap(),
            )
        })
        .collect();
    assert_eq!(
        fields,
        [
            ("X-b", "1"),
            ("Set-Cookie", "a"),
            ("x-A", "2"),
            ("Set-Cookie", "b"),
            ("Content-Length", "2"),
            ("Empty", ""),
        ]
    );
    assert_eq!(body, "hi");
}

#[tokio::test]
async fn fifty_requests_share_one_connection() {
    let server = Server::start(|mut stream, _| async move {
        loop {
            let request = read_request(&mut stream).await;
            if request.is_empty() {
                return;
            }
            let body = request.split("\r\n\r\n").nth(1).unwrap().to_owned();
            let length = body.len();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
            write(&mut stream, (head + &body).as_bytes()).await;
        }
    })
    .await;
    let (egress, origin) = (
        egress(&server.origin(Scheme::Http)),
        server.origin(Scheme::Http),
    );
    let mut connection = connect(&egress, &origin).await.unwrap();
    for n in 0..25 {
        let mut response = post(&mut connection, &origin, format!("body {n}"))
            .await
            .unwrap();
        assert_eq!(collect(&mut response).await.unwrap(), format!("body {n}"));
        assert_eq!(response.reused, n > 0);
    }
    drop(connection);
    for _ in 0..25 {
        let (response, body) = get(&egress, &origin).await.unwrap();
        assert_eq!((response.reused, body), (true, Bytes::new()));
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn garbage_is_handed_on_as_it_came() {
    let server = Server::answering("SSH-2.0-OpenSSH_9.9\r\nmore").await;
    let origin = server.origin(Scheme::Http);
    let error = get(&egress(&origin), &origin).await.unwrap_err();
    let EgressError::Protocol(ProtocolFailure { fault, received }) = error else {
        panic!("{error:?}")
    };
    assert_eq!(fault, ProtocolFault::NotHttp);
    assert!(received.starts_with(b"SSH-2.0-OpenSSH_9.9\r\n"));
}

#[tokio::test]
async fn a_head_request_gets_no_body() {
    let server = Server::answering("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n").await;
    let origin = server.origin(Scheme::Http);
    let mut connection = connect(&egress(&origin), &origin).await.unwrap();
    let mut response = send(&mut connection, &origin, "HEAD").await.unwrap();
    assert_eq!(collect(&mut response).await.unwrap(), "");
}
