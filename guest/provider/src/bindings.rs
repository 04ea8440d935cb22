//! What `wit-bindgen` generates from the world `provider`.

#![allow(
    missing_docs,
    clippy::undocumented_unsafe_blocks,
    unsafe_op_in_unsafe_fn,
    reason = "generated"
)]

wit_bindgen::generate!({
    path: "wit",
    world: "provider",
    generate_all,
    pub_export_macro: true,
    default_bindings_module: "bindings",
});

/// What the guest sees.
pub(crate) use exports::sandbox::net::{client, types};
/// Who decides.
pub(crate) use sandbox::net::policy;
pub(crate) use wasi::clocks::monotonic_clock;
pub(crate) use wasi::http::{outgoing_handler, types as http};
pub(crate) use wasi::io::error::Error as IoError;
pub(crate) use wasi::io::poll::Pollable;
pub(crate) use wasi::io::streams::{InputStream, OutputStream};
