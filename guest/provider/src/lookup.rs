//! Lookups: the host of `wasi:http` asks for a name's addresses itself, and tells them nobody.

use crate::bindings::client::GuestLookup;
use crate::bindings::types::{ErrorCode, IpAddress};
use crate::bindings::{Pollable, policy};
use crate::{decision, host, ready};

/// A question that is answered at once: the name may be used.
pub(crate) struct Lookup;

impl Lookup {
    pub(crate) fn of(host: &str) -> Result<Lookup, ErrorCode> {
        let host = host::canonical(host)?;
        decision::decide(&policy::Question::Resolve(host))?;
        Ok(Lookup)
    }
}

impl GuestLookup for Lookup {
    fn subscribe(&self) -> Pollable {
        ready()
    }

    fn status(&self) -> Option<Result<(), ErrorCode>> {
        Some(Ok(()))
    }

    fn addresses(&self) -> Vec<IpAddress> {
        Vec::new()
    }
}
