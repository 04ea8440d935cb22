//! The adapter `sandbox_net_preview1`.
//!
//! It stands between a preview1 program and the upstream preview1 adapter. Reads and writes on fd
//! `0xFFFFFFFE` carry frames (`FRAMES.md`), which become calls of `sandbox:net/client`; calls on
//! every other file descriptor go to the functions that the program would have called without it.
//!
//! `wit-component` links it as an adapter: it shares the program's memory, and must have no data
//! and no element segments. So there are no statics, no texts and no tables here, and state lives
//! in pages of its own ([`state`]). No frame makes it trap: ids are checked ([`handles`]),
//! addresses are checked ([`guest`]), and memory is reserved before the host is called ([`arena`]).

#![cfg_attr(target_arch = "wasm32", no_std)]
#![cfg_attr(target_arch = "wasm32", feature(asm_experimental_arch))]
#![cfg_attr(
    not(target_arch = "wasm32"),
    allow(dead_code, reason = "only tested and linted")
)]

extern crate alloc;

mod allocator;
mod arena;
mod bindings;
mod channel;
mod connection;
mod errors;
mod exchange;
#[cfg(target_arch = "wasm32")]
mod exports;
mod frame;
mod guest;
mod handles;
mod lookup;
mod machine;
mod numbers;
mod poll;
mod reply;
mod response_body;
mod runtime;
mod slots;
mod state;
mod tls;
mod utf8;

#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: allocator::FrameAllocator = allocator::FrameAllocator;

#[cfg(target_arch = "wasm32")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}
