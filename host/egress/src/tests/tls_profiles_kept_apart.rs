//! Nothing that was set up with another TLS profile is ever used for a request.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use h2::server::Builder;
use rustls::HandshakeKind;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use crate::client::Client;
use crate::config::EgressConfig;
use crate::error::{EgressError, TlsFailure};
use crate::test_support as support;
use crate::test_support::tls::{Authority, serve_tls};
use crate::test_support::{Server, connect_on, echo, get_on, ok, read_request, send, write};
use crate::tests::http2;
use crate::tls_profile::{ClientCertificate, GuestTlsOptions, TlsVersions};
use sandbox_net_policy::Verification;

fn unverified() -> GuestTlsOptions {
    GuestTlsOptions {
        verification: Verification::None,
        ..GuestTlsOptions::default()
    }
}

/// Options with which a server with a certificate of the host's authority is accepted.
fn several(authority: &Authority) -> Vec<GuestTlsOptions> {
    let client = |name: &str| {
        let (certificate, key) = authority.client(name);
        GuestTlsOptions {
            client_certificate: Some(ClientCertificate {
                certificates: vec![certificate],
                key,
            }),
            ..GuestTlsOptions::default()
        }
    };
    let roots = |roots: &[&Authority], host_roots| GuestTlsOptions {
        host_roots,
        roots: roots.iter().map(|root| root.certificate()).collect(),
        ..GuestTlsOptions::default()
    };
    let of = |versions| GuestTlsOptions {
        versions,
        ..GuestTlsOptions::default()
    };
    let (one, other) = (Authority::new(), Authority::new());
    vec![
        of(TlsVersions::V12),
        of(TlsVersions::V13),
        GuestTlsOptions::default(),
        unverified(),
        GuestTlsOptions {
            verification: Verification::NameUnchecked,
            ..GuestTlsOptions::default()
        },
        roots(&[authority], false),
        roots(&[&one], true),
        roots(&[&other], true),
        client("one"),
        client("other"),
    ]
}

fn is_refused<T>(result: Result<T, EgressError>) -> bool {
    matches!(
        result.err(),
        Some(EgressError::Tls(TlsFailure::Certificate { .. }))
    )
}

#[tokio::test]
async fn an_idle_connection_is_used_again_on_its_own_terms_only() {
    let authority = Authority::new();
    let server = serve_tls(authority.server(&[]), |stream, _| echo(stream)).await;
    let (all, origin) = (several(&authority), server.https());
    let egress = Client::new(EgressConfig {
        max_idle_per_endpoint: all.len(),
        ..authority.config()
    });
    for (number, options) in all.iter().enumerate() {
        let (response, _) = get_on(&egress, &origin, options).await.unwrap();
        assert!(!response.reused, "{options:?}");
        assert_eq!(server.accepted(), number + 1);
    }
    for options in all.iter().chain(all.iter().rev()) {
        let (response, _) = get_on(&egress, &origin, options).await.unwrap();
        assert!(response.reused, "{options:?}");
    }
    assert_eq!(server.accepted(), all.len());
}

#[tokio::test]
async fn an_http_2_session_is_shared_on_its_own_terms_only() {
    let authority = Authority::new();
    let server = http2::serve(&authority, Builder::new(), http2::echo).await;
    let (egress, origin) = (authority.egress(), server.https());
    let all = several(&authority);
    for _ in 0..2 {
        for options in &all {
            get_on(&egress, &origin, options).await.unwrap();
        }
    }
    assert_eq!(server.accepted(), all.len());
}

#[tokio::test]
async fn a_verified_request_never_goes_to_a_server_that_was_not_verified() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let http1 = serve_tls(stranger.server(&[]), |stream, _| echo(stream)).await;
    let http2 = http2::serve(&stranger, Builder::new(), http2::echo).await;
    for server in [http1, http2] {
        let (egress, origin) = (authority.egress(), server.https());
        let mut open = connect_on(&egress, &origin, &unverified()).await.unwrap();
        send(&mut open, &origin, "GET").await.unwrap();
        get_on(&egress, &origin, &unverified()).await.unwrap();
        for _ in 0..2 {
            assert!(is_refused(support::get(&egress, &origin).await));
        }
        // The one that is open still works.
        send(&mut open, &origin, "GET").await.unwrap();
    }
}

