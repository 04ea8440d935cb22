//! Carries a certificate's refusal through the TLS library, and translates the library's own
//! errors.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::UnixTime;
use rustls::{CertificateError, OtherError};

use crate::certificates::fault::CertificateFault as Fault;
use crate::error::TlsFailure;

/// Why a verifier refused a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) fault: Fault,
    /// A message for people, if it says more than the fault.
    pub(crate) message: String,
}

impl std::error::Error for Refusal {}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        let message = fault.to_string();
        Self { fault, message }
    }
}

/// Faults for which OpenSSL sends the alert "unknown CA" (RFC 8446 section 6.2), besides an unknown
/// issuer.
const UNKNOWN_CA: [Fault; 6] = [
    Fault::SelfSigned,
    Fault::SelfSignedInChain,
    Fault::IssuerUnavailable,
    Fault::ChainTooLong,
    Fault::PathLength,
    Fault::InvalidAuthority,
];

/// Packs such a fault. Of the library's errors with that alert only one carries data: that of expired
/// revocation lists, of which the host has none.
fn with_alert(fault: Fault) -> Option<CertificateError> {
    let number = UNKNOWN_CA.iter().position(|known| *known == fault)?;
    let at = UnixTime::since_unix_epoch(Duration::from_secs(number as u64));
    Some(CertificateError::ExpiredRevocationListContext {
        time: at,
        next_update: at,
    })
}

/// Chooses the error whose alert a server expects for the fault: the library sends the alert of its
/// own error. Only faults with an error of their own pass without the message.
impl From<Refusal> for rustls::Error {
    fn from(refusal: Refusal) -> Self {
        let reason = match refusal.fault {
            Fault::Expired => CertificateError::Expired,
            Fault::NotYetValid => CertificateError::NotValidYet,
            Fault::UnknownIssuer => CertificateError::UnknownIssuer,
            Fault::CriticalExtension => CertificateError::UnhandledCriticalExtension,
            Fault::Purpose => CertificateError::InvalidPurpose,
            fault => with_alert(fault)
                .unwrap_or_else(|| CertificateError::Other(OtherError(Arc::new(refusal)))),
        };
        Self::InvalidCertificate(reason)
    }
}

impl From<&CertificateError> for Refusal {
    fn from(error: &CertificateError) -> Self {
        use CertificateError as E;
        let fault = match error {
            E::Other(OtherError(other)) => match other.downcast_ref::<Self>() {
                Some(refusal) => return refusal.clone(),
                None => of_library(other.downcast_ref()),
            },
            E::ExpiredRevocationListContext { time, .. } => {
                let number = usize::try_from(time.as_secs()).ok();
                let fault = number.and_then(|number| UNKNOWN_CA.get(number));
                fault.copied().unwrap_or(Fault::Other)
            }
            E::Expired | E::ExpiredContext { .. } => Fault::Expired,
            E::NotValidYet | E::NotValidYetContext { .. } => Fault::NotYetValid,
            E::UnknownIssuer => Fault::UnknownIssuer,
            E::NotValidForName | E::NotValidForNameContext { .. } => Fault::NameMismatch,
            E::Revoked => Fault::Revoked,
            // Faults of certificates come as refusals, so this one is of the handshake.
            E::BadSignature => return Self::other("the peer does not have the certificate's key"),
            E::UnhandledCriticalExtension => Fault::CriticalExtension,
            E::InvalidPurpose | E::InvalidPurposeContext { .. } => Fault::Purpose,
            E::BadEncoding => return Self::other("the certificate is no X.509 of version 3"),
            E::UnsupportedSignatureAlgorithmContext { .. }
            | E::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
                return Self::other("the host does not know the algorithm of a signature or key");
            }
            _ => Fault::Other,
        };
        fault.into()
    }
}

/// The faults that the library has no name for.
fn of_library(error: Option<&webpki::Error>) -> Fault {
    match error {
        Some(webpki::Error::CaUsedAsEndEntity) => Fault::NotAnEndEntity,
        Some(webpki::Error::EndEntityUsedAsCa) => Fault::InvalidAuthority,
        Some(webpki::Error::NameConstraintViolation) => Fault::PermittedSubtree,
        Some(webpki::Error::PathLenConstraintViolated) => Fault::PathLength,
        Some(webpki::Error::MaximumPathDepthExceeded) => Fault::ChainTooLong,
        _ => Fault::Other,
    }
}

impl Refusal {
    fn other(message: &str) -> Self {
        Self {
            fault: Fault::Other,
            message: message.to_owned(),
        }
    }
}

impl From<&rustls::Error> for TlsFailure {
    fn from(error: &rustls::Error) -> Self {
        match error {
            rustls::Error::InvalidCertificate(reason) => {
                let Refusal { fault, message } = reason.into();
                Self::Certificate { fault, message }
            }
            other => Self::Other(text(other)),
        }
    }
}

/// The library's message, with the names of its own cases as words.
fn text(error: &rustls::Error) -> String {
    use rustls::Error as E;
    match error {
        E::PeerIncompatible(why) => {
            format!("the peer does not fit: {}", words(&format!("{why:?}")))
        }
        E::PeerMisbehaved(why) => format!("the peer broke TLS: {}", words(&format!("{why:?}"))),
        other => other.to_string(),
    }
}

/// Turns `NoCipherSuitesInCommon` into `no cipher suites in common`, without the data of a case.
fn words(name: &str) -> String {
    let name = name.split(|c: char| !c.is_ascii_alphanumeric()).next();
    let mut text = String::new();
    let mut before = ' ';
    for c in name.unwrap_or_default().chars() {
        let begins = c.is_ascii_uppercase() && !before.is_ascii_uppercase();
        if begins && !text.is_empty() {
            text.push(' ');
        }
        text.push(c.to_ascii_lowercase());
        before = c;
    }
    text
}

#[cfg(test)]
mod tests {
    use rustls::AlertDescription;

    use super::*;

    #[test]
    fn a_server_is_told_of_an_authority_that_is_not_known_as_openssl_tells_it() {
        for fault in UNKNOWN_CA {
            let error = rustls::Error::from(Refusal::from(fault));
            let rustls::Error::InvalidCertificate(reason) = &error else {
                panic!("{error:?}");
            };
            let alert = AlertDescription::from(reason.clone());
            assert_eq!(alert, AlertDescription::UnknownCA, "{fault:?}");
            assert_eq!(Refusal::from(reason), Refusal::from(fault));
        }
    }
}
