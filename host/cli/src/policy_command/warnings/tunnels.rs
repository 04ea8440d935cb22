//! Warns about tunnels: they hide from the policy what they carry.

use std::collections::HashSet;

use sandbox_net::policy::{Document, Rule, TunnelGrant};

/// The most tunnels that are compared with the rules.
const MOST: usize = 100;

/// What is to be known about the tunnels of a document, one line each.
pub(super) fn about(document: &Document) -> Vec<String> {
    let mut warnings = Vec::new();
    let mut seen = HashSet::new();
    for grant in document.tunnel.iter().take(MOST) {
        if !seen.insert(grant.as_str()) {
            warnings.push(format!("'{grant}' is in 'tunnel' twice"));
            continue;
        }
        if let Some(deny) = document.deny.iter().find(|deny| grant.is_denied_by(deny)) {
            warnings.push(format!(
                "'{grant}' of 'tunnel' never matters: '{deny}' of 'deny' denies what it might carry"
            ));
            continue;
        }
        warnings.push(format!(
            "'{grant}' of 'tunnel' hides from the policy what native programs send there: methods, \
             paths and fields are not checked, and the audit log has only bytes"
        ));
        warnings.extend(contradictions(document, grant));
        warnings.extend(placeholders(document, grant));
    }
    warnings
}

/// Rules that name a method or a path where the tunnel carries any.
fn contradictions(document: &Document, grant: &TunnelGrant) -> Vec<String> {
    let rules = document.allow.iter();
    let bound = rules.filter(|rule| rule.names_head() && grant.may_carry(rule));
    let contradict = |rule: &Rule| {
        format!(
            "'{rule}' of 'allow' does not bind native programs: '{grant}' of 'tunnel' carries any \
             method and path to that host"
        )
    };
    bound.map(contradict).collect()
}

/// Secrets that are not put into what the tunnel carries.
fn placeholders(document: &Document, grant: &TunnelGrant) -> Vec<String> {
    let secrets = document.secrets.iter();
    let carried = secrets.filter(|secret| grant.may_carry(&secret.rule));
    let placeholder = carried.map(|secret| {
        format!(
            "secret '{}' is not put into what '{grant}' of 'tunnel' carries: the server gets the \
             placeholder",
            secret.name
        )
    });
    placeholder.collect()
}
