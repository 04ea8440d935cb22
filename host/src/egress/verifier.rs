//! The verification of a server's certificate in another way than the host's own.

use std::collections::HashSet;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use sha2::{Digest, Sha256};

use crate::policy::Verification;

/// Verifies as a program asked for. Whatever that is, the server has to prove that it has the key
/// of the certificate that it shows: the signatures in the handshake are always verified.
#[derive(Debug)]
pub(crate) struct Verifier {
    verification: Verification,
    roots: RootCertStore,
    /// The digests of the program's own roots.
    own: HashSet<[u8; 32]>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    /// `own` are those of the `roots` that the program brought, as it gave them.
    pub(crate) fn new(
        verification: Verification,
        roots: RootCertStore,
        own: &[CertificateDer<'_>],
        algorithms: WebPkiSupportedAlgorithms,
    ) -> Self {
        Self {
            verification,
            roots,
            own: own.iter().map(|der| Sha256::digest(der).into()).collect(),
            algorithms,
        }
    }

    /// Whether a trusted root signs the certificate, now.
    fn check_chain(
        &self,
        certificate: &ParsedCertificate<'_>,
        der: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let algorithms = self.algorithms.all;
        let roots = &self.roots;
        let chain = verify_server_cert_signed_by_trust_anchor(
            certificate,
            roots,
            intermediates,
            now,
            algorithms,
        );
        match chain {
            Err(error) if is_authority(&error) && self.is_own(der) => Ok(()),
            chain => chain,
        }
    }

    fn is_own(&self, der: &CertificateDer<'_>) -> bool {
        let digest: [u8; 32] = Sha256::digest(der).into();
        self.own.contains(&digest)
    }
}

/// Whether a certificate was refused as a server's because it is an authority's, as self-signed
/// ones often are. Its validity was checked before. Where it is itself one of the certificates that
/// the program trusts, there is nothing else to check about the chain: OpenSSL accepts it as well.
fn is_authority(error: &Error) -> bool {
    let Error::InvalidCertificate(CertificateError::Other(other)) = error else {
        return false;
    };
    let error = other.0.downcast_ref::<webpki::Error>();
    error == Some(&webpki::Error::CaUsedAsEndEntity)
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.verification != Verification::None {
            let certificate = ParsedCertificate::try_from(end_entity)?;
            self.check_chain(&certificate, end_entity, intermediates, now)?;
            if self.verification == Verification::Full {
                verify_server_name(&certificate, server_name)?;
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
