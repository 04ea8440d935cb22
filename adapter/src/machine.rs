//! Three things that safe Rust cannot express: the size of the memory, its growth, and a
//! WebAssembly global that holds the address of the adapter's state.
//!
//! An adapter shares the guest's memory and has no data segment, so there is no address for a
//! `static`. A global of its own instance is the only place outside that memory.

/// The size of a page of memory, in bytes.
pub(crate) const PAGE: usize = 64 * 1024;

#[cfg(target_arch = "wasm32")]
mod wasm {
    use core::arch::{asm, global_asm, wasm32};

    global_asm!(".globaltype sandbox_net_state, i32", "sandbox_net_state:");

    /// The size of the guest's memory in bytes.
    pub(crate) fn memory_size() -> u64 {
        wasm32::memory_size(0) as u64 * super::PAGE as u64
    }

    /// Grows the memory and returns the address of the new, zeroed pages; `None` if the guest's
    /// limit forbids it.
    pub(crate) fn grow(pages: usize) -> Option<usize> {
        match wasm32::memory_grow(0, pages) {
            usize::MAX => None,
            first => Some(first * super::PAGE),
        }
    }

    /// The address that [`set_state`] got; 0 before.
    pub(crate) fn state() -> usize {
        let address: usize;
        // SAFETY: reads a global that only this module names.
        unsafe {
            asm!(
                ".globaltype sandbox_net_state, i32",
                "global.get sandbox_net_state",
                "local.set {address}",
                address = out(local) address,
                options(nomem, nostack, preserves_flags),
            );
        }
        address
    }

    /// Stores the address of the state.
    pub(crate) fn set_state(address: usize) {
        // SAFETY: writes a global that only this module names.
        unsafe {
            asm!(
                ".globaltype sandbox_net_state, i32",
                "local.get {address}",
                "global.set sandbox_net_state",
                address = in(local) address,
                options(nostack, preserves_flags),
            );
        }
    }
}

/// Other targets have no such memory. The crate still compiles, so that its pure parts are tested
/// and all of it is linted with the ordinary toolchain.
#[cfg(not(target_arch = "wasm32"))]
mod wasm {
    pub(crate) fn memory_size() -> u64 {
        0
    }

    pub(crate) fn grow(_pages: usize) -> Option<usize> {
        None
    }

    pub(crate) fn state() -> usize {
        0
    }

    pub(crate) fn set_state(_address: usize) {}
}

pub(crate) use wasm::{grow, memory_size, set_state, state};
