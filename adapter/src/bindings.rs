//! The typed interface: `sandbox:net/client`, and the parts of WASI for waiting.
#![allow(
    missing_docs,
    clippy::undocumented_unsafe_blocks,
    clippy::all,
    reason = "generated; the documentation is in the WIT"
)]

wit_bindgen_rust_macro::generate!({
    path: "../wit",
    inline: "
        package sandbox:adapter;

        world adapter {
            include sandbox:net/sandbox-net@0.1.0;
            import wasi:clocks/monotonic-clock@0.2.12;
        }
    ",
    generate_all,
    runtime_path: "crate::runtime",
    // Requests are lowered from slices of the frame; only what the host returns is owned.
    ownership: Borrowing { duplicate_if_necessary: true },
    // They would be element segments, which an adapter may not have.
    disable_custom_section_link_helpers: true,
});

pub(crate) use sandbox::net::{client, types};
pub(crate) use wasi::clocks::monotonic_clock;
pub(crate) use wasi::io::{error, poll, streams};
