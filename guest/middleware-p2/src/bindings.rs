//! What `wit-bindgen` generates from the world `middleware`.

#![allow(
    missing_docs,
    clippy::undocumented_unsafe_blocks,
    unsafe_op_in_unsafe_fn,
    reason = "generated"
)]

wit_bindgen::generate!({
    path: [
        "../provider/wit/deps/io.wit",
        "../provider/wit/deps/clocks.wit",
        "../provider/wit/deps/http.wit",
        "../rust/examples/wit/deps/cli.wit",
        "../wit-p2",
    ],
    world: "sandbox-net:guests-p2/middleware",
    generate_all,
    pub_export_macro: true,
    default_bindings_module: "bindings",
});
