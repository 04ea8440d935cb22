//! Which addresses a connection may use, as far as is known what it will speak.

use std::net::IpAddr;

use crate::policy::{Checked, Denial, Endpoint, Origin, Policy, Route, Scheme};

/// An endpoint and the filter for its addresses. Every address passes here before it is dialled,
/// and before a connection to it that was kept is used again.
pub(crate) struct Reach {
    route: Checked<Route>,
    policy: Policy,
    origin: Option<Origin>,
}

impl Reach {
    /// A filter for a connection whose scheme is still open.
    pub(crate) fn new(route: Checked<Route>, policy: Policy) -> Self {
        Self {
            route,
            policy,
            origin: None,
        }
    }

    /// The scheme is known from now on, and only addresses that are open for it are permitted.
    pub(crate) fn settle(&mut self, scheme: Scheme) {
        let endpoint = self.route.endpoint.clone();
        self.origin = Some(Origin { scheme, endpoint });
    }

    /// The origin, once the scheme is known.
    pub(crate) fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.route.endpoint
    }

    pub(crate) fn permits(&self, address: IpAddr) -> bool {
        let fits_scheme = |origin| self.policy.check_address(origin, address).is_ok();
        self.route.permits(address) && self.origin.as_ref().is_none_or(fits_scheme)
    }

    /// The denial where no address is permitted.
    pub(crate) fn denial(&self) -> Denial {
        self.route.address_denial()
    }
}
