//! Malformed responses, for clients that take them as they come.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use crate::body_kind::BodyKind;
use crate::config::EgressConfig;
use crate::connection::Connection;
use crate::error::EgressError;
use crate::limit::Limit;
use crate::protocol_failure::ProtocolFault;
use crate::received::{Received, Unframed};
use crate::request_body::erase;
use crate::send_options::SendOptions;
use crate::test_support::tls::{Authority, serve_tls};
use crate::test_support::{
    Server, collect, config, connect, egress, egress_with, ok, read_head, read_request, request,
    send, write,
};
use crate::tests::uploads::pieces;
use sandbox_net_policy::Origin;

/// Sends a request, and returns what comes.
async fn ask(connection: &mut Connection, origin: &Origin) -> Result<Received, EgressError> {
    let request = request(origin, "GET", "/", &[]);
    let body = (BodyKind::None, erase(Empty::<Bytes>::new()));
    let options = SendOptions::default();
    connection.answer(&request, body, &options, true).await
}

/// Sends a request, and takes ambiguous responses as they come, too.
async fn ask_exactly(
    connection: &mut Connection,
    origin: &Origin,
) -> Result<Received, EgressError> {
    let request = request(origin, "GET", "/", &[]);
    let body = (BodyKind::None, erase(Empty::<Bytes>::new()));
    let options = SendOptions {
        ambiguous_as_it_comes: true,
        ..SendOptions::default()
    };
    connection.answer(&request, body, &options, true).await
}

async fn unframed(connection: &mut Connection, origin: &Origin) -> Unframed {
    match ask(connection, origin).await.unwrap() {
        Received::Unframed(unframed) => unframed,
        Received::Framed(response) => panic!("a response: {:?}", response.head),
    }
}

async fn all(answer: Unframed) -> Result<Bytes, EgressError> {
    Ok(answer.body.collect().await?.to_bytes())
}

#[tokio::test]
async fn all_that_came_is_handed_on_from_the_first_byte_of_the_bad_head() {
    for (before, answer) in [
        ("", "HTTP/1.1 200 OK\r\nno colon\r\n\r\nbody"),
        ("", "HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nbody"),
        ("", "HTTP/1.1 200 OK\r\nA: b\r\n"),
        ("", "SSH-2.0-OpenSSH_9.9\r\nmore\r\n"),
        ("", "HTTP/1.1 101 Switching\r\n\r\nanother protocol"),
        (
            "HTTP/1.1 103 Early Hints\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA : b\r\n\r\nbody",
        ),
    ] {
        let all_of_it = format!("{before}{answer}");
        for size in [1, 7, 1000] {
            let pieces: Vec<Vec<u8>> = all_of_it.as_bytes().chunks(size).map(Vec::from).collect();
            let server = Server::start(move |mut stream, _| {
                let pieces = pieces.clone();
                async move {
                    read_request(&mut stream).await;
                    for piece in pieces {
                        write(&mut stream, &piece).await;
                        tokio::task::yield_now().await;
                    }
                }
            })
            .await;
            let origin = server.http();
            let mut connection = connect(&egress(), &origin).await.unwrap();
            let got = all(unframed(&mut connection, &origin).await).await.unwrap();
            assert_eq!(got, answer, "in pieces of {size}");
        }
    }
}

#[tokio::test]
async fn its_connection_carries_nothing_else_and_is_closed_with_it() {
    const ODD: &str = "HTTP/1.1 200 OK\r\nA : 1\r\nContent-Length: 4\r\n\r\nbody";
    let (tx, mut ended) = mpsc::unbounded_channel();
    let server = Server::start(move |mut stream, number| {
        let tx = tx.clone();
        async move {
            let answer = if number == 0 {
                ODD.to_owned()
            } else {
                ok("fine")
            };
            while !read_request(&mut stream).await.is_empty() {
                write(&mut stream, answer.as_bytes()).await;
            }
            tx.send(number).unwrap();
        }
    })
    .await;
    let origin = server.http();
    let egress = egress();
    let mut connection = connect(&egress, &origin).await.unwrap();
    let mut odd = unframed(&mut connection, &origin).await;
    let first = odd.body.frame().await.unwrap().unwrap();
    assert_eq!(first.into_data().unwrap(), ODD);
    for reused in [false, true, true] {
        let mut response = send(&mut connection, &origin, "GET").await.unwrap();
        assert_eq!(response.reused, reused);
        assert_eq!(collect(&mut response).await.unwrap(), "fine");
    }
    assert_eq!(server.accepted(), 2);
    drop(odd);
    assert_eq!(ended.recv().await, Some(0));
    // The next connection uses what an ordinary request left.
    drop(connection);
    let mut connection = connect(&egress, &origin).await.unwrap();
    assert!(send(&mut connection, &origin, "GET").await.unwrap().reused);
    assert_eq!(server.accepted(), 2);
}

