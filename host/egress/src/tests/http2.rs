//! Successful HTTP/2 requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::future::{join_all, try_join_all};
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream};
use http::{Request, Response};
use http_body_util::{Full, StreamBody};
use tokio::sync::mpsc;

use crate::body_kind::BodyKind;
use crate::client::Client;
use crate::error::EgressError;
use crate::response::HttpVersion;
use crate::test_support::tls::{Authority, serve_tls};
use crate::test_support::{Server, collect, connect, get, post, request, send};
use sandbox_net_policy::Origin;

pub(super) type Answer = SendResponse<Bytes>;

/// Serves each HTTP/2 request by `script`, which also gets the session's number from 0.
pub(super) async fn serve<F, S>(authority: &Authority, builder: Builder, script: S) -> Server
where
    S: Fn(Request<RecvStream>, Answer, usize) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    serve_tls(
        authority.server(&["h2", "http/1.1"]),
        move |stream, number| {
            let (script, builder) = (script.clone(), builder.clone());
            async move {
                let mut session = builder.handshake(stream).await.unwrap();
                while let Some(Ok((request, answer))) = session.accept().await {
                    tokio::spawn(script(request, answer, number));
                }
            }
        },
    )
    .await
}

/// Answers a request with its own body.
pub(super) async fn echo(request: Request<RecvStream>, mut answer: Answer, _: usize) {
    let mut body = request.into_body();
    let mut stream = answer.send_response(Response::new(()), false).unwrap();
    while let Some(data) = body.data().await {
        let Ok(data) = data else { return };
        let _ = body.flow_control().release_capacity(data.len());
        let _ = stream.send_data(data, false);
    }
    let _ = stream.send_data(Bytes::new(), true);
}

async fn echoing(authority: &Authority) -> (Server, Origin, Client) {
    let server = serve(authority, Builder::new(), echo).await;
    let origin = server.https();
    let egress = authority.egress();
    (server, origin, egress)
}

#[tokio::test]
async fn a_response_has_its_fields_and_no_reason() {
    let authority = Authority::new();
    let server = serve(&authority, Builder::new(), |_, mut answer, _| async move {
        let response = Response::builder()
            .status(404)
            .header("b", "1")
            .header("set-cookie", "x")
            .header("a", b"caf\xe9".as_slice())
            .header("set-cookie", "y")
            .body(())
            .unwrap();
        let mut stream = answer.send_response(response, false).unwrap();
        stream.send_data("gone".into(), true).unwrap();
    })
    .await;
    let origin = server.https();
    let (response, body) = get(&authority.egress(), &origin).await.unwrap();
    assert_eq!(
        (response.head.status, response.head.version),
        (404, HttpVersion::Http2)
    );
    assert!(response.head.reason.is_empty());
    let lines: Vec<String> = response
        .head
        .fields
        .iter()
        .map(|(n, v)| format!("{}|{}", n.escape_ascii(), v.escape_ascii()))
        .collect();
    assert_eq!(lines, ["b|1", "set-cookie|x", "set-cookie|y", "a|caf\\xe9"]);
    assert_eq!(body, "gone");
}

#[tokio::test]
async fn a_request_names_its_origin_as_the_authority() {
    let authority = Authority::new();
    let (tx, mut rx) = mpsc::unbounded_channel();
    let server = serve(&authority, Builder::new(), move |request, mut answer, _| {
        tx.send(request.map(drop)).unwrap();
        async move {
            answer.send_response(Response::new(()), true).unwrap();
        }
    })
    .await;
    let origin = server.https();
    let mut connection = connect(&authority.egress(), &origin).await.unwrap();
    let fields = [("X-B", "1"), ("TE", "trailers"), ("x-b", "2")];
    let request = request(&origin, "REPORT", "/a//b?c=d&e[]=%20|", &fields);
    let body = Full::new(Bytes::from_static(b"four"));
    connection
        .send(request, BodyKind::Sized(4), body)
        .await
        .unwrap();
    let received = rx.recv().await.unwrap();
    assert_eq!(received.method(), "REPORT");
    let expected = format!("{origin}/a//b?c=d&e[]=%20|");
    assert_eq!(received.uri().to_string(), expected);
    let lines: Vec<String> = received
        .headers()
        .iter()
        .map(|(n, v)| format!("{n}|{}", v.to_str().unwrap()))
        .collect();
    assert_eq!(lines, ["x-b|1", "x-b|2", "te|trailers", "content-length|4"]);
}

