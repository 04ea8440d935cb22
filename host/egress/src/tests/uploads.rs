//! Request bodies.

use bytes::Bytes;
use h2::server::Builder;
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use tokio::io::AsyncReadExt;
use tokio::sync::{mpsc, oneshot};

use crate::body_kind::BodyKind;
use crate::error::{EgressError, Phase};
use crate::test_support::tls::Authority;
use crate::test_support::{
    Server, collect, connect, egress, ok, post, read_head, read_request, request, reset, write,
};
use crate::tests::http2::serve;

/// A body that the test writes piece by piece. Dropping the sender ends it.
pub(super) type Pieces = mpsc::Sender<Result<Frame<Bytes>, EgressError>>;

pub(super) fn pieces() -> (
    Pieces,
    impl http_body::Body<Data = Bytes, Error = EgressError> + Send + 'static,
) {
    let (tx, rx) = mpsc::channel(1);
    let stream = futures_util::stream::unfold(rx, |mut rx| async move {
        let frame = rx.recv().await?;
        Some((frame, rx))
    });
    (tx, StreamBody::new(stream))
}

pub(super) fn piece(text: &'static str) -> Result<Frame<Bytes>, EgressError> {
    Ok(Frame::data(Bytes::from_static(text.as_bytes())))
}

#[tokio::test]
async fn a_chunked_body_arrives_as_chunks() {
    let (report, received) = oneshot::channel();
    let report = std::sync::Mutex::new(Some(report));
    let server = Server::start(move |mut stream, _| {
        let report = report.lock().unwrap().take().unwrap();
        async move {
            let head = read_head(&mut stream).await;
            let mut body = vec![0; b"3\r\nabc\r\n5\r\n\0\xff\r\n!\r\n0\r\n\r\n".len()];
            stream.read_exact(&mut body).await.unwrap();
            report.send((head, body)).unwrap();
            write(&mut stream, ok("").as_bytes()).await;
        }
    })
    .await;
    let origin = server.http();
    let mut connection = connect(&egress(), &origin).await.unwrap();
    let (tx, body) = pieces();
    tokio::spawn(async move {
        let _ = tx.send(piece("abc")).await;
        let _ = tx.send(piece("")).await;
        let last = Bytes::from_static(b"\0\xff\r\n!");
        let _ = tx.send(Ok(Frame::data(last))).await;
    });
    let request = request(&origin, "POST", "/", &[]);
    connection
        .send(request, BodyKind::Chunked, body)
        .await
        .unwrap();
    let (head, body) = received.await.unwrap();
    assert!(
        head.ends_with("\r\nTransfer-Encoding: chunked\r\n\r\n"),
        "{head}"
    );
    assert_eq!(body, b"3\r\nabc\r\n5\r\n\0\xff\r\n!\r\n0\r\n\r\n");
}

#[tokio::test]
async fn an_answer_that_comes_before_the_body_is_handed_out_at_once() {
    let server = Server::start(|mut stream, _| async move {
        read_head(&mut stream).await;
        let answer = b"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno";
        write(&mut stream, answer).await;
        // It reads nothing more.
        std::future::pending::<()>().await;
    })
    .await;
    let origin = server.http();
    let mut connection = connect(&egress(), &origin).await.unwrap();
    let body = vec![b'x'; 64 << 20];
    let mut response = post(&mut connection, &origin, body).await.unwrap();
    assert_eq!(response.head.status, 413);
    assert_eq!(collect(&mut response).await.unwrap(), "no");
}

#[tokio::test]
async fn an_answer_survives_a_peer_that_hangs_up_on_the_body() {
    let server = Server::start(|mut stream, _| async move {
        read_head(&mut stream).await;
        let answer = b"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno";
        write(&mut stream, answer).await;
        reset(stream);
    })
    .await;
    let origin = server.http();
    let mut connection = connect(&egress(), &origin).await.unwrap();
    let (tx, body) = pieces();
    let kind = BodyKind::Sized(1 << 40);
    let request = request(&origin, "POST", "/", &[]);
    let mut response = connection.send(request, kind, body).await.unwrap();
    assert_eq!(response.head.status, 413);
    // Writing fails sooner or later, and the guest's stream with it.
    while tx.send(piece("more")).await.is_ok() {}
    assert_eq!(collect(&mut response).await.unwrap(), "no");
}

#[tokio::test]
async fn request_and_response_flow_at_the_same_time() {
    let server = Server::start(|mut stream, _| async move {
        read_head(&mut stream).await;
        write(
            &mut stream,
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        )
        .await;
        // Send the chunks back as they come.
        let (mut read, mut write) = stream.split();
        tokio::io::copy(&mut read, &mut write).await.unwrap();
    })
    .await;
    let origin = server.http();
    let mut connection = connect(&egress(), &origin).await.unwrap();
    let (tx, body) = pieces();
    let request = request(&origin, "POST", "/", &[]);
    let response = connection
        .send(request, BodyKind::Chunked, body)
        .await
        .unwrap();
    let mut answer = response.body;
    for text in ["one", "two", "three"] {
        tx.send(piece(text)).await.unwrap();
        let frame = answer.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), text);
    }
    drop(tx);
    assert!(answer.frame().await.is_none());
}

