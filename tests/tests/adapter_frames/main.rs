//! The built adapter (`adapter/sandbox_net_preview1.wasm`) in a component, between a program that
//! sends the test's frames and a host that the test controls.

#![allow(
    unreachable_pub,
    reason = "one program: its modules share with one another only"
)]

mod bodies;
mod channel;
mod connections;
mod crossings;
mod errors;
mod exchanges;
mod frames;
mod guest;
mod limits;
mod lookups;
mod malformed;
mod mock;
mod random;
mod waiting;
