//! What `wit-bindgen` generates from the world `client`.

#![allow(
    missing_docs,
    clippy::undocumented_unsafe_blocks,
    unsafe_op_in_unsafe_fn,
    reason = "generated"
)]

wit_bindgen::generate!({
    path: "../wit",
    world: "client",
    generate_all,
    pub_export_macro: true,
    default_bindings_module: "bindings",
});