#[tokio::test]
async fn a_tls_session_is_resumed_on_its_own_terms_only() {
    let authority = Authority::new();
    let (tx, mut handshakes) = mpsc::unbounded_channel();
    let server = serve_tls(authority.server(&[]), move |mut stream, _| {
        let tx = tx.clone();
        async move {
            tx.send(stream.get_ref().1.handshake_kind()).unwrap();
            read_request(&mut stream).await;
            let answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
            write(&mut stream, answer).await;
        }
    })
    .await;
    let (egress, origin) = (authority.egress(), server.https());
    let all = several(&authority);
    for expected in [HandshakeKind::Full, HandshakeKind::Resumed] {
        for options in &all {
            get_on(&egress, &origin, options).await.unwrap();
            let kind = handshakes.recv().await.unwrap();
            assert_eq!(kind, Some(expected), "{options:?}");
        }
    }
}

/// Serves the first connection by one authority and the others by another; each carries one
/// request.
async fn changing(first: &Authority, then: &Authority) -> Server {
    let acceptors = [first, then].map(|one| TlsAcceptor::from(Arc::new(one.server(&[]))));
    Server::start(move |tcp, number| {
        let acceptor = acceptors[number.min(1)].clone();
        async move {
            if let Ok(mut stream) = acceptor.accept(tcp).await {
                read_request(&mut stream).await;
                write(&mut stream, ok("here").as_bytes()).await;
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_connection_that_is_made_anew_is_made_on_the_same_terms() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    for (options, is_accepted) in [(unverified(), true), (GuestTlsOptions::default(), false)] {
        let server = changing(&authority, &stranger).await;
        let (egress, origin) = (authority.egress(), server.https());
        let mut connection = connect_on(&egress, &origin, &options).await.unwrap();
        let mut response = send(&mut connection, &origin, "GET").await.unwrap();
        support::collect(&mut response).await.unwrap();
        let again = send(&mut connection, &origin, "GET").await;
        assert_eq!(again.is_ok(), is_accepted, "{options:?}");
        assert!(is_accepted || is_refused(again));
        assert_eq!(server.accepted(), 2);
    }
}

#[tokio::test]
async fn the_same_options_are_the_same_terms_and_too_many_different_ones_are_refused() {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let (authority, other) = (Authority::new(), Authority::new());
    let egress = authority.egress();
    let different = || {
        let name = format!("program {}", COUNT.fetch_add(1, Ordering::Relaxed));
        let (certificate, key) = authority.client(&name);
        GuestTlsOptions {
            client_certificate: Some(ClientCertificate {
                certificates: vec![certificate],
                key,
            }),
            ..GuestTlsOptions::default()
        }
    };
    let own = GuestTlsOptions {
        roots: vec![other.certificate()],
        ..GuestTlsOptions::default()
    };
    let profile = egress.profile(&own).unwrap();
    assert!(Arc::ptr_eq(&profile, &egress.profile(&own).unwrap()));
    let host = GuestTlsOptions {
        roots: vec![authority.certificate()],
        ..GuestTlsOptions::default()
    };
    let default = egress.profile(&GuestTlsOptions::default()).unwrap();
    assert!(Arc::ptr_eq(&default, &egress.profile(&host).unwrap()));
    let mut held = vec![profile];
    while held.len() < 64 {
        held.push(egress.profile(&different()).unwrap());
    }
    let error = egress.profile(&different()).unwrap_err();
    assert!(matches!(error, EgressError::Invalid(_)), "{error:?}");
    assert!(egress.profile(&own).is_ok() && egress.profile(&host).is_ok());
    held.pop();
    assert!(egress.profile(&different()).is_ok());
}

#[tokio::test]
async fn idle_connections_of_many_terms_make_room_for_others() {
    let authority = Authority::new();
    let server = serve_tls(authority.server(&[]), |stream, _| echo(stream)).await;
    let (egress, origin) = (authority.egress(), server.https());
    for number in 0..70 {
        let (certificate, key) = authority.client(&format!("program {number}"));
        let options = GuestTlsOptions {
            client_certificate: Some(ClientCertificate {
                certificates: vec![certificate],
                key,
            }),
            ..GuestTlsOptions::default()
        };
        get_on(&egress, &origin, &options).await.unwrap();
    }
}
