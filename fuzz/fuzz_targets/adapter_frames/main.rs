//! Runs the adapter's own sources on random frames.
//!
//! They are compiled for this machine, over a host whose answers the input decides (`bindings`,
//! `host`), and a memory that replaces WebAssembly's (`machine`). A panic here would be a trap
//! there.
//!
//! The lowest bits of the first byte choose: 0 is frames, and 1 and 3 are single parts.

#![no_main]
#![allow(dead_code, reason = "the adapter has functions for its exports")]
#![allow(
    clippy::unnecessary_cast,
    reason = "enumerations are their numbers here"
)]

extern crate alloc;

#[path = "../../../adapter/src/allocator.rs"]
mod allocator;
#[path = "../../../adapter/src/arena.rs"]
mod arena;
#[path = "../../../adapter/src/channel.rs"]
mod channel;
#[path = "../../../adapter/src/connection.rs"]
mod connection;
#[path = "../../../adapter/src/errors.rs"]
mod errors;
#[path = "../../../adapter/src/exchange.rs"]
mod exchange;
#[path = "../../../adapter/src/frame.rs"]
mod frame;
#[path = "../../../adapter/src/guest.rs"]
mod guest;
#[path = "../../../adapter/src/handles.rs"]
mod handles;
#[path = "../../../adapter/src/lookup.rs"]
mod lookup;
#[path = "../../../adapter/src/numbers.rs"]
mod numbers;
#[path = "../../../adapter/src/poll.rs"]
mod poll;
#[path = "../../../adapter/src/reply.rs"]
mod reply;
#[path = "../../../adapter/src/response_body.rs"]
mod response_body;
#[path = "../../../adapter/src/slots.rs"]
mod slots;
#[path = "../../../adapter/src/state.rs"]
mod state;
#[path = "../../../adapter/src/tls.rs"]
mod tls;
#[path = "../../../adapter/src/utf8.rs"]
mod utf8;

mod bindings;
mod client;
mod expected;
mod host;
mod machine;
mod memory;
mod parts;
mod program;
mod streams;
mod types;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    match data {
        [choice, rest @ ..] if choice & 1 == 0 => program::run(rest),
        [choice, rest @ ..] if choice & 2 == 0 => parts::check_bytes(rest),
        [_, rest @ ..] => parts::check_slots(rest),
        [] => {}
    }
});
