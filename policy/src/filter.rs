//! The address filter: at which addresses an allowed host may be dialled.

use std::net::IpAddr;

use crate::address::{AddressClass, carried_addresses, classify};
use crate::address_set::AddressPattern;
use crate::document::Mode;
use crate::host::Host;
use crate::host_pattern::HostPattern;
use crate::rule::Rule;

/// The addresses of one host that a policy permits for one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AddressFilter {
    host: Host,
    /// For each scheme that is still possible, the filters of the policy's layers.
    schemes: Vec<Vec<LayerFilter>>,
}

/// Where an address leads. A service that listens on an address of this machine may trust local
/// clients, whatever network the address is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leads {
    /// To this machine itself: permitted like loopback, by rules that name it.
    Here,
    /// To another machine.
    Elsewhere,
}

/// The filter of one layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LayerFilter {
    opened: Vec<AddressPattern>,
    /// Whether a rule names the host's address, rather than matching it only by `any`.
    is_named: bool,
    forbidden: Vec<HostPattern>,
    is_lenient: bool,
}

impl AddressFilter {
    pub(crate) fn new(host: Host, schemes: Vec<Vec<LayerFilter>>) -> Self {
        Self { host, schemes }
    }

    /// Whether the address may be dialled.
    pub(crate) fn permits(&self, address: IpAddr, leads: Leads) -> bool {
        self.all(|layer| layer.lets_pass(&self.host, address, leads))
    }

    /// Whether the address could be dialled if every mode were `enforce`.
    pub(crate) fn opens(&self, address: IpAddr, leads: Leads) -> bool {
        self.all(|layer| layer.opens(&self.host, address, leads))
    }

    fn all(&self, says_yes: impl Fn(&LayerFilter) -> bool) -> bool {
        let mut schemes = self.schemes.iter();
        schemes.any(|layers| layers.iter().all(&says_yes))
    }
}

impl LayerFilter {
    /// `granting` are the rules that allow the request. Without any, a mode allows it, and only
    /// public addresses are permitted. `denying` are the rules that may forbid addresses for it.
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
        let is_any = |rule: &&Rule| rule.host == HostPattern::Any;
        Self {
            opened,
            is_named: granting.is_empty() || !granting.iter().all(is_any),
            forbidden: denying.map(|rule| rule.host.clone()).collect(),
            is_lenient: mode == Mode::Report,
        }
    }

    fn opens(&self, host: &Host, address: IpAddr, leads: Leads) -> bool {
        let canonical = address.to_canonical();
        let grants = |pattern: &AddressPattern| match (pattern, leads) {
            (AddressPattern::Public, Leads::Here) => false,
            (pattern, _) => pattern.grants(address),
        };
        let is_opened = match host {
            Host::Ip(own) => {
                own.to_canonical() == canonical && (self.is_named || leads == Leads::Elsewhere)
            }
            name if name.is_localhost() => canonical.is_loopback(),
            Host::Name(_) => self.opened.iter().any(grants),
        };
        let is_forbidden = |pattern: &HostPattern| pattern.forbids_address(address);
        is_opened && !self.forbidden.iter().any(is_forbidden)
    }

    fn lets_pass(&self, host: &Host, address: IpAddr, leads: Leads) -> bool {
        let is_metadata = |address| classify(address) == AddressClass::Metadata;
        let any_metadata = || is_metadata(address) || carried_addresses(address).any(is_metadata);
        self.opens(host, address, leads) || (self.is_lenient && !any_metadata())
    }
}
