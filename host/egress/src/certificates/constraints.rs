//! The names that authorities may sign for (RFC 5280 section 4.2.1.10).

use x509_parser::extensions::{GeneralName, GeneralSubtree};

use crate::certificates::facts::Facts;
use crate::certificates::fault::CertificateFault as Fault;

/// The most comparisons of a name with a constraint, as in OpenSSL.
const MOST_COMPARISONS: usize = 1 << 20;

/// Finds the constraint that a chain's names violate, if any: one authority after the other,
/// permitted names before excluded ones.
pub(super) fn check(chain: &[Facts<'_>]) -> Result<(), Fault> {
    for (depth, authority) in chain.iter().enumerate().skip(1).rev() {
        let Some(constraints) = authority.name_constraints() else {
            continue;
        };
        let permitted = constraints.permitted_subtrees.unwrap_or_default();
        let excluded = constraints.excluded_subtrees.unwrap_or_default();
        for below in chain[..depth].iter().rev() {
            let names = below.alternative_names().map(|found| found.value);
            let names = names.unwrap_or_default();
            if names.len() * (permitted.len() + excluded.len()) > MOST_COMPARISONS {
                return Err(Fault::Other);
            }
            for name in &names {
                check_name(name, &permitted, &excluded)?;
            }
        }
    }
    Ok(())
}

fn check_name(
    name: &GeneralName<'_>,
    permitted: &[GeneralSubtree<'_>],
    excluded: &[GeneralSubtree<'_>],
) -> Result<(), Fault> {
    let mut of_kind = permitted
        .iter()
        .filter_map(|tree| matches(name, &tree.base))
        .peekable();
    if of_kind.peek().is_some() && !of_kind.any(|fits| fits) {
        return Err(Fault::PermittedSubtree);
    }
    if excluded
        .iter()
        .any(|tree| matches(name, &tree.base) == Some(true))
    {
        return Err(Fault::ExcludedSubtree);
    }
    Ok(())
}

/// Whether a name is in a subtree; `None` if the two are of different kinds.
fn matches(name: &GeneralName<'_>, base: &GeneralName<'_>) -> Option<bool> {
    match (name, base) {
        (GeneralName::DNSName(name), GeneralName::DNSName(base)) => {
            let (name, base) = (name.to_ascii_lowercase(), base.to_ascii_lowercase());
            let base = base.trim_start_matches('.');
            let rest = name.strip_suffix(base);
            Some(rest.is_some_and(|rest| base.is_empty() || rest.is_empty() || rest.ends_with('.')))
        }
        (GeneralName::IPAddress(address), GeneralName::IPAddress(network)) => {
            let (base, mask) = network.split_at(network.len() / 2);
            let is_inside = || {
                let bytes = address.iter().zip(base).zip(mask);
                bytes.into_iter().all(|((a, b), m)| (a ^ b) & m == 0)
            };
            Some(address.len() == base.len() && is_inside())
        }
        _ => None,
    }
}
