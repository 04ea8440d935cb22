//! Guests on the interface itself: the example of the crate `sandbox-net-guest`, the same in C and in
//! JavaScript, and the component that checks how a host implements `sandbox:net`.

mod conformance;
mod example;
mod host;
mod other_languages;
mod provider;
