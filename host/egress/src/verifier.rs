//! Verifies a server's certificate.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use webpki::{EndEntityCert, KeyUsage};

use crate::certificates::Case;
use crate::certificates::fault::CertificateFault;
use crate::chain_checks::Checks;
use crate::refusal::Refusal;
use sandbox_net_policy::Verification;

/// Verifies as a program requested. In any case the server has to prove that it has the key of its
/// certificate: the signatures in the handshake are always verified.
#[derive(Debug)]
pub(crate) struct Verifier {
    verification: Verification,
    roots: Arc<RootCertStore>,
    given: Given,
    checks: Checks,
    algorithms: WebPkiSupportedAlgorithms,
}

/// The certificates that the program gave, complete: roots, and those that may lead to one.
#[derive(Debug, Default)]
pub(crate) struct Given {
    pub(crate) certificates: Vec<CertificateDer<'static>>,
    /// How many of the first of them the host does not trust.
    pub(crate) own: usize,
}

impl Verifier {
    pub(crate) fn new(
        verification: Verification,
        roots: Arc<RootCertStore>,
        given: Given,
        checks: Checks,
        algorithms: WebPkiSupportedAlgorithms,
    ) -> Self {
        Self {
            verification,
            roots,
            given,
            checks,
            algorithms,
        }
    }

    /// Whether the name matches, or does not count.
    fn is_for(&self, leaf: &CertificateDer<'_>, name: &ServerName<'_>) -> bool {
        self.verification != Verification::Full
            || ParsedCertificate::try_from(leaf)
                .is_ok_and(|leaf| verify_server_name(&leaf, name).is_ok())
    }

    /// Whether a trusted root signs the certificate, now, and it is for the name.
    fn verify(&self, case: &Case<'_>, name: &ServerName<'_>) -> Result<(), Error> {
        if case.is_pinned() {
            return case
                .judge(self.is_for(case.leaf, name))
                .map_err(|fault| Error::from(named(case, fault, name)));
        }
        let refused = self
            .check_chain(case)
            .and_then(|()| match self.is_for(case.leaf, name) {
                true => Ok(()),
                false => Err(named(case, CertificateFault::NameMismatch, name)),
            });
        let Err(refusal) = refused else {
            return Ok(());
        };
        // The library stops at another fault than OpenSSL, or has no name for it.
        match case.judge(self.is_for(case.leaf, name)) {
            Err(CertificateFault::Other) | Ok(()) => Err(refusal.into()),
            Err(fault) if fault == refusal.fault => Err(refusal.into()),
            Err(fault) => Err(named(case, fault, name).into()),
        }
    }

    fn check_chain(&self, case: &Case<'_>) -> Result<(), Refusal> {
        let certificate = ParsedCertificate::try_from(case.leaf).map_err(|error| told(&error))?;
        let intermediates = self.intermediates(case);
        verify_server_cert_signed_by_trust_anchor(
            &certificate,
            &self.roots,
            &intermediates,
            case.now,
            self.algorithms.all,
        )
        .map_err(|error| told(&error))?;
        let path = self.path(case, &intermediates);
        let path = path.ok_or(Refusal::from(CertificateFault::Other))?;
        Ok(case.check_verified(&path)?)
    }

    /// Certificates that may lead to a root: those that the server presented, and without a partial
    /// chain those of the program that are not roots.
    fn intermediates<'a>(&'a self, case: &Case<'a>) -> Vec<CertificateDer<'a>> {
        let given = self.given.certificates.iter();
        let own = given.filter(|_| !self.checks.partial_chain);
        case.shown.iter().chain(own).cloned().collect()
    }

    /// The chain that was verified, without its root.
    fn path(
        &self,
        case: &Case<'_>,
        intermediates: &[CertificateDer<'_>],
    ) -> Option<Vec<CertificateDer<'static>>> {
        let leaf = EndEntityCert::try_from(case.leaf).ok()?;
        let path = leaf.verify_for_usage(
            self.algorithms.all,
            &self.roots.roots,
            intermediates,
            case.now,
            KeyUsage::server_auth(),
            None,
            None,
        );
        let path = path.ok()?;
        let others = path.intermediate_certificates();
        let others = others.map(|each| each.der().into_owned());
        let leaf = case.leaf.clone().into_owned();
        Some(std::iter::once(leaf).chain(others).collect())
    }
}

fn told(error: &Error) -> Refusal {
    match error {
        Error::InvalidCertificate(CertificateError::BadSignature) => {
            CertificateFault::BadSignature.into()
        }
        Error::InvalidCertificate(reason) => reason.into(),
        _ => (&CertificateError::BadEncoding).into(),
    }
}

/// A refusal; for a wrong name, with the names that the certificate has.
fn named(case: &Case<'_>, fault: CertificateFault, name: &ServerName<'_>) -> Refusal {
    let mut refusal = Refusal::from(fault);
    if fault == CertificateFault::NameMismatch {
        let names = case.names();
        refusal.message = format!(
            "the certificate is not valid for '{}': it is for {names}",
            name.to_str()
        );
    }
    refusal
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
            let case = Case {
                leaf: end_entity,
                shown: intermediates,
                given: &self.given.certificates,
                own: self.given.own,
                roots: &self.roots,
                checks: self.checks,
                now,
            };
            self.verify(&case, server_name)?;
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
