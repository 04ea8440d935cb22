//! Warns about valid policies that are probably not what was intended.

mod budgets;
mod methods;
mod reach;
mod tunnels;

use std::collections::{HashMap, HashSet};

use sandbox_net::policy::{
    Decision, Document, Endpoint, Host, Mode, Operation, Policy, Rule, Secret, TlsOverride,
    TlsOverrides, decide,
};

/// Everything in a document that looks like a mistake, one line each.
pub(super) fn warnings(document: &Document) -> Vec<String> {
    let mut warnings = Vec::new();
    if document.mode == Mode::Report {
        warnings.push("mode 'report' lets everything pass".to_owned());
    }
    let policy = Policy::from(document.clone());
    if policy.denies_everything() {
        let tunnels = match document.tunnel.is_empty() {
            true => "",
            false => ", and native programs have only the tunnels",
        };
        let warning = format!("no rule allows anything: a sandbox has no network{tunnels}");
        warnings.push(warning);
    }
    let any = document.allow.iter().filter(|rule| is_any(rule));
    warnings.extend(any.map(|rule| format!("'{rule}' allows every name and every public address")));
    for (list, rules) in [
        ("allow", &document.allow),
        ("deny", &document.deny),
        ("ask", &document.ask),
    ] {
        let twins = twins(rules).into_iter();
        warnings.extend(twins.map(|rule| format!("'{rule}' is in '{list}' twice")));
    }
    for grants in &document.fields {
        let any = grants.hosts.iter().filter(|rule| is_any(rule));
        warnings.extend(any.map(|rule| {
            let names = grants.names.join(", ");
            format!("'{rule}' of 'field' grants {names} for every host")
        }));
    }
    for grants in &document.tls {
        let any = grants.hosts.iter().filter(|rule| is_any(rule));
        warnings.extend(any.map(|rule| {
            let settings: Vec<_> = grants.settings().map(TlsOverride::as_str).collect();
            format!(
                "'{rule}' of 'tls' grants {} for every host",
                settings.join(", ")
            )
        }));
    }
    let allowed: HashSet<_> = document.allow.iter().map(Rule::as_str).collect();
    let asked = document.ask.iter().map(Rule::as_str);
    let asked = asked.filter(|rule| allowed.contains(rule));
    warnings.extend(asked.map(|rule| {
        format!("'{rule}' of 'allow' has no effect: it is in 'ask' too, so that it is asked")
    }));
    warnings.extend(methods::unknown(document));
    warnings.extend(shadowed(document));
    warnings.extend(reach::shared_domains(document));
    warnings.extend(reach::weak_denials(document));
    warnings.extend(reach::needless_fields(document));
    warnings.extend(tunnels::about(document));
    warnings.extend(budgets::that_never_bind(document));
    let plain = plain_http_rules(document);
    for secret in &document.secrets {
        warnings.extend(about_secret(secret, &policy));
        let host = Parts::of(&secret.rule).host.to_ascii_lowercase();
        if let Some(rule) = plain.get(&host).filter(|_| !secret.plain_http) {
            let name = &secret.name;
            warnings.push(format!(
                "'{rule}' allows requests without TLS to the host of secret '{name}', which is not \
                 sent in them"
            ));
        }
    }
    warnings
}

/// The rules only for plain HTTP, by their hosts.
fn plain_http_rules(document: &Document) -> HashMap<String, &Rule> {
    let rules = document.allow.iter().chain(&document.ask);
    let plain = rules.filter_map(|rule| {
        let parts = Parts::of(rule);
        let is_plain = parts.scheme.eq_ignore_ascii_case("http://");
        is_plain.then(|| (parts.host.to_ascii_lowercase(), rule))
    });
    plain.collect()
}

/// A rule's text, split roughly: only rules that parse are inspected.
struct Parts<'a> {
    /// The methods, followed by a space; empty if there are none.
    methods: &'a str,
    /// `https://`, or empty.
    scheme: &'a str,
    host: &'a str,
    /// `:443`, or empty.
    port: &'a str,
    /// Empty if there is none.
    path: &'a str,
}

impl<'a> Parts<'a> {
    fn of(rule: &'a Rule) -> Self {
        let text = rule.as_str().split(" to ").next().unwrap_or_default();
        let target = text.find(' ').map_or(0, |space| space + 1);
        let (methods, target) = text.split_at(target);
        let rest = target.find("://").map_or(0, |end| end + "://".len());
        let (scheme, rest) = target.split_at(rest);
        let bracket = rest.find(']').filter(|_| rest.starts_with('['));
        let from = bracket.unwrap_or(0);
        let end = rest[from..].find([':', '/']);
        let (host, rest) = rest.split_at(end.map_or(rest.len(), |end| from + end));
        let path = match rest.starts_with(':') {
            true => rest.find('/').unwrap_or(rest.len()),
            false => 0,
        };
        let (port, path) = rest.split_at(path);
        Self {
            methods,
            scheme,
            host,
            port,
            path,
        }
    }
}

