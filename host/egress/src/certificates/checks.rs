//! Checks each certificate of a chain in OpenSSL's order (`check_extensions` and what follows it in
//! its `x509_vfy.c`): the first fault is the one that is reported.

use rustls::pki_types::UnixTime;

use crate::certificates::facts::{Facts, usage};
use crate::certificates::fault::CertificateFault as Fault;

/// How certain it is that a certificate belongs to an authority.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Authority {
    No,
    /// It says so.
    Yes,
    /// It does not deny it: a root of version 1, or a key for signing certificates.
    Perhaps,
}

fn authority(facts: &Facts<'_>) -> Authority {
    if !facts.allows(usage::CERTIFICATES) {
        return Authority::No;
    }
    match facts.constraints() {
        Some(constraints) if constraints.value.ca => Authority::Yes,
        Some(_) => Authority::No,
        None if facts.version() == 1 && facts.is_self_signed() => Authority::Perhaps,
        None if facts.key_usage().is_some() => Authority::Perhaps,
        None => Authority::No,
    }
}

/// Checks a chain from the server's certificate on. `ends` says whether its last certificate is the
/// trusted one; otherwise the trusted one is a root of which only name and key are known.
pub(super) fn check(chain: &[Facts<'_>], ends: bool, strict: bool) -> Result<(), Fault> {
    let count = chain.len() + usize::from(!ends);
    let mut below = 0;
    for (depth, facts) in chain.iter().enumerate() {
        let is_last = depth + 1 == count;
        if facts.has_unknown_critical {
            return Err(Fault::CriticalExtension);
        }
        if facts.is_proxy {
            return Err(Fault::Proxy);
        }
        check_authority(facts, depth, is_last, strict)?;
        if strict && count > 1 {
            check_strictly(facts, is_last)?;
        }
        check_purpose(facts, depth, strict)?;
        let allowed = facts.path_length();
        if depth > 1 && allowed.is_some_and(|allowed| below > allowed) {
            return Err(Fault::PathLength);
        }
        below += usize::from(depth > 0 && !facts.is_self_issued());
    }
    check_strength(chain, count)
}

fn check_authority(
    facts: &Facts<'_>,
    depth: usize,
    is_last: bool,
    strict: bool,
) -> Result<(), Fault> {
    let is_fine = match authority(facts) {
        Authority::Yes => true,
        Authority::No => depth == 0,
        Authority::Perhaps => !strict && (depth == 0 || is_last),
    };
    is_fine.then_some(()).ok_or(Fault::InvalidAuthority)
}

/// Checks what RFC 5280 requires but many working certificates lack.
fn check_strictly(facts: &Facts<'_>, is_last: bool) -> Result<(), Fault> {
    let constraints = facts.constraints();
    let is_authority = facts.says_authority();
    let names = facts.alternative_names();
    let signs = |usage| facts.key_usage().is_none_or(|bits| bits & usage != 0);
    // If the usage is not given, OpenSSL counts every use as given here.
    if facts.path_length().is_some() {
        refuse(!is_authority, Fault::PathLengthWithoutAuthority)?;
        refuse(!signs(usage::CERTIFICATES), Fault::PathLengthWithoutSigning)?;
    }
    let is_open = constraints.is_some_and(|found| !found.critical);
    refuse(is_authority && is_open, Fault::ConstraintsNotCritical)?;
    match facts.key_usage() {
        None => refuse(is_authority, Fault::NoKeyUsage)?,
        Some(bits) => refuse(
            !is_authority && bits & usage::CERTIFICATES != 0,
            Fault::SigningWithoutAuthority,
        )?,
    }
    let is_nameless = facts.subject().iter().next().is_none();
    refuse(facts.issuer().iter().next().is_none(), Fault::NoIssuerName)?;
    let signs_lists = facts
        .key_usage()
        .is_some_and(|bits| bits & usage::CRLS != 0);
    let needs_name = is_authority || signs_lists || names.is_none();
    refuse(needs_name && is_nameless, Fault::NoSubjectName)?;
    if let Some(names) = names {
        refuse(
            is_nameless && !names.critical,
            Fault::AlternativeNameNotCritical,
        )?;
        refuse(names.value.is_empty(), Fault::NoAlternativeName)?;
    }
    refuse(
        !facts.has_one_signature_algorithm(),
        Fault::InconsistentSignatureAlgorithm,
    )?;
    check_key_identifiers(facts, is_last)
}

fn check_key_identifiers(facts: &Facts<'_>, is_last: bool) -> Result<(), Fault> {
    let (issuer, own) = (facts.issuer_key(), facts.key_identifier());
    refuse(
        issuer.is_some_and(|found| found.critical),
        Fault::AuthorityKeyIdentifierCritical,
    )?;
    refuse(
        own.is_some_and(|found| found.critical),
        Fault::SubjectKeyIdentifierCritical,
    )?;
    if facts.version() < 3 {
        return refuse(facts.has_extensions(), Fault::ExtensionsBeforeVersion3);
    }
    let names_issuer = issuer.is_some_and(|found| found.value.0.is_some());
    refuse(!is_last && !names_issuer, Fault::NoAuthorityKeyIdentifier)?;
    refuse(
        facts.says_authority() && own.is_none(),
        Fault::NoSubjectKeyIdentifier,
    )
}

fn check_purpose(facts: &Facts<'_>, depth: usize, strict: bool) -> Result<(), Fault> {
    let is_fine = match depth {
        0 => facts.allows(usage::TLS),
        _ => match authority(facts) {
            Authority::Yes => true,
            Authority::Perhaps => !strict,
            Authority::No => false,
        },
    };
    refuse(!is_fine || !facts.is_for_servers(), Fault::Purpose)
}

/// Checks for keys and digests that are too weak (`check_auth_level`). The last certificate is not
/// trusted because of its signature, so that is not checked.
fn check_strength(chain: &[Facts<'_>], count: usize) -> Result<(), Fault> {
    for (depth, facts) in chain.iter().enumerate() {
        refuse(depth > 0 && facts.has_weak_key(), Fault::WeakAuthorityKey)?;
        let is_last = depth + 1 == count;
        refuse(!is_last && facts.has_weak_signature(), Fault::WeakSignature)?;
    }
    Ok(())
}

/// Checks signatures and times, from the root down (`internal_verify`).
pub(super) fn check_signatures(chain: &[Facts<'_>], now: UnixTime) -> Result<(), Fault> {
    for (depth, facts) in chain.iter().enumerate().rev() {
        // A trusted certificate, or one signed by a root that is not here, has no signature to
        // check.
        if let Some(issuer) = chain.get(depth + 1) {
            let may_sign = issuer.allows(usage::CERTIFICATES);
            refuse(!may_sign, Fault::NoCertificateSigning)?;
            let is_wrong = facts.is_signed_by(issuer) == Some(false);
            refuse(is_wrong, Fault::BadSignature)?;
        }
        facts.fault_of_time(now)?;
    }
    Ok(())
}

/// Checks the time of a certificate that is itself trusted, which the library omits.
pub(super) fn check_last_time(chain: &[Facts<'_>], now: UnixTime) -> Result<(), Fault> {
    chain.last().map_or(Ok(()), |last| last.fault_of_time(now))
}

fn refuse(is_wrong: bool, fault: Fault) -> Result<(), Fault> {
    match is_wrong {
        true => Err(fault),
        false => Ok(()),
    }
}
