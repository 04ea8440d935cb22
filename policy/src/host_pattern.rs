//! Decides which hosts a rule matches.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::address::{AddressClass, carried_addresses, classify};
use crate::host::Host;
use crate::name::DnsName;

/// The hosts that a rule matches.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum HostPattern {
    /// Every name but `localhost`, and every public address: the word `any`.
    Any,
    /// This host.
    Exact(Host),
    /// Every name below this one.
    Subdomains(DnsName),
    /// Every address of this network, written as an address.
    Network(IpNet),
}

impl HostPattern {
    /// Whether a rule that allows something matches this host. In doubt, no: only a rule with the
    /// very address matches IPv4 in IPv6 or cloud metadata.
    pub(crate) fn grants(&self, host: &Host) -> bool {
        match (self, host) {
            (Self::Exact(exact), host) => exact == host,
            (Self::Any, Host::Name(_)) => !host.is_localhost(),
            (Self::Any, Host::Ip(address)) => classify(*address) == AddressClass::Public,
            (Self::Subdomains(domain), Host::Name(name)) => name.is_below(domain),
            (Self::Network(network), Host::Ip(address)) => network_grants(network, *address),
            (Self::Subdomains(_), Host::Ip(_)) | (Self::Network(_), Host::Name(_)) => false,
        }
    }

    /// Whether a rule that denies something matches this host. In doubt, yes: an address counts as
    /// every address that it carries.
    pub(crate) fn forbids(&self, host: &Host) -> bool {
        match (self, host) {
            (Self::Any, _) => true,
            (Self::Exact(exact), host) if exact == host => true,
            (Self::Subdomains(domain), Host::Name(name)) => name.is_below(domain),
            (pattern, Host::Ip(address)) => pattern.forbids_address(*address),
            _ => false,
        }
    }

    /// Whether a rule that denies something matches this address, whatever name led to it.
    pub(crate) fn forbids_address(&self, address: IpAddr) -> bool {
        let mut meant = std::iter::once(address).chain(carried_addresses(address));
        match self {
            Self::Exact(Host::Ip(own)) => meant
                .any(|one| own == &one || carried_addresses(*own).any(|carried| carried == one)),
            Self::Network(network) => meant.any(|one| network.contains(&one)),
            Self::Any | Self::Exact(Host::Name(_)) | Self::Subdomains(_) => false,
        }
    }

    /// Whether this matches every host that `inner` matches. In doubt, no.
    pub(crate) fn contains(&self, inner: &Self) -> bool {
        match (self, inner) {
            (outer, Self::Exact(host)) => outer.grants(host),
            (Self::Any, Self::Any | Self::Subdomains(_)) => true,
            (Self::Subdomains(outer), Self::Subdomains(inner)) => {
                outer == inner || inner.is_below(outer)
            }
            (Self::Network(outer), Self::Network(inner)) => outer.contains(inner),
            _ => false,
        }
    }

    /// Whether there may be a host that both match, by itself and not by the addresses of its name.
    pub(crate) fn shares_hosts_with(&self, other: &Self) -> bool {
        let is_address =
            |pattern: &Self| matches!(pattern, Self::Network(_) | Self::Exact(Host::Ip(_)));
        let is_name =
            |pattern: &Self| matches!(pattern, Self::Subdomains(_) | Self::Exact(Host::Name(_)));
        let differ = (is_address(self) && is_name(other)) || (is_name(self) && is_address(other));
        !differ && self.touches(other)
    }

    /// Whether a denying rule with this pattern can affect what `granted` allows. In doubt, yes.
    pub(crate) fn touches(&self, granted: &Self) -> bool {
        let name = |pattern: &Self| match pattern {
            Self::Exact(Host::Name(name)) => Some((name.clone(), false)),
            Self::Subdomains(name) => Some((name.clone(), true)),
            _ => None,
        };
        match (name(self), name(granted)) {
            (Some((a, a_below)), Some((b, b_below))) => {
                (a == b && a_below == b_below)
                    || (a_below && b.is_below(&a))
                    || (b_below && a.is_below(&b))
            }
            // A name does not forbid addresses.
            (Some(_), None) => matches!(granted, Self::Any),
            (None, _) => true,
        }
    }
}

