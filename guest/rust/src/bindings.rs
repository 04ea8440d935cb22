//! What `wit-bindgen` generates from the interface, for what the types of this crate do not say.
//!
//! A program that generates bindings of its own maps the types of `wasi:io` and `sandbox:net` to these,
//! with the option `with` of `wit_bindgen::generate!`, so that values pass between both.

#![allow(
    missing_docs,
    clippy::undocumented_unsafe_blocks,
    unsafe_op_in_unsafe_fn,
    reason = "generated"
)]

wit_bindgen::generate!({
    inline: "
        package sandbox-net:guest;

        world guest {
            import wasi:clocks/monotonic-clock@0.2.12;
            import wasi:io/poll@0.2.12;
            import sandbox:net/client@0.1.0;
        }
    ",
    path: "wit",
    generate_all,
});
