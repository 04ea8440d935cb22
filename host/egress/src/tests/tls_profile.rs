//! TLS with a program's own profile: what is accepted, and what is refused before any request.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::KeyPair;
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use rustls::server::WebPkiClientVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio::sync::mpsc;

use crate::certificates::fault::CertificateFault;
use crate::client::Client;
use crate::config::EgressConfig;
use crate::error::{EgressError, TlsFailure};
use crate::test_support::tls::{
    Authority, builder, expired, not_yet_valid, self_signed, serve_tls,
};
use crate::test_support::{Server, config, get_on, ok, read_request, write};
use crate::tls::{Roots, TlsConfig};
use crate::tls_profile::{ClientCertificate, GuestTlsOptions};
use sandbox_net_policy::{TlsOverride, Verification};

const VERIFICATIONS: [Verification; 3] = [
    Verification::Full,
    Verification::NameUnchecked,
    Verification::None,
];

fn verified(verification: Verification) -> GuestTlsOptions {
    GuestTlsOptions {
        verification,
        ..GuestTlsOptions::default()
    }
}

fn trusting(roots: &[CertificateDer<'static>], host_roots: bool) -> GuestTlsOptions {
    GuestTlsOptions {
        host_roots,
        roots: roots.to_vec(),
        ..GuestTlsOptions::default()
    }
}

/// A server that counts its requests.
async fn counting(config: ServerConfig) -> (Server, Arc<AtomicUsize>) {
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&requests);
    let server = serve_tls(config, move |mut stream, _| {
        let counted = Arc::clone(&counted);
        async move {
            while !read_request(&mut stream).await.is_empty() {
                counted.fetch_add(1, Ordering::SeqCst);
                write(&mut stream, ok("here").as_bytes()).await;
            }
        }
    });
    (server.await, requests)
}

/// What is wrong with the server's certificate, if it is refused; then the server has received no
/// request.
async fn fault_of(
    egress: &Client,
    config: ServerConfig,
    options: &GuestTlsOptions,
) -> Option<CertificateFault> {
    let (server, requests) = counting(config).await;
    let result = get_on(egress, &server.https(), options).await;
    let count = requests.load(Ordering::SeqCst);
    match result {
        Ok((_, body)) => {
            assert_eq!((&body[..], count), (&b"here"[..], 1));
            None
        }
        Err(EgressError::Tls(TlsFailure::Certificate { fault, .. })) => {
            assert_eq!(count, 0, "a request to a server that was refused");
            Some(fault)
        }
        Err(other) => panic!("{options:?}: {other:?}"),
    }
}

fn settings(egress: &Client, options: &GuestTlsOptions) -> Vec<TlsOverride> {
    let profile = egress.profile(options).unwrap();
    profile.request().settings().collect()
}

/// A server, and the fault of its certificate with full verification and without checking its name.
type Row<'a> = (
    &'a str,
    &'a dyn Fn() -> ServerConfig,
    [Option<CertificateFault>; 2],
);

#[tokio::test]
async fn what_is_wrong_with_a_certificate_counts_as_far_as_it_is_verified() {
    use CertificateFault::{Expired, NameMismatch, NotYetValid, UnknownIssuer};
    let (authority, stranger) = (Authority::new(), Authority::new());
    let egress = authority.egress();
    let good = || authority.server(&[]);
    let expired = || authority.server_with(&[], &["127.0.0.1"], expired);
    let early = || authority.server_with(&[], &["127.0.0.1"], not_yet_valid);
    let other_name = || authority.server_with(&[], &["other.test"], |_| {});
    let unknown = || stranger.server(&[]);
    let own = || self_signed("127.0.0.1", |_| {}).1;
    let rows: [Row<'_>; 6] = [
        ("nothing", &good, [None, None]),
        ("expired", &expired, [Some(Expired), Some(Expired)]),
        ("early", &early, [Some(NotYetValid), Some(NotYetValid)]),
        ("name", &other_name, [Some(NameMismatch), None]),
        (
            "issuer",
            &unknown,
            [Some(UnknownIssuer), Some(UnknownIssuer)],
        ),
        ("self-signed", &own, [Some(CertificateFault::SelfSigned); 2]),
    ];
    for (what, server, [full, name_unchecked]) in rows {
        for (verification, expected) in VERIFICATIONS.into_iter().zip([full, name_unchecked, None])
        {
            let fault = fault_of(&egress, server(), &verified(verification)).await;
            assert_eq!(fault, expected, "{what}, {verification:?}");
        }
    }
    for (verification, expected) in VERIFICATIONS.into_iter().zip([
        &[][..],
        &[TlsOverride::UnverifiedName],
        &[TlsOverride::Unverified],
    ]) {
        assert_eq!(settings(&egress, &verified(verification)), expected);
    }
}

