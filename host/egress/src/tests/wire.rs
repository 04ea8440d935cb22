//! The bytes on the wire, as they are counted, and frames of a peer that carry nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use h2::server::Builder;
use http::Response;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::Client;
use crate::config::EgressConfig;
use crate::error::EgressError;
use crate::limit::Limit;
use crate::machine::Machine;
use crate::protocol_failure::ProtocolFault;
use crate::test_support::tls::{Authority, serve_tls};
use crate::test_support::{
    Server, collect, config, connect, fault, get, ok, post, read_request, send, write,
};
use crate::tests::http2::{echo, serve};
use crate::wire::Wire;
use sandbox_net_policy::{Origin, Scheme};

/// Counts, and ends what exceeds its bounds.
struct Counter {
    down: (AtomicUsize, usize),
    up: (AtomicUsize, usize),
    dials: AtomicUsize,
}

impl Counter {
    fn new(down: usize, up: usize) -> Arc<Self> {
        Arc::new(Self {
            down: (AtomicUsize::new(0), down),
            up: (AtomicUsize::new(0), up),
            dials: AtomicUsize::new(0),
        })
    }

    fn egress(self: &Arc<Self>, config: EgressConfig) -> Client {
        let wire = Arc::<Self>::clone(self);
        Client::on(config, wire, Machine::real())
    }

    fn counted(&self) -> (usize, usize) {
        let load = |of: &AtomicUsize| of.load(Ordering::SeqCst);
        (load(&self.down.0), load(&self.up.0))
    }
}

impl Wire for Counter {
    fn room(&self) -> Result<usize, Limit> {
        let left = self.down.1.checked_sub(self.down.0.load(Ordering::SeqCst));
        left.map(|left| left.saturating_add(1))
            .ok_or(Limit::BytesDown)
    }

    fn read(&self, bytes: usize) -> Result<(), Limit> {
        match self.down.0.fetch_add(bytes, Ordering::SeqCst) + bytes <= self.down.1 {
            true => Ok(()),
            false => Err(Limit::BytesDown),
        }
    }

    fn write(&self, bytes: usize) -> Result<(), Limit> {
        let sum = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= self.up.1);
        let taken = self
            .up
            .0
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, sum);
        taken.map(drop).map_err(|_| Limit::BytesUp)
    }

    fn unwritten(&self, bytes: usize) {
        self.up.0.fetch_sub(bytes, Ordering::SeqCst);
    }

    fn dial(&self) -> Result<(), Limit> {
        self.dials.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn ask(&self) -> Result<(), Limit> {
        Ok(())
    }
}

/// Forwards everything to another server, and counts it: bytes to the client, and from it.
async fn passing_on(to: &Server) -> (Server, Arc<[AtomicUsize; 2]>) {
    let counts: Arc<[AtomicUsize; 2]> = Arc::default();
    let (address, seen) = (to.address, Arc::clone(&counts));
    let server = Server::start(move |client, _| {
        let seen = Arc::clone(&seen);
        async move {
            let (mut from_client, mut to_client) = client.into_split();
            let (mut from, mut to) = TcpStream::connect(address).await.unwrap().into_split();
            let copy = async |reader: &mut tokio::net::tcp::OwnedReadHalf,
                              writer: &mut tokio::net::tcp::OwnedWriteHalf,
                              count: &AtomicUsize| {
                let mut buffer = [0; 4096];
                while let Ok(length @ 1..) = reader.read(&mut buffer).await {
                    count.fetch_add(length, Ordering::SeqCst);
                    if writer.write_all(&buffer[..length]).await.is_err() {
                        return;
                    }
                }
                let _ = writer.shutdown().await;
            };
            tokio::join!(
                copy(&mut from, &mut to_client, &seen[0]),
                copy(&mut from_client, &mut to, &seen[1]),
            );
        }
    })
    .await;
    (server, counts)
}

/// The same origin at another port.
fn at(server: &Server, scheme: Scheme) -> Origin {
    match scheme {
        Scheme::Http => server.http(),
        Scheme::Https => server.https(),
    }
}

