//! Connections that carry more than one request, and retries of requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http_body_util::BodyExt;
use tokio::io::AsyncReadExt;
use tokio::sync::{Notify, mpsc};

use crate::client::Client;
use crate::config::EgressConfig;
use crate::error::EgressError;
use crate::h1::Reuse;
use crate::limit::Limit;
use crate::protocol_failure::ProtocolFault;
use crate::test_support::{
    Server, collect, config, connect, egress, egress_with, fault, get, ok, policy_for, post,
    read_request, send, write,
};
use sandbox_net_policy::Origin;

#[tokio::test]
async fn fifty_requests_share_one_connection() {
    let server = Server::echo().await;
    let origin = server.http();
    let egress = egress();
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
        let (response, _) = get(&egress, &origin).await.unwrap();
        assert!(response.reused);
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_share_one_connection_on_any_runtime() {
    let server = Server::echo().await;
    let origin = server.http();
    let egress = egress();
    let mut connection = connect(&egress, &origin).await.unwrap();
    for n in 0..200 {
        let mut response = post(&mut connection, &origin, format!("{n}"))
            .await
            .unwrap();
        assert_eq!(collect(&mut response).await.unwrap(), format!("{n}"));
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn two_clients_never_share_a_connection() {
    let server = Server::echo().await;
    let origin = server.http();
    let (one, other) = (egress(), egress());
    for _ in 0..3 {
        get(&one, &origin).await.unwrap();
        get(&other, &origin).await.unwrap();
    }
    assert_eq!(server.accepted(), 2);
}

#[tokio::test]
async fn a_connection_returns_to_the_pool_when_its_response_is_read_later() {
    let server = Server::echo().await;
    let origin = server.http();
    let egress = egress();
    let mut connection = connect(&egress, &origin).await.unwrap();
    let mut response = post(&mut connection, &origin, "later").await.unwrap();
    drop(connection);
    assert_eq!(collect(&mut response).await.unwrap(), "later");
    assert!(get(&egress, &origin).await.unwrap().0.reused);
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_connection_that_the_peer_closed_is_not_used_again() {
    let closed = Arc::new(Notify::new());
    let notify = Arc::clone(&closed);
    let server = Server::start(move |mut stream, _| {
        let notify = Arc::clone(&notify);
        async move {
            read_request(&mut stream).await;
            write(&mut stream, ok("").as_bytes()).await;
            drop(stream);
            notify.notify_one();
        }
    })
    .await;
    let origin = server.http();
    let egress = egress();
    let mut connection = connect(&egress, &origin).await.unwrap();
    for accepted in 1..4 {
        // Even a request that may not be sent twice succeeds.
        let mut response = post(&mut connection, &origin, "x").await.unwrap();
        collect(&mut response).await.unwrap();
        assert!(!response.reused);
        assert_eq!(server.accepted(), accepted);
        closed.notified().await;
    }
    drop(connection);
    assert!(!get(&egress, &origin).await.unwrap().0.reused);
}

#[tokio::test]
async fn a_connection_on_which_the_peer_said_too_much_is_not_used_again() {
    for surplus in [
        "surplus",
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
    ] {
        let server = Server::start(move |mut stream, _| async move {
            read_request(&mut stream).await;
            write(&mut stream, (ok("good") + surplus).as_bytes()).await;
            read_request(&mut stream).await;
        })
        .await;
        let origin = server.http();
        let mut connection = connect(&egress(), &origin).await.unwrap();
        for _ in 0..2 {
            let mut response = send(&mut connection, &origin, "GET").await.unwrap();
            assert_eq!(collect(&mut response).await.unwrap(), "good");
        }
        assert_eq!(server.accepted(), 2);
    }
}

#[tokio::test]
async fn a_response_that_says_close_is_the_last_on_its_connection() {
    for answer in [
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        let server = Server::start(move |mut stream, _| async move {
            while !read_request(&mut stream).await.is_empty() {
                write(&mut stream, answer.as_bytes()).await;
            }
        })
        .await;
        let origin = server.http();
        let mut connection = connect(&egress(), &origin).await.unwrap();
        for _ in 0..2 {
            let mut response = send(&mut connection, &origin, "GET").await.unwrap();
            collect(&mut response).await.unwrap();
        }
        assert_eq!(server.accepted(), 2, "{answer:?}");
    }
}

/// A server that answers the first request of each connection, and hangs up instead of answering
/// the second. It reports every request.
async fn hanging_up() -> (Server, mpsc::UnboundedReceiver<(usize, String)>) {
    let (tx, rx) = mpsc::unbounded_channel();
    let server = Server::start(move |mut stream, number| {
        let tx = tx.clone();
        async move {
            for answer in [ok(""), String::new()] {
                let request = read_request(&mut stream).await;
                let method = request.split(' ').next().unwrap().to_owned();
                let _ = tx.send((number, method));
                write(&mut stream, answer.as_bytes()).await;
            }
        }
    })
    .await;
    (server, rx)
}

#[tokio::test]
async fn a_request_that_may_not_be_repeated_is_sent_once() {
    for method in ["POST", "PATCH", "FANCY"] {
        let (server, mut requests) = hanging_up().await;
        let origin = server.http();
        let mut connection = connect(&egress(), &origin).await.unwrap();
        let mut response = send(&mut connection, &origin, "GET").await.unwrap();
        collect(&mut response).await.unwrap();
        let error = send(&mut connection, &origin, method).await.unwrap_err();
        assert_eq!(fault(error).0, ProtocolFault::NoAnswer);
        assert_eq!(requests.recv().await.unwrap(), (0, "GET".into()));
        assert_eq!(requests.recv().await.unwrap(), (0, method.into()));
        assert_eq!(server.accepted(), 1, "{method}");
    }
}

#[tokio::test]
async fn a_request_that_may_be_repeated_is_sent_again_on_a_new_connection() {
    for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"] {
        let (server, mut requests) = hanging_up().await;
        let origin = server.http();
        let mut connection = connect(&egress(), &origin).await.unwrap();
        let mut response = send(&mut connection, &origin, "GET").await.unwrap();
        collect(&mut response).await.unwrap();
        let response = send(&mut connection, &origin, method).await.unwrap();
        assert!(!response.reused);
        for expected in [(0, "GET"), (0, method), (1, method)] {
            let (number, method) = requests.recv().await.unwrap();
            assert_eq!((number, method.as_str()), expected);
        }
    }
}

#[tokio::test]
async fn a_request_with_a_body_is_not_sent_again() {
    let (server, _requests) = hanging_up().await;
    let origin = server.http();
    let mut connection = connect(&egress(), &origin).await.unwrap();
    let mut response = send(&mut connection, &origin, "GET").await.unwrap();
    collect(&mut response).await.unwrap();
    let error = post(&mut connection, &origin, "once").await.unwrap_err();
    assert_eq!(fault(error).0, ProtocolFault::NoAnswer);
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_new_connection_that_fails_is_not_tried_again() {
    let server = Server::answering("").await;
    let origin = server.http();
    let error = get(&egress(), &origin).await.unwrap_err();
    assert_eq!(fault(error).0, ProtocolFault::NoAnswer);
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_response_dropped_early_closes_its_connection() {
    let closed = Arc::new(Notify::new());
    let notify = Arc::clone(&closed);
    let server = Server::start(move |mut stream, _| {
        let notify = Arc::clone(&notify);
        async move {
            read_request(&mut stream).await;
            write(
                &mut stream,
                b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nx",
            )
            .await;
            let _ = stream.read(&mut [0]).await;
            notify.notify_one();
        }
    })
    .await;
    let origin = server.http();
    let mut connection = connect(&egress(), &origin).await.unwrap();
    let response = send(&mut connection, &origin, "GET").await.unwrap();
    drop(response);
    closed.notified().await;
}

#[tokio::test]
async fn a_response_dropped_when_all_of_it_is_there_keeps_its_connection() {
    let server = Server::echo().await;
    let origin = server.http();
    let mut connection = connect(&egress(), &origin).await.unwrap();
    for _ in 0..5 {
        let mut response = post(&mut connection, &origin, "a short body")
            .await
            .unwrap();
        let _ = response.body.frame().await;
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_dropped_exchange_closes_its_connection_and_the_next_one_dials_again() {
    let (started, closed) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell_started, tell_closed) = (Arc::clone(&started), Arc::clone(&closed));
    let server = Server::start(move |mut stream, number| {
        let (started, closed) = (Arc::clone(&tell_started), Arc::clone(&tell_closed));
        async move {
            read_request(&mut stream).await;
            if number > 0 {
                return write(&mut stream, ok("").as_bytes()).await;
            }
            started.notify_one();
            let _ = stream.read(&mut [0]).await;
            closed.notify_one();
        }
    })
    .await;
    let origin = server.http();
    let mut connection = connect(&egress(), &origin).await.unwrap();
    tokio::select! {
        _ = send(&mut connection, &origin, "POST") => panic!("nobody answered"),
        () = started.notified() => {}
    }
    closed.notified().await;
    send(&mut connection, &origin, "POST").await.unwrap();
    assert_eq!(server.accepted(), 2);
}

#[tokio::test]
async fn connections_are_limited_and_idle_ones_make_room() {
    let (server, other) = (Server::echo().await, Server::echo().await);
    let origin = server.http();
    let limits = EgressConfig {
        max_connections: 2,
        ..config()
    };
    let egress = egress_with(limits);
    let first = connect(&egress, &origin).await.unwrap();
    let mut second = connect(&egress, &origin).await.unwrap();
    let error = connect(&egress, &origin).await.err().unwrap();
    assert_eq!(error, EgressError::Limit(Limit::Connections));
    let mut response = send(&mut second, &origin, "GET").await.unwrap();
    collect(&mut response).await.unwrap();
    drop(second);
    // The second one is idle now, and is closed for a connection elsewhere.
    get(&egress, &other.http()).await.unwrap();
    assert_eq!((server.accepted(), other.accepted()), (2, 1));
    drop(first);
}

#[tokio::test]
async fn no_more_connections_wait_than_are_wanted() {
    for (max_idle_per_endpoint, reused) in [(0, 0), (1, 1), (8, 3)] {
        let server = Server::echo().await;
        let origin = server.http();
        let limits = EgressConfig {
            max_idle_per_endpoint,
            ..config()
        };
        let egress = egress_with(limits);
        for round in 0..2 {
            let mut open = Vec::new();
            for _ in 0..3 {
                let mut connection = connect(&egress, &origin).await.unwrap();
                let mut response = send(&mut connection, &origin, "GET").await.unwrap();
                collect(&mut response).await.unwrap();
                open.push((connection, response.reused));
            }
            if round == 1 {
                let count = open.iter().filter(|(_, reused)| *reused).count();
                assert_eq!(count, reused);
            }
        }
    }
}

#[tokio::test]
async fn a_connection_that_waits_too_long_is_closed() {
    let open = Arc::new(AtomicUsize::new(0));
    let (count, closed) = (Arc::clone(&open), Arc::new(Notify::new()));
    let notify = Arc::clone(&closed);
    let server = Server::start(move |stream, _| {
        let (count, notify) = (Arc::clone(&count), Arc::clone(&notify));
        async move {
            count.fetch_add(1, Ordering::SeqCst);
            crate::test_support::echo(stream).await;
            count.fetch_sub(1, Ordering::SeqCst);
            notify.notify_one();
        }
    })
    .await;
    let origin = server.http();
    let egress = egress();
    get(&egress, &origin).await.unwrap();
    assert_eq!(open.load(Ordering::SeqCst), 1);
    tokio::time::pause();
    closed.notified().await;
    assert_eq!(open.load(Ordering::SeqCst), 0);
}

/// A connection that is to be closed like a socket.
async fn socket(egress: &Client, origin: &Origin) -> crate::connection::Connection {
    let route = policy_for(&origin.endpoint).check_connect(origin.endpoint.clone());
    let connecting = egress.connect(route.unwrap(), None, None, Reuse::Close);
    connecting.await.unwrap()
}

#[tokio::test]
async fn a_connection_that_is_a_socket_is_closed_with_it_and_shares_nothing() {
    let closed = Arc::new(Notify::new());
    let notify = Arc::clone(&closed);
    let server = Server::start(move |stream, _| {
        let notify = Arc::clone(&notify);
        async move {
            crate::test_support::echo(stream).await;
            notify.notify_one();
        }
    })
    .await;
    let (egress, origin) = (egress(), server.http());
    get(&egress, &origin).await.unwrap(); // leaves an idle one
    for round in 1..3 {
        let mut connection = socket(&egress, &origin).await;
        for number in 0..2 {
            let mut response = send(&mut connection, &origin, "GET").await.unwrap();
            assert_eq!(response.reused, number > 0);
            collect(&mut response).await.unwrap();
        }
        drop(connection);
        closed.notified().await;
        assert_eq!(server.accepted(), 1 + round);
    }
    // A program may close its socket first, and read what is still there.
    let mut connection = socket(&egress, &origin).await;
    let mut response = send(&mut connection, &origin, "GET").await.unwrap();
    drop(connection);
    collect(&mut response).await.unwrap();
    drop(response);
    closed.notified().await;
    assert!(get(&egress, &origin).await.unwrap().0.reused);
}

#[tokio::test]
async fn an_unread_rest_is_read_for_its_connection_as_far_as_its_bytes_on_the_wire_are_few() {
    // The number of bytes of chunk extension with each byte of the body.
    for (extension, is_used_again) in [(0, true), (100, true), (900, false)] {
        let chunk = format!("1;{}\r\na\r\n", "x".repeat(extension));
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let answer = format!("{head}{}0\r\n\r\n", chunk.repeat(100));
        let server = Server::start(move |mut stream, _| {
            let answer = answer.clone();
            async move {
                while !read_request(&mut stream).await.is_empty() {
                    write(&mut stream, answer.as_bytes()).await;
                }
            }
        })
        .await;
        let origin = server.http();
        let egress = egress();
        let mut connection = connect(&egress, &origin).await.unwrap();
        let response = send(&mut connection, &origin, "GET").await.unwrap();
        // All of it waits in the kernel by then.
        tokio::time::sleep(Duration::from_millis(300)).await;
        drop((response, connection));
        get(&egress, &origin).await.unwrap();
        let accepted = if is_used_again { 1 } else { 2 };
        assert_eq!(server.accepted(), accepted, "{extension}");
    }
}
