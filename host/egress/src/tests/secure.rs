//! TLS connections: handshakes, verification and failures.

use std::io::Write as _;

use http_body_util::BodyExt as _;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose};
use rustls::HandshakeKind;
use tokio::sync::mpsc;

use crate::certificates::fault::CertificateFault;
use crate::config::EgressConfig;
use crate::error::{EgressError, TlsFailure};
use crate::h1::Reuse;
use crate::protocol_failure::ProtocolFault;
use crate::response::HttpVersion;
use crate::test_support::tls::{Authority, expired, not_yet_valid, serve_tls};
use crate::test_support::{
    Server, collect, connect, connect_on, echo, egress_with, fault, get, ok, policy_for, post,
    read_request, send, write,
};
use crate::tls::{Roots, TlsConfig, TlsConfigError, read_certificates};
use crate::tls_profile::{GuestTlsOptions, TlsVersions};

use sandbox_net_policy::TlsOverrides;

#[tokio::test]
async fn requests_share_one_tls_connection() {
    let authority = Authority::new();
    for alpn in [&[][..], &["http/1.1"]] {
        let server = serve_tls(authority.server(alpn), |stream, _| echo(stream)).await;
        let origin = server.https();
        let egress = authority.egress();
        let mut connection = connect(&egress, &origin).await.unwrap();
        for n in 0..25 {
            let mut response = post(&mut connection, &origin, format!("{n}"))
                .await
                .unwrap();
            assert_eq!(response.head.version, HttpVersion::Http11);
            assert_eq!(collect(&mut response).await.unwrap(), format!("{n}"));
        }
        drop(connection);
        for _ in 0..25 {
            let (response, _) = get(&egress, &origin).await.unwrap();
            assert!(response.reused);
        }
        assert_eq!(server.accepted(), 1);
    }
}

