//! What generated bindings need of `wit-bindgen`'s own runtime, which has a static: an adapter must
//! not.

use alloc::alloc::{alloc, handle_alloc_error};
use core::alloc::Layout;
use core::ptr;

/// Keeps a block that a call's arguments are lowered into. It belongs to the frame, and is not
/// freed.
pub(crate) struct Cleanup(());

impl Cleanup {
    /// A block for `layout`; null where that is of size 0.
    pub(crate) fn new(layout: Layout) -> (*mut u8, Option<Cleanup>) {
        if layout.size() == 0 {
            return (ptr::null_mut(), None);
        }
        // SAFETY: the size is not 0.
        let block = unsafe { alloc(layout) };
        if block.is_null() {
            handle_alloc_error(layout);
        }
        (block, Some(Cleanup(())))
    }
}

/// The real one exports `cabi_realloc`; here `exports` has its own.
#[allow(
    dead_code,
    reason = "generated code names it, where that is not dead itself"
)]
pub(crate) fn maybe_link_cabi_realloc() {}
