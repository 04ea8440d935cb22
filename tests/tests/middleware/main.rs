//! The policy as middleware between a component and `wasi:http` of other hosts, wasmtime's command line and Node,
//! for guests of WASI 0.2 and of 0.3. Those in Rust are `guest/client-p2` and `guest/client`, the one in JavaScript is
//! `guest/javascript/send.js`.

mod compositions;
mod decisions;
mod hosts;
mod javascript;
mod modules;
mod requests;
