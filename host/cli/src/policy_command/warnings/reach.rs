//! Warns about rules that match more than they seem to, or less.

use sandbox_net::policy::{Document, Host, Rule};

use super::{Parts, is_any};

/// The most hosts of one grant that are compared with the rules.
const MOST: usize = 1000;

/// Wildcards for names that anybody can have, one line each.
pub(super) fn shared_domains(document: &Document) -> Vec<String> {
    let lists = [("allow", &document.allow), ("ask", &document.ask)];
    let rules = lists
        .into_iter()
        .flat_map(|(list, rules)| named(list, rules));
    let tls = document
        .tls
        .iter()
        .flat_map(|grants| named("tls", &grants.hosts));
    let fields = document
        .fields
        .iter()
        .flat_map(|grants| named("field", &grants.hosts));
    let rules = rules
        .chain(tls)
        .chain(fields)
        .map(|(list, rule)| (format!("'{list}'"), rule));
    let secrets = document.secrets.iter();
    let secrets = secrets.map(|secret| (format!("secret '{}'", secret.name), &secret.rule));
    let shared = rules.chain(secrets).filter_map(|(place, rule)| {
        let domain = rule.shared_domain()?;
        Some(format!(
            "'{rule}' of {place} covers names that anybody can register, since '{domain}' is \
             shared; list the hosts themselves"
        ))
    });
    shared.collect()
}

fn named<'a>(
    list: &'static str,
    rules: &'a [Rule],
) -> impl Iterator<Item = (&'static str, &'a Rule)> {
    rules.iter().map(move |rule| (list, rule))
}

/// Rules that deny less than they seem to, one line each.
pub(super) fn weak_denials(document: &Document) -> Vec<String> {
    let mut warnings = Vec::new();
    let any = document
        .allow
        .iter()
        .chain(&document.ask)
        .find(|rule| is_any(rule));
    for rule in &document.deny {
        if let Some(any) = any.filter(|_| is_name(rule)) {
            warnings.push(format!(
                "'{rule}' of 'deny' denies that name only: '{any}' still allows the same server by \
                 its address and by every other name; deny its addresses too"
            ));
        }
        if let Some((_, to)) = rule.as_str().split_once(" to ") {
            warnings.push(format!(
                "'{rule}' of 'deny': 'to {to}' has no effect in a rule that denies; deny the \
                 addresses themselves"
            ));
        }
    }
    warnings
}

fn is_name(rule: &Rule) -> bool {
    let host = Parts::of(rule).host;
    let domain = host.strip_prefix("*.").unwrap_or(host);
    !is_any(rule) && matches!(Host::parse(domain), Ok(Host::Name(_)))
}

/// Grants of fields that are not refused anyway, one line each.
pub(super) fn needless_fields(document: &Document) -> Vec<String> {
    let mut warnings = Vec::new();
    let rules = document
        .allow
        .iter()
        .chain(&document.ask)
        .chain(&document.deny);
    let heads: Vec<_> = rules.filter(|rule| rule.names_head()).collect();
    for grants in &document.fields {
        let hosts = grants.hosts.iter().take(MOST);
        let needless = hosts.filter(|host| !heads.iter().any(|rule| rule.shares_hosts_with(host)));
        warnings.extend(needless.map(|host| {
            format!(
                "'{host}' of 'field' has no effect: no rule for this host names a method or a \
                 path, so nothing is refused"
            )
        }));
    }
    warnings
}
