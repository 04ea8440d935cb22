//! What TLS keeps is taken from the sandbox's memory, whatever the server chooses.

use std::sync::Arc;
use std::time::Duration;

use rustls::server::ProducesTickets;
use rustls::{HandshakeKind, SupportedProtocolVersion};
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;

use crate::config::EgressConfig;
use crate::error::EgressError;
use crate::limit::Limit;
use crate::test_support::tls::{Authority, serve_tls};
use crate::test_support::{Server, connect, egress_with, get, policy_for, read_request, write};
use sandbox_net_policy::TlsOverrides;

/// Tickets that are this much longer than necessary.
#[derive(Debug)]
struct Padded(usize);

impl ProducesTickets for Padded {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        1000
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        Some([&vec![0; self.0][..], plain].concat())
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        ticket.get(self.0..).map(<[u8]>::to_vec)
    }
}

const VERSIONS: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS12, &rustls::version::TLS13];

#[tokio::test]
async fn sessions_are_kept_in_the_memory_of_the_host_and_large_ones_are_not() {
    let authority = Authority::new();
    for version in VERSIONS {
        for (padding, expected) in [
            (0, HandshakeKind::Resumed),
            (8000, HandshakeKind::Resumed),
            (20_000, HandshakeKind::Full),
        ] {
            let mut config = authority.server_of(&[version], &[], &["127.0.0.1"], |_| {});
            config.ticketer = Arc::new(Padded(padding));
            let (tx, mut handshakes) = mpsc::unbounded_channel();
            let server = serve_tls(config, move |mut stream, _| {
                let tx = tx.clone();
                async move {
                    tx.send(stream.get_ref().1.handshake_kind()).unwrap();
                    read_request(&mut stream).await;
                    let answer =
                        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
                    write(&mut stream, answer).await;
                }
            })
            .await;
            let (egress, origin) = (authority.egress(), server.https());
            for expected in [HandshakeKind::Full, expected] {
                get(&egress, &origin).await.unwrap();
                assert_eq!(handshakes.recv().await.unwrap(), Some(expected));
            }
            let kept = egress.memory().used();
            match expected {
                HandshakeKind::Resumed => assert!(kept > padding, "{kept} of {padding}"),
                _ => assert_eq!(kept, 0),
            }
            egress.renew();
            assert_eq!(egress.memory().used(), 0);
        }
    }
}

#[tokio::test]
async fn of_one_server_a_few_sessions_are_kept() {
    let authority = Authority::new();
    let mut config = authority.server(&[]);
    config.ticketer = Arc::new(Padded(1000));
    config.send_tls13_tickets = 50;
    let server = serve_tls(config, |mut stream, _| async move {
        read_request(&mut stream).await;
        let answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        write(&mut stream, answer).await;
    })
    .await;
    let egress = authority.egress();
    get(&egress, &server.https()).await.unwrap();
    let kept = egress.memory().used();
    assert!((4000..20_000).contains(&kept), "{kept}");
}

/// The beginning of a handshake of TLS 1.2, with this many bytes of a long list of certificates.
fn half_a_handshake(length: usize) -> Vec<u8> {
    let hello = [
        &[2, 0, 0, 38, 3, 3][..],
        &[7; 32],
        // No session, and an offered suite: ECDHE, ECDSA, AES-128-GCM.
        &[0, 0xc0, 0x2b, 0],
    ]
    .concat();
    let certificates = [&[11, 0, 0xf0, 0][..], &vec![0; length]].concat();
    let messages = [hello, certificates].concat();
    let record = |piece: &[u8]| {
        let [.., a, b] = piece.len().to_be_bytes();
        [&[22, 3, 3, a, b][..], piece].concat()
    };
    messages.chunks(16_000).flat_map(record).collect()
}

#[tokio::test]
async fn a_list_of_certificates_that_does_not_end_is_in_the_memory_of_the_host() {
    let authority = Authority::new();
    for (memory, is_enough) in [(1 << 20, true), (64 << 10, false)] {
        let server = Server::start(|mut stream, _| async move {
            write(&mut stream, &half_a_handshake(50_000)).await;
            let _ = stream.read_to_end(&mut Vec::new()).await;
        })
        .await;
        let egress = egress_with(EgressConfig {
            max_host_memory: Some(memory),
            connect_timeout: Duration::from_secs(2),
            ..authority.config()
        });
        let origin = server.https();
        let mut connection = connect(&egress, &server.http()).await.unwrap();
        let checked = policy_for(&origin.endpoint)
            .check_tls(&origin.endpoint, None, TlsOverrides::default())
            .unwrap();
        let mut most = 0;
        let result = {
            let mut handshake = Box::pin(connection.start_tls(checked));
            loop {
                let soon = tokio::time::timeout(Duration::from_millis(50), &mut handshake);
                if let Ok(result) = soon.await {
                    break result.map(drop);
                }
                most = most.max(egress.memory().used());
            }
        };
        let error = result.unwrap_err();
        match is_enough {
            true => {
                assert!(matches!(error, EgressError::Timeout(_)), "{error:?}");
                assert!(most > 80_000, "{most}");
            }
            false => assert_eq!(error, EgressError::Limit(Limit::HostMemory)),
        }
        drop(connection);
        assert_eq!(egress.memory().used(), 0);
    }
}
