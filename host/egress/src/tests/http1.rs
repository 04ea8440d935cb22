//! Successful HTTP/1.1 requests.

use bytes::Bytes;
use http_body::Body;
use http_body_util::Empty;
use tokio::sync::mpsc;

use crate::body_kind::BodyKind;
use crate::response::HttpVersion;
use crate::test_support::{
    Server, collect, connect, egress, get, ok, read_head, read_request, request, send, write,
};

#[tokio::test]
async fn a_response_keeps_every_field_with_order_case_and_duplicates() {
    let server = Server::answering(
        "HTTP/1.1 299 Odd  One\r\nX-b: 1\r\nSet-Cookie: a\r\nx-A:  2 \r\nSet-Cookie: b\r\n\
         Content-Length: 2\r\nEmpty:\r\n\r\nhi",
    )
    .await;
    let origin = server.http();
    let (response, body) = get(&egress(), &origin).await.unwrap();
    assert_eq!(response.head.status, 299);
    assert_eq!(response.head.version, HttpVersion::Http11);
    assert_eq!(response.head.reason, b"Odd  One");
    assert_eq!(response.peer, server.address);
    let lines: Vec<String> = response
        .head
        .fields
        .iter()
        .map(|(n, v)| format!("{}|{}", n.escape_ascii(), v.escape_ascii()))
        .collect();
    let expected = [
        "X-b|1",
        "Set-Cookie|a",
        "x-A|2",
        "Set-Cookie|b",
        "Content-Length|2",
        "Empty|",
    ];
    assert_eq!(lines, expected);
    assert_eq!(body, "hi");
}

#[tokio::test]
async fn a_request_goes_out_as_the_guest_wrote_it() {
    let (tx, mut rx) = mpsc::unbounded_channel();
    let server = Server::start(move |mut stream, _| {
        let tx = tx.clone();
        async move {
            tx.send(read_head(&mut stream).await).unwrap();
            write(&mut stream, ok("").as_bytes()).await;
        }
    })
    .await;
    let origin = server.http();
    let authority = origin.authority();
    let fields = [("x-B", "1"), ("A", "caf\u{e9}"), ("X-b", " 2 "), ("A", "")];
    for (kind, framing) in [
        (BodyKind::None, ""),
        (BodyKind::Sized(0), "Content-Length: 0\r\n"),
    ] {
        let mut connection = connect(&egress(), &origin).await.unwrap();
        let request = request(&origin, "REPORT", "/a//b?c=d&e[]=%20\"", &fields);
        let body = Empty::<Bytes>::new();
        connection.send(request, kind, body).await.unwrap();
        assert_eq!(
            rx.recv().await.unwrap(),
            format!(
                "REPORT /a//b?c=d&e[]=%20\" HTTP/1.1\r\nHost: {authority}\r\nx-B: 1\r\n\
                 A: caf\u{e9}\r\nX-b:  2 \r\nA: \r\n{framing}\r\n"
            )
        );
    }
}

#[tokio::test]
async fn a_body_ends_where_its_framing_says() {
    for (method, answer, body) in [
        (
            "GET",
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef",
            "abc",
        ),
        (
            "GET",
            "HTTP/1.1 200 OK\r\n\r\nuntil the end",
            "until the end",
        ),
        (
            "GET",
            "HTTP/1.0 200 OK\r\n\r\nuntil the end",
            "until the end",
        ),
        ("GET", "HTTP/1.0 200 OK\nContent-Length: 2\n\nhi", "hi"),
        (
            "GET",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
             2\r\nhi\r\n3;x\r\n...\r\n0\r\nT: x\r\n\r\n",
            "hi...",
        ),
        (
            "GET",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 99\r\n\r\n\
             2\r\nhi\r\n0\r\n\r\n",
            "hi",
        ),
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", ""),
        (
            "GET",
            "HTTP/1.1 204 No Content\r\nContent-Length: 99\r\n\r\n",
            "",
        ),
        (
            "GET",
            "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n",
            "",
        ),
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ""),
        (
            "GET",
            "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n\
             HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
            "hi",
        ),
    ] {
        let server = Server::answering(answer).await;
        let origin = server.http();
        let mut connection = connect(&egress(), &origin).await.unwrap();
        let mut response = send(&mut connection, &origin, method).await.unwrap();
        assert_eq!(collect(&mut response).await.unwrap(), body, "{answer:?}");
        assert!(response.body.is_end_stream(), "{answer:?}");
    }
}

#[tokio::test]
async fn the_length_of_a_body_is_told_where_it_is_known() {
    for (answer, exact) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", Some(3)),
        ("HTTP/1.1 204 OK\r\n\r\n", Some(0)),
        ("HTTP/1.1 200 OK\r\n\r\nabc", None),
    ] {
        let server = Server::answering(answer).await;
        let origin = server.http();
        let mut connection = connect(&egress(), &origin).await.unwrap();
        let response = send(&mut connection, &origin, "GET").await.unwrap();
        assert_eq!(response.body.size_hint().exact(), exact, "{answer:?}");
    }
}

#[tokio::test]
async fn every_byte_value_survives_in_a_body() {
    let bytes: Vec<u8> = (0..=255).collect();
    let answer = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 256\r\n\r\n",
        bytes.as_slice(),
    ]
    .concat();
    let server = Server::answering(answer).await;
    let origin = server.http();
    let (_, body) = get(&egress(), &origin).await.unwrap();
    assert_eq!(body, bytes);
}

#[tokio::test]
async fn a_peer_is_not_read_faster_than_its_response_is_taken() {
    let (tx, mut rx) = mpsc::unbounded_channel();
    let server = Server::start(move |mut stream, _| {
        let tx = tx.clone();
        async move {
            read_request(&mut stream).await;
            write(&mut stream, b"HTTP/1.1 200 OK\r\n\r\n").await;
            let piece = vec![b'x'; 1 << 20];
            for _ in 0..64 {
                write(&mut stream, &piece).await;
                tx.send(()).unwrap();
            }
        }
    })
    .await;
    let origin = server.http();
    let mut connection = connect(&egress(), &origin).await.unwrap();
    let mut response = send(&mut connection, &origin, "GET").await.unwrap();
    // The sockets of the system hold some megabytes; nothing else may.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let ahead = rx.len();
    assert!(ahead < 32, "{ahead} MiB were read ahead");
    assert_eq!(collect(&mut response).await.unwrap().len(), 64 << 20);
    for _ in 0..64 {
        rx.recv().await.unwrap();
    }
}
