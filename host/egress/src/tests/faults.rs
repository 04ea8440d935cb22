//! Peers that violate HTTP, hang up, or send nothing.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::config::EgressConfig;
use crate::error::{EgressError, Phase};
use crate::h1::Reuse;
use crate::limit::Limit;
use crate::protocol_failure::ProtocolFault;
use crate::test_support::{
    Server, collect, config, connect, egress, egress_with, fault, get, ok, read_request, reset,
    send, write,
};
use sandbox_net_policy::{Endpoint, Origin, Scheme, TlsOverrides};

#[tokio::test]
async fn what_is_no_http_is_handed_on_as_it_came() {
    for answer in [
        &b"SSH-2.0-OpenSSH_9.9\r\n"[..],
        b"\r\nHTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"\xff\x00\xfe\n",
        b"no line end",
        b"HTTP/2 200\r\n\r\n",
    ] {
        let server = Server::answering(answer).await;
        let origin = server.http();
        let error = get(&egress(), &origin).await.unwrap_err();
        assert_eq!(fault(error), (ProtocolFault::NotHttp, answer.into()));
    }
}

#[tokio::test]
async fn a_broken_head_comes_with_its_bytes() {
    for (answer, expected) in [
        (
            "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
            ProtocolFault::Head("a field name is invalid"),
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            ProtocolFault::Head("several Content-Length fields that differ"),
        ),
        ("HTTP/1.1 200 OK\r\nA: b\r\n", ProtocolFault::HeadCut),
        ("HTT", ProtocolFault::HeadCut),
        ("HTTP/1.1 101 Switching\r\n\r\n", ProtocolFault::Switched),
    ] {
        let server = Server::answering(answer).await;
        let origin = server.http();
        let error = get(&egress(), &origin).await.unwrap_err();
        assert_eq!(fault(error), (expected, answer.into()));
    }
}

#[tokio::test]
async fn informational_responses_without_end_are_given_up() {
    let server = Server::answering("HTTP/1.1 100 Continue\r\n\r\n".repeat(1000)).await;
    let origin = server.http();
    let error = get(&egress(), &origin).await.unwrap_err();
    assert_eq!(fault(error).0, ProtocolFault::Informational);
}

#[tokio::test]
async fn a_peer_that_hangs_up_without_a_word_is_told_from_one_that_resets() {
    let server = Server::start(|mut stream, number| async move {
        read_request(&mut stream).await;
        if number == 1 {
            reset(stream);
        }
    })
    .await;
    let origin = server.http();
    let egress = egress();
    let error = get(&egress, &origin).await.unwrap_err();
    assert_eq!(fault(error), (ProtocolFault::NoAnswer, "".into()));
    assert_eq!(get(&egress, &origin).await.unwrap_err(), EgressError::Reset);
    assert_eq!(server.accepted(), 2);
}

