//! Implements `sandbox:net/client` for wasmtime: translates between the interface's types and the
//! crate's own, and delegates. The gateway decides, dials and records.

mod client;
mod connection;
mod convert;
mod exchange;
mod lookup;
mod response_stream;
#[cfg(test)]
mod tests;

pub use connection::HostConnection;
pub use exchange::HostExchange;
pub use lookup::HostLookup;

#[allow(clippy::all, reason = "generated")]
mod generated {
    wasmtime::component::bindgen!({
        path: "wit",
        world: "sandbox:net/sandbox-net",
        imports: { default: trappable },
        require_store_data_send: true,
        with: {
            "wasi:io": wasmtime_wasi::p2::bindings::io,
            "sandbox:net/client.connection": super::HostConnection,
            "sandbox:net/client.exchange": super::HostExchange,
            "sandbox:net/client.lookup": super::HostLookup,
        },
    });
}

pub(crate) use generated::sandbox::net::{client as wit, types};