#[tokio::test]
async fn what_the_handshake_settled_is_told() {
    let authority = Authority::new();
    for (version, number, cipher) in [
        (&rustls::version::TLS13, 0x0304, "TLS_AES_256_GCM_SHA384"),
        (
            &rustls::version::TLS12,
            0x0303,
            "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        ),
    ] {
        let config = authority.server_of(&[version], &["http/1.1"], &["127.0.0.1"], |_| {});
        let server = serve_tls(config, |stream, _| echo(stream)).await;
        let origin = server.https();
        let connection = connect(&authority.egress(), &origin).await.unwrap();
        let info = connection.tls_info().unwrap();
        assert_eq!((info.version, info.cipher.as_str()), (number, cipher));
        assert_eq!(info.alpn, b"http/1.1");
        assert_eq!(info.certificates.len(), 1);
        assert!(connection.is_tls());
        assert_eq!(connection.peer(), Some(server.address));
    }
}

#[tokio::test]
async fn a_version_that_a_program_does_not_accept_is_never_spoken() {
    use rustls::version::{TLS12, TLS13};
    let authority = Authority::new();
    let (v12, v13) = (Some(0x0303), Some(0x0304));
    for (spoken, all, only_v12, only_v13) in [
        (&[&TLS12, &TLS13][..], v13, v12, v13),
        (&[&TLS12], v12, v12, None),
        (&[&TLS13], v13, None, v13),
    ] {
        let config = authority.server_of(spoken, &[], &["127.0.0.1"], |_| {});
        let server = serve_tls(config, |stream, _| echo(stream)).await;
        let egress = authority.egress();
        for (versions, expected) in [
            (TlsVersions::All, all),
            (TlsVersions::V12, only_v12),
            (TlsVersions::V13, only_v13),
        ] {
            let options = GuestTlsOptions {
                versions,
                ..GuestTlsOptions::default()
            };
            let what = format!("{versions:?} to a server of {spoken:?}");
            match connect_on(&egress, &server.https(), &options).await {
                Ok(connection) => {
                    let version = connection.tls_info().map(|info| info.version);
                    assert_eq!(version, expected, "{what}");
                }
                Err(EgressError::Tls(TlsFailure::Other(text))) => {
                    assert_eq!(expected, None, "{what}: {text}");
                    assert!(text.contains("ProtocolVersion"), "{text}");
                }
                Err(other) => panic!("{what}: {other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn certificates_that_do_not_fit_are_told_apart() {
    type Change = fn(&mut CertificateParams);
    let (authority, stranger) = (Authority::new(), Authority::new());
    let wrong_purpose: Change = |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    };
    for (issuer, name, change, expected) in [
        (
            &authority,
            "127.0.0.1",
            expired as Change,
            CertificateFault::Expired,
        ),
        (
            &authority,
            "127.0.0.1",
            not_yet_valid,
            CertificateFault::NotYetValid,
        ),
        (
            &stranger,
            "127.0.0.1",
            |_| {},
            CertificateFault::UnknownIssuer,
        ),
        (
            &authority,
            "127.0.0.2",
            |_| {},
            CertificateFault::NameMismatch,
        ),
        (
            &authority,
            "localhost",
            |_| {},
            CertificateFault::NameMismatch,
        ),
        (
            &authority,
            "127.0.0.1",
            wrong_purpose,
            CertificateFault::Purpose,
        ),
    ] {
        let config = issuer.server_with(&[], &[name], change);
        let server = serve_tls(config, |stream, _| echo(stream)).await;
        let origin = server.https();
        let error = connect(&authority.egress(), &origin).await.err().unwrap();
        let EgressError::Tls(TlsFailure::Certificate { fault, message }) = error else {
            panic!("{expected:?}: {error:?}")
        };
        assert_eq!(fault, expected, "{message}");
    }
}

#[tokio::test]
async fn a_peer_that_speaks_no_tls_is_a_failure_of_tls() {
    let authority = Authority::new();
    for answer in ["HTTP/1.1 400 Bad Request\r\n\r\n", ""] {
        let server = Server::start(move |mut stream, _| async move {
            let mut hello = [0; 5];
            let _ = tokio::io::AsyncReadExt::read_exact(&mut stream, &mut hello).await;
            write(&mut stream, answer.as_bytes()).await;
            let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
        })
        .await;
        let origin = server.https();
        let egress = authority.egress();
        if answer.is_empty() {
            tokio::time::pause();
        }
        let error = connect(&egress, &origin).await.err().unwrap();
        assert!(
            matches!(
                error,
                EgressError::Tls(TlsFailure::Other(_)) | EgressError::Timeout(_)
            ),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_peer_that_hangs_up_in_the_handshake_is_a_failure_of_tls() {
    let server = Server::start(|mut stream, _| async move {
        let mut hello = [0; 2048];
        let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut hello).await;
        let _ = tokio::io::AsyncWriteExt::shutdown(&mut stream).await;
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    })
    .await;
    let origin = server.https();
    let egress = Authority::new().egress();
    let error = connect(&egress, &origin).await.err().unwrap();
    assert!(
        matches!(error, EgressError::Tls(TlsFailure::Other(_))),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_body_without_length_is_complete_only_with_a_goodbye() {
    let authority = Authority::new();
    for (says_goodbye, accept_tls_truncation, is_accepted) in [
        (true, false, true),
        (false, false, false),
        (false, true, true),
    ] {
        let server = serve_tls(authority.server(&[]), move |mut stream, _| async move {
            read_request(&mut stream).await;
            write(&mut stream, b"HTTP/1.1 200 OK\r\n\r\nall of it").await;
            if says_goodbye {
                let _ = tokio::io::AsyncWriteExt::shutdown(&mut stream).await;
            }
        })
        .await;
        let origin = server.https();
        let config = EgressConfig {
            accept_tls_truncation,
            ..authority.config()
        };
        let result = get(&egress_with(config), &origin).await;
        match result {
            Ok((_, body)) => {
                assert!(is_accepted);
                assert_eq!(body, "all of it");
            }
            Err(error) => {
                assert!(!is_accepted);
                assert_eq!(fault(error).0, ProtocolFault::BodyCut);
            }
        }
    }
}

#[tokio::test]
async fn what_came_before_a_broken_record_is_read_first() {
    /// A record of application data (RFC 8446 section 5.2) that no key decrypts.
    const BAD_RECORD: [u8; 25] = *b"\x17\x03\x03\x00\x1401234567890123456789";
    let authority = Authority::new();
    let server = serve_tls(authority.server(&[]), |mut stream, _| async move {
        read_request(&mut stream).await;
        let (tcp, tls) = stream.get_mut();
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this";
        tls.writer().write_all(answer).unwrap();
        // All in one segment, and so in one read of the client.
        let mut records = Vec::new();
        while tls.wants_write() {
            tls.write_tls(&mut records).unwrap();
        }
        write(tcp, &[&records, &BAD_RECORD[..]].concat()).await;
        let _ = tokio::io::copy(tcp, &mut tokio::io::sink()).await;
    })
    .await;
    let origin = server.https();
    let mut connection = connect(&authority.egress(), &origin).await.unwrap();
    let mut response = send(&mut connection, &origin, "GET").await.unwrap();
    let beginning = response.body.frame().await.unwrap().unwrap();
    assert_eq!(beginning.into_data().unwrap(), "only this");
    let error = response.body.frame().await.unwrap().unwrap_err();
    assert!(
        matches!(error, EgressError::Tls(TlsFailure::Other(_))),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_body_with_a_length_needs_no_goodbye() {
    let authority = Authority::new();
    let server = serve_tls(authority.server(&[]), |mut stream, _| async move {
        read_request(&mut stream).await;
        write(&mut stream, ok("all of it").as_bytes()).await;
    })
    .await;
    let origin = server.https();
    let (_, body) = get(&authority.egress(), &origin).await.unwrap();
    assert_eq!(body, "all of it");
}

#[tokio::test]
async fn sessions_are_resumed_by_the_same_client_and_by_no_other() {
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
    let origin = server.https();
    let (one, other) = (authority.egress(), authority.egress());
    for (egress, expected) in [
        (&one, HandshakeKind::Full),
        (&one, HandshakeKind::Resumed),
        (&other, HandshakeKind::Full),
    ] {
        get(egress, &origin).await.unwrap();
        assert_eq!(handshakes.recv().await.unwrap(), Some(expected));
    }
}

#[tokio::test]
async fn tls_begins_once_and_before_any_request() {
    let server = Server::echo().await;
    let origin = server.http();
    let egress = Authority::new().egress();
    let mut connection = connect(&egress, &origin).await.unwrap();
    send(&mut connection, &origin, "GET").await.unwrap();
    let https = server.https();
    let checked = policy_for(&https.endpoint)
        .check_tls(&https.endpoint, None, TlsOverrides::default())
        .unwrap();
    let error = connection.start_tls(checked).await.unwrap_err();
    assert!(matches!(error, EgressError::Invalid(_)), "{error:?}");
}

#[tokio::test]
async fn after_a_failed_handshake_nothing_is_sent() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let server = serve_tls(stranger.server(&[]), |stream, _| echo(stream)).await;
    let (http, https) = (server.http(), server.https());
    let egress = authority.egress();
    let policy = policy_for(&https.endpoint);
    let route = policy.check_connect(https.endpoint.clone()).unwrap();
    let mut connection = egress
        .connect(route, None, None, Reuse::Pool)
        .await
        .unwrap();
    let checked = policy
        .check_tls(&https.endpoint, None, TlsOverrides::default())
        .unwrap();
    assert!(connection.start_tls(checked).await.is_err());
    assert_eq!(
        send(&mut connection, &https, "GET").await.unwrap_err(),
        EgressError::Closed
    );
    let error = send(&mut connection, &http, "GET").await.unwrap_err();
    assert!(matches!(error, EgressError::Invalid(_)), "{error:?}");
}

#[test]
fn authorities_are_read_from_pem_and_der() {
    let (one, other) = (Authority::new(), Authority::new());
    let pem = format!("# a comment\n{}{}", one.pem(), other.pem());
    let certificates = read_certificates(pem.as_bytes()).unwrap();
    assert_eq!(certificates, [one.certificate(), other.certificate()]);
    let der = read_certificates(&one.certificate()).unwrap();
    assert_eq!(der, [one.certificate()]);
    for broken in [
        "",
        "text",
        "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
    ] {
        let result = read_certificates(broken.as_bytes());
        assert!(
            matches!(result, Err(TlsConfigError::Encoding(_))),
            "{broken:?}"
        );
    }
}

#[test]
fn settings_without_any_root_are_refused() {
    let result = TlsConfig::new(Roots::None, []);
    assert!(matches!(result, Err(TlsConfigError::NoRoots)));
    let junk = b"\x30\x82junk".to_vec().into();
    let result = TlsConfig::new(Roots::Bundled, [junk]);
    assert!(matches!(result, Err(TlsConfigError::Authority(_))));
    assert!(TlsConfig::new(Roots::Platform, []).is_ok());
}
