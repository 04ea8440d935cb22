//! Failing HTTP/2 sessions and streams.

use std::sync::Arc;

use bytes::Bytes;
use h2::Reason;
use h2::server::Builder;
use http::Response;
use http_body_util::Full;
use tokio::sync::Notify;

use crate::body_kind::BodyKind;
use crate::error::{EgressError, Phase};
use crate::limit::Limit;
use crate::protocol_failure::ProtocolFault;
use crate::test_support::tls::{Authority, serve_tls};
use crate::test_support::{collect, connect, fault, get, post, request, send};
use crate::tests::http2::{echo, serve};

#[tokio::test]
async fn a_stream_that_the_peer_resets_is_a_reset() {
    let authority = Authority::new();
    let server = serve(
        &authority,
        Builder::new(),
        |request, mut answer, _| async move {
            if request.method() == "GET" {
                let mut stream = answer.send_response(Response::new(()), false).unwrap();
                stream.send_data("abc".into(), false).unwrap();
                stream.send_reset(Reason::INTERNAL_ERROR);
            } else {
                answer.send_reset(Reason::INTERNAL_ERROR);
            }
        },
    )
    .await;
    let origin = server.https();
    let mut connection = connect(&authority.egress(), &origin).await.unwrap();
    let error = send(&mut connection, &origin, "POST").await.unwrap_err();
    assert_eq!(error, EgressError::Reset);
    let result = send(&mut connection, &origin, "GET").await;
    let error = match result {
        Ok(mut response) => collect(&mut response).await.unwrap_err(),
        Err(error) => error,
    };
    assert_eq!(error, EgressError::Reset);
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_stream_that_the_peer_refused_is_sent_again_even_where_it_may_not_be_repeated() {
    let authority = Authority::new();
    let server = serve(
        &authority,
        Builder::new(),
        |request, mut answer, number| async move {
            if number == 0 && request.method() == "POST" {
                answer.send_reset(Reason::REFUSED_STREAM);
            } else {
                echo(request, answer, number).await;
            }
        },
    )
    .await;
    let origin = server.https();
    let mut connection = connect(&authority.egress(), &origin).await.unwrap();
    let mut response = send(&mut connection, &origin, "GET").await.unwrap();
    collect(&mut response).await.unwrap();
    send(&mut connection, &origin, "POST").await.unwrap();
    assert_eq!(server.accepted(), 2);
}

#[tokio::test]
async fn a_session_that_says_goodbye_takes_no_new_exchange() {
    let authority = Authority::new();
    let config = authority.server(&["h2"]);
    let server = serve_tls(config, |stream, _| async move {
        let mut session = h2::server::handshake(stream).await.unwrap();
        let (request, answer) = session.accept().await.unwrap().unwrap();
        session.graceful_shutdown();
        tokio::spawn(echo(request, answer, 0));
        while let Some(Ok((_, mut answer))) = session.accept().await {
            answer.send_reset(Reason::INTERNAL_ERROR);
        }
    })
    .await;
    let origin = server.https();
    let mut connection = connect(&authority.egress(), &origin).await.unwrap();
    for n in 1..4 {
        let mut response = post(&mut connection, &origin, "x").await.unwrap();
        assert_eq!(collect(&mut response).await.unwrap(), "x");
        assert_eq!(server.accepted(), n);
    }
}

#[tokio::test]
async fn a_body_that_breaks_its_content_length_is_an_error() {
    let authority = Authority::new();
    let server = serve(&authority, Builder::new(), |_, mut answer, _| async move {
        let response = Response::builder()
            .header("content-length", "9")
            .body(())
            .unwrap();
        let mut stream = answer.send_response(response, false).unwrap();
        stream.send_data("abc".into(), true).unwrap();
    })
    .await;
    let origin = server.https();
    let error = get(&authority.egress(), &origin).await.unwrap_err();
    assert!(matches!(fault(error).0, ProtocolFault::Http2(_)));
}

#[tokio::test]
async fn a_head_larger_than_the_limit_is_refused() {
    let authority = Authority::new();
    let server = serve(&authority, Builder::new(), |_, mut answer, _| async move {
        let mut response = Response::new(());
        for n in 0..300 {
            let name: http::HeaderName = format!("x-{n}").parse().unwrap();
            let value = "x".repeat(1000).parse().unwrap();
            response.headers_mut().insert(name, value);
        }
        let _ = answer.send_response(response, true);
    })
    .await;
    let origin = server.https();
    let error = get(&authority.egress(), &origin).await.unwrap_err();
    assert_eq!(error, EgressError::Limit(Limit::ResponseHeadSize));
}

#[tokio::test]
async fn an_answer_that_comes_before_the_body_is_handed_out_at_once() {
    let authority = Authority::new();
    let server = serve(
        &authority,
        Builder::new(),
        |request, mut answer, _| async move {
            let response = Response::builder().status(413).body(()).unwrap();
            let mut stream = answer.send_response(response, false).unwrap();
            stream.send_data("no".into(), true).unwrap();
            // The body is never read.
            let _ = std::future::poll_fn(|cx| stream.poll_reset(cx)).await;
            drop(request);
        },
    )
    .await;
    let origin = server.https();
    let mut connection = connect(&authority.egress(), &origin).await.unwrap();
    let mut response = post(&mut connection, &origin, vec![0; 8 << 20])
        .await
        .unwrap();
    assert_eq!(response.head.status, 413);
    assert_eq!(collect(&mut response).await.unwrap(), "no");
}

#[tokio::test]
async fn a_body_of_the_wrong_length_fails_the_exchange() {
    let authority = Authority::new();
    let server = serve(
        &authority,
        Builder::new(),
        |request, mut answer, _| async move {
            let mut body = request.into_body();
            while let Some(Ok(_)) = body.data().await {}
            let _ = answer.send_response(Response::new(()), true);
        },
    )
    .await;
    let origin = server.https();
    let mut connection = connect(&authority.egress(), &origin).await.unwrap();
    for (length, text) in [(5, "four"), (3, "four"), (1, "")] {
        let request = request(&origin, "POST", "/", &[]);
        let body = Full::new(Bytes::from_static(text.as_bytes()));
        let error = connection
            .send(request, BodyKind::Sized(length), body)
            .await
            .unwrap_err();
        assert!(
            matches!(error, EgressError::Invalid(_)),
            "{length}: {error:?}"
        );
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_session_that_went_silent_is_not_used_again() {
    let authority = Authority::new();
    let reached = Arc::new(Notify::new());
    let tell = Arc::clone(&reached);
    let server = serve(
        &authority,
        Builder::new(),
        move |request, answer, number| {
            let tell = Arc::clone(&tell);
            async move {
                if number == 0 && request.method() == "PUT" {
                    tell.notify_one();
                    std::future::pending::<()>().await;
                }
                echo(request, answer, number).await;
            }
        },
    )
    .await;
    let origin = server.https();
    let egress = authority.egress();
    let mut connection = connect(&egress, &origin).await.unwrap();
    let mut response = send(&mut connection, &origin, "GET").await.unwrap();
    collect(&mut response).await.unwrap();
    let error = {
        let mut exchange = Box::pin(send(&mut connection, &origin, "PUT"));
        tokio::select! {
            _ = &mut exchange => panic!("nobody answers"),
            () = reached.notified() => tokio::time::pause(),
        }
        exchange.await.unwrap_err()
    };
    assert_eq!(error, EgressError::Timeout(Phase::Head));
    tokio::time::resume();
    assert!(!get(&egress, &origin).await.unwrap().0.reused);
    assert_eq!(server.accepted(), 2);
}
