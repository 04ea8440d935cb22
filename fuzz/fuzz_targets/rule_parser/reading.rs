//! A second reading of a rule, by its text alone, after the parser accepted it.

use std::net::{IpAddr, Ipv4Addr};

use sandbox_net_policy::Scheme;

/// The parts of a rule.
pub(crate) struct Reading<'a> {
    methods: Vec<&'a str>,
    scheme: Option<String>,
    host: Host<'a>,
    ports: Option<(u16, u16)>,
    path: Option<&'a str>,
}

enum Host<'a> {
    Any,
    Below(&'a str),
    Name(&'a str),
    Address(IpAddr),
    Network,
}

impl<'a> Reading<'a> {
    pub(crate) fn of(text: &'a str) -> Self {
        let words: Vec<&str> = text.split(' ').collect();
        let words = match words.as_slice() {
            [words @ .., "to", _] if !words.is_empty() => words,
            words => words,
        };
        let target = words.last().expect("a rule has words");
        let (scheme, rest) = match target.split_once("://") {
            Some((scheme, rest)) => (Some(scheme.to_ascii_lowercase()), rest),
            None => (None, *target),
        };
        let (host, rest) = split_host(rest);
        let (port, path) = match rest.find('/') {
            Some(slash) => (&rest[..slash], Some(&rest[slash..])),
            None => (rest, None),
        };
        let ports = port.strip_prefix(':').map(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let number = |text: &str| text.parse().expect("a port");
            (number(first), number(last))
        });
        Self {
            methods: match words {
                [methods, _] => methods.split(',').collect(),
                _ => Vec::new(),
            },
            scheme,
            host,
            ports,
            path,
        }
    }

    pub(crate) fn means_scheme(&self, scheme: Scheme) -> bool {
        self.scheme.as_deref().is_none_or(|s| s == scheme.as_str())
    }

    /// Whether a rule that grants matches the port.
    pub(crate) fn means_port(&self, scheme: Scheme, port: u16) -> bool {
        let only = scheme.default_port();
        let (first, last) = self.ports.unwrap_or((only, only));
        (first..=last).contains(&port)
    }

    /// The ports at which the matching range begins and ends.
    pub(crate) fn ports_around(&self, scheme: Scheme) -> Vec<u16> {
        let only = scheme.default_port();
        let (first, last) = self.ports.unwrap_or((only, only));
        let ports = [Some(first), Some(last), last.checked_add(1)];
        let before = first.checked_sub(1).filter(|port| *port != 0);
        ports.into_iter().chain([before]).flatten().collect()
    }

    /// A port that a rule that denies matches.
    pub(crate) fn denied_port(&self) -> u16 {
        self.ports.map_or(9, |(first, _)| first)
    }

    /// A host that the rule matches; `None` for a network.
    pub(crate) fn host(&self) -> Option<String> {
        match self.host {
            Host::Any => Some("name.test".to_owned()),
            Host::Below(domain) => Some(format!("x.{domain}")),
            Host::Name(name) => Some(name.to_owned()),
            Host::Address(address) => Some(address.to_string()),
            Host::Network => None,
        }
    }

    /// A similar host that the rule does not match.
    pub(crate) fn other_host(&self) -> Option<String> {
        match self.host {
            Host::Any => Some("localhost".to_owned()),
            Host::Below(domain) => Some(domain.to_owned()),
            Host::Name(name) => Some(format!("x.{name}")),
            Host::Address(IpAddr::V4(address)) => Some(address.to_ipv6_mapped().to_string()),
            Host::Address(IpAddr::V6(address)) => {
                Some(address.to_ipv4_mapped().map_or("::2", |_| "::3").to_owned())
                    .filter(|other| *other != address.to_string())
            }
            Host::Network => None,
        }
    }

    pub(crate) fn method(&self) -> &'a str {
        self.methods.first().unwrap_or(&"GET")
    }

    /// A method that the rule lacks, if it has any.
    pub(crate) fn other_method(&self) -> Option<String> {
        let longest = self.methods.iter().max_by_key(|method| method.len())?;
        Some(format!("{longest}X"))
    }

    /// A path that the pattern matches; `None` if it has bytes that are not text, which servers may
    /// read as others.
    pub(crate) fn path(&self) -> Option<String> {
        let path = self.path.unwrap_or("/any/path");
        let path = path.replace("**", "*").replace('*', "x");
        let decoded = decode(&path);
        std::str::from_utf8(&decoded).is_ok().then_some(path)
    }

    /// Paths that the pattern does not match.
    pub(crate) fn other_paths(&self) -> Vec<String> {
        let Some(pattern) = self.path else {
            return Vec::new();
        };
        let mut others = Vec::new();
        if !pattern.starts_with("/*") {
            others.extend(["/", "/%2e%2e", "*"].map(str::to_owned));
        }
        // One slash more than a pattern without '**' can match.
        if !pattern.contains("**") {
            others.push(format!("{}/x", pattern.replace('*', "x")));
        }
        others.retain(|path| path.starts_with('/'));
        others
    }
}

fn split_host(text: &str) -> (Host<'_>, &str) {
    if let Some(rest) = text.strip_prefix('[') {
        let (inside, after) = rest.split_once(']').expect("a bracket that closes");
        return match inside.parse() {
            Ok(address) => (Host::Address(address), after),
            Err(_) => (Host::Network, after),
        };
    }
    let end = text.find([':', '/']).unwrap_or(text.len());
    let (host, after) = text.split_at(end);
    if let Ok(address) = host.parse::<Ipv4Addr>() {
        let prefix = after.strip_prefix('/').unwrap_or_default();
        let digits = prefix.find([':', '/']).unwrap_or(prefix.len());
        let is_number = digits > 0 && prefix[..digits].bytes().all(|b| b.is_ascii_digit());
        return match is_number {
            true => (Host::Network, &prefix[digits..]),
            false => (Host::Address(address.into()), after),
        };
    }
    let host = match host.strip_prefix("*.") {
        Some(domain) => Host::Below(domain),
        None if host.eq_ignore_ascii_case("any") => Host::Any,
        None => Host::Name(host),
    };
    (host, after)
}

fn decode(path: &str) -> Vec<u8> {
    let mut pieces = path.split('%');
    let mut out = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        out.extend(u8::from_str_radix(&piece[..2], 16));
        out.extend_from_slice(&piece.as_bytes()[2..]);
    }
    out
}
