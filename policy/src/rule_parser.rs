//! Parses rules.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use crate::address_set::AddressPattern;
use crate::host::Host;
use crate::host_error::HostError;
use crate::host_pattern::HostPattern;
use crate::name::DnsName;
use crate::path::PathPattern;
use crate::rule::{Ports, Rule};
use crate::rule_error::RuleError;
use crate::syntax::{NEVER_SENT, is_token};
use crate::target::Scheme;

const MAX_TEXT: usize = 4096;
/// The shortest prefixes of networks that a rule may grant.
const SHORTEST_V4: u8 = 8;
const SHORTEST_V6: u8 = 7;

impl FromStr for Rule {
    type Err = RuleError;

    /// Parses a rule that allows, or asks.
    ///
    /// # Errors
    ///
    /// A [`RuleError`] that says on one line what is wrong and, if possible, what to write instead.
    fn from_str(text: &str) -> Result<Self, RuleError> {
        let rule = parse(text)?;
        refuse_broad(&rule)?;
        Ok(rule)
    }
}

impl Rule {
    /// Parses a rule that denies. It may be as broad as its author likes: `*.com` is not an error
    /// there.
    ///
    /// # Errors
    ///
    /// As [`from_str`](Self::from_str).
    pub fn parse_deny(text: &str) -> Result<Self, RuleError> {
        parse(text)
    }
}

/// Parses `[METHODS] [SCHEME://]HOST[:PORT][/PATH] [to ADDRESSES]`, however broad it is.
fn parse(text: &str) -> Result<Rule, RuleError> {
    if text.is_empty() {
        return Err(RuleError::Empty);
    }
    if text.len() > MAX_TEXT {
        return Err(RuleError::TooLong);
    }
    let is_strange = |c: &char| (c.is_whitespace() && *c != ' ') || c.is_control() || *c == '\\';
    if let Some(c) = text.chars().find(is_strange) {
        return Err(HostError::Character(c).into());
    }
    let words: Vec<&str> = text.split(' ').collect();
    let (methods, target, to) = match *words {
        [target] => (None, target, None),
        [_, "to"] | ["to", _] => return Err(RuleError::Words),
        [methods, target] => (Some(methods), target, None),
        [target, "to", to] => (None, target, Some(to)),
        [methods, target, "to", to] => (Some(methods), target, Some(to)),
        _ => return Err(RuleError::Words),
    };
    let methods = methods.map_or(Ok(Vec::new()), parse_methods)?;
    let (scheme, rest) = split_scheme(target)?;
    let prefix = &target[..target.len() - rest.len()];
    let parts = split_target(prefix, rest)?;
    let to = to.map_or(Ok(Vec::new()), |to| parse_to(to, &parts.host))?;
    Ok(Rule {
        text: text.to_owned(),
        methods,
        scheme,
        host: parts.host,
        ports: parts.ports,
        path: parts.path,
        to,
    })
}

/// Refuses a rule that allows more than its author can intend.
pub(crate) fn refuse_broad(rule: &Rule) -> Result<(), RuleError> {
    let to = rule.to.iter().filter_map(|pattern| match pattern {
        AddressPattern::Network(network) => Some(network),
        _ => None,
    });
    let own = match &rule.host {
        HostPattern::Network(network) => Some(network),
        _ => None,
    };
    for network in own.into_iter().chain(to) {
        let shortest = match network {
            IpNet::V4(_) => SHORTEST_V4,
            IpNet::V6(_) => SHORTEST_V6,
        };
        if network.prefix_len() < shortest {
            return Err(RuleError::LargeNetwork(network.to_string()));
        }
    }
    match &rule.host {
        HostPattern::Subdomains(name) if is_public_suffix(name) => {
            Err(RuleError::TooBroad(name.clone()))
        }
        _ => Ok(()),
    }
}

/// Whether anybody can have a name below this one: a top-level domain, or what registries use like
/// one, such as `co.uk` (<https://publicsuffix.org>, its ICANN section).
fn is_public_suffix(name: &DnsName) -> bool {
    let is_suffix = |suffix: psl::Suffix<'_>| {
        suffix.typ() == Some(psl::Type::Icann) && suffix.as_bytes() == name.as_bytes()
    };
    !name.contains('.') || psl::suffix(name.as_bytes()).is_some_and(is_suffix)
}