#[tokio::test]
async fn nothing_more_is_sent_once_it_has_begun() {
    let (tx, mut read) = mpsc::unbounded_channel();
    let server = Server::start(move |mut stream, _| {
        let tx = tx.clone();
        async move {
            read_head(&mut stream).await;
            write(&mut stream, b"HTTP/1.1 101 Switching\r\n\r\nhello").await;
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
            tx.send(rest).unwrap();
        }
    })
    .await;
    let origin = server.http();
    let mut connection = connect(&egress(), &origin).await.unwrap();
    let (body_of, body) = pieces();
    let request = request(&origin, "POST", "/", &[]);
    let sent = (BodyKind::Chunked, erase(body));
    let options = SendOptions::default();
    let answer = connection.answer(&request, sent, &options, true).await;
    let Received::Unframed(mut odd) = answer.unwrap() else {
        panic!("a response");
    };
    assert!(odd.body.frame().await.unwrap().is_ok());
    body_of.closed().await;
    drop(odd);
    assert_eq!(read.recv().await.unwrap(), b"");
}

#[tokio::test]
async fn its_head_is_bounded_as_any_other() {
    let config = || EgressConfig {
        max_response_head: 1000,
        ..config()
    };
    for (answer, is_begun) in [
        // The host has seen no end of these heads when it gives up, or passes them on.
        (
            "HTTP/1.1 200 OK\r\nA: ".to_owned() + &"x".repeat(2000),
            false,
        ),
        (
            "HTTP/1.2 200 OK\r\nA: ".to_owned() + &"x".repeat(2000),
            true,
        ),
        ("220 hello\r\n".repeat(1000), true),
    ] {
        let server = Server::answering(answer).await;
        let origin = server.http();
        let mut connection = connect(&egress_with(config()), &origin).await.unwrap();
        let found = match ask(&mut connection, &origin).await {
            Ok(Received::Unframed(odd)) => {
                assert!(is_begun);
                all(odd).await.unwrap_err()
            }
            Ok(Received::Framed(_)) => panic!("a response"),
            Err(error) => {
                assert!(!is_begun);
                error
            }
        };
        match found {
            EgressError::Limit(limit) => assert_eq!(limit, Limit::ResponseHeadSize),
            EgressError::Protocol(failure) => {
                assert_eq!(failure.fault, ProtocolFault::HeadTooLarge);
            }
            other => panic!("{other}"),
        }
    }
    let long = "HTTP/1.1 200 OK\r\nno colon\r\n\r\n".to_owned() + &"body".repeat(10_000);
    let server = Server::answering(long.clone()).await;
    let origin = server.http();
    let mut connection = connect(&egress_with(config()), &origin).await.unwrap();
    let got = all(unframed(&mut connection, &origin).await).await.unwrap();
    assert_eq!(got, long, "its body is not");
}

#[tokio::test]
async fn its_deadline_is_that_of_the_request() {
    let server = Server::start(|mut stream, _| async move {
        read_request(&mut stream).await;
        write(&mut stream, b"HTTP/1.1 200 OK\r\nno colon\r\n\r\nbody").await;
        let _ = stream.read_u8().await;
    })
    .await;
    let origin = server.http();
    let config = EgressConfig {
        request_deadline: Duration::from_millis(200),
        ..config()
    };
    let mut connection = connect(&egress_with(config), &origin).await.unwrap();
    let error = all(unframed(&mut connection, &origin).await).await;
    assert!(matches!(error, Err(EgressError::Timeout(_))), "{error:?}");
}

#[tokio::test]
async fn a_head_that_somebody_on_the_way_may_have_cut_is_not_handed_on() {
    let authority = Authority::new();
    for (says_goodbye, is_handed_on) in [(true, true), (false, false)] {
        let server = serve_tls(authority.server(&[]), move |mut stream, _| async move {
            read_request(&mut stream).await;
            write(&mut stream, b"HTTP/1.1 200 OK\r\nA: b\r\n").await;
            if says_goodbye {
                let _ = stream.shutdown().await;
            }
        })
        .await;
        let origin = server.https();
        let mut connection = connect(&authority.egress(), &origin).await.unwrap();
        match ask(&mut connection, &origin).await {
            Ok(Received::Unframed(odd)) => {
                assert!(is_handed_on);
                assert_eq!(all(odd).await.unwrap(), "HTTP/1.1 200 OK\r\nA: b\r\n");
            }
            Ok(Received::Framed(_)) => panic!("a response"),
            Err(error) => {
                assert!(!is_handed_on);
                assert!(matches!(error, EgressError::Protocol(_)), "{error}");
            }
        }
    }
}

