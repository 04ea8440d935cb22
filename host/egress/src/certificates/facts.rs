//! Reads what a certificate says about itself, once.

use rustls::pki_types::UnixTime;
use x509_parser::asn1_rs::{Oid, oid};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{
    BasicConstraints, GeneralName, NameConstraints, ParsedExtension, X509Extension,
};
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::{AlgorithmIdentifier, X509Name};

use crate::certificates::fault::CertificateFault;

/// What a key may be used for (RFC 5280 section 4.2.1.3), as bits.
pub(super) mod usage {
    pub(crate) const CERTIFICATES: u16 = 1 << 5;
    pub(crate) const CRLS: u16 = 1 << 6;
    /// Any use in TLS: signatures, key encipherment and key agreement.
    pub(crate) const TLS: u16 = 1 | 1 << 2 | 1 << 4;
}

/// The least security that a key or a digest has to have, in bits: OpenSSL's level 2.
const LEAST_BITS: usize = 112;

/// An extension's value, and whether it is critical.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extension<T> {
    pub(super) critical: bool,
    pub(super) value: T,
}

/// A certificate, with the extensions that a chain's verification looks at.
#[derive(Debug, Clone)]
pub(crate) struct Facts<'a> {
    der: &'a [u8],
    parsed: X509Certificate<'a>,
    /// A critical extension that OpenSSL does not know either.
    pub(super) has_unknown_critical: bool,
    pub(super) is_proxy: bool,
}

/// The issuer's key, as named in a certificate: the identifier, the issuer's serial number.
type IssuerKey<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

impl<'a> Facts<'a> {
    /// `None` if the certificate cannot be read.
    pub(crate) fn read(der: &'a [u8]) -> Option<Self> {
        let (rest, parsed) = X509Certificate::from_der(der).ok()?;
        let broken = |each: &X509Extension<'_>| {
            matches!(each.parsed_extension(), ParsedExtension::ParseError { .. })
        };
        if !rest.is_empty() || parsed.extensions().iter().any(broken) {
            return None;
        }
        let unknown = |each: &X509Extension<'_>| each.critical && !is_known(each);
        let has_unknown_critical = parsed.extensions().iter().any(unknown);
        let proxy = |each: &X509Extension<'_>| each.oid == PROXY;
        let is_proxy = parsed.extensions().iter().any(proxy);
        Some(Self {
            der,
            parsed,
            has_unknown_critical,
            is_proxy,
        })
    }

    pub(super) fn der(&self) -> &'a [u8] {
        self.der
    }

    fn find<T>(&self, pick: impl Fn(&ParsedExtension<'a>) -> Option<T>) -> Option<Extension<T>> {
        self.parsed.extensions().iter().find_map(|each| {
            let value = pick(each.parsed_extension())?;
            let critical = each.critical;
            Some(Extension { critical, value })
        })
    }

    pub(super) fn constraints(&self) -> Option<Extension<BasicConstraints>> {
        self.find(|each| match each {
            ParsedExtension::BasicConstraints(constraints) => Some(constraints.clone()),
            _ => None,
        })
    }

    /// Whether it claims to be an authority.
    pub(super) fn says_authority(&self) -> bool {
        self.constraints().is_some_and(|found| found.value.ca)
    }

    pub(super) fn path_length(&self) -> Option<usize> {
        let found = self.constraints()?.value.path_len_constraint?;
        usize::try_from(found).ok()
    }

    /// What the key is for; `None` if that is not given.
    pub(super) fn key_usage(&self) -> Option<u16> {
        let found = self.find(|each| match each {
            ParsedExtension::KeyUsage(found) => Some(found.flags),
            _ => None,
        });
        found.map(|found| found.value)
    }

    /// Whether the key may be used like this, which is also true if no usage is given.
    pub(super) fn allows(&self, usage: u16) -> bool {
        self.key_usage().is_none_or(|bits| bits & usage != 0)
    }

    /// Whether the extended key usage, if there is one, names TLS servers.
    pub(super) fn is_for_servers(&self) -> bool {
        let found = self.find(|each| match each {
            ParsedExtension::ExtendedKeyUsage(found) => {
                let gated = |other: &Oid<'_>| GATED.contains(other);
                Some(found.server_auth || found.other.iter().any(gated))
            }
            _ => None,
        });
        found.is_none_or(|found| found.value)
    }

    pub(super) fn key_identifier(&self) -> Option<Extension<&'a [u8]>> {
        self.find(|each| match each {
            ParsedExtension::SubjectKeyIdentifier(found) => Some(found.0),
            _ => None,
        })
    }

    pub(super) fn issuer_key(&self) -> Option<Extension<IssuerKey<'a>>> {
        self.find(|each| match each {
            ParsedExtension::AuthorityKeyIdentifier(found) => {
                let identifier = found.key_identifier.as_ref().map(|found| found.0);
                Some((identifier, found.authority_cert_serial))
            }
            _ => None,
        })
    }

    pub(super) fn alternative_names(&self) -> Option<Extension<Vec<GeneralName<'a>>>> {
        self.find(|each| match each {
            ParsedExtension::SubjectAlternativeName(found) => Some(found.general_names.clone()),
            _ => None,
        })
    }

    pub(super) fn name_constraints(&self) -> Option<NameConstraints<'a>> {
        let found = self.find(|each| match each {
            ParsedExtension::NameConstraints(found) => Some(found.clone()),
            _ => None,
        });
        found.map(|found| found.value)
    }

    pub(super) fn subject(&self) -> &X509Name<'a> {
        &self.parsed.tbs_certificate.subject
    }

    pub(super) fn issuer(&self) -> &X509Name<'a> {
        &self.parsed.tbs_certificate.issuer
    }

    /// Its key, with the key's algorithm.
    pub(super) fn key(&self) -> &'a [u8] {
        self.parsed.tbs_certificate.subject_pki.raw
    }

    /// Its version, which is one more than the encoded number.
    pub(super) fn version(&self) -> u32 {
        self.parsed.version().0 + 1
    }

    pub(super) fn has_extensions(&self) -> bool {
        !self.parsed.extensions().is_empty()
    }

    /// Whether both mentions of the signature's algorithm are the same.
    pub(super) fn has_one_signature_algorithm(&self) -> bool {
        self.parsed.signature_algorithm == self.parsed.tbs_certificate.signature
    }

    /// Whether its issuer has the same name.
    pub(super) fn is_self_issued(&self) -> bool {
        self.subject().as_raw() == self.issuer().as_raw()
    }

    pub(super) fn is_self_signed(&self) -> bool {
        self.may_be_issued_by(self)
    }

    /// Whether its issuer has the other's name. A proxy certificate must have the name of its
    /// issuer and no alternative names (RFC 3820 section 3.5); otherwise it has no issuer.
    pub(super) fn names_as_issuer(&self, issuer: &Facts<'_>) -> bool {
        !self.is_broken_proxy() && self.issuer().as_raw() == issuer.subject().as_raw()
    }

    pub(super) fn is_broken_proxy(&self) -> bool {
        self.is_proxy && self.alternative_names().is_some()
    }

    /// Whether names and key identifiers match.
    pub(super) fn may_be_issued_by(&self, issuer: &Facts<'_>) -> bool {
        if !self.names_as_issuer(issuer) {
            return false;
        }
        let Some((key, serial)) = self.issuer_key().map(|found| found.value) else {
            return true;
        };
        let named = issuer.key_identifier().map(|found| found.value);
        let fits = |own: Option<&[u8]>, its: Option<&[u8]>| match (own, its) {
            (Some(own), Some(its)) => own == its,
            _ => true,
        };
        fits(key, named) && fits(serial, Some(issuer.parsed.tbs_certificate.raw_serial()))
    }

    /// Whether the issuer's key made the signature; `None` if that cannot be determined.
    pub(super) fn is_signed_by(&self, issuer: &Facts<'_>) -> Option<bool> {
        use x509_parser::error::X509Error::SignatureUnsupportedAlgorithm;
        let key = &issuer.parsed.tbs_certificate.subject_pki;
        match self.parsed.verify_signature(Some(key)) {
            Ok(()) => Some(true),
            Err(SignatureUnsupportedAlgorithm) => None,
            Err(_) => Some(false),
        }
    }

    /// Checks its period of validity.
    pub(super) fn fault_of_time(&self, now: UnixTime) -> Result<(), CertificateFault> {
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let validity = self.parsed.validity();
        if validity.not_before.timestamp() > now {
            return Err(CertificateFault::NotYetValid);
        }
        if validity.not_after.timestamp() < now {
            return Err(CertificateFault::Expired);
        }
        Ok(())
    }

    pub(super) fn has_weak_key(&self) -> bool {
        let bits = match self.parsed.public_key().parsed() {
            Ok(PublicKey::RSA(key)) => rsa_bits(key.key_size()),
            Ok(PublicKey::EC(key)) => key.key_size() / 2,
            _ => return false,
        };
        bits < LEAST_BITS
    }

    pub(super) fn has_weak_signature(&self) -> bool {
        let AlgorithmIdentifier { algorithm, .. } = &self.parsed.signature_algorithm;
        WEAK_SIGNATURES.contains(algorithm)
    }
}