#[tokio::test]
async fn bodies_go_both_ways_at_the_same_time() {
    let authority = Authority::new();
    let (_server, origin, egress) = echoing(&authority).await;
    let mut connection = connect(&egress, &origin).await.unwrap();
    let pieces: Vec<Bytes> = (0..64).map(|n| vec![n; 100_000].into()).collect();
    let frames = pieces
        .clone()
        .into_iter()
        .map(|piece| Ok::<_, EgressError>(http_body::Frame::data(piece)));
    let body = StreamBody::new(futures_util::stream::iter(frames));
    let request = request(&origin, "POST", "/", &[]);
    let mut response = connection
        .send(request, BodyKind::Chunked, body)
        .await
        .unwrap();
    assert_eq!(collect(&mut response).await.unwrap(), pieces.concat());
}

#[tokio::test]
async fn a_hundred_exchanges_share_one_session() {
    let authority = Authority::new();
    let (server, origin, egress) = echoing(&authority).await;
    get(&egress, &origin).await.unwrap();
    let exchange = async |n: usize| {
        let mut connection = connect(&egress, &origin).await?;
        let mut response = post(&mut connection, &origin, n.to_string()).await?;
        assert!(response.reused);
        assert_eq!(collect(&mut response).await?, n.to_string());
        Ok::<_, EgressError>(())
    };
    try_join_all((0..100).map(exchange)).await.unwrap();
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn connections_that_begin_together_share_one_session() {
    let authority = Authority::new();
    let sessions = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sessions);
    let server = serve(
        &authority,
        Builder::new(),
        move |request, answer, number| {
            count.fetch_max(number, Ordering::SeqCst);
            echo(request, answer, number)
        },
    )
    .await;
    let origin = server.https();
    let egress = authority.egress();
    let results = join_all((0..100).map(|_| get(&egress, &origin))).await;
    let peers = results.iter().filter(|result| result.is_ok()).count();
    assert_eq!(peers, 100);
    let reused = results
        .iter()
        .flatten()
        .filter(|(response, _)| response.reused)
        .count();
    assert_eq!(reused, 99);
}

#[tokio::test]
async fn two_clients_never_share_a_session() {
    let authority = Authority::new();
    let (server, origin, one) = echoing(&authority).await;
    let other = authority.egress();
    for _ in 0..3 {
        get(&one, &origin).await.unwrap();
        get(&other, &origin).await.unwrap();
    }
    assert_eq!(server.accepted(), 2);
}

