//! The egress conformance suite: attacks by a hostile program and by a hostile component, each with a
//! control in which it works. Each row is a test: `cargo test --test egress -- octal` runs those with
//! this word in their names. Servers listen on 127.0.0.1, 127.0.0.2 and ::1.

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
mod through_broker;
mod tls;
mod told;
mod world;

use sandbox_net_tests::Trials;

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
    + rules::COUNT
    + through_broker::COUNT;

// The suite cannot shrink unnoticed.
const _: () = assert!(ROWS >= 500);

fn main() {
    let mut trials = Trials::new();
    addresses::add_to(&mut trials);
    authority::add_to(&mut trials);
    component::add_to(&mut trials);
    component_handles::add_to(&mut trials);
    component_lookups::add_to(&mut trials);
    component_told::add_to(&mut trials);
    dns::add_to(&mut trials);
    host_side::add_to(&mut trials);
    names::add_to(&mut trials);
    redirects::add_to(&mut trials);
    rules::add_to(&mut trials);
    syntax::add_to(&mut trials);
    tls::add_to(&mut trials);
    told::add_to(&mut trials);
    through_broker::add_to(&mut trials);
    // No table is missing.
    assert!(trials.count() >= ROWS, "{} tests", trials.count());
    trials.run();
}