/// The security of an RSA key of this many bits (NIST SP 800-57), as far as it matters here.
fn rsa_bits(size: usize) -> usize {
    match size {
        2048.. => LEAST_BITS,
        1024.. => 80,
        _ => 0,
    }
}

const PROXY: Oid<'static> = oid!(1.3.6.1.5.5.7.1.14);
/// Server gated cryptography, of Microsoft and of Netscape: uses that count as those of servers.
const GATED: [Oid<'static>; 2] = [oid!(1.3.6.1.4.1.311.10.3.3), oid!(2.16.840.1.113730.4.1)];
const WEAK_SIGNATURES: [Oid<'static>; 5] = [
    oid!(1.2.840.113549.1.1.4),
    oid!(1.2.840.113549.1.1.5),
    oid!(1.3.14.3.2.29),
    oid!(1.2.840.10045.4.1),
    oid!(1.2.840.10040.4.3),
];
/// RFC 3779 (addresses, autonomous systems) and RFC 6960 (no check).
const KNOWN_OTHERS: [Oid<'static>; 3] = [
    oid!(1.3.6.1.5.5.7.1.7),
    oid!(1.3.6.1.5.5.7.1.8),
    oid!(1.3.6.1.5.5.7.48.1.5),
];

/// Whether OpenSSL knows what a critical extension requires (`X509_supported_extension`).
fn is_known(extension: &X509Extension<'_>) -> bool {
    use ParsedExtension as E;
    match extension.parsed_extension() {
        E::NSCertType(_)
        | E::KeyUsage(_)
        | E::SubjectAlternativeName(_)
        | E::BasicConstraints(_)
        | E::CertificatePolicies(_)
        | E::CRLDistributionPoints(_)
        | E::ExtendedKeyUsage(_)
        | E::PolicyConstraints(_)
        | E::NameConstraints(_)
        | E::PolicyMappings(_)
        | E::InhibitAnyPolicy(_) => true,
        _ => extension.oid == PROXY || KNOWN_OTHERS.contains(&extension.oid),
    }
}