#[tokio::test]
async fn a_response_that_nobody_reads_does_not_hold_up_the_other_ones() {
    let authority = Authority::new();
    let server = serve(&authority, Builder::new(), |_, mut answer, _| async move {
        let mut stream = answer.send_response(Response::new(()), false).unwrap();
        for _ in 0..16 {
            stream.reserve_capacity(65_536);
            while stream.capacity() < 65_536 {
                if std::future::poll_fn(|cx| stream.poll_capacity(cx))
                    .await
                    .is_none()
                {
                    return;
                }
            }
            let _ = stream.send_data(vec![b'x'; 65_536].into(), false);
        }
        let _ = stream.send_data(Bytes::new(), true);
    })
    .await;
    let origin = server.https();
    let egress = authority.egress();
    let mut open = Vec::new();
    for _ in 0..50 {
        let mut connection = connect(&egress, &origin).await.unwrap();
        open.push(send(&mut connection, &origin, "GET").await.unwrap());
    }
    // Start with the last one: the others have filled their windows.
    while let Some(mut response) = open.pop() {
        assert_eq!(collect(&mut response).await.unwrap().len(), 1 << 20);
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn more_exchanges_than_the_peer_takes_at_once_get_another_session() {
    let authority = Authority::new();
    let mut builder = Builder::new();
    builder.max_concurrent_streams(10);
    let server = serve(&authority, builder, |_, mut answer, _| async move {
        let mut stream = answer.send_response(Response::new(()), false).unwrap();
        // It stays open until the client drops it.
        let _ = std::future::poll_fn(|cx| stream.poll_reset(cx)).await;
    })
    .await;
    let origin = server.https();
    let egress = authority.egress();
    let mut open = Vec::new();
    for _ in 0..25 {
        let mut connection = connect(&egress, &origin).await.unwrap();
        open.push(send(&mut connection, &origin, "GET").await.unwrap());
    }
    assert_eq!(server.accepted(), 3);
}

#[tokio::test]
async fn dropping_an_exchange_resets_its_stream_and_no_other() {
    let authority = Authority::new();
    let (tx, mut resets) = mpsc::unbounded_channel();
    let server = serve(
        &authority,
        Builder::new(),
        move |request, mut answer, number| {
            let tx = tx.clone();
            async move {
                if request.method() == "POST" {
                    return echo(request, answer, number).await;
                }
                if request.method() == "PUT" {
                    let reason = std::future::poll_fn(|cx| answer.poll_reset(cx)).await;
                    tx.send(reason.unwrap()).unwrap();
                    return;
                }
                let mut stream = answer.send_response(Response::new(()), false).unwrap();
                let reason = std::future::poll_fn(|cx| stream.poll_reset(cx)).await;
                tx.send(reason.unwrap()).unwrap();
            }
        },
    )
    .await;
    let origin = server.https();
    let egress = authority.egress();
    let mut connection = connect(&egress, &origin).await.unwrap();
    let response = send(&mut connection, &origin, "GET").await.unwrap();
    drop(response);
    assert_eq!(resets.recv().await.unwrap(), Reason::CANCEL);
    let mut other = connect(&egress, &origin).await.unwrap();
    tokio::select! {
        _ = send(&mut connection, &origin, "PUT") => panic!("nobody answers"),
        _ = post(&mut other, &origin, "x") => {}
    }
    assert_eq!(resets.recv().await.unwrap(), Reason::CANCEL);
    let mut response = post(&mut connection, &origin, "still here").await.unwrap();
    assert_eq!(collect(&mut response).await.unwrap(), "still here");
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn bytes_that_no_uri_has_are_percent_encoded() {
    let authority = Authority::new();
    let server = serve(
        &authority,
        Builder::new(),
        |request, mut answer, _| async move {
            let path = request.uri().path_and_query().unwrap().to_string();
            let mut stream = answer.send_response(Response::new(()), false).unwrap();
            stream.send_data(path.into(), true).unwrap();
        },
    )
    .await;
    let origin = server.https();
    let mut connection = connect(&authority.egress(), &origin).await.unwrap();
    for (path, expected) in [
        ("/%7e/a|b{c}?d=[e]|", "/%7e/a|b{c}?d=[e]|"),
        ("/a<b>?c=\"d\"", "/a%3Cb%3E?c=%22d%22"),
        ("/`?caf\u{e9}", "/%60?caf%C3%A9"),
    ] {
        let request = request(&origin, "GET", path, &[]);
        let body = http_body_util::Empty::<Bytes>::new();
        let mut response = connection
            .send(request, BodyKind::None, body)
            .await
            .unwrap();
        assert_eq!(collect(&mut response).await.unwrap(), expected);
    }
}
