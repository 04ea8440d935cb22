//! Finds the names that a policy's rules can ever allow over TLS.

use std::net::IpAddr;

use sandbox_net_policy::{Host, Policy};

/// The names that an authority may certify.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Names {
    /// Each with everything below it: that is what a constraint of X.509 means.
    pub(crate) domains: Vec<String>,
    pub(crate) networks: Vec<(IpAddr, u8)>,
}

/// The names of a policy's rules; `None` if some rule, the mode or a hook may allow any name.
pub(crate) fn names(policy: &Policy, has_hook: bool) -> Option<Names> {
    if policy.reports_only() || (has_hook && policy.asks()) {
        return None;
    }
    let mut names = Names::default();
    for rule in policy.allow_rules().chain(policy.ask_rules()) {
        match pattern(rule.as_str())? {
            Pattern::Domain(name) if !names.domains.contains(&name) => names.domains.push(name),
            Pattern::Network(network) if !names.networks.contains(&network) => {
                names.networks.push(network);
            }
            Pattern::Domain(_) | Pattern::Network(_) => {}
        }
    }
    Some(names)
}

enum Pattern {
    Domain(String),
    Network((IpAddr, u8)),
}

/// The hosts of a rule; `None` if they may be any.
fn pattern(rule: &str) -> Option<Pattern> {
    let host = host_of(rule)?;
    if let Some(domain) = host.strip_prefix("*.") {
        return Some(Pattern::Domain(domain.to_ascii_lowercase()));
    }
    if let Some((address, prefix)) = host.split_once('/') {
        let address: IpAddr = address.parse().ok()?;
        return Some(Pattern::Network((address, prefix.parse().ok()?)));
    }
    match Host::parse(host).ok()? {
        Host::Ip(address) => {
            let whole = if address.is_ipv4() { 32 } else { 128 };
            Some(Pattern::Network((address, whole)))
        }
        Host::Name(name) if name.as_str() == "any" => None,
        Host::Name(name) => Some(Pattern::Domain(name.to_string())),
    }
}

/// The part `HOST` of `[METHODS] [SCHEME://]HOST[:PORT][/PATH] [to ADDRESSES]`, with the length of a
/// network; without brackets.
fn host_of(rule: &str) -> Option<&str> {
    let mut words = rule.split_ascii_whitespace();
    let first = words.next()?;
    let target = match words.next() {
        None | Some("to") => first,
        Some(second) => second,
    };
    let target = target.split_once("://").map_or(target, |(_, rest)| rest);
    if let Some(rest) = target.strip_prefix('[') {
        return rest.split_once(']').map(|(inside, _)| inside);
    }
    let network = target.split_once('/').and_then(|(address, rest)| {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let is_network = digits > 0 && address.parse::<IpAddr>().is_ok();
        is_network.then_some(&target[..=address.len() + digits])
    });
    let end = target.find([':', '/']).unwrap_or(target.len());
    Some(network.unwrap_or(&target[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandbox_net_policy::{Document, Mode};

    fn of(rules: &[&str]) -> Option<Names> {
        let rules = rules.iter().map(|rule| rule.parse().unwrap());
        names(&Policy::allow(rules), true)
    }

    #[test]
    fn the_names_of_rules_are_found_wherever_they_stand() {
        let found = of(&[
            "a.test",
            "GET,HEAD https://B.test:8443/x to 10.0.0.1",
            "*.c.test:1-2",
            "https://d.test to public",
            "a.test:80",
            "127.0.0.1:8080",
            "10.0.0.0/8:443",
            "https://[::1]:1/x",
            "[fd00::/8]",
        ]);
        let found = found.unwrap();
        assert_eq!(found.domains, ["a.test", "b.test", "c.test", "d.test"]);
        let networks: Vec<_> = (found.networks.iter())
            .map(|(address, prefix)| format!("{address}/{prefix}"))
            .collect();
        assert_eq!(
            networks,
            ["127.0.0.1/32", "10.0.0.0/8", "::1/128", "fd00::/8"]
        );
    }

    #[test]
    fn a_policy_that_may_allow_any_name_has_no_list_of_them() {
        assert_eq!(of(&["any"]), None);
        assert_eq!(of(&["a.test", "GET https://any:443/x"]), None);
        assert_eq!(of(&[]), Some(Names::default()));
        for (mode, has_list) in [
            (Mode::Enforce, true),
            (Mode::Ask, false),
            (Mode::Report, false),
        ] {
            let document = Document {
                mode,
                allow: vec!["a.test".parse().unwrap()],
                ..Document::default()
            };
            let policy = document.into();
            assert_eq!(names(&policy, true).is_some(), has_list, "{mode}");
            let without_hook = mode != Mode::Report;
            assert_eq!(names(&policy, false).is_some(), without_hook, "{mode}");
        }
    }

    #[test]
    fn rules_that_ask_count_too() {
        let document = Document {
            ask: vec!["b.test".parse().unwrap()],
            ..Document::default()
        };
        let found = names(&document.into(), false).unwrap();
        assert_eq!(found.domains, ["b.test"]);
    }
}
