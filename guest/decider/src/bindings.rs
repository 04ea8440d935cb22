//! What `wit-bindgen` generates for a component that exports `sandbox:net/policy`.

#![allow(
    missing_docs,
    clippy::undocumented_unsafe_blocks,
    unsafe_op_in_unsafe_fn,
    reason = "generated"
)]

wit_bindgen::generate!({
    path: "../../wit",
    inline: "
        package sandbox-net:decider;

        world exporting {
            export sandbox:net/types@0.1.0;
            export sandbox:net/policy@0.1.0;
        }
    ",
    world: "sandbox-net:decider/exporting",
    generate_all,
    pub_export_macro: true,
    default_bindings_module: "bindings",
});
