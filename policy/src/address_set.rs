//! The addresses at which a rule lets a name be dialled.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::address::{AddressClass, classify};
use crate::host_pattern::network_grants;

/// One entry of a rule's `to` list.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum AddressPattern {
    /// Every public address: the word `public`.
    Public,
    /// This address.
    Exact(IpAddr),
    /// Every address of this network.
    Network(IpNet),
}

impl AddressPattern {
    /// Whether the address may be dialled. IPv4 mapped into IPv6 is dialled as the IPv4 address, so
    /// both count as one.
    pub(crate) fn grants(&self, address: IpAddr) -> bool {
        match self {
            Self::Public => classify(address) == AddressClass::Public,
            Self::Exact(own) => own.to_canonical() == address.to_canonical(),
            Self::Network(network) => network_grants(network, address.to_canonical()),
        }
    }

    /// Whether every address of `inner` is one of these. In doubt, no.
    pub(crate) fn contains(&self, inner: &Self) -> bool {
        match (self, inner) {
            (outer, Self::Exact(address)) => outer.grants(*address),
            (Self::Public, Self::Public) => true,
            (Self::Network(outer), Self::Network(inner)) => outer.contains(inner),
            _ => false,
        }
    }
}

impl fmt::Display for AddressPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Public => f.write_str("public"),
            Self::Exact(address) => address.fmt(f),
            Self::Network(network) => network.fmt(f),
        }
    }
}
