//! The parser of rules, and what it says about texts that are none.

use crate::host::{Host, HostError};
use crate::name::DnsName;
use crate::rule::{HostPattern, Rule};
use crate::target::Scheme;

/// Why a text is not a rule. Every message is one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RuleError {
    /// There is nothing.
    #[error("the rule is empty: write a host, such as 'example.com' or 'https://example.com:8443'")]
    Empty,
    /// A scheme other than http and https.
    #[error(
        "unknown scheme '{}': write 'http://' or 'https://', or leave the scheme out for both",
        .0.escape_debug()
    )]
    Scheme(String),
    /// User information before the host.
    #[error("a rule has no user information{}", instead(.0.as_deref()))]
    Userinfo(Option<String>),
    /// Something after host and port.
    #[error("a rule has no path, query or fragment{}", instead(.0.as_deref()))]
    Path(Option<String>),
    /// A range of addresses.
    #[error("a rule has no range of addresses: write one rule for each address")]
    AddressRange,
    /// There is no host.
    #[error("the rule has no host: write one, such as 'example.com'")]
    NoHost,
    /// `*`, which would allow everything.
    #[error("'*' would allow every host: name the hosts, such as 'example.com' or '*.example.com'")]
    Everything,
    /// `*.com`, which would allow a whole top-level domain.
    #[error(
        "'*.{0}' would allow a whole top-level domain: name more of it, such as '*.example.{0}'"
    )]
    TooBroad(DnsName),
    /// A star that is not the whole first label, or not before a name.
    #[error("'*' can only stand for the labels before a domain{}", instead(.0.as_deref()))]
    Wildcard(Option<String>),
    /// An IPv6 address without brackets.
    #[error("an IPv6 address needs brackets: write '[{0}]' or '[{0}]:8080'")]
    BareIpv6(String),
    /// A port that is not a number from 1 to 65535.
    #[error(
        "'{}' is not a port: write a number from 1 to 65535 without leading zeros",
        .0.escape_debug()
    )]
    Port(String),
    /// A host that does not parse.
    #[error(transparent)]
    Host(#[from] HostError),
}

/// The second half of a message: what to write instead.
fn instead(suggestion: Option<&str>) -> String {
    suggestion.map_or_else(String::new, |text| format!(": write '{text}'"))
}

/// Parses `[SCHEME://]HOST[:PORT]`.
pub(super) fn parse(text: &str) -> Result<Rule, RuleError> {
    if text.is_empty() {
        return Err(RuleError::Empty);
    }
    if let Some(c) = text
        .chars()
        .find(|c| c.is_whitespace() || c.is_control() || *c == '\\')
    {
        return Err(HostError::Character(c).into());
    }
    let (scheme, rest) = split_scheme(text)?;
    let prefix = &text[..text.len() - rest.len()];
    let with_prefix = |rest: &str| suggest(&format!("{prefix}{rest}"));
    if let Some((authority, tail)) = rest.find(['/', '?', '#']).map(|at| rest.split_at(at)) {
        let address = authority.trim_matches(['[', ']']);
        let is_range = tail.len() > 1 && tail[1..].bytes().all(|b| b.is_ascii_digit());
        return Err(match Host::parse(address) {
            Ok(Host::Ip(_)) if is_range => RuleError::AddressRange,
            _ => RuleError::Path(with_prefix(authority)),
        });
    }
    if let Some((_, after)) = rest.rsplit_once('@') {
        return Err(RuleError::Userinfo(with_prefix(after)));
    }
    let (host, port) = split_port(rest)?;
    let host = parse_host(host, |host| {
        with_prefix(&format!("{host}{}", port_text(port)))
    })?;
    Ok(Rule::new(text, scheme, host, port))
}

/// A suggestion, unless it is itself no rule.
fn suggest(text: &str) -> Option<String> {
    parse(text).is_ok().then(|| text.to_owned())
}

