//! Memory of the allocator's, for platforms whose mappings are not known here: without guards, and with a
//! copy of the image. `configure` sets an engine right for it.
#![expect(unsafe_code, reason = "memory that is allocated; see SAFETY")]

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::io;
use std::ptr::{self, NonNull};
use std::sync::Arc;

use wasmtime::LinearMemory;

use super::parts::Image;
use super::room::Room;

const ALIGN: usize = 4096;

/// All of it is accessible.
pub(super) struct Owned {
    start: NonNull<u8>,
    layout: Layout,
    size: usize,
}

// SAFETY: it owns its memory, and changes it only through `&mut self`.
unsafe impl Send for Owned {}
// SAFETY: as above; `&self` gives out numbers alone.
unsafe impl Sync for Owned {}

impl Owned {
    pub(super) fn new(room: Room, image: Option<&Arc<Image>>) -> io::Result<Self> {
        if room.guard > 0 {
            return Err(io::Error::other("it has no guards on this platform"));
        }
        let Room { size, capacity, .. } = room;
        let layout = Layout::from_size_align(capacity.max(1), ALIGN);
        let layout = layout.map_err(|_| io::ErrorKind::OutOfMemory)?;
        // SAFETY: the layout is not empty.
        let start = unsafe { alloc_zeroed(layout) };
        let start = NonNull::new(start).ok_or(io::ErrorKind::OutOfMemory)?;
        let memory = Self {
            start,
            layout,
            size,
        };
        if let Some(image) = image {
            let bytes = image.read()?;
            assert!(bytes.len() <= size && size <= capacity);
            // SAFETY: there is room for them, as asserted, in memory that was just made.
            unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), start.as_ptr(), bytes.len()) };
        }
        Ok(memory)
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: it was allocated with this layout, and its owner is gone.
        unsafe { dealloc(self.start.as_ptr(), self.layout) };
    }
}

// SAFETY: `as_ptr` is the beginning of `byte_size` bytes, which move only where they grow beyond
// `byte_capacity`. Without guards and a reservation, which are refused, compiled code checks bounds.
unsafe impl LinearMemory for Owned {
    fn byte_size(&self) -> usize {
        self.size
    }

    fn byte_capacity(&self) -> usize {
        self.layout.size()
    }

    fn grow_to(&mut self, size: usize) -> wasmtime::Result<()> {
        wasmtime::ensure!(size >= self.size, "a memory does not shrink");
        if size > self.layout.size() {
            let larger = Self::new(Room::of(size, None, 0), None)?;
            assert!(self.size <= larger.size);
            // SAFETY: both are as large, as asserted, and different.
            unsafe { ptr::copy_nonoverlapping(self.as_ptr(), larger.as_ptr(), self.size) };
            *self = larger;
        }
        self.size = size;
        Ok(())
    }

    fn as_ptr(&self) -> *mut u8 {
        self.start.as_ptr()
    }
}
