use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A handshake for this host, with a client that trusts the authority and offers these protocols.
async fn handshake(
    authority: &RunAuthority,
    host: &str,
    protocols: &[&str],
) -> Result<Option<Vec<u8>>, String> {
    let mut roots = RootCertStore::empty();
    let pem = authority.pem();
    let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    roots.add(certificate).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.alpn_protocols = protocols
        .iter()
        .map(|name| name.as_bytes().to_vec())
        .collect();
    let server = authority.server(&Host::parse(host).unwrap()).unwrap();
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let (client, _server) = tokio::join!(
        TlsConnector::from(Arc::new(client)).connect(name, theirs),
        TlsAcceptor::from(server).accept(ours),
    );
    let stream = client.map_err(|error| error.to_string())?;
    Ok(stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec))
}

#[tokio::test]
async fn a_limited_authority_is_valid_for_its_names_alone() {
    let network = ("10.0.0.0".parse().unwrap(), 8);
    let names = |domains: &[&str], networks: &[(IpAddr, u8)]| Names {
        domains: domains.iter().map(|name| (*name).to_owned()).collect(),
        networks: networks.to_vec(),
    };
    for (names, valid, invalid) in [
        (
            Some(names(&["a.test"], &[network])),
            &["a.test", "x.a.test", "10.1.2.3"][..],
            &["b.test", "aa.test", "11.1.2.3", "::1"][..],
        ),
        (
            Some(names(&["a.test"], &[])),
            &["a.test"],
            &["10.1.2.3", "::1"],
        ),
        (
            Some(names(&[], &[network])),
            &["10.1.2.3"],
            &["a.test", "::1"],
        ),
        (Some(names(&[], &[])), &[], &["a.test", "10.1.2.3", "::1"]),
        (None, &["a.test", "b.test", "10.1.2.3", "::1"], &[]),
    ] {
        let authority = RunAuthority::new(DAY, names.as_ref()).unwrap();
        for host in valid {
            let done = handshake(&authority, host, &[]).await;
            assert_eq!(done, Ok(None), "{host} {names:?}");
        }
        for host in invalid {
            let failed = handshake(&authority, host, &[]).await;
            assert!(failed.is_err(), "{host} {names:?}");
        }
    }
}

#[tokio::test]
async fn only_a_protocol_that_the_broker_speaks_is_agreed_on() {
    let authority = RunAuthority::new(DAY, None).unwrap();
    let http11 = Ok(Some(HTTP11.to_vec()));
    assert_eq!(
        handshake(&authority, "a.test", &["h2", "http/1.1"]).await,
        http11
    );
    assert_eq!(handshake(&authority, "a.test", &[]).await, Ok(None));
    let refused = handshake(&authority, "a.test", &["h2"]).await.unwrap_err();
    assert!(refused.contains("NoApplicationProtocol"), "{refused}");
}

#[test]
fn the_certificates_of_the_last_hosts_are_kept() {
    let authority = RunAuthority::new(DAY, None).unwrap();
    let host = |number: usize| Host::parse(&format!("h{number}.test")).unwrap();
    let first = authority.server(&host(0)).unwrap();
    assert!(Arc::ptr_eq(&first, &authority.server(&host(0)).unwrap()));
    for number in 1..=KEPT {
        authority.server(&host(number)).unwrap();
    }
    assert_eq!(authority.kept().configs.len(), KEPT);
    assert_eq!(authority.kept().order.len(), KEPT);
    assert!(!Arc::ptr_eq(&first, &authority.server(&host(0)).unwrap()));
}

#[test]
fn an_authority_ends_with_its_time() {
    assert!(RunAuthority::new(DAY, None).unwrap().is_valid());
    assert!(!RunAuthority::new(Duration::ZERO, None).unwrap().is_valid());
}