fn port_text(port: Option<u16>) -> String {
    port.map_or_else(String::new, |port| format!(":{port}"))
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

/// Splits the port off. An IPv6 address keeps its brackets.
fn split_port(text: &str) -> Result<(&str, Option<u16>), RuleError> {
    let host_end = match text.find(']') {
        Some(bracket) if text.starts_with('[') => bracket + 1,
        _ => match text.split_once(':') {
            Some((_, after)) if after.contains(':') => return Err(bare_ipv6(text)),
            Some((host, _)) => host.len(),
            None => text.len(),
        },
    };
    let (host, port) = text.split_at(host_end);
    match port.strip_prefix(':') {
        Some(port) => Ok((host, Some(parse_port(port)?))),
        None if port.is_empty() => Ok((host, None)),
        None => Err(HostError::Brackets.into()),
    }
}

fn bare_ipv6(text: &str) -> RuleError {
    match Host::parse(text) {
        Ok(_) => RuleError::BareIpv6(text.to_owned()),
        Err(error) => error.into(),
    }
}

/// Leading zeros and signs are refused: elsewhere they could mean octal, or nothing.
fn parse_port(text: &str) -> Result<u16, RuleError> {
    let plain = text.starts_with(|c: char| matches!(c, '1'..='9'))
        && text.bytes().all(|b| b.is_ascii_digit());
    let port = plain.then(|| text.parse().ok()).flatten();
    port.ok_or_else(|| RuleError::Port(text.to_owned()))
}

fn parse_host(
    text: &str,
    suggest: impl Fn(&str) -> Option<String>,
) -> Result<HostPattern, RuleError> {
    if text.is_empty() {
        return Err(RuleError::NoHost);
    }
    if text.contains('*') {
        return parse_wildcard(text, suggest);
    }
    let Some(inner) = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    else {
        return Ok(HostPattern::Exact(Host::parse(text)?));
    };
    match Host::parse(inner)? {
        host @ Host::Ip(std::net::IpAddr::V6(_)) => Ok(HostPattern::Exact(host)),
        _ => Err(HostError::Brackets.into()),
    }
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
        Host::Name(name) if name.contains('.') => Ok(HostPattern::Subdomains(name)),
        Host::Name(name) => Err(RuleError::TooBroad(name)),
        Host::Ip(_) => Err(RuleError::Wildcard(None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The error messages of these texts all have to be `message`.
    fn refuse(message: &str, texts: &[&str]) {
        for text in texts {
            match text.parse::<Rule>() {
                Ok(_) => panic!("{text:?} is a rule"),
                Err(error) => assert_eq!(error.to_string(), message, "{text:?}"),
            }
        }
    }

    #[test]
    fn what_is_not_scheme_host_and_port_is_refused_with_what_to_write_instead() {
        refuse(
            "the rule is empty: write a host, such as 'example.com' or 'https://example.com:8443'",
            &[""],
        );
        refuse(
            "unknown scheme 'ftp': write 'http://' or 'https://', or leave the scheme out for both",
            &["ftp://example.com", "ftp:///etc/passwd"],
        );
        refuse(
            "a rule has no user information: write 'https://example.com:8443'",
            &[
                "https://user:pw@example.com:8443",
                "https://a@b@example.com:8443",
            ],
        );
        refuse(
            "a rule has no path, query or fragment: write 'https://example.com:8443'",
            &[
                "https://example.com:8443/",
                "https://example.com:8443?q",
                "https://example.com:8443#f/",
            ],
        );
        refuse(
            "a rule has no path, query or fragment",
            &["//example.com", "a..b/c"],
        );
        refuse(
            "a rule has no range of addresses: write one rule for each address",
            &["10.0.0.0/8", "[fd00::]/8", "fd00::/8"],
        );
    }

    #[test]
    fn patterns_that_allow_more_than_they_seem_to_are_refused() {
        refuse(
            "'*' would allow every host: name the hosts, such as 'example.com' or '*.example.com'",
            &["*", "*:443", "https://*"],
        );
        refuse(
            "'*.com' would allow a whole top-level domain: name more of it, \
             such as '*.example.com'",
            &["*.com", "https://*.com:8443"],
        );
        refuse(
            "'*' can only stand for the labels before a domain: write '*.example.com'",
            &[
                "*example.com",
                "**.example.com",
                "*.*.example.com",
                "a.*.example.com",
            ],
        );
        refuse(
            "'*' can only stand for the labels before a domain: write 'https://*.example.com:8443'",
            &["https://*example.com:8443"],
        );
        refuse(
            "'*' can only stand for the labels before a domain",
            &["*com", "example.*", "a*.com", "**", "*.192.0.2.1"],
        );
    }

    #[test]
    fn hosts_are_refused_in_every_spelling_but_the_plain_one() {
        refuse(
            "the rule has no host: write one, such as 'example.com'",
            &["https://", ":8080", "https://:8080"],
        );
        refuse("the host is empty", &["*.", "[]", "."]);
        refuse(
            "' ' cannot be part of a host name",
            &[" example.com", "example.com ", "a b"],
        );
        refuse(
            "'\\n' cannot be part of a host name",
            &["example.com\n", "https://\n", "a:80\n"],
        );
        refuse(
            "'\\\\' cannot be part of a host name",
            &["example.com\\x", "a.test\\@b.test"],
        );
        refuse("',' cannot be part of a host name", &["a.test,b.test"]);
        refuse(
            "an IPv6 address needs brackets: write '[::1]' or '[::1]:8080'",
            &["::1", "https://::1"],
        );
        refuse(
            "not an IPv6 address, and names have no colon",
            &["example.com:80:90", "[a:b]"],
        );
        refuse(
            "brackets are misplaced: they go around an IPv6 address only",
            &[
                "[::1",
                "::1]",
                "[::1]x",
                "[[::1]]",
                "[192.0.2.1]",
                "[a.test]",
            ],
        );
        refuse(
            "IPv6 zone identifiers ('%eth0') are not accepted",
            &["[fe80::1%eth0]"],
        );
        refuse(
            "not an IPv4 address in its standard form: four decimal numbers, as in '192.0.2.1'",
            &[
                "127.1",
                "2130706433",
                "0x7f.1",
                "0177.0.0.1",
                "127.0.0.1.",
                "127.0.0.256",
            ],
        );
        refuse(
            "not a valid internationalised name: write it in lower case, or in its 'xn--' form",
            &[
                "\u{ff45}\u{ff58}\u{ff41}\u{ff4d}\u{ff50}\u{ff4c}\u{ff45}.com",
                "*.\u{ff45}\u{ff58}\u{ff41}\u{ff4d}\u{ff50}\u{ff4c}\u{ff45}.com",
            ],
        );
    }

    #[test]
    fn ports_are_plain_numbers_from_1_to_65535() {
        for port in [
            "",
            "0",
            "080",
            "65536",
            "99999999999",
            "+80",
            "-1",
            "80-90",
            "*",
            "0x50",
            "http",
        ] {
            refuse(
                &format!(
                    "'{port}' is not a port: write a number from 1 to 65535 without leading zeros"
                ),
                &[&format!("a.test:{port}"), &format!("[::1]:{port}")],
            );
        }
        for port in ["1", "80", "65535"] {
            assert!(format!("a.test:{port}").parse::<Rule>().is_ok());
        }
    }
}
