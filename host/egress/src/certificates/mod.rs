//! Judges a server's certificates as OpenSSL would.
//!
//! `webpki` decides whether a chain is right. This module explains why a chain is refused, in the
//! words and in the order of OpenSSL, and makes the checks that OpenSSL makes beyond `webpki`. It
//! accepts nothing itself, except the server's own certificate if the program trusts exactly that.

mod checks;
mod constraints;
mod facts;
pub(crate) mod fault;
mod path;

use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, UnixTime};
use x509_parser::extensions::GeneralName;

use crate::certificates::facts::Facts;
use crate::certificates::fault::CertificateFault as Fault;
use crate::certificates::path::{Chain, Trusted};
use crate::chain_checks::Checks;

/// The most of a certificate's names that a message lists.
const MOST_NAMES: usize = 5;

/// What a server presented, and what is trusted.
pub(crate) struct Case<'a> {
    /// The server's certificate.
    pub(crate) leaf: &'a CertificateDer<'a>,
    /// The other certificates that it presented.
    pub(crate) shown: &'a [CertificateDer<'a>],
    /// The program's certificates, as it gave them.
    pub(crate) given: &'a [CertificateDer<'static>],
    /// How many of the first of them the host does not trust.
    pub(crate) own: usize,
    /// All roots.
    pub(crate) roots: &'a RootCertStore,
    /// Which checks are made.
    pub(crate) checks: Checks,
    /// The time of the verification.
    pub(crate) now: UnixTime,
}

impl<'a> Case<'a> {
    fn trusted(&self) -> Trusted<'a> {
        let given = self.given.iter().filter_map(|der| Facts::read(der));
        Trusted {
            certificates: given.collect(),
            anchors: &self.roots.roots,
            partial: self.checks.partial_chain,
        }
    }

    /// Whether the program trusts the server's own certificate itself.
    pub(crate) fn is_pinned(&self) -> bool {
        let mut own = self.given.iter().take(self.own);
        let is_own = own.any(|der| der[..] == self.leaf[..]);
        is_own && Facts::read(self.leaf).is_some_and(|leaf| self.trusted().trusts(&leaf))
    }

    /// Finds what is wrong with the certificates by OpenSSL's checks. `is_for_name` says whether
    /// the name matches, or does not count.
    ///
    /// # Errors
    ///
    /// The first fault in OpenSSL's order.
    pub(crate) fn judge(&self, is_for_name: bool) -> Result<(), Fault> {
        let leaf = Facts::read(self.leaf).ok_or(Fault::Other)?;
        if leaf.has_weak_key() {
            return Err(Fault::WeakKey);
        }
        let shown = self.shown.iter().filter_map(|der| Facts::read(der));
        let chain = self.trusted().chain(leaf, shown.collect(), self.now)?;
        let Chain { certificates, ends } = &chain;
        checks::check(certificates, *ends, self.checks.strict)?;
        if !is_for_name {
            return Err(Fault::NameMismatch);
        }
        checks::check_signatures(certificates, self.now)?;
        constraints::check(certificates)
    }

    /// Checks a verified chain: the certificates that lead from the server's to a root.
    ///
    /// # Errors
    ///
    /// What OpenSSL would refuse in it.
    pub(crate) fn check_verified(&self, path: &[CertificateDer<'_>]) -> Result<(), Fault> {
        let mut chain = Vec::with_capacity(path.len() + 1);
        for der in path {
            // Accept what no check asks for: the chain was verified.
            match Facts::read(der) {
                Some(facts) => chain.push(facts),
                None if self.checks.strict => return Err(Fault::Other),
                None => return Ok(()),
            }
        }
        // The library checks a server's key only when it verifies a signature by it.
        if chain.first().is_some_and(Facts::has_weak_key) {
            return Err(Fault::WeakKey);
        }
        if chain.len() == 1 && chain[0].is_self_signed() {
            // The certificate is itself the trusted one.
            return checks::check(&chain, true, self.checks.strict);
        }
        let root = chain.last().and_then(|last| self.root_of(last));
        let ends = root.is_some();
        chain.extend(root);
        let is_given = |last: &Facts<'_>| {
            let mut given = self.given.iter().filter_map(|der| Facts::read(der));
            given.any(|own| last.names_as_issuer(&own))
        };
        let is_lost = !ends && chain.last().is_some_and(is_given);
        let fit = !is_lost
            && chain
                .windows(2)
                .all(|pair| pair[0].may_be_issued_by(&pair[1]));
        if !fit {
            // The library ignores key identifiers, so there may be another chain.
            return self.judge(true);
        }
        checks::check(&chain, ends, self.checks.strict)?;
        match ends {
            true => checks::check_last_time(&chain, self.now),
            false => Ok(()),
        }
    }

    /// The one of the program's own certificates that issued another.
    fn root_of(&self, facts: &Facts<'_>) -> Option<Facts<'a>> {
        let mut given = self.given.iter().filter_map(|der| Facts::read(der));
        given.find(|own| facts.may_be_issued_by(own) && facts.is_signed_by(own) != Some(false))
    }

    /// The names that the server's certificate is for.
    pub(crate) fn names(&self) -> String {
        let leaf = Facts::read(self.leaf);
        let names = leaf.and_then(|leaf| leaf.alternative_names());
        let names = names.map(|found| found.value).unwrap_or_default();
        let mut texts: Vec<String> = names.iter().take(MOST_NAMES).filter_map(text).collect();
        if names.len() > MOST_NAMES {
            texts.push(format!("{} more", names.len() - MOST_NAMES));
        }
        match texts.is_empty() {
            true => "no name at all".to_owned(),
            false => texts.join(", "),
        }
    }
}

/// Whether a certificate's issuer is the certificate itself, by its name and key identifiers.
pub(crate) fn signs_itself(der: &CertificateDer<'_>) -> bool {
    Facts::read(der).is_some_and(|facts| facts.is_self_signed())
}

fn text(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(name.escape_default().to_string()),
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(std::net::IpAddr::from);
            let v6 = <[u8; 16]>::try_from(*bytes).map(std::net::IpAddr::from);
            v4.or(v6).ok().map(|address| address.to_string())
        }
        _ => None,
    }
}
