//! What a host has to do, behaviour by behaviour.

mod cancel;
mod connections;
mod errors;
mod limits;
mod lookups;
mod request_bodies;
mod requests;
mod response_bodies;
mod responses;
mod tls;

use crate::drive::Step;
use crate::servers::Servers;

/// One behaviour.
pub(crate) struct Behaviour {
    pub(crate) name: &'static str,
    /// The arguments that it needs besides `http`.
    pub(crate) needs: &'static [&'static str],
    pub(crate) check: fn(&Servers) -> Step,
}

/// A behaviour that needs these arguments.
const fn needs(
    needs: &'static [&'static str],
    name: &'static str,
    check: fn(&Servers) -> Step,
) -> Behaviour {
    Behaviour { name, needs, check }
}

/// A behaviour that needs the server for HTTP alone.
const fn row(name: &'static str, check: fn(&Servers) -> Step) -> Behaviour {
    needs(&[], name, check)
}

/// All of them, by group.
pub(crate) const GROUPS: &[(&str, &[Behaviour])] = &[
    ("lookups", lookups::TABLE),
    ("connections", connections::TABLE),
    ("tls", tls::TABLE),
    ("requests", requests::TABLE),
    ("request bodies", request_bodies::TABLE),
    ("responses", responses::TABLE),
    ("response bodies", response_bodies::TABLE),
    ("errors", errors::TABLE),
    ("cancel", cancel::TABLE),
    ("limits", limits::TABLE),
];
