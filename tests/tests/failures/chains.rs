//! Chains of certificates with one thing wrong in each.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SigningKey as _, date_time_ymd,
};
use rustls::pki_types::CertificateDer;

/// An authority, with the certificate that it shows.
pub(crate) type Authority = CertifiedIssuer<'static, KeyPair>;
/// What is changed in a certificate that is right otherwise.
pub(crate) type Change = fn(&mut CertificateParams);

/// Object identifiers of extensions.
pub(crate) mod oid {
    pub(crate) const BASIC_CONSTRAINTS: &[u64] = &[2, 5, 29, 19];
    pub(crate) const SUBJECT_KEY: &[u64] = &[2, 5, 29, 14];
    pub(crate) const AUTHORITY_KEY: &[u64] = &[2, 5, 29, 35];
    pub(crate) const UNKNOWN: &[u64] = &[1, 3, 6, 1, 4, 1, 55555, 1];
    pub(crate) const PROXY: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 1, 14];
}

/// An extension that the library does not write.
pub(crate) fn extension(oid: &[u64], critical: bool, content: &[u8]) -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(oid, content.to_vec());
    extension.set_criticality(critical);
    extension
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    params
}

/// A root.
pub(crate) fn root(change: Change) -> Authority {
    let mut params = authority_params("the root");
    change(&mut params);
    Authority::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// An authority that another one signs.
pub(crate) fn intermediate(name: &str, issuer: &Authority, change: Change) -> Authority {
    let mut params = authority_params(name);
    change(&mut params);
    Authority::signed_by(params, KeyPair::generate().unwrap(), issuer).unwrap()
}

fn leaf_params(change: Change) -> CertificateParams {
    let names = ["localhost", "127.0.0.1"].map(str::to_owned);
    let mut params = CertificateParams::new(names).unwrap();
    params
        .distinguished_name
        .push(DnType::CommonName, "the server");
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    change(&mut params);
    params
}

/// A server's certificate and its key.
pub(crate) fn leaf(issuer: &Authority, change: Change) -> (CertificateDer<'static>, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let certificate = leaf_params(change).signed_by(&key, issuer).unwrap();
    (certificate.der().clone(), key)
}

/// A server's certificate that signs itself.
pub(crate) fn self_signed(change: Change) -> (CertificateDer<'static>, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let certificate = leaf_params(change).self_signed(&key).unwrap();
    (certificate.der().clone(), key)
}

/// The years of a certificate's validity.
pub(crate) fn years(params: &mut CertificateParams, first: i32, last: i32) {
    params.not_before = date_time_ymd(first, 1, 1);
    params.not_after = date_time_ymd(last, 1, 1);
}

/// Takes from an authority what the library gives to each, for others to be put in its place.
pub(crate) fn without_constraints(params: &mut CertificateParams) {
    params.is_ca = IsCa::NoCa;
}

/// A certificate with another signature than its issuer's.
pub(crate) fn forged(certificate: &CertificateDer<'_>) -> CertificateDer<'static> {
    let mut der = certificate.to_vec();
    // The last bytes are those of a number in the signature.
    *der.last_mut().unwrap() ^= 1;
    der.into()
}

/// The certificate without its version and extensions, signed anew: one of version 1.
pub(crate) fn version_1(
    certificate: &CertificateDer<'_>,
    issuer: &Authority,
) -> CertificateDer<'static> {
    let (_, outer, _) = element(certificate);
    let (_, to_be_signed, rest) = element(outer);
    let mut parts = Vec::new();
    let mut left = to_be_signed;
    while !left.is_empty() {
        let (tag, _, after) = element(left);
        let whole = &left[..left.len() - after.len()];
        if tag != 0xa0 && tag != 0xa3 {
            parts.extend_from_slice(whole);
        }
        left = after;
    }
    let to_be_signed = sequence(0x30, &parts);
    let (_, _, after_algorithm) = element(rest);
    let algorithm = &rest[..rest.len() - after_algorithm.len()];
    let signature = issuer.key().sign(&to_be_signed).unwrap();
    let signature = sequence(0x03, &[&[0], &signature[..]].concat());
    sequence(0x30, &[&to_be_signed, algorithm, &signature].concat()).into()
}

/// The first element of DER: its tag, its contents, and what follows it.
fn element(der: &[u8]) -> (u8, &[u8], &[u8]) {
    let (start, length) = match der[1] {
        short @ 0..0x80 => (2, usize::from(short)),
        long => {
            let start = 2 + usize::from(long & 0x7f);
            let bytes = der[2..start].iter();
            (
                start,
                bytes.fold(0, |sum, byte| sum << 8 | usize::from(*byte)),
            )
        }
    };
    (der[0], &der[start..start + length], &der[start + length..])
}

fn sequence(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = u16::try_from(contents.len()).unwrap().to_be_bytes();
    [&[tag, 0x82], &length[..], contents].concat()
}
