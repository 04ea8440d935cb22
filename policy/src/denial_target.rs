//! What a denial is about: a connection, a request's origin, or a tunnel.

use std::fmt;

use crate::query::Query;
use crate::target::{Endpoint, Origin, Scheme};

/// What was requested, as far as it is known: a scheme only after TLS or a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) scheme: Option<Scheme>,
    pub(super) endpoint: &'a Endpoint,
    /// Whether it is a tunnel, which no rule but one of 'tunnel' allows.
    pub(super) is_tunnel: bool,
}

impl<'a> From<&'a Endpoint> for Target<'a> {
    fn from(endpoint: &'a Endpoint) -> Self {
        Self {
            scheme: None,
            endpoint,
            is_tunnel: false,
        }
    }
}

impl<'a> From<&'a Origin> for Target<'a> {
    fn from(origin: &'a Origin) -> Self {
        Self {
            scheme: Some(origin.scheme),
            endpoint: &origin.endpoint,
            is_tunnel: false,
        }
    }
}

impl<'a> From<&Query<'a>> for Target<'a> {
    fn from(query: &Query<'a>) -> Self {
        Self {
            scheme: Some(query.scheme),
            endpoint: query.endpoint,
            is_tunnel: false,
        }
    }
}

impl<'a> Target<'a> {
    /// A tunnel.
    pub(super) fn tunnel(endpoint: &'a Endpoint) -> Self {
        Self {
            is_tunnel: true,
            ..Self::from(endpoint)
        }
    }
}

/// `[scheme://]host:port`, always with the port.
impl fmt::Display for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_tunnel {
            f.write_str("a tunnel to ")?;
        }
        if let Some(scheme) = self.scheme {
            write!(f, "{scheme}://")?;
        }
        self.endpoint.fmt(f)
    }
}
