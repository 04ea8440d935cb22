//! TLS towards the peer: trusted roots, one handshake, and its result.

use std::sync::{Arc, OnceLock};

use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::chain_checks::Checks;
use crate::error::{EgressError, Phase, TlsFailure};
use crate::verifier::{Given, Verifier};
use crate::wire::Metered;
use sandbox_net_policy::{Host, Verification};

/// The ALPN name of HTTP/2 (RFC 9113 section 3.1).
pub(crate) const H2: &[u8] = b"h2";
/// The most bytes that wait to be sent on one connection: a record, and what HTTP/2 puts before its
/// data. The library's own bound is four times that, but the sandbox's memory pays for one record.
const UNSENT: usize = 17 << 10;
/// What a server is offered (RFC 7301).
pub(crate) const ALPN: [&[u8]; 2] = [H2, b"http/1.1"];

/// Which public roots are trusted, besides the operator's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Roots {
    /// The platform's store (and `SSL_CERT_FILE`, `SSL_CERT_DIR`), or Mozilla's roots if the
    /// platform has no store.
    #[default]
    Platform,
    /// Mozilla's roots, as compiled in.
    Bundled,
    /// No public roots: only the operator's own.
    None,
}

/// TLS settings, cheap to clone. They do not include sessions: those belong to one
/// [`Client`](crate::Client).
///
/// The platform's roots are some hundred files. They are read at the first handshake, once in a process:
/// who speaks no TLS does not wait for them.
#[derive(Debug, Clone)]
pub struct TlsConfig {
    provider: Arc<CryptoProvider>,
    public: Roots,
    /// The operator's own authorities.
    authorities: Arc<RootCertStore>,
    trust: Arc<OnceLock<Trust>>,
}

/// What a handshake needs.
#[derive(Debug)]
struct Trust {
    roots: Arc<RootCertStore>,
    /// The host's own verification, normal and with strict checks.
    verifiers: [Arc<Verifier>; 2],
}

/// Why TLS cannot be set up as the operator configured it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsConfigError {
    /// A text without a certificate, or with an invalid one.
    #[error("not a certificate in PEM or DER: {0}")]
    Encoding(String),
    /// A certificate that cannot be trusted as an authority.
    #[error("not usable as a certificate authority: {0}")]
    Authority(String),
    /// No root is trusted, so no connection could succeed.
    #[error("no certificate authority is trusted: give one, or use the platform's")]
    NoRoots,
}

impl TlsConfig {
    /// Trusts `roots` and the operator's `authorities`.
    ///
    /// # Errors
    ///
    /// An invalid authority; no root at all.
    pub fn new(
        roots: Roots,
        authorities: impl IntoIterator<Item = CertificateDer<'static>>,
    ) -> Result<Self, TlsConfigError> {
        let mut store = RootCertStore::empty();
        for authority in authorities {
            let refused = |error: rustls::Error| {
                TlsConfigError::Authority(TlsFailure::from(&error).message())
            };
            store.add(authority).map_err(refused)?;
        }
        if roots == Roots::None && store.is_empty() {
            return Err(TlsConfigError::NoRoots);
        }
        Ok(Self {
            provider: Arc::new(rustls::crypto::ring::default_provider()),
            public: roots,
            authorities: Arc::new(store),
            trust: Arc::default(),
        })
    }

    /// Trusts the platform's roots alone: the same ones for all who do, not a copy for each.
    pub(crate) fn platform() -> Result<Self, TlsConfigError> {
        static CONFIG: OnceLock<TlsConfig> = OnceLock::new();
        if let Some(config) = CONFIG.get() {
            return Ok(config.clone());
        }
        let config = Self::new(Roots::Platform, [])?;
        Ok(CONFIG.get_or_init(|| config).clone())
    }

    fn trust(&self) -> &Trust {
        self.trust.get_or_init(|| {
            let public = public_roots(self.public);
            let roots = match self.authorities.is_empty() {
                true => public,
                false => {
                    let mut all = RootCertStore::clone(&public);
                    all.extend(self.authorities.roots.iter().cloned());
                    Arc::new(all)
                }
            };
            let verifiers = [false, true].map(|strict| self.new_verifier(&roots, strict));
            Trust { roots, verifiers }
        })
    }

    fn new_verifier(&self, roots: &Arc<RootCertStore>, strict: bool) -> Arc<Verifier> {
        let checks = Checks {
            strict,
            ..Checks::default()
        };
        Arc::new(Verifier::new(
            Verification::Full,
            Arc::clone(roots),
            Given::default(),
            checks,
            self.provider.signature_verification_algorithms,
        ))
    }

    pub(crate) fn provider(&self) -> &Arc<CryptoProvider> {
        &self.provider
    }

