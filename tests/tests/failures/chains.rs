//! Chains of certificates, each with one fault.

use rcgen::{
    CertificateParams, CertifiedIssuer, CustomExtension, DnType, IsCa, KeyPair, SigningKey as _,
};
use rustls::pki_types::CertificateDer;
use sandbox_net_tests::{authority_params, server_params};

/// An authority, and the certificate that it sends.
pub(crate) type Authority = CertifiedIssuer<'static, KeyPair>;
/// A change in a certificate that is valid otherwise.
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

/// An authority that also names the key of its issuer.
fn identified(name: &str) -> CertificateParams {
    let mut params = authority_params(name);
    params.use_authority_key_identifier_extension = true;
    params
}

/// A root.
pub(crate) fn root(change: Change) -> Authority {
    let mut params = identified("the root");
    change(&mut params);
    Authority::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// An authority that another one signs.
pub(crate) fn intermediate(name: &str, issuer: &Authority, change: Change) -> Authority {
    let mut params = identified(name);
    change(&mut params);
    Authority::signed_by(params, KeyPair::generate().unwrap(), issuer).unwrap()
}

fn leaf_params(change: Change) -> CertificateParams {
    let mut params = server_params(&["localhost", "127.0.0.1"]);
    params
        .distinguished_name
        .push(DnType::CommonName, "the server");
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

/// Removes what the library adds to each authority, so that other values can replace it.
pub(crate) fn without_constraints(params: &mut CertificateParams) {
    params.is_ca = IsCa::NoCa;
}

/// A certificate with a wrong signature.
pub(crate) fn forged(certificate: &CertificateDer<'_>) -> CertificateDer<'static> {
    let mut der = certificate.to_vec();
    // The last bytes belong to a number in the signature.
    *der.last_mut().unwrap() ^= 1;
    der.into()
}

/// The certificate without its version and extensions, signed again: version 1.
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