/// Whether the rule is for a network of addresses.
fn is_network(rule: &Rule) -> bool {
    let Parts { host, path, .. } = Parts::of(rule);
    let is_address = |host: &str| matches!(Host::parse(host), Ok(Host::Ip(_)));
    let after = path.strip_prefix('/').unwrap_or_default();
    let digits = after.split([':', '/']).next().unwrap_or_default();
    let is_prefix = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    host.contains('/') || (is_address(host) && is_prefix)
}

fn is_any(rule: &Rule) -> bool {
    Parts::of(rule).host.eq_ignore_ascii_case("any")
}

/// The texts that occur more than once.
fn twins(rules: &[Rule]) -> Vec<&str> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    let mut twins = Vec::new();
    for rule in rules.iter().map(Rule::as_str) {
        let count = counts.entry(rule).or_default();
        *count += 1;
        if *count == 2 {
            twins.push(rule);
        }
    }
    twins
}

/// The rules that a single denying rule makes useless. The candidates are looked up by their texts,
/// so that the time is proportional to the document's length.
fn shadowed(document: &Document) -> Vec<String> {
    let deny = document.deny.iter();
    let deny: HashMap<_, _> = deny.map(|rule| (rule.as_str(), rule)).collect();
    let mut warnings = Vec::new();
    for (list, rules) in [("allow", &document.allow), ("ask", &document.ask)] {
        for rule in rules {
            let keys = keys(rule);
            let found = keys.iter().filter_map(|key| deny.get(&**key));
            if let Some(deny) = found.into_iter().find(|deny| leaves_nothing(deny, rule)) {
                warnings.push(format!(
                    "'{rule}' of '{list}' never matters: '{deny}' of 'deny' denies all of it"
                ));
            }
        }
    }
    warnings
}

/// The texts of rules that may match all that this one matches.
fn keys(rule: &Rule) -> Vec<String> {
    let parts = Parts::of(rule);
    let mut keys = vec![rule.as_str().to_owned()];
    for scheme in [parts.scheme, ""] {
        for port in [parts.port, ""] {
            let origin = format!("{scheme}{}{port}", parts.host);
            keys.push(format!("{}{origin}{}", parts.methods, parts.path));
            keys.push(format!("{origin}{}", parts.path));
            keys.push(origin);
        }
    }
    keys
}

/// Whether a rule that denies matches everything that the other matches. A rule matches no less
/// when it denies than when it allows, so it is enough to compare the two as rules that allow; but
/// without a port, a rule that denies matches every port.
fn leaves_nothing(deny: &Rule, rule: &Rule) -> bool {
    let parts = Parts::of(rule);
    let port = match Parts::of(deny).port {
        "" => "",
        _ => parts.port,
    };
    let (methods, scheme, host, path) = (parts.methods, parts.scheme, parts.host, parts.path);
    let rule = format!("{methods}{scheme}{host}{port}{path}");
    let Ok(rule) = Rule::parse_deny(&rule) else {
        return false;
    };
    Policy::allow([deny.clone()]).covers(&Policy::allow([rule]))
}

fn about_secret(secret: &Secret, policy: &Policy) -> Vec<String> {
    let name = &secret.name;
    let mut warnings = Vec::new();
    if secret.plain_http {
        warnings.push(format!(
            "secret '{name}' is also sent without TLS, where anybody on the way can read it"
        ));
    }
    if is_unreachable(secret, policy) {
        warnings.push(format!(
            "secret '{name}' is never used: no rule allows its host"
        ));
    } else if !policy.may_reach(&secret.rule) {
        warnings.push(format!(
            "secret '{name}' is never used: no rule allows a request that '{}' means",
            secret.rule
        ));
    }
    warnings
}

/// Whether no connection can be made for which the secret is meant; only for a single host and
/// port.
fn is_unreachable(secret: &Secret, policy: &Policy) -> bool {
    let parts = Parts::of(&secret.rule);
    let port = parts.port.strip_prefix(':').unwrap_or("443").parse();
    let host = parts.host.trim_start_matches('[').trim_end_matches(']');
    let endpoint = port.ok().and_then(|port| Endpoint::new(host, port).ok());
    let Some(endpoint) = endpoint.filter(|_| !secret.plain_http) else {
        return false;
    };
    let request = Operation::Tls {
        endpoint: &endpoint,
        server_name: None,
        tls: TlsOverrides::default(),
    };
    matches!(decide(&request, policy), Decision::Deny(_))
}
