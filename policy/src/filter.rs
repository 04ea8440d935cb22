//! The address filter: at which addresses a host that rules allow may be dialled.

use std::net::IpAddr;

use crate::address::{AddressClass, carried_addresses, classify};
use crate::address_set::AddressPattern;
use crate::document::Mode;
use crate::host::Host;
use crate::host_pattern::HostPattern;
use crate::rule::Rule;

/// The addresses of one host that a policy opens for one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AddressFilter {
    host: Host,
    /// For each scheme that is possible yet, what each layer of the policy says.
    schemes: Vec<Vec<LayerFilter>>,
}

/// What one layer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LayerFilter {
    opened: Vec<AddressPattern>,
    forbidden: Vec<HostPattern>,
    is_lenient: bool,
}

impl AddressFilter {
    pub(crate) fn new(host: Host, schemes: Vec<Vec<LayerFilter>>) -> Self {
        Self { host, schemes }
    }

    /// Whether the address may be dialled.
    pub(crate) fn permits(&self, address: IpAddr) -> bool {
        self.all(|layer| layer.lets_pass(&self.host, address))
    }

    /// Whether the address may be dialled where every mode is `enforce`.
    pub(crate) fn opens(&self, address: IpAddr) -> bool {
        self.all(|layer| layer.opens(&self.host, address))
    }

    fn all(&self, says_yes: impl Fn(&LayerFilter) -> bool) -> bool {
        let mut schemes = self.schemes.iter();
        schemes.any(|layers| layers.iter().all(&says_yes))
    }
}

impl LayerFilter {
    /// `granting` are the rules that allow the request; without any, a mode lets it pass, and only
    /// public addresses are opened. `denying` are the rules that may forbid addresses for it.
    pub(crate) fn new<'p>(
        granting: &[&Rule],
        denying: impl Iterator<Item = &'p Rule>,
        mode: Mode,
    ) -> Self {
        let mut opened = Vec::new();
        for rule in granting {
            opened.extend(rule.to.iter().cloned());
        }
        if granting.is_empty() || granting.iter().any(|rule| rule.to.is_empty()) {
            opened.push(AddressPattern::Public);
        }
        opened.dedup();
        Self {
            opened,
            forbidden: denying.map(|rule| rule.host.clone()).collect(),
            is_lenient: mode == Mode::Report,
        }
    }

    fn opens(&self, host: &Host, address: IpAddr) -> bool {
        let canonical = address.to_canonical();
        let is_opened = match host {
            Host::Ip(own) => own.to_canonical() == canonical,
            name if name.is_localhost() => canonical.is_loopback(),
            Host::Name(_) => self.opened.iter().any(|pattern| pattern.grants(address)),
        };
        let is_forbidden = |pattern: &HostPattern| pattern.forbids_address(address);
        is_opened && !self.forbidden.iter().any(is_forbidden)
    }

    fn lets_pass(&self, host: &Host, address: IpAddr) -> bool {
        let is_metadata = |address| classify(address) == AddressClass::Metadata;
        let any_metadata = || is_metadata(address) || carried_addresses(address).any(is_metadata);
        self.opens(host, address) || (self.is_lenient && !any_metadata())
    }
}
