//! Allocates blocks of the arena, for the adapter itself and for the host.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{self, NonNull};

use crate::state;

/// The adapter's allocator: the arena of the running frame.
pub(crate) struct FrameAllocator;

// SAFETY: a block lies inside a chunk with the alignment that was asked for, and apart from every
// other block until the reset; that happens between frames, when nothing of the last one is left
// but the reply, which is dropped first. The one exception is documented at `Arena::block_or_overlap`.
unsafe impl GlobalAlloc for FrameAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        state::arena()
            .and_then(|arena| arena.block_or_overlap(layout))
            .map_or(ptr::null_mut(), ptr::with_exposed_provenance_mut)
    }

    unsafe fn dealloc(&self, _block: *mut u8, _layout: Layout) {}
}

/// The canonical ABI's `realloc`: it places the lists and strings that the host returns.
///
/// # Safety
///
/// `old` is a block of `old_size` bytes that this function returned, or `old_size` is 0.
pub(crate) unsafe fn realloc(
    old: *mut u8,
    old_size: usize,
    align: usize,
    new_size: usize,
) -> Option<NonNull<u8>> {
    if new_size == 0 {
        return NonNull::new(ptr::without_provenance_mut(align));
    }
    let layout = Layout::from_size_align(new_size, align).ok()?;
    if old_size == 0
        && let Some(place) = state::arena().and_then(|arena| arena.take_place(layout))
    {
        return NonNull::new(ptr::with_exposed_provenance_mut(place));
    }
    // SAFETY: the size is not 0.
    let new = NonNull::new(unsafe { FrameAllocator.alloc(layout) })?;
    // SAFETY: both blocks are at least that large. They may overlap if memory ran out.
    unsafe { ptr::copy(old, new.as_ptr(), old_size.min(new_size)) };
    Some(new)
}