    /// The roots that the host trusts.
    pub(crate) fn roots(&self) -> &RootCertStore {
        &self.trust().roots
    }

    /// The host's own verification, with or without strict checks.
    pub(crate) fn verifier(&self, strict: bool) -> Arc<dyn ServerCertVerifier> {
        let [usual, strictly] = &self.trust().verifiers;
        Arc::<Verifier>::clone(if strict { strictly } else { usual })
    }
}

/// The certificates of a PEM text (one or more), or the one of a DER file.
///
/// # Errors
///
/// [`TlsConfigError::Encoding`] if there is no certificate, or an invalid one.
pub fn read_certificates(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsConfigError> {
    // DER begins with a SEQUENCE whose length takes more than one byte (X.690 section 8.1.3.5).
    if matches!(bytes, [0x30, 0x81..=0x84, ..]) {
        return Ok(vec![CertificateDer::from(bytes.to_vec())]);
    }
    let certificates = CertificateDer::pem_slice_iter(bytes)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| TlsConfigError::Encoding(error.to_string()))?;
    if certificates.is_empty() {
        return Err(TlsConfigError::Encoding("no certificate is in it".into()));
    }
    Ok(certificates)
}

fn public_roots(roots: Roots) -> Arc<RootCertStore> {
    match roots {
        Roots::Platform => Arc::clone(platform_roots()),
        Roots::Bundled => bundled_roots(),
        Roots::None => Arc::new(RootCertStore::empty()),
    }
}

/// The platform's roots, read once in a process.
fn platform_roots() -> &'static Arc<RootCertStore> {
    static STORE: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    STORE.get_or_init(|| {
        let mut store = RootCertStore::empty();
        // Skip certificates of the platform that no verifier accepts.
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        match store.is_empty() {
            true => bundled_roots(),
            false => Arc::new(store),
        }
    })
}

fn bundled_roots() -> Arc<RootCertStore> {
    let mut store = RootCertStore::empty();
    store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    Arc::new(store)
}

/// The result of a handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsInfo {
    /// The protocol version as its two wire bytes: 0x0303 is TLS 1.2, 0x0304 is TLS 1.3.
    pub version: u16,
    /// The cipher suite by its IANA name.
    pub cipher: String,
    /// The application protocol that the peer chose (RFC 7301); empty for none.
    pub alpn: Vec<u8>,
    /// The peer's certificates in DER, its own first.
    pub certificates: Vec<Vec<u8>>,
}

/// Makes the handshake. The host's name is sent and verified; an address is verified against the
/// certificate's addresses, and not sent (RFC 6066 section 3).
pub(crate) async fn handshake(
    config: &Arc<ClientConfig>,
    host: &Host,
    tcp: Metered,
) -> Result<(TlsStream<Metered>, TlsInfo), EgressError> {
    let name = match host {
        Host::Ip(ip) => ServerName::IpAddress((*ip).into()),
        Host::Name(name) => ServerName::try_from(name.to_string())
            .map_err(|_| TlsFailure::Other(format!("'{name}' cannot be in a certificate")))?,
    };
    let mut stream = TlsConnector::from(Arc::clone(config))
        .connect(name, tcp)
        .await
        .map_err(|error| {
            if error.kind() == std::io::ErrorKind::UnexpectedEof {
                TlsFailure::Other("the peer closed the connection in the handshake".into()).into()
            } else {
                EgressError::from_io(&error, Phase::Tls)
            }
        })?;
    let (tcp, session) = stream.get_mut();
    session.set_buffer_limit(Some(UNSENT));
    tcp.settle();
    let info = info(&stream);
    Ok((stream, info))
}

fn info(stream: &TlsStream<Metered>) -> TlsInfo {
    let session = stream.get_ref().1;
    let cipher = session
        .negotiated_cipher_suite()
        .and_then(|suite| suite.suite().as_str());
    TlsInfo {
        version: session.protocol_version().map_or(0, u16::from),
        // The library marks the suites of TLS 1.3 in its own way, unlike IANA.
        cipher: cipher.unwrap_or_default().replacen("TLS13_", "TLS_", 1),
        alpn: session.alpn_protocol().unwrap_or_default().to_vec(),
        certificates: session
            .peer_certificates()
            .unwrap_or_default()
            .iter()
            .map(|certificate| certificate.to_vec())
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_root_is_read_before_a_handshake_needs_one() {
        let settings = TlsConfig::new(Roots::Bundled, []).unwrap();
        assert!(settings.trust.get().is_none());
        assert!(!settings.roots().is_empty());
        // Copies share what was read.
        assert!(settings.clone().trust.get().is_some());
    }
}