fn parse_methods(text: &str) -> Result<Vec<String>, RuleError> {
    let mut methods = Vec::new();
    for method in text.split(',') {
        let is_lower = method.bytes().any(|b| b.is_ascii_lowercase());
        if !is_token(method.as_bytes()) || is_lower {
            return Err(RuleError::Methods(text.to_owned()));
        }
        if let Some(never) = NEVER_SENT.into_iter().find(|never| *never == method) {
            return Err(RuleError::NeverSent(never));
        }
        if !methods.iter().any(|known| known == method) {
            methods.push(method.to_owned());
        }
    }
    Ok(methods)
}

fn split_scheme(text: &str) -> Result<(Option<Scheme>, &str), RuleError> {
    let Some((name, rest)) = text.split_once("://") else {
        return Ok((None, text));
    };
    let scheme = Scheme::ALL
        .into_iter()
        .find(|s| s.as_str().eq_ignore_ascii_case(name));
    match scheme {
        Some(scheme) => Ok((Some(scheme), rest)),
        None => Err(RuleError::Scheme(name.to_owned())),
    }
}

/// The parts after the scheme.
struct Target {
    host: HostPattern,
    ports: Option<Ports>,
    path: Option<PathPattern>,
}

/// `prefix` is the scheme as written, for suggestions.
fn split_target(prefix: &str, text: &str) -> Result<Target, RuleError> {
    let suggest = |rest: &str| suggestion(&format!("{prefix}{rest}"));
    let authority = &text[..authority_end(text)];
    if let Some((_, after)) = authority.rsplit_once('@') {
        return Err(RuleError::Userinfo(suggest(after)));
    }
    let (host, after) = split_host(text)?;
    let (ports, path) = match after.strip_prefix(':') {
        Some(after) => {
            let end = after.find(['/', '?', '#']).unwrap_or(after.len());
            (Some(parse_ports(&after[..end])?), &after[end..])
        }
        None => (None, after),
    };
    let before_path = &text[..text.len() - path.len()];
    let host = match host {
        HostText::Pattern(text) => {
            let ports = &before_path[text.len()..];
            parse_host(text, |host| suggest(&format!("{host}{ports}")))?
        }
        HostText::Address(address) => HostPattern::Exact(Host::Ip(address)),
        HostText::Network(network) => HostPattern::Network(network),
    };
    let path = parse_path(path, before_path, suggest)?;
    Ok(Target { host, ports, path })
}

/// Where path, query or fragment begin. A slash in brackets belongs to a network.
fn authority_end(text: &str) -> usize {
    let bracket = text
        .find(']')
        .filter(|_| text.starts_with('['))
        .unwrap_or(0);
    let end = text[bracket..].find(['/', '?', '#']);
    end.map_or(text.len(), |end| bracket + end)
}

enum HostText<'a> {
    /// Anything that is not an address.
    Pattern(&'a str),
    Address(IpAddr),
    Network(IpNet),
}

/// Splits the host off: the rest begins with `:`, `/`, `?` or `#`, or is empty.
fn split_host(text: &str) -> Result<(HostText<'_>, &str), RuleError> {
    if let Some(rest) = text.strip_prefix('[') {
        let (inside, after) = rest.split_once(']').ok_or(HostError::Brackets)?;
        if !after.is_empty() && !after.starts_with([':', '/', '?', '#']) {
            return Err(HostError::Brackets.into());
        }
        return Ok((bracketed(inside)?, after));
    }
    let end = text.find([':', '/', '?', '#']).unwrap_or(text.len());
    let (host, after) = text.split_at(end);
    let authority = &text[..authority_end(text)];
    if authority.matches(':').count() > 1 {
        return Err(match Host::parse(authority) {
            Ok(_) => RuleError::BareIpv6(authority.to_owned()),
            Err(error) => error.into(),
        });
    }
    let Ok(Host::Ip(address)) = Host::parse(host) else {
        return Ok((HostText::Pattern(host), after));
    };
    let prefix = after.strip_prefix('/').unwrap_or_default();
    let end = prefix.find([':', '/', '?', '#']).unwrap_or(prefix.len());
    let (prefix, rest) = prefix.split_at(end);
    if prefix.is_empty() || !prefix.bytes().all(|b| b.is_ascii_digit()) {
        return Ok((HostText::Address(address), after));
    }
    Ok((HostText::Network(network(address, prefix)?), rest))
}

