//! The built adapter (`adapter/sandbox_net_preview1.wasm`) in a component, between a program that
//! sends the test's frames and a host that does what the test says.

mod bodies;
mod channel;
mod connections;
mod errors;
mod exchanges;
mod frames;
mod guest;
mod limits;
mod malformed;
mod mock;
mod random;
mod waiting;
