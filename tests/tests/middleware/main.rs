//! The policy as middleware between a component and `wasi:http/client` of other hosts: wasmtime's
//! command line and Node. The guest in Rust is `guest/client`.

mod compositions;
mod decisions;
mod hosts;
mod modules;
mod requests;