#[tokio::test]
async fn every_byte_below_tls_is_counted_in_every_version_of_http() {
    let authority = Authority::new();
    let plain = Server::echo().await;
    let tls = serve_tls(authority.server(&["http/1.1"]), |stream, _| {
        crate::test_support::echo(stream)
    })
    .await;
    let h2 = serve(&authority, Builder::new(), echo).await;
    for (server, scheme) in [
        (&plain, Scheme::Http),
        (&tls, Scheme::Https),
        (&h2, Scheme::Https),
    ] {
        let (proxy, seen) = passing_on(server).await;
        let counter = Counter::new(usize::MAX, usize::MAX);
        let egress = counter.egress(authority.config());
        let origin = at(&proxy, scheme);
        let mut connection = connect(&egress, &origin).await.unwrap();
        for _ in 0..2 {
            let mut response = post(&mut connection, &origin, vec![b'x'; 1000])
                .await
                .unwrap();
            assert_eq!(collect(&mut response).await.unwrap().len(), 1000);
        }
        let seen = || [0, 1].map(|index: usize| seen[index].load(Ordering::SeqCst));
        // What the client has sent may not have been forwarded yet, and it may not have read yet
        // what was sent to it.
        let (down, up) = counter.counted();
        assert!(down > 2000 && down <= seen()[0], "{down} of {:?}", seen());
        assert!(up > 2000, "{up}");
        while seen()[1] < up {
            tokio::task::yield_now().await;
        }
        assert_eq!(seen()[1], up);
        assert_eq!(counter.dials.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn a_budget_ends_every_phase_with_its_own_error_and_no_byte_goes_beyond_it() {
    let authority = Authority::new();
    let plain = Server::echo().await;
    let tls = serve_tls(authority.server(&["http/1.1"]), |stream, _| {
        crate::test_support::echo(stream)
    })
    .await;
    let h2 = serve(&authority, Builder::new(), echo).await;
    for (server, scheme) in [
        (&plain, Scheme::Http),
        (&tls, Scheme::Https),
        (&h2, Scheme::Https),
    ] {
        // The total without bounds.
        let whole = Counter::new(usize::MAX, usize::MAX);
        let exchange = async |counter: &Arc<Counter>, origin: &Origin| {
            let egress = counter.egress(authority.config());
            let mut connection = connect(&egress, origin).await?;
            let mut response = post(&mut connection, origin, vec![b'x'; 5000]).await?;
            collect(&mut response).await.map(drop)
        };
        exchange(&whole, &at(server, scheme)).await.unwrap();
        let (down, up) = whole.counted();
        // Some are in the handshake, some in the head, and some in the body.
        for part in [0, 1, 3, 10, 30, 50, 70, 90] {
            let (proxy, seen) = passing_on(server).await;
            let origin = at(&proxy, scheme);
            let bounded = Counter::new(down * part / 100, usize::MAX);
            let error = exchange(&bounded, &origin).await.unwrap_err();
            assert_eq!(error, EgressError::Limit(Limit::BytesDown), "{part} %");
            assert!(bounded.counted().0 <= down * part / 100 + 1);

            let before = seen[1].load(Ordering::SeqCst);
            let bounded = Counter::new(usize::MAX, up * part / 100);
            let error = exchange(&bounded, &origin).await.unwrap_err();
            assert_eq!(error, EgressError::Limit(Limit::BytesUp), "{part} %");
            assert!(bounded.counted().1 <= up * part / 100);
            assert!(seen[1].load(Ordering::SeqCst) - before <= up * part / 100);
        }
    }
}

#[tokio::test]
async fn a_limit_is_no_reason_to_dial_again() {
    let server = Server::echo().await;
    let first = ok("").len();
    let counter = Counter::new(first + 5, usize::MAX);
    let egress = counter.egress(config());
    let origin = server.http();
    let mut connection = connect(&egress, &origin).await.unwrap();
    let mut response = send(&mut connection, &origin, "GET").await.unwrap();
    collect(&mut response).await.unwrap();
    let error = send(&mut connection, &origin, "GET").await.unwrap_err();
    assert_eq!(error, EgressError::Limit(Limit::BytesDown));
    assert_eq!(server.accepted(), 1);
}

/// Answers with this many informational responses of about this size before the final one, over
/// HTTP/1.1 and over HTTP/2.
async fn informational(authority: &Authority, count: usize, size: usize) -> [Server; 2] {
    let text = "x".repeat(size);
    let head = format!("HTTP/1.1 103 Early Hints\r\nA: {text}\r\n\r\n");
    let plain = Server::start(move |mut stream, _| {
        let head = head.clone();
        async move {
            read_request(&mut stream).await;
            for _ in 0..count {
                write(&mut stream, head.as_bytes()).await;
            }
            write(&mut stream, ok("").as_bytes()).await;
        }
    })
    .await;
    let h2 = serve(authority, Builder::new(), move |_, mut answer, _| {
        let text = text.clone();
        async move {
            for sent in 0..count {
                let hints = Response::builder().status(103).header("a", &text);
                if answer.send_informational(hints.body(()).unwrap()).is_err() {
                    return;
                }
                // Flush, so that not all of it is held here.
                if sent % 10 == 0 {
                    tokio::task::yield_now().await;
                }
            }
            let _ = answer.send_response(Response::new(()), true);
        }
    })
    .await;
    [plain, h2]
}

#[tokio::test]
async fn informational_responses_are_bounded_alike_in_both_versions() {
    let authority = Authority::new();
    for (count, size, fits) in [
        (32, 10, true),
        (33, 10, false),
        (20_000, 10, false),
        (3, 300, true),
        (4, 300, false),
    ] {
        for (server, scheme) in informational(&authority, count, size)
            .await
            .iter()
            .zip(Scheme::ALL)
        {
            let config = EgressConfig {
                max_response_head: if size == 300 { 1200 } else { 256 * 1024 },
                ..authority.config()
            };
            let result = get(&Client::new(config), &at(server, scheme)).await;
            let is_number = |fault: &ProtocolFault| match fault {
                ProtocolFault::Informational => true,
                // The session ends if the frames come faster than they are inspected.
                ProtocolFault::Http2(text) => text.contains("too many frames"),
                _ => false,
            };
            match result {
                Ok((response, _)) => {
                    assert!(fits, "{scheme} {count}");
                    assert_eq!(response.head.status, 200);
                }
                Err(EgressError::Limit(limit)) => {
                    assert_eq!(limit, Limit::ResponseHeadSize);
                    assert!(!fits && size == 300, "{scheme} {count}");
                }
                Err(error) => {
                    let (fault, _) = fault(error);
                    let is_size = fault == ProtocolFault::HeadTooLarge && size == 300;
                    assert!(!fits && (is_size || is_number(&fault)), "{fault:?}");
                }
            }
        }
    }
}

/// A frame (RFC 9113 section 4.1).
fn frame(kind: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let [.., a, b, c] = payload.len().to_be_bytes();
    [&[a, b, c, kind, 0, 0, 0, 0, stream], payload].concat()
}

/// Sends these frames after the peer's first request, again and again.
async fn flooding(authority: &Authority, frames: Vec<u8>) -> Server {
    serve_tls(authority.server(&["h2"]), move |mut stream, _| {
        let flood = frames.repeat(64);
        async move {
            // An empty SETTINGS, once the request has arrived.
            write(&mut stream, &frame(4, 0, &[])).await;
            let mut buffer = [0; 4096];
            let mut seen = Vec::new();
            while !seen.windows(5).any(|it| it[3..] == [1, 5]) {
                match stream.read(&mut buffer).await {
                    Ok(length @ 1..) => seen.extend_from_slice(&buffer[..length]),
                    _ => return,
                }
            }
            let (mut reader, mut writer) = tokio::io::split(stream);
            let flooding = async { while writer.write_all(&flood).await.is_ok() {} };
            // Read the answers to the frames, or the peer would wait.
            let reading = async {
                let mut buffer = [0; 4096];
                while let Ok(1..) = reader.read(&mut buffer).await {}
            };
            tokio::select! {
                () = flooding => {}
                () = reading => {}
            }
        }
    })
    .await
}

#[tokio::test]
async fn frames_that_carry_nothing_end_the_session() {
    let authority = Authority::new();
    for (name, frames) in [
        ("PING", frame(6, 0, &[0; 8])),
        ("SETTINGS", frame(4, 0, &[])),
        ("WINDOW_UPDATE", frame(8, 1, &[0, 0, 0, 1])),
        ("PRIORITY", frame(2, 1, &[0, 0, 0, 0, 1])),
        ("unknown", frame(0xbe, 0, b"x")),
        ("empty DATA", frame(0, 1, &[])),
        ("RST_STREAM", frame(3, 1, &[0, 0, 0, 8])),
        ("CONTINUATION", frame(9, 1, b"x")),
    ] {
        let server = flooding(&authority, frames).await;
        let result = get(&authority.egress(), &server.https()).await;
        let error = result.map(|_| ()).unwrap_err();
        let is_end = matches!(error, EgressError::Protocol(_) | EgressError::Reset);
        assert!(is_end, "{name}: {error:?}");
    }
}

#[tokio::test]
async fn frames_beside_data_do_not_end_it() {
    let authority = Authority::new();
    let server = serve_tls(authority.server(&["h2"]), |stream, _| async move {
        let mut session = h2::server::handshake(stream).await.unwrap();
        let mut pings = session.ping_pong().unwrap();
        let Some(Ok((_, mut answer))) = session.accept().await else {
            return;
        };
        let mut body = answer.send_response(Response::new(()), false).unwrap();
        let sending = async {
            for _ in 0..12_000 {
                body.reserve_capacity(400);
                while body.capacity() < 400 {
                    let capacity = std::future::poll_fn(|cx| body.poll_capacity(cx));
                    if capacity.await.is_none() {
                        return;
                    }
                }
                body.send_data(vec![b'x'; 400].into(), false).unwrap();
                pings.ping(h2::Ping::opaque()).await.unwrap();
            }
            body.send_data("".into(), true).unwrap();
            std::future::pending().await
        };
        tokio::select! {
            () = sending => {}
            _ = session.accept() => {}
        }
    })
    .await;
    let (_, body) = get(&authority.egress(), &server.https()).await.unwrap();
    assert_eq!(body.len(), 12_000 * 400);
}