#[tokio::test]
async fn a_body_of_the_wrong_length_fails_the_exchange() {
    let server = Server::start(|mut stream, _| async move {
        read_request(&mut stream).await;
        write(&mut stream, ok("").as_bytes()).await;
    })
    .await;
    let origin = server.http();
    for (length, text) in [(5, "four"), (3, "four"), (1, "")] {
        let mut connection = connect(&egress(), &origin).await.unwrap();
        let request = request(&origin, "POST", "/", &[]);
        let body = Full::new(Bytes::from_static(text.as_bytes()));
        let result = connection
            .send(request, BodyKind::Sized(length), body)
            .await;
        let error = result.unwrap_err();
        assert!(
            matches!(error, EgressError::Invalid(_)),
            "{length}: {error:?}"
        );
    }
}

#[tokio::test]
async fn a_body_that_fails_gives_its_own_reason() {
    let server =
        Server::start(|mut stream, _| async move { while stream.read_u8().await.is_ok() {} }).await;
    let origin = server.http();
    let mut connection = connect(&egress(), &origin).await.unwrap();
    let (tx, body) = pieces();
    tx.send(Err(EgressError::Closed)).await.unwrap();
    let request = request(&origin, "POST", "/", &[]);
    let result = connection.send(request, BodyKind::Chunked, body).await;
    assert_eq!(result.unwrap_err(), EgressError::Closed);
}

#[tokio::test]
async fn a_body_that_fails_after_the_response_head_fails_the_response() {
    let server = Server::start(|mut stream, _| async move {
        read_head(&mut stream).await;
        write(&mut stream, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n").await;
        std::future::pending::<()>().await;
    })
    .await;
    let origin = server.http();
    let mut connection = connect(&egress(), &origin).await.unwrap();
    let (tx, body) = pieces();
    let request = request(&origin, "POST", "/", &[]);
    let mut response = connection
        .send(request, BodyKind::Chunked, body)
        .await
        .unwrap();
    tx.send(Err(EgressError::Closed)).await.unwrap();
    assert_eq!(collect(&mut response).await, Err(EgressError::Closed));
}

#[tokio::test]
async fn a_peer_that_does_not_read_the_body_meets_the_deadline() {
    let server = Server::start(|stream, _| async move {
        let _stream = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let origin = server.http();
    let mut connection = connect(&egress(), &origin).await.unwrap();
    tokio::time::pause();
    let error = post(&mut connection, &origin, vec![0; 64 << 20])
        .await
        .unwrap_err();
    assert_eq!(error, EgressError::Timeout(Phase::Request));
}

#[tokio::test]
async fn dropping_the_exchange_stops_the_sending() {
    let server = Server::start(|mut stream, _| async move {
        read_head(&mut stream).await;
        write(&mut stream, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n").await;
        while stream.read_u8().await.is_ok() {}
    })
    .await;
    let origin = server.http();
    let mut connection = connect(&egress(), &origin).await.unwrap();
    let (tx, body) = pieces();
    let request = request(&origin, "POST", "/", &[]);
    let response = connection
        .send(request, BodyKind::Chunked, body)
        .await
        .unwrap();
    drop(response);
    // The task drops the body.
    tx.closed().await;
}

#[tokio::test]
async fn an_answer_survives_a_peer_that_closes_orderly_under_a_large_upload() {
    let server = Server::start(|mut stream, _| async move {
        read_head(&mut stream).await;
        let answer = b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno";
        write(&mut stream, answer).await;
        // Bytes that nobody read make the kernel reset the connection.
        drop(stream);
    })
    .await;
    let origin = server.http();
    for _ in 0..20 {
        let mut connection = connect(&egress(), &origin).await.unwrap();
        let mut response = post(&mut connection, &origin, vec![b'x'; 8 << 20])
            .await
            .unwrap();
        assert_eq!(response.head.status, 413);
        assert_eq!(collect(&mut response).await.unwrap(), "no");
    }
}

#[tokio::test]
async fn an_answer_over_http2_survives_a_peer_that_wants_no_more_of_the_body() {
    let authority = Authority::new();
    // A complete response, and then RST_STREAM with NO_ERROR: this happens to a request that nobody
    // wants to read (RFC 9113 section 8.1).
    let server = serve(
        &authority,
        Builder::new(),
        |request, mut answer, _| async move {
            let response = http::Response::builder().status(413).body(()).unwrap();
            let mut stream = answer.send_response(response, false).unwrap();
            stream.send_data("no".into(), true).unwrap();
            drop(request);
        },
    )
    .await;
    let origin = server.https();
    let egress = authority.egress();
    for _ in 0..20 {
        let mut connection = connect(&egress, &origin).await.unwrap();
        let (tx, body) = pieces();
        let request = request(&origin, "POST", "/", &[]);
        let kind = BodyKind::Sized(1 << 40);
        let mut response = connection.send(request, kind, body).await.unwrap();
        assert_eq!(response.head.status, 413);
        while tx.send(piece("more")).await.is_ok() {}
        assert_eq!(collect(&mut response).await.unwrap(), "no");
    }
    assert_eq!(server.accepted(), 1);
}
