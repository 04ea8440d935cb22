//! Makes a certificate authority for one test, and server certificates signed by it.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};

/// The names of every server that listens on loopback.
pub const LOOPBACK_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// A root certificate with its key. Two of them do not trust each other's leaves.
pub struct TestCa {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A server's certificate with its key.
pub struct Leaf {
    certificates: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

/// The validity of a leaf, as years of its first and last day.
#[derive(Clone, Copy, Debug)]
pub enum Validity {
    /// Valid during every test.
    Current,
    /// Its last day is long past.
    Expired,
    /// Its first day is yet to come.
    Future,
}

impl Validity {
    fn years(self) -> (i32, i32) {
        match self {
            Self::Current => (2020, 2120),
            Self::Expired => (2010, 2011),
            Self::Future => (2110, 2120),
        }
    }
}

/// The content of the certificate of the authority `name`.
pub fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// The content of a server's certificate for `names`, each a DNS name or an address literal.
///
/// # Panics
///
/// When a name is neither.
pub fn server_params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names for a certificate");
    // Python's default context asks for both extensions from 3.13 on (VERIFY_X509_STRICT).
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

/// Sets the years of a certificate's validity.
pub fn years(params: &mut CertificateParams, first: i32, last: i32) {
    params.not_before = date_time_ymd(first, 1, 1);
    params.not_after = date_time_ymd(last, 1, 1);
}

impl TestCa {
    /// Makes a root whose common name is `name`.
    ///
    /// # Panics
    ///
    /// When no key can be generated.
    pub fn new(name: &str) -> Self {
        let key = KeyPair::generate().expect("a key pair");
        let issuer = CertifiedIssuer::self_signed(authority_params(name), key);
        let issuer = issuer.expect("a root certificate");
        Self { issuer }
    }

    /// The root certificate as PEM, for `trust_ca_pem` and `SSL_CERT_FILE`.
    pub fn root_pem(&self) -> Vec<u8> {
        self.issuer.pem().into_bytes()
    }

    /// The root certificate as DER.
    pub fn root_der(&self) -> CertificateDer<'static> {
        self.issuer.der().clone()
    }

    /// A leaf for [`LOOPBACK_NAMES`] that is valid today.
    pub fn loopback_leaf(&self) -> Leaf {
        self.leaf(&LOOPBACK_NAMES, Validity::Current)
    }

    /// A leaf for `names`, each a DNS name or an address literal.
    ///
    /// # Panics
    ///
    /// When a name is neither.
    pub fn leaf(&self, names: &[&str], validity: Validity) -> Leaf {
        let mut params = server_params(names);
        let (first, last) = validity.years();
        years(&mut params, first, last);
        let key = KeyPair::generate().expect("a key pair");
        let certificate = params
            .signed_by(&key, &self.issuer)
            .expect("a leaf certificate");
        Leaf::with_chain(vec![certificate.der().clone()], &key)
    }
}

impl Leaf {
    /// A certificate made elsewhere, first in a chain that may be anything.
    pub fn with_chain(certificates: Vec<CertificateDer<'static>>, key: &KeyPair) -> Self {
        Self {
            certificates,
            key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        }
    }

    /// A TLS server configuration with this certificate that offers `alpn`, in that order.
    ///
    /// # Panics
    ///
    /// When the key is of a kind that the library does not know, which this module never makes.
    pub fn server_config(&self, alpn: &[&[u8]]) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = provider.key_provider.load_private_key(self.key.clone_key());
        let key = key.expect("a key of a known kind");
        // Not checked against the certificate, which may be one that no verifier can read.
        let certified = CertifiedKey::new(self.certificates.clone(), key);
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("protocol versions of ring")
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        Arc::new(config)
    }
}
