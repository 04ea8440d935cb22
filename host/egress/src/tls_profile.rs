//! The TLS profile of a connection: the host's own, or one that a program requests.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::ServerCertVerifier;
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, InconsistentKeys, RootCertStore, SupportedProtocolVersion};
use sha2::{Digest, Sha256};

use crate::account::{HostMemory, Reservation, strings};
use crate::certificates::signs_itself;
use crate::chain_checks::Checks;
use crate::error::TlsFailure;
use crate::tickets::Tickets;
use crate::tls::ALPN;
use crate::tls::TlsConfig;
use crate::verifier::{Given, Verifier};
use sandbox_net_policy::{TlsOverrides, Verification};

/// The most certificates in one list of a program.
const MOST_CERTIFICATES: usize = 1000;
/// The most bytes of a program's certificates and key together.
const MOST_BYTES: usize = 1 << 20;

/// About what a configuration takes besides its certificates, including the host's roots.
const CONFIGURATION: usize = 128 << 10;

/// The servers whose TLS sessions are kept to be resumed, with the host's profile and with each of
/// a program's.
const SERVERS: usize = 32;
const OWN_SERVERS: usize = 2;

/// The versions of TLS that are offered to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TlsVersions {
    /// All supported ones: TLS 1.2 (RFC 5246) and 1.3 (RFC 8446).
    #[default]
    All,
    /// Only TLS 1.2.
    V12,
    /// Only TLS 1.3.
    V13,
}

impl TlsVersions {
    fn list(self) -> &'static [&'static SupportedProtocolVersion] {
        static V12: &[&SupportedProtocolVersion] = &[&TLS12];
        static V13: &[&SupportedProtocolVersion] = &[&TLS13];
        match self {
            Self::All => rustls::ALL_VERSIONS,
            Self::V12 => V12,
            Self::V13 => V13,
        }
    }
}

/// The options that a program requests when TLS begins. The default is what the host does without a
/// request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestTlsOptions {
    /// The versions that are offered.
    pub versions: TlsVersions,
    /// How the server's certificate is verified.
    pub verification: Verification,
    /// Whether the host's roots are trusted.
    pub host_roots: bool,
    /// Roots that are trusted in addition to the host's, or instead of them.
    pub roots: Vec<CertificateDer<'static>>,
    /// The certificate for servers that ask for one.
    pub client_certificate: Option<ClientCertificate>,
    /// Which checks of certificates are made.
    pub checks: Checks,
}

impl Default for GuestTlsOptions {
    fn default() -> Self {
        Self {
            versions: TlsVersions::All,
            verification: Verification::Full,
            host_roots: true,
            roots: Vec::new(),
            client_certificate: None,
            checks: Checks::default(),
        }
    }
}

/// A certificate of the program's own.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The chain, the program's own certificate first.
    pub certificates: Vec<CertificateDer<'static>>,
    /// Its private key in DER: PKCS#8, PKCS#1 or SEC 1, not encrypted.
    pub key: Vec<u8>,
}

/// Omits the key.
impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate")
            .field("certificates", &self.certificates)
            .finish_non_exhaustive()
    }
}

/// Why a program's options cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GuestTlsOptionsError {
    /// Too many roots.
    #[error("more than {MOST_CERTIFICATES} trusted certificates are given: give fewer")]
    TooMany,
    /// Too many certificates in the client's own chain.
    #[error(
        "the client certificate's chain has more than {MOST_CERTIFICATES} certificates: give fewer"
    )]
    LongChain,
    /// Too many bytes.
    #[error("the certificates and the key have more than {MOST_BYTES} bytes together: give fewer")]
    TooLarge,
    /// Root certificate N, counted from 1, is invalid.
    #[error("root certificate {0} is invalid: {1}")]
    Root(usize, String),
    /// The client certificate is invalid.
    #[error("the client certificate cannot be read: {0}")]
    Certificate(String),
    /// The key is invalid, or of an unknown kind.
    #[error(
        "the private key of the client certificate cannot be read: {0}; it has to be an RSA key \
         of at least 2048 bits, an ECDSA key (P-256, P-384) or an Ed25519 key, not encrypted"
    )]
    Key(String),
    /// The key belongs to another certificate.
    #[error("the private key is not that of the client certificate")]
    AnotherKey,
}

/// The settings that follow from a program's options. All connections with equal options share one
/// value: whatever is kept of a connection is reused only with the same profile.
pub struct TlsProfile {
    versions: TlsVersions,
    request: TlsOverrides,
    /// The program's own; `None` for the host's.
    verifier: Option<Arc<dyn ServerCertVerifier>>,
    client: Option<Arc<dyn ResolvesClientCert>>,
    /// The bytes of the client's chain, which each handshake may send.
    chain: usize,
    /// Whether certificates are checked strictly.
    strict: bool,
    /// The digest of the options; `None` for the host's own.
    digest: Option<[u8; 32]>,
    /// The memory that it takes, if a program requested it.
    _held: Option<Reservation>,
}