#[tokio::test]
async fn a_server_without_the_key_of_its_certificate_is_refused_in_any_case() {
    let authority = Authority::new();
    let (certificate, _) = authority.client("somebody else");
    let key = KeyPair::generate().unwrap().serialize_der();
    let provider = rustls::crypto::ring::default_provider();
    let key = provider
        .key_provider
        .load_private_key(key.try_into().unwrap());
    let stolen = CertifiedKey::new(vec![certificate], key.unwrap());
    let stolen = Arc::new(SingleCertAndKey::from(stolen));
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(stolen.clone());
        let options = verified(Verification::None);
        let fault = fault_of(&authority.egress(), config, &options).await;
        assert_eq!(fault, Some(CertificateFault::Other), "{version:?}");
    }
}

#[tokio::test]
async fn roots_of_the_programs_own_are_trusted_besides_the_hosts_or_instead() {
    let (host, own, other) = (Authority::new(), Authority::new(), Authority::new());
    let egress = host.egress();
    let roots = [own.certificate()];
    for (host_roots, server, is_accepted) in [
        (true, &host, true),
        (true, &own, true),
        (true, &other, false),
        (false, &host, false),
        (false, &own, true),
        (false, &other, false),
    ] {
        let options = trusting(&roots, host_roots);
        assert_eq!(settings(&egress, &options), [TlsOverride::OwnRoots]);
        let fault = fault_of(&egress, server.server(&[]), &options).await;
        let expected = (!is_accepted).then_some(CertificateFault::UnknownIssuer);
        assert_eq!(fault, expected, "host roots {host_roots}");
        let wrong_name = server.server_with(&[], &["other.test"], |_| {});
        assert!(fault_of(&egress, wrong_name, &options).await.is_some());
    }
}

#[tokio::test]
async fn trust_in_some_of_the_hosts_roots_needs_no_grant_and_is_no_more_than_that() {
    let (one, other) = (Authority::new(), Authority::new());
    let roots = [one.certificate(), other.certificate()];
    let egress = Client::new(EgressConfig {
        tls: TlsConfig::new(Roots::Bundled, roots.clone()).unwrap(),
        ..config()
    });
    let unknown = Some(CertificateFault::UnknownIssuer);
    for (trusted, host_roots, of_one, of_other) in [
        (&roots[..], false, None, None),
        (&roots[..1], false, None, unknown),
        (&roots[1..], false, unknown, None),
        (&[], false, unknown, unknown),
        (&roots[..1], true, None, None),
    ] {
        let options = trusting(trusted, host_roots);
        assert_eq!(settings(&egress, &options), []);
        for (server, expected) in [(&one, of_one), (&other, of_other)] {
            let fault = fault_of(&egress, server.server(&[]), &options).await;
            assert_eq!(fault, expected, "{} roots", trusted.len());
        }
    }
}

#[tokio::test]
async fn a_self_signed_certificate_is_trusted_where_the_program_gives_just_that_one() {
    type Change = fn(&mut rcgen::CertificateParams);
    let egress = Authority::new().egress();
    let rows: [(&str, Change, Option<CertificateFault>); 3] = [
        ("127.0.0.1", |_| {}, None),
        ("other.test", |_| {}, Some(CertificateFault::NameMismatch)),
        ("127.0.0.1", expired, Some(CertificateFault::Expired)),
    ];
    for (name, change, expected) in rows {
        let (certificate, config) = self_signed(name, change);
        let options = trusting(&[certificate], false);
        assert_eq!(fault_of(&egress, config, &options).await, expected);
        let (_, twin) = self_signed(name, change);
        assert!(fault_of(&egress, twin, &options).await.is_some(), "{name}");
    }
}

