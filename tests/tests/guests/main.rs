//! Guests in Rust on the interface itself: the example of the crate `sandbox-net-guest`, and the component
//! that checks how a host implements `sandbox:net`.

mod conformance;
mod example;
mod host;
mod provider;
