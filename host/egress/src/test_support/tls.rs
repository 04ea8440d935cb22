//! A certificate authority, and servers that speak TLS with its certificates.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, date_time_ymd,
};
use rustls::pki_types::CertificateDer;
use rustls::{ConfigBuilder, ServerConfig, SupportedProtocolVersion, WantsVerifier};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::client::Client;
use crate::config::EgressConfig;
use crate::test_support::{Server, config};
use crate::tls::{Roots, TlsConfig};

/// A certificate authority.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authority")
    }
}

impl Authority {
    pub fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let name = format!("authority {}", COUNT.fetch_add(1, Ordering::Relaxed));
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        Self {
            issuer: CertifiedIssuer::self_signed(params, key).unwrap(),
        }
    }

    pub fn certificate(&self) -> CertificateDer<'static> {
        self.issuer.der().clone()
    }

    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate only for a client called `name`, and its key as PKCS#8.
    pub fn client(&self, name: &str) -> (CertificateDer<'static>, Vec<u8>) {
        let mut params = CertificateParams::new([]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.der().clone(), key.serialize_der())
    }

    /// A client that trusts only this authority.
    pub fn egress(&self) -> Client {
        Client::new(self.config())
    }

    pub fn config(&self) -> EgressConfig {
        EgressConfig {
            tls: TlsConfig::new(Roots::None, [self.certificate()]).unwrap(),
            ..config()
        }
    }

    /// A server's settings, with a certificate for the loopback address.
    pub fn server(&self, alpn: &[&str]) -> ServerConfig {
        self.server_with(alpn, &["127.0.0.1"], |_| {})
    }

    /// A server's settings, with a certificate for these names.
    pub fn server_with(
        &self,
        alpn: &[&str],
        names: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> ServerConfig {
        self.server_of(rustls::DEFAULT_VERSIONS, alpn, names, change)
    }

    /// A server's settings for these versions of TLS.
    pub fn server_of(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        alpn: &[&str],
        names: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> ServerConfig {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                key.serialize_der().try_into().unwrap(),
            )
            .unwrap();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        config
    }
}

/// A self-signed server certificate that is marked as an authority's, and a server's settings with it.
pub fn self_signed(
    name: &str,
    change: impl FnOnce(&mut CertificateParams),
) -> (CertificateDer<'static>, ServerConfig) {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap().der().clone();
    let chain = vec![certificate.clone()];
    let config = builder()
        .with_no_client_auth()
        .with_single_cert(chain, key.serialize_der().try_into().unwrap());
    (certificate, config.unwrap())
}

/// The settings of a server, with every version of TLS.
pub fn builder() -> ConfigBuilder<ServerConfig, WantsVerifier> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
}

/// A validity in the past.
pub fn expired(params: &mut CertificateParams) {
    params.not_before = date_time_ymd(2001, 1, 1);
    params.not_after = date_time_ymd(2002, 1, 1);
}

/// A validity in the future.
pub fn not_yet_valid(params: &mut CertificateParams) {
    params.not_before = date_time_ymd(3001, 1, 1);
    params.not_after = date_time_ymd(3002, 1, 1);
}

/// Runs `script` for each TLS connection, with the connection's number from 0. Connections whose
/// handshake fails are dropped.
pub async fn serve_tls<F, S>(config: ServerConfig, script: S) -> Server
where
    S: Fn(TlsStream<TcpStream>, usize) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let acceptor = TlsAcceptor::from(Arc::new(config));
    Server::start(move |tcp, number| {
        let (acceptor, script) = (acceptor.clone(), script.clone());
        async move {
            if let Ok(stream) = acceptor.accept(tcp).await {
                script(stream, number).await;
            }
        }
    })
    .await
}