/// Whether a network permits an address inside it. Addresses that carry others are excluded unless
/// all of them are public, and so is cloud metadata.
pub(crate) fn network_grants(network: &IpNet, address: IpAddr) -> bool {
    let class = classify(address);
    let is_plain = carried_addresses(address).next().is_none();
    network.contains(&address)
        && class != AddressClass::Metadata
        && (is_plain || class == AddressClass::Public)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::Rule;

    fn pattern(text: &str) -> HostPattern {
        Rule::parse_deny(text).unwrap().host().clone()
    }

    #[test]
    #[rustfmt::skip] // one row a line
    fn granting_is_narrow_and_forbidding_is_wide() {
        for (text, host, grants, forbids) in [
            ("any", "a.test", true, true),
            ("any", "8.8.8.8", true, true),
            ("any", "10.0.0.1", false, true),
            ("any", "169.254.169.254", false, true),
            ("any", "::ffff:10.0.0.1", false, true),
            ("any", "localhost", false, true),
            ("a.test", "a.test", true, true),
            ("a.test", "b.a.test", false, false),
            ("*.a.test", "b.a.test", true, true),
            ("*.a.test", "a.test", false, false),
            ("10.0.0.0/8", "10.1.2.3", true, true),
            ("10.0.0.0/8", "11.0.0.0", false, false),
            ("10.0.0.0/8", "9.255.255.255", false, false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", false, true),
            ("10.0.0.0/8", "64:ff9b::10.1.2.3", false, true),
            ("10.0.0.0/8", "2002:a01:203::", false, true),
            ("10.0.0.0/8", "a.test", false, false),
            ("169.254.0.0/16", "169.254.1.1", true, true),
            ("169.254.0.0/16", "169.254.169.254", false, true),
            ("169.254.169.254", "169.254.169.254", true, true),
            ("[fd00::/8]", "fd12::1", true, true),
            ("[fd00::/8]", "fd00:ec2::254", false, true),
            ("[2002::/16]", "2002:a01:203::", false, true),
            ("[2002::/16]", "2002:808:808::", true, true),
            ("127.0.0.1", "127.0.0.1", true, true),
            ("127.0.0.1", "::ffff:127.0.0.1", false, true),
            ("127.0.0.1", "127.0.0.2", false, false),
            ("[::ffff:127.0.0.1]", "127.0.0.1", false, true),
            ("[::ffff:127.0.0.1]", "::ffff:127.0.0.1", true, true),
        ] {
            let (pattern, host) = (pattern(text), Host::parse(host).unwrap());
            assert_eq!(pattern.grants(&host), grants, "{text} grants {host}");
            assert_eq!(pattern.forbids(&host), forbids, "{text} forbids {host}");
        }
    }

    #[test]
    fn containing_is_certain_and_touching_is_possible() {
        for (outer, inner, contains, touches) in [
            ("any", "a.test", true, true),
            ("any", "*.a.test", true, true),
            ("any", "10.0.0.1", false, true),
            ("any", "localhost", false, true),
            ("*.a.test", "*.b.a.test", true, true),
            ("*.b.a.test", "*.a.test", false, true),
            ("*.a.test", "b.a.test", true, true),
            ("*.a.test", "a.test", false, false),
            ("a.test", "a.test", true, true),
            ("a.test", "b.test", false, false),
            ("a.test", "10.0.0.1", false, false),
            ("a.test", "any", false, true),
            ("10.0.0.0/8", "10.1.0.0/16", true, true),
            ("10.1.0.0/16", "10.0.0.0/8", false, true),
            ("10.0.0.0/8", "10.0.0.1", true, true),
            ("10.0.0.0/8", "a.test", false, true),
        ] {
            let (a, b) = (pattern(outer), pattern(inner));
            assert_eq!(a.contains(&b), contains, "{outer} contains {inner}");
            assert_eq!(a.touches(&b), touches, "{outer} touches {inner}");
        }
    }
}
