//! Builds the chain that OpenSSL builds from what a server presents and what is trusted
//! (`build_chain`).

use rustls::pki_types::{TrustAnchor, UnixTime};

use crate::certificates::facts::Facts;
use crate::certificates::fault::CertificateFault as Fault;

/// The most certificates of a chain, as in OpenSSL.
const DEPTH: usize = 100;

/// The certificates and roots with which chains may end.
pub(super) struct Trusted<'a> {
    /// Certificates that are trusted, or, without a partial chain, may lead to a trusted one.
    pub(super) certificates: Vec<Facts<'a>>,
    /// Roots of which only name and key are known.
    pub(super) anchors: &'a [TrustAnchor<'static>],
    /// Whether a certificate that is not self-signed is trusted, too.
    pub(super) partial: bool,
}

/// A chain that ends with something trusted.
pub(super) struct Chain<'a> {
    /// The server's certificate first.
    pub(super) certificates: Vec<Facts<'a>>,
    /// Whether the last one is itself trusted, and not signed by a trusted anchor.
    pub(super) ends: bool,
}

impl<'a> Trusted<'a> {
    fn ends_with(&self, facts: &Facts<'_>) -> bool {
        self.partial || facts.is_self_signed()
    }

    fn holds(&self, facts: &Facts<'_>) -> bool {
        self.certificates.iter().any(|own| own.der() == facts.der())
    }

    fn anchors_issuer_of(&self, facts: &Facts<'_>) -> bool {
        // An anchor's name lacks the tag and the length of the sequence.
        let issuer = facts.issuer().as_raw();
        // What the program gave is known completely.
        let is_given = |own: &Facts<'_>| own.subject().as_raw() == issuer;
        if facts.is_broken_proxy() || self.certificates.iter().any(is_given) {
            return false;
        }
        self.anchors
            .iter()
            .any(|anchor| is_sequence_of(issuer, &anchor.subject))
    }

    /// Whether an anchor was made of this certificate.
    fn anchors(&self, facts: &Facts<'_>) -> bool {
        self.anchors.iter().any(|anchor| {
            is_sequence_of(facts.subject().as_raw(), &anchor.subject)
                && is_sequence_of(facts.key(), &anchor.subject_public_key_info)
        })
    }

    /// Whether the server's own certificate is itself trusted.
    pub(super) fn trusts(&self, leaf: &Facts<'_>) -> bool {
        self.ends_with(leaf) && self.holds(leaf)
    }

    /// Builds the chain of a server's certificate and the others that it presented.
    pub(super) fn chain(
        &self,
        leaf: Facts<'a>,
        shown: Vec<Facts<'a>>,
        now: UnixTime,
    ) -> Result<Chain<'a>, Fault> {
        let is_trusted = self.trusts(&leaf);
        let mut certificates = vec![leaf];
        if is_trusted {
            let ends = true;
            return Ok(Chain { certificates, ends });
        }
        let (mut shown, mut has_trusted) = (shown, false);
        while certificates.len() <= DEPTH {
            let last = &certificates[certificates.len() - 1];
            if last.is_self_signed() {
                return match self.holds(last) || self.anchors(last) {
                    true => Ok(Chain {
                        certificates,
                        ends: true,
                    }),
                    false => Err(Self::untrusted_root(certificates.len())),
                };
            }
            if let Some(at) = issuer_of(last, &self.certificates, now) {
                let issuer = self.certificates[at].clone();
                let ends = self.ends_with(&issuer);
                has_trusted = true;
                certificates.push(issuer);
                if ends {
                    return Ok(Chain { certificates, ends });
                }
            } else if self.anchors_issuer_of(last) {
                return Ok(Chain {
                    certificates,
                    ends: false,
                });
            } else if has_trusted {
                return Err(Fault::IssuerUnavailable);
            } else if let Some(at) = issuer_of(last, &shown, now) {
                certificates.push(shown.swap_remove(at));
            } else {
                return Err(Fault::UnknownIssuer);
            }
        }
        Err(Fault::ChainTooLong)
    }

    fn untrusted_root(count: usize) -> Fault {
        match count {
            1 => Fault::SelfSigned,
            _ => Fault::SelfSignedInChain,
        }
    }
}

/// Whether a sequence has these contents: its header has two bytes, or more if the contents are
/// longer than 127 (X.690 section 8.1.3).
fn is_sequence_of(sequence: &[u8], contents: &[u8]) -> bool {
    let length = sequence.get(1).copied().unwrap_or_default();
    let header = match length {
        0..0x80 => 2,
        long => 2 + usize::from(long & 0x7f),
    };
    sequence.get(header..) == Some(contents)
}

/// The position of a certificate's issuer; of several, prefer a valid one.
fn issuer_of(facts: &Facts<'_>, among: &[Facts<'_>], now: UnixTime) -> Option<usize> {
    let fits = |issuer: &&Facts<'_>| facts.may_be_issued_by(issuer);
    let valid = |issuer: &Facts<'_>| issuer.fault_of_time(now).is_ok();
    let place = |issuer: &Facts<'_>| among.iter().position(|each| each.der() == issuer.der());
    let found = among.iter().filter(fits);
    let best = found.clone().find(|issuer| valid(issuer));
    best.or_else(|| found.clone().next()).and_then(place)
}