fn bracketed(inside: &str) -> Result<HostText<'_>, RuleError> {
    let (address, prefix) = match inside.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (inside, None),
    };
    match Host::parse(address)? {
        Host::Ip(address @ IpAddr::V6(_)) => Ok(match prefix {
            Some(prefix) => HostText::Network(network(address, prefix)?),
            None => HostText::Address(address),
        }),
        _ => Err(HostError::Brackets.into()),
    }
}

fn network(address: IpAddr, prefix: &str) -> Result<IpNet, RuleError> {
    let text = format!("{address}/{prefix}");
    let is_plain = prefix == "0" || prefix.starts_with(|c: char| matches!(c, '1'..='9'));
    let length = prefix.parse().ok().filter(|_| is_plain);
    let network = length.and_then(|length| IpNet::new(address, length).ok());
    let network = network.ok_or_else(|| RuleError::Network(text.clone()))?;
    if network.trunc() != network {
        return Err(RuleError::NetworkBits(text, network.trunc().to_string()));
    }
    Ok(network)
}

/// Refuses leading zeros and signs: elsewhere they could mean octal, or nothing.
fn parse_ports(text: &str) -> Result<Ports, RuleError> {
    let fault = || RuleError::Port(text.to_owned());
    let port = |text: &str| {
        let plain = text.starts_with(|c: char| matches!(c, '1'..='9'))
            && text.bytes().all(|b| b.is_ascii_digit());
        let port = plain.then(|| text.parse().ok()).flatten();
        port.ok_or_else(fault)
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (port(first)?, port(last)?);
    if first > last {
        return Err(fault());
    }
    Ok(Ports { first, last })
}

fn parse_host(
    text: &str,
    suggest: impl Fn(&str) -> Option<String>,
) -> Result<HostPattern, RuleError> {
    if text.is_empty() {
        return Err(RuleError::NoHost);
    }
    if text.eq_ignore_ascii_case("any") {
        return Ok(HostPattern::Any);
    }
    if text.contains('*') {
        return parse_wildcard(text, suggest);
    }
    Ok(HostPattern::Exact(Host::parse(text)?))
}

fn parse_wildcard(
    text: &str,
    suggest: impl Fn(&str) -> Option<String>,
) -> Result<HostPattern, RuleError> {
    if text == "*" {
        return Err(RuleError::Everything);
    }
    let domain = match text.strip_prefix("*.") {
        Some(domain) if !domain.contains('*') => domain,
        _ => {
            let domain = text
                .rsplit('*')
                .next()
                .unwrap_or_default()
                .trim_start_matches('.');
            return Err(RuleError::Wildcard(suggest(&format!("*.{domain}"))));
        }
    };
    match Host::parse(domain)? {
        Host::Name(name) => Ok(HostPattern::Subdomains(name)),
        Host::Ip(_) => Err(RuleError::Wildcard(None)),
    }
}

fn parse_path(
    text: &str,
    before: &str,
    suggest: impl Fn(&str) -> Option<String>,
) -> Result<Option<PathPattern>, RuleError> {
    if let Some(end) = text.find(['?', '#']) {
        let path = text[..end].trim_end_matches('/');
        return Err(RuleError::Query(suggest(&format!("{before}{path}"))));
    }
    match text {
        "" => Ok(None),
        "/" => Err(RuleError::Slash(before.to_owned())),
        path => Ok(Some(PathPattern::parse(path)?)),
    }
}

fn parse_to(text: &str, host: &HostPattern) -> Result<Vec<AddressPattern>, RuleError> {
    match host {
        HostPattern::Exact(Host::Ip(_)) => return Err(RuleError::ToWithoutName("an address")),
        HostPattern::Network(_) => return Err(RuleError::ToWithoutName("a network")),
        HostPattern::Exact(name) if name.is_localhost() => {
            return Err(RuleError::ToWithoutName("'localhost'"));
        }
        _ => {}
    }
    text.split(',').map(parse_address).collect()
}

fn parse_address(text: &str) -> Result<AddressPattern, RuleError> {
    let fault = || RuleError::To(text.to_owned());
    if text == "public" {
        return Ok(AddressPattern::Public);
    }
    let brackets = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
    let text = brackets.unwrap_or(text);
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().map_err(|_| fault())?;
    match prefix {
        Some(prefix) => Ok(AddressPattern::Network(network(address, prefix)?)),
        None => Ok(AddressPattern::Exact(address)),
    }
}

/// A suggestion, if it is a valid rule itself.
fn suggestion(text: &str) -> Option<String> {
    text.parse::<Rule>().is_ok().then(|| text.to_owned())
}

#[cfg(test)]
mod tests;