#[tokio::test]
async fn whoever_does_not_take_it_gets_an_error() {
    let server = Server::answering("HTTP/1.1 200 OK\r\nno colon\r\n\r\nbody").await;
    let origin = server.http();
    let mut connection = connect(&egress(), &origin).await.unwrap();
    let request = request(&origin, "POST", "/", &[]);
    let body = Full::new(Bytes::from_static(b"body"));
    let sent = connection.send(request, BodyKind::Sized(4), body).await;
    assert!(matches!(sent, Err(EgressError::Protocol(_))), "{sent:?}");
}

#[tokio::test]
async fn a_head_that_clients_differ_over_is_handed_on_only_to_whoever_wants_it_so() {
    for answer in [
        "HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 4\r\n\r\nbody",
        "HTTP/1.1  200 OK\r\nContent-Length: 4\r\n\r\nbody",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked \r\n\r\n4\r\nbody\r\n0\r\n\r\n",
    ] {
        let server = Server::start(move |mut stream, _| async move {
            while !read_request(&mut stream).await.is_empty() {
                write(&mut stream, answer.as_bytes()).await;
            }
        })
        .await;
        let origin = server.http();
        let mut connection = connect(&egress(), &origin).await.unwrap();
        // As the host reads it, its end is known.
        for _ in 0..2 {
            let Ok(Received::Framed(mut response)) = ask(&mut connection, &origin).await else {
                panic!("no response: {answer}");
            };
            assert_eq!(collect(&mut response).await.unwrap(), "body");
        }
        assert_eq!(server.accepted(), 1);
        let Ok(Received::Unframed(mut odd)) = ask_exactly(&mut connection, &origin).await else {
            panic!("a response: {answer}");
        };
        let first = odd.body.frame().await.unwrap().unwrap();
        assert_eq!(first.into_data().unwrap(), answer);
        // Its connection stays open, and carries nothing else, even after it is over.
        drop(odd);
        let Ok(Received::Framed(mut response)) = ask(&mut connection, &origin).await else {
            panic!("no response: {answer}");
        };
        assert!(!response.reused);
        assert_eq!(collect(&mut response).await.unwrap(), "body");
        assert_eq!(server.accepted(), 2);
    }
}

#[tokio::test]
async fn the_readers_own_bounds_are_not_the_clients_and_those_of_the_head_hold() {
    let long = |length| format!("HTTP/1.1 200 {}\r\n\r\nbody", "x".repeat(length));
    let many = |count| format!("HTTP/1.1 200 OK\r\n{}\r\nbody", "A: b\r\n".repeat(count));
    let informed = "HTTP/1.1 103 Hints\r\n".to_owned() + &"A: b\r\n".repeat(900) + "\r\n";
    let config = || EgressConfig {
        max_response_head: 100_000,
        ..config()
    };
    for (before, answer, fits) in [
        ("", long(70_000), true),
        ("", long(110_000), false),
        ("", many(3000), true),
        ("", many(30_000), false),
        (&informed[..], long(70_000), true),
        // The bound is for all heads together.
        (&informed[..], long(97_000), false),
    ] {
        let server = Server::answering(before.to_owned() + &answer).await;
        let origin = server.http();
        let mut connection = connect(&egress_with(config()), &origin).await.unwrap();
        match ask(&mut connection, &origin).await {
            Ok(Received::Unframed(odd)) => match all(odd).await {
                Ok(got) => assert!(fits && got == answer, "{} bytes", answer.len()),
                Err(error) => {
                    assert!(!fits, "{} bytes", answer.len());
                    assert_eq!(error, EgressError::Limit(Limit::ResponseHeadSize));
                }
            },
            Ok(Received::Framed(_)) => panic!("a response"),
            Err(EgressError::Protocol(failure)) => {
                assert!(!fits, "{} bytes", answer.len());
                assert_eq!(failure.fault, ProtocolFault::HeadTooLarge);
            }
            Err(error) => panic!("{error}"),
        }
    }
}
