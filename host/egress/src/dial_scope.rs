//! Which addresses a connection may use, given what is known of its requests.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};

use crate::answers::DnsAnswer;
use crate::machine::Machine;
use sandbox_net_policy::{Addresses, Checked, Denial, Endpoint, Origin, Scheme, TunnelEndpoint};

/// An address to dial instead of those that the host's name resolves to.
#[derive(Debug, Clone)]
pub struct Pinned {
    address: IpAddr,
    /// Another port than the connection's own, with the filter of the rule that allows it.
    port: Option<(u16, Addresses)>,
}

impl From<IpAddr> for Pinned {
    fn from(address: IpAddr) -> Self {
        Self {
            address,
            port: None,
        }
    }
}

impl Pinned {
    /// Dials `address` at the port of `route`, which is checked too, instead of the connection's own.
    /// Both have to permit the address.
    #[must_use]
    pub fn through(address: IpAddr, route: &Checked<Endpoint>) -> Self {
        Self {
            address,
            port: Some((route.port, route.addresses())),
        }
    }
}

/// An endpoint and the filter for its addresses. Every address is checked here before it is
/// dialled, and before a kept connection to it is reused.
pub(crate) struct DialScope {
    endpoint: Endpoint,
    origin: Option<Origin>,
    addresses: Addresses,
    machine: Machine,
    pinned: Option<Pinned>,
    /// The result of a lookup, for the first dial only.
    found: Mutex<Option<DnsAnswer>>,
}

impl DialScope {
    /// A filter for a connection whose scheme is not known yet. With `pinned` it permits only that
    /// address, if the policy permits it.
    pub(crate) fn new(route: Checked<Endpoint>, pinned: Option<Pinned>, machine: Machine) -> Self {
        Self {
            addresses: route.addresses(),
            machine,
            endpoint: route.into_inner(),
            origin: None,
            pinned,
            found: Mutex::default(),
        }
    }

    /// A filter for a tunnel.
    pub(crate) fn of_tunnel(route: Checked<TunnelEndpoint>, machine: Machine) -> Self {
        Self {
            addresses: route.addresses(),
            machine,
            endpoint: route.endpoint().clone(),
            origin: None,
            pinned: None,
            found: Mutex::default(),
        }
    }

    /// Lets the first dial use these addresses of the host without a query; they are filtered like
    /// any others.
    pub(crate) fn with_found(self, answer: Option<DnsAnswer>) -> Self {
        Self {
            found: Mutex::new(answer),
            ..self
        }
    }

    /// Takes the addresses that a lookup found, once, if they are not too old.
    pub(crate) fn take_found(&self) -> Option<Vec<IpAddr>> {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.take().and_then(DnsAnswer::into_addresses)
    }

    /// Sets the scheme.
    pub(crate) fn settle(&mut self, scheme: Scheme) {
        let endpoint = self.endpoint.clone();
        self.origin = Some(Origin { scheme, endpoint });
    }

    /// From now on permits only what is permitted for `next`.
    pub(crate) fn narrow<T>(&mut self, next: &Checked<T>) {
        self.addresses = next.addresses();
    }

    /// The origin, once the scheme is known.
    pub(crate) fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The only address that may be dialled, if it is fixed.
    pub(crate) fn pinned(&self) -> Option<IpAddr> {
        self.pinned.as_ref().map(|pinned| pinned.address)
    }

    /// The port to dial.
    pub(crate) fn port(&self) -> u16 {
        let other = self.pinned.as_ref().and_then(|pinned| pinned.port.as_ref());
        other.map_or(self.endpoint.port, |(port, _)| *port)
    }

    /// Whether this address and port may be dialled, or used again.
    pub(crate) fn permits(&self, peer: SocketAddr) -> bool {
        let address = peer.ip();
        let is_pinned = self.pinned.as_ref().is_none_or(|pinned| {
            let other = pinned.port.as_ref();
            pinned.address == address
                && other.is_none_or(|(_, addresses)| self.machine.permits(addresses, address))
        });
        is_pinned && peer.port() == self.port() && self.machine.permits(&self.addresses, address)
    }

    /// The denial if no address is permitted.
    pub(crate) fn denial(&self, refused: Option<IpAddr>) -> Denial {
        self.addresses.denial(refused)
    }
}