#[tokio::test]
async fn a_body_that_ends_early_is_an_error() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
    ] {
        let server = Server::answering(answer).await;
        let origin = server.http();
        let error = get(&egress(), &origin).await.unwrap_err();
        assert_eq!(
            fault(error),
            (ProtocolFault::BodyCut, "".into()),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn broken_chunks_are_an_error() {
    let server =
        Server::answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n").await;
    let origin = server.http();
    let error = get(&egress(), &origin).await.unwrap_err();
    assert!(matches!(fault(error).0, ProtocolFault::Chunk(_)));
}

#[tokio::test]
async fn a_reset_in_the_middle_of_a_body_is_an_error_and_the_last_thing_that_comes() {
    let read = Arc::new(Notify::new());
    let was_read = Arc::clone(&read);
    let server = Server::start(move |mut stream, _| {
        let was_read = Arc::clone(&was_read);
        async move {
            read_request(&mut stream).await;
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc";
            write(&mut stream, answer).await;
            was_read.notified().await;
            reset(stream);
        }
    })
    .await;
    let origin = server.http();
    let mut connection = connect(&egress(), &origin).await.unwrap();
    let mut response = send(&mut connection, &origin, "GET").await.unwrap();
    let frame = response.body.frame().await.unwrap().unwrap();
    assert_eq!(frame.into_data().unwrap(), "abc");
    read.notify_one();
    assert_eq!(collect(&mut response).await, Err(EgressError::Reset));
    assert_eq!(collect(&mut response).await, Ok("".into()));
}

#[tokio::test]
async fn a_head_larger_than_the_limit_is_refused() {
    let line = format!("A: {}\r\n", "x".repeat(1000));
    for (count, is_accepted) in [(200, true), (1000, false)] {
        let answer = format!("HTTP/1.1 200 OK\r\n{}\r\n", line.repeat(count));
        let server = Server::answering(answer).await;
        let origin = server.http();
        match get(&egress(), &origin).await {
            Ok((response, _)) => {
                assert!(is_accepted);
                assert_eq!(response.head.fields.len(), count);
            }
            Err(error) => {
                assert!(!is_accepted);
                let EgressError::Protocol(failure) = error else {
                    panic!("{error}");
                };
                assert_eq!(failure.fault, ProtocolFault::HeadTooLarge);
                assert!(failure.received.starts_with(b"HTTP/1.1 200 OK\r\nA: xxx"));
            }
        }
    }
}

#[tokio::test]
async fn a_request_head_larger_than_the_limit_is_not_sent() {
    let server = Server::echo().await;
    let origin = server.http();
    let egress = egress_with(EgressConfig {
        max_request_head: 20,
        ..config()
    });
    let mut connection = connect(&egress, &origin).await.unwrap();
    let error = send(&mut connection, &origin, "GET").await.unwrap_err();
    assert_eq!(error, EgressError::Limit(Limit::RequestHeadSize));
}

#[tokio::test]
async fn a_silent_peer_meets_the_deadline_in_each_phase() {
    let server = Server::start(|mut stream, number| async move {
        read_request(&mut stream).await;
        if number == 1 {
            write(
                &mut stream,
                b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
            )
            .await;
        }
        std::future::pending::<()>().await;
    })
    .await;
    let origin = server.http();
    let egress = egress();
    let mut connection = connect(&egress, &origin).await.unwrap();
    tokio::time::pause();
    let error = send(&mut connection, &origin, "GET").await.unwrap_err();
    assert_eq!(error, EgressError::Timeout(Phase::Head));

    tokio::time::resume();
    let mut connection = connect(&egress, &origin).await.unwrap();
    let mut response = send(&mut connection, &origin, "GET").await.unwrap();
    tokio::time::pause();
    let error = collect(&mut response).await.unwrap_err();
    assert_eq!(error, EgressError::Timeout(Phase::Body));

    tokio::time::resume();
    let https = server.https();
    let policy = crate::test_support::policy_for(&https.endpoint);
    let route = policy.check_connect(https.endpoint.clone()).unwrap();
    let mut connection = egress
        .connect(route, None, None, Reuse::Pool)
        .await
        .unwrap();
    tokio::time::pause();
    let checked = policy
        .check_tls(&https.endpoint, None, TlsOverrides::default())
        .unwrap();
    let error = connection.start_tls(checked).await.unwrap_err();
    assert_eq!(error, EgressError::Timeout(Phase::Tls));
}

#[tokio::test]
async fn a_peer_that_never_stops_sending_meets_the_deadline_too() {
    let server = Server::start(|mut stream, _| async move {
        read_request(&mut stream).await;
        write(&mut stream, b"HTTP/1.1 200 OK\r\n\r\n").await;
        loop {
            write(&mut stream, &[b'x'; 65_536]).await;
        }
    })
    .await;
    let origin = server.http();
    let mut connection = connect(&egress(), &origin).await.unwrap();
    let mut response = send(&mut connection, &origin, "GET").await.unwrap();
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(301)).await;
    let error = collect(&mut response).await.unwrap_err();
    assert_eq!(error, EgressError::Timeout(Phase::Body));
}

#[tokio::test]
async fn time_spent_connecting_counts_for_the_first_exchange_only() {
    let server = Server::start(|mut stream, _| async move {
        read_request(&mut stream).await;
        write(&mut stream, ok("").as_bytes()).await;
        read_request(&mut stream).await;
        std::future::pending::<()>().await;
    })
    .await;
    let origin = server.http();
    let mut connection = connect(&egress(), &origin).await.unwrap();
    let mut response = send(&mut connection, &origin, "GET").await.unwrap();
    collect(&mut response).await.unwrap();
    tokio::time::pause();
    // The guest may pause between two requests as long as it likes.
    tokio::time::advance(Duration::from_secs(10_000)).await;
    let started = tokio::time::Instant::now();
    let error = send(&mut connection, &origin, "GET").await.unwrap_err();
    assert_eq!(error, EgressError::Timeout(Phase::Head));
    assert!(started.elapsed() >= Duration::from_secs(300));
}

#[tokio::test]
async fn a_port_that_nobody_listens_on_refuses() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let endpoint = Endpoint::new("127.0.0.1", port).unwrap();
    let origin = Origin {
        scheme: Scheme::Http,
        endpoint,
    };
    let error = connect(&egress(), &origin).await.err().unwrap();
    assert_eq!(error, EgressError::Refused);
}

#[tokio::test]
async fn requests_for_another_origin_are_refused() {
    let (server, other) = (Server::echo().await, Server::echo().await);
    let origin = server.http();
    let egress = egress();
    for wrong in [server.https(), other.http()] {
        let mut connection = connect(&egress, &origin).await.unwrap();
        let error = send(&mut connection, &wrong, "GET").await.unwrap_err();
        assert!(matches!(error, EgressError::Invalid(_)), "{error:?}");
    }
    assert_eq!(other.accepted(), 0);
}
