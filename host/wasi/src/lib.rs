//! Links the gateway of sandbox-net to WebAssembly components.
//!
//! [`add_to_linker`] adds the WIT interface `sandbox:net/client` to a wasmtime linker. It works on a
//! [`SandboxNetCtx`] in the store, which has an [`OutgoingHandler`]: the one handler that carries out
//! the typed requests of `sandbox:net` and those of `wasi:http`, through the same gateway.

mod bindings;
mod ctx;
#[cfg(test)]
mod embedder_tests;
mod exit;
mod limiter;
mod linker;
#[cfg(test)]
mod memory_tests;
mod outgoing_handler;
#[cfg(test)]
mod response_tests;
mod store;
mod typed;
mod wasi_http;
mod wit;

pub use bindings::{HostConnection, HostExchange, HostLookup};
pub use ctx::{SandboxNetCtx, SandboxNetCtxView, SandboxNetView};
pub use exit::exit_code;
pub use limiter::{GuestLimits, HOSTCALL_FUEL};
pub use linker::{add_all_to_linker, add_to_linker, add_wasi_without_files};
pub use outgoing_handler::OutgoingHandler;
pub use store::{keep_ticking, prepare_store};
pub use wit::WIT;