impl fmt::Debug for TlsProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TlsProfile").field(&self.request).finish()
    }
}

impl TlsProfile {
    /// The host's profile, with or without strict checks.
    pub(crate) fn host(strict: bool) -> Self {
        Self {
            versions: TlsVersions::All,
            request: TlsOverrides::default(),
            verifier: None,
            client: None,
            chain: 0,
            strict,
            digest: None,
            _held: None,
        }
    }

    /// Adds the memory that it takes.
    pub(crate) fn holding(self, held: Reservation) -> Self {
        Self {
            _held: Some(held),
            ..self
        }
    }

    /// What has to be granted for this profile.
    #[must_use]
    pub fn request(&self) -> TlsOverrides {
        self.request
    }

    /// Whether a server is accepted only if the host's own verification accepts it too: every root
    /// is one that the host trusts.
    pub fn are_as_strict_as_the_hosts(&self) -> bool {
        self.request.verification == Verification::Full && !self.request.own_roots
    }

    /// The bytes that a handshake may have to keep until the server reads them.
    pub(crate) fn chain(&self) -> usize {
        self.chain
    }

    pub(crate) fn digest(&self) -> Option<&[u8; 32]> {
        self.digest.as_ref()
    }

    /// Whether certificates are checked strictly.
    pub(crate) fn are_strict(&self) -> bool {
        self.strict
    }

    /// Whether it is the host's profile.
    pub(crate) fn are_the_hosts(&self) -> bool {
        self.digest.is_none()
    }

    /// A client configuration with a session cache of its own, which takes its memory from `memory`.
    pub(crate) fn client_config(
        &self,
        settings: &TlsConfig,
        memory: &HostMemory,
    ) -> Arc<ClientConfig> {
        let hosts = || settings.verifier(self.strict);
        let verifier = self.verifier.clone().unwrap_or_else(hosts);
        let config = ClientConfig::builder_with_provider(Arc::clone(settings.provider()))
            .with_protocol_versions(self.versions.list())
            .expect("the ring provider has suites for TLS 1.2 and 1.3")
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match &self.client {
            Some(client) => config.with_client_cert_resolver(Arc::clone(client)),
            None => config.with_no_client_auth(),
        };
        let servers = match self.are_the_hosts() {
            true => SERVERS,
            false => OWN_SERVERS,
        };
        let tickets = Tickets::new(memory.clone(), servers);
        config.resumption = Resumption::store(Arc::new(tickets));
        config.alpn_protocols = ALPN.iter().map(|name| name.to_vec()).collect();
        Arc::new(config)
    }
}

impl GuestTlsOptions {
    /// Refuses options that are too large, before they are used.
    pub(crate) fn check_size(&self) -> Result<(), GuestTlsOptionsError> {
        if self.roots.len() > MOST_CERTIFICATES {
            return Err(GuestTlsOptionsError::TooMany);
        }
        if self.chain().len() > MOST_CERTIFICATES {
            return Err(GuestTlsOptionsError::LongChain);
        }
        let certificates = self.certificates().map(<[u8]>::len);
        if certificates.sum::<usize>() + self.key().len() > MOST_BYTES {
            return Err(GuestTlsOptionsError::TooLarge);
        }
        Ok(())
    }

    /// About what a profile made of them holds in memory: each certificate as given and as parsed,
    /// a configuration, and the sessions that can be resumed with it.
    pub(crate) fn cost(&self) -> usize {
        CONFIGURATION + 3 * (strings(self.certificates()) + self.key().len())
    }

    fn certificates(&self) -> impl Iterator<Item = &[u8]> {
        self.roots.iter().chain(self.chain()).map(|der| &der[..])
    }

    fn chain(&self) -> &[CertificateDer<'static>] {
        let client = self.client_certificate.as_ref();
        client.map_or(&[][..], |client| &client.certificates)
    }

    fn key(&self) -> &[u8] {
        let client = self.client_certificate.as_ref();
        client.map_or(&[][..], |client| &client.key)
    }

    /// Whether they equal the host's own, apart from strictness. A partial chain is one that ends
    /// with a root of the program's own.
    pub(crate) fn are_default(&self) -> bool {
        *self
            == Self {
                checks: self.checks,
                ..Self::default()
            }
    }