#[tokio::test]
async fn a_server_that_asks_for_a_client_certificate_sees_the_programs_own() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = TlsConfig::new(Roots::None, [clients.certificate()]).unwrap();
    let demanding =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots.roots().clone()), provider);
    let config = builder()
        .with_client_cert_verifier(demanding.build().unwrap())
        .with_cert_resolver(authority.server(&[]).cert_resolver);
    let (tx, mut seen) = mpsc::unbounded_channel();
    let server = serve_tls(config, move |mut stream, _| {
        let tx = tx.clone();
        async move {
            let shown = stream.get_ref().1.peer_certificates();
            tx.send(shown.map(<[_]>::to_vec)).unwrap();
            read_request(&mut stream).await;
            write(&mut stream, ok("here").as_bytes()).await;
        }
    })
    .await;
    let egress = authority.egress();
    let origin = server.https();
    let (certificate, key) = clients.client("a program");
    let options = GuestTlsOptions {
        client_certificate: Some(ClientCertificate {
            certificates: vec![certificate.clone()],
            key,
        }),
        ..GuestTlsOptions::default()
    };
    assert_eq!(
        settings(&egress, &options),
        [TlsOverride::ClientCertificates]
    );
    get_on(&egress, &origin, &options).await.unwrap();
    assert_eq!(seen.recv().await.unwrap(), Some(vec![certificate]));
    // In TLS 1.3 the server refuses only after the handshake.
    let error = get_on(&egress, &origin, &GuestTlsOptions::default()).await;
    let error = error.unwrap_err();
    assert!(
        matches!(error, EgressError::Tls(TlsFailure::Other(_))),
        "{error:?}"
    );
    assert!(seen.try_recv().is_err());
}

#[test]
fn certificates_and_keys_that_are_none_or_too_many_are_invalid() {
    let authority = Authority::new();
    let (certificate, key) = authority.client("one");
    let (_, other_key) = authority.client("other");
    let client = |certificates: &[CertificateDer<'static>], key: &[u8]| GuestTlsOptions {
        client_certificate: Some(ClientCertificate {
            certificates: certificates.to_vec(),
            key: key.to_vec(),
        }),
        ..GuestTlsOptions::default()
    };
    let junk = CertificateDer::from(b"junk".to_vec());
    let large = CertificateDer::from(vec![0; 1 << 19]);
    let root = authority.certificate();
    for (options, message) in [
        (
            trusting(&[root.clone(), junk.clone()], true),
            "root certificate 2 is invalid",
        ),
        (
            trusting(std::slice::from_ref(&junk), false),
            "root certificate 1 is invalid",
        ),
        (
            trusting(&vec![root.clone(); 1001], true),
            "more than 1000 trusted certificates",
        ),
        (
            trusting(&vec![large.clone(); 3], true),
            "more than 1048576 bytes together",
        ),
        (
            client(&[large.clone(), large], &key),
            "more than 1048576 bytes together",
        ),
        (
            client(&vec![certificate.clone(); 1001], &key),
            "chain has more than 1000 certificates",
        ),
        (
            client(&[junk], &key),
            "the client certificate cannot be read",
        ),
        (client(&[], &key), "the client certificate cannot be read"),
        (
            client(std::slice::from_ref(&certificate), b"junk"),
            "the private key of the client certificate cannot be read",
        ),
        (
            client(std::slice::from_ref(&certificate), b""),
            "the private key of the client certificate cannot be read",
        ),
        (
            client(&[certificate], &other_key),
            "the private key is not that of the client certificate",
        ),
    ] {
        let error = authority.egress().profile(&options).err();
        let Some(EgressError::Invalid(why)) = error else {
            panic!("{message}: {error:?}")
        };
        assert!(why.contains(message), "{why}");
        assert!(!why.contains(char::is_control), "{why}");
    }
}
