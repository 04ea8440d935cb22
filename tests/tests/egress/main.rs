//! The egress conformance suite: attacks from a hostile program and from a hostile component, each
//! with the run in which it works. A row that fails names itself. Servers listen on 127.0.0.1,
//! 127.0.0.2 and ::1.

#![allow(
    unreachable_pub,
    reason = "one program: its modules share with one another only"
)]

mod addresses;
mod authority;
mod component;
mod component_attack;
mod component_guest;
mod component_handles;
mod component_lookups;
mod component_told;
mod dns;
mod host_side;
mod names;
mod program;
mod redirects;
mod row;
mod rules;
mod runner;
mod syntax;
mod tls;
mod told;
mod world;

/// Every row, of all groups.
const ROWS: usize = addresses::COUNT
    + names::COUNT
    + authority::COUNT
    + dns::COUNT
    + redirects::COUNT
    + syntax::COUNT
    + tls::COUNT
    + told::COUNT
    + host_side::COUNT
    + component::COUNT
    + component_handles::COUNT
    + component_lookups::COUNT
    + component_told::COUNT
    + rules::COUNT;

// The suite does not shrink unnoticed.
const _: () = assert!(ROWS >= 500);