    /// Options with the same digest are equal.
    pub(crate) fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update([
            self.versions as u8,
            self.verification as u8,
            u8::from(self.host_roots),
            u8::from(self.checks.strict),
            u8::from(self.checks.partial_chain),
        ]);
        add_all(&mut hash, &self.roots);
        if let Some(client) = &self.client_certificate {
            add_all(&mut hash, &client.certificates);
            hash.update(&client.key);
        }
        hash.finalize().into()
    }

    /// Makes a profile of them; `None` if they equal the host's.
    pub(crate) fn settle(
        &self,
        settings: &TlsConfig,
    ) -> Result<Option<TlsProfile>, GuestTlsOptionsError> {
        self.check_size()?;
        let trust = Trust::of(self, settings)?;
        let client = self.client_certificate.as_ref();
        let client = client.map(|client| client.resolver(settings)).transpose()?;
        let request = TlsOverrides {
            verification: self.verification,
            own_roots: !trust.own.is_empty() && self.verification != Verification::None,
            client_certificate: client.is_some(),
        };
        let are_usual = self.host_roots
            && self.versions == TlsVersions::All
            && (trust.given.is_empty() || !self.checks.strict);
        if request == TlsOverrides::default() && are_usual {
            return Ok(None);
        }
        let verifier = Arc::new(Verifier::new(
            self.verification,
            trust.roots.into(),
            Given {
                own: trust.own.len(),
                certificates: trust.given,
            },
            self.checks,
            settings.provider().signature_verification_algorithms,
        ));
        Ok(Some(TlsProfile {
            versions: self.versions,
            request,
            verifier: Some(verifier),
            client,
            chain: self.chain().iter().map(|der| der.len()).sum(),
            strict: self.checks.strict,
            digest: Some(self.digest()),
            _held: None,
        }))
    }
}

/// Includes every length, so that two different lists never look the same.
fn add_all(hash: &mut Sha256, list: &[CertificateDer<'_>]) {
    hash.update((list.len() as u64).to_le_bytes());
    for der in list {
        hash.update((der.len() as u64).to_le_bytes());
        hash.update(der);
    }
}

/// The trusted certificates.
struct Trust {
    roots: RootCertStore,
    /// The certificates of the options that the host does not trust.
    own: Vec<CertificateDer<'static>>,
    /// All of the options: those that the host does not trust first.
    given: Vec<CertificateDer<'static>>,
}

impl Trust {
    /// A root that the host trusts too, by name and key, keeps the constraints that it has there.
    fn of(options: &GuestTlsOptions, settings: &TlsConfig) -> Result<Self, GuestTlsOptionsError> {
        let host = settings.roots();
        let (mut known, mut own) = (Vec::new(), Vec::new());
        let (mut roots, mut hosts) = (RootCertStore::empty(), RootCertStore::empty());
        for (index, der) in options.roots.iter().enumerate() {
            let refused = |error: rustls::Error| {
                GuestTlsOptionsError::Root(index + 1, TlsFailure::from(&error).message())
            };
            roots.add(der.clone()).map_err(refused)?;
            let Some(given) = roots.roots.last() else {
                continue;
            };
            let same = host.roots.iter().find(|root| {
                root.subject == given.subject
                    && root.subject_public_key_info == given.subject_public_key_info
            });
            if let Some(same) = same {
                hosts.roots.push(same.clone());
                known.push(der.clone());
                roots.roots.pop();
            } else {
                own.push(der.clone());
                // Such a certificate may lead to a root, but is not one.
                if !options.checks.partial_chain && !signs_itself(der) {
                    roots.roots.pop();
                }
            }
        }
        roots.roots.extend(match options.host_roots {
            true => host.roots.clone(),
            false => hosts.roots,
        });
        let given = [own.clone(), known].concat();
        Ok(Self { roots, own, given })
    }
}

impl ClientCertificate {
    fn resolver(
        &self,
        settings: &TlsConfig,
    ) -> Result<Arc<dyn ResolvesClientCert>, GuestTlsOptionsError> {
        let key = PrivateKeyDer::try_from(self.key.clone());
        let key = key.map_err(|error| GuestTlsOptionsError::Key(error.to_owned()))?;
        let signing = settings.provider().key_provider.load_private_key(key);
        let signing = signing.map_err(|error| GuestTlsOptionsError::Key(error.to_string()))?;
        let certified = CertifiedKey::new(self.certificates.clone(), signing);
        match certified.keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => {
                Ok(Arc::new(SingleCertAndKey::from(certified)))
            }
            Err(rustls::Error::InconsistentKeys(_)) => Err(GuestTlsOptionsError::AnotherKey),
            Err(error) => Err(GuestTlsOptionsError::Certificate(error.to_string())),
        }
    }
}
