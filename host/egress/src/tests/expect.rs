//! Uploads that wait until the peer asks for them.

use std::sync::Arc;

use bytes::Bytes;
use h2::server::Builder;
use http::Response as Answer;
use tokio::io::AsyncReadExt;
use tokio::sync::{mpsc, watch};

use crate::body_kind::BodyKind;
use crate::connection::Connection;
use crate::error::EgressError;
use crate::response::Response;
use crate::send_options::{Continued, SendOptions};
use crate::test_support::tls::Authority;
use crate::test_support::{Server, collect, connect, egress, ok, read_head, request, write};
use crate::tests::http2::serve;
use crate::tests::uploads::{piece, pieces};
use sandbox_net_policy::Origin;

fn continued() -> Continued {
    Arc::new(watch::Sender::new(false))
}

fn expecting(continued: &Continued) -> SendOptions {
    SendOptions {
        continued: Some(Arc::clone(continued)),
        ..SendOptions::default()
    }
}

/// Sends a POST of four bytes, which are written as soon as the peer asks for them.
async fn upload(
    connection: &mut Connection,
    origin: &Origin,
    continued: &Continued,
) -> Result<Response, EgressError> {
    let (tx, body) = pieces();
    let mut asks = continued.subscribe();
    tokio::spawn(async move {
        if asks.wait_for(|asks| *asks).await.is_ok() {
            let _ = tx.send(piece("four")).await;
        }
        // Wait until nobody reads: an upload that nobody asked for is never finished.
        tx.closed().await;
    });
    let request = request(origin, "POST", "/", &[]);
    let sent = connection.send_with(request, BodyKind::Sized(4), body, expecting(continued));
    sent.await
}

#[tokio::test]
async fn a_peer_is_sent_the_body_when_it_asks_for_it() {
    let (heads, mut seen) = mpsc::unbounded_channel();
    let server = Server::start(move |mut stream, _| {
        let heads = heads.clone();
        async move {
            loop {
                heads.send(read_head(&mut stream).await).unwrap();
                // Other informational responses say nothing about the body.
                write(&mut stream, b"HTTP/1.1 103 Early Hints\r\n\r\n").await;
                write(&mut stream, b"HTTP/1.1 100 Continue\r\n\r\n").await;
                let mut body = [0; 4];
                if stream.read_exact(&mut body).await.is_err() {
                    return;
                }
                assert_eq!(&body, b"four");
                write(&mut stream, ok("thanks").as_bytes()).await;
            }
        }
    })
    .await;
    let origin = server.http();
    let mut connection = connect(&egress(), &origin).await.unwrap();
    for _ in 0..2 {
        let continued = continued();
        let mut response = upload(&mut connection, &origin, &continued).await.unwrap();
        assert_eq!(collect(&mut response).await.unwrap(), "thanks");
        assert!(*continued.borrow());
        let head = seen.recv().await.unwrap();
        let end = "\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n";
        assert!(head.ends_with(end), "{head}");
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_peer_that_refuses_early_is_sent_nothing_of_the_body() {
    let (bodies, mut seen) = mpsc::unbounded_channel();
    let server = Server::start(move |mut stream, number| {
        let bodies = bodies.clone();
        async move {
            read_head(&mut stream).await;
            let answer = b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\n\r\nno";
            write(&mut stream, answer).await;
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
            bodies.send((number, rest)).unwrap();
        }
    })
    .await;
    let origin = server.http();
    let mut connection = connect(&egress(), &origin).await.unwrap();
    for number in 0..2 {
        let continued = continued();
        let mut response = upload(&mut connection, &origin, &continued).await.unwrap();
        assert_eq!(response.head.status, 417);
        assert_eq!(collect(&mut response).await.unwrap(), "no");
        assert!(!*continued.borrow());
        drop(response);
        if number == 1 {
            break;
        }
    }
    drop(connection);
    // A connection with half a request is not reused.
    for _ in 0..2 {
        let (_, rest) = seen.recv().await.unwrap();
        assert_eq!(rest, b"");
    }
    assert_eq!(server.accepted(), 2);
}

#[tokio::test]
async fn a_peer_that_answers_without_a_word_before_gets_what_was_written_all_the_same() {
    let server = Server::start(|mut stream, _| async move {
        read_head(&mut stream).await;
        let mut body = [0; 4];
        stream.read_exact(&mut body).await.unwrap();
        write(&mut stream, ok("late").as_bytes()).await;
    })
    .await;
    let origin = server.http();
    let mut connection = connect(&egress(), &origin).await.unwrap();
    let continued = continued();
    let request = request(&origin, "POST", "/", &[]);
    let body = http_body_util::Full::new(Bytes::from_static(b"four"));
    let sent = connection.send_with(request, BodyKind::Sized(4), body, expecting(&continued));
    let mut response = sent.await.unwrap();
    assert_eq!(collect(&mut response).await.unwrap(), "late");
    assert!(!*continued.borrow());
}

#[tokio::test]
async fn over_http2_the_host_asks_for_the_body_itself() {
    let authority = Authority::new();
    let server = serve(
        &authority,
        Builder::new(),
        |request, mut answer, _| async move {
            assert!(!request.headers().contains_key("expect"));
            let mut body = request.into_body();
            let data = body.data().await.unwrap().unwrap();
            let mut stream = answer.send_response(Answer::new(()), false).unwrap();
            stream.send_data(data, true).unwrap();
        },
    )
    .await;
    let origin = server.https();
    let mut connection = connect(&authority.egress(), &origin).await.unwrap();
    let continued = continued();
    let mut response = upload(&mut connection, &origin, &continued).await.unwrap();
    assert_eq!(collect(&mut response).await.unwrap(), "four");
    assert!(*continued.borrow());
}
