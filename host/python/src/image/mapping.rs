//! Memory for WebAssembly that begins as an image or with zeros. The only unsafe code about it.
#![expect(unsafe_code, reason = "memory that is mapped; see SAFETY")]

#[cfg(unix)]
pub(super) use self::mapped::Mapping;
#[cfg(not(unix))]
pub(super) use self::owned::Owned as Mapping;

use wasmtime::{LinearMemory, MemoryCreator, MemoryType};

use super::creator::{ImageMemory, image_of};

/// How many bytes a memory has.
struct Room {
    /// Those that can be used.
    size: usize,
    /// Those that it can grow to without being moved.
    capacity: usize,
    /// Those before and after these that trap.
    guard: usize,
}

impl Room {
    fn of(size: usize, reserved: Option<usize>, guard: usize) -> Self {
        let reserved = reserved.unwrap_or(0);
        let capacity = match size <= reserved {
            true => reserved,
            // It grows by being moved: not each time.
            false => size.saturating_mul(2),
        };
        Self {
            size,
            capacity,
            guard,
        }
    }
}

// SAFETY: a memory has at least `reserved` bytes of addresses, and `guard` bytes behind them that are never
// accessible (`Mapping::reserve`); it is not smaller than `minimum`, begins with zeros where it does not
// begin as an image that was made of this runtime, and belongs to its instance alone: the mapping is
// private, and nothing else keeps its address.
unsafe impl MemoryCreator for ImageMemory {
    fn new_memory(
        &self,
        ty: MemoryType,
        minimum: usize,
        maximum: Option<usize>,
        reserved: Option<usize>,
        guard: usize,
    ) -> Result<Box<dyn LinearMemory>, String> {
        let image = image_of(&ty, minimum);
        let size = image.as_ref().map_or(minimum, |image| image.size());
        if maximum.is_some_and(|maximum| size > maximum) {
            return Err(format!(
                "its image of {size} bytes is larger than it may be"
            ));
        }
        let memory = Mapping::new(Room::of(size, reserved, guard), image.as_deref());
        let memory = memory.map_err(|e| format!("memory of {size} bytes can't be mapped: {e}"))?;
        Ok(Box::new(memory))
    }
}

#[cfg(unix)]
mod mapped {
    use std::ffi::c_void;
    use std::io;
    use std::ptr::{self, NonNull};

    use rustix::mm::{MapFlags, MprotectFlags, ProtFlags};
    use wasmtime::LinearMemory;

    use super::super::parts::{Image, Part};
    use super::Room;

    /// Addresses of this process: a guard, the memory, what it can grow to, a guard.
    pub(in super::super) struct Mapping {
        start: NonNull<u8>,
        total: usize,
        guard: usize,
        capacity: usize,
        size: usize,
    }

    // SAFETY: it owns its addresses, and changes them only through `&mut self`.
    unsafe impl Send for Mapping {}
    // SAFETY: as above; `&self` gives out numbers alone.
    unsafe impl Sync for Mapping {}

    fn whole_pages(bytes: usize) -> io::Result<usize> {
        let page = rustix::param::page_size();
        let whole = bytes.checked_next_multiple_of(page);
        whole.ok_or_else(|| io::ErrorKind::OutOfMemory.into())
    }

    impl Mapping {
        pub(super) fn new(room: Room, image: Option<&Image>) -> io::Result<Self> {
            let size = room.size;
            let mut memory = Self::reserve(room)?;
            memory.open(size)?;
            for part in image.into_iter().flat_map(Image::parts) {
                memory.map(part)?;
            }
            Ok(memory)
        }

        /// Takes the addresses, none of them accessible.
        fn reserve(room: Room) -> io::Result<Self> {
            let capacity = whole_pages(room.capacity.max(room.size))?;
            let guard = whole_pages(room.guard)?;
            let total = guard.checked_mul(2).and_then(|g| g.checked_add(capacity));
            // A mapping has at least one page.
            let total = total.ok_or(io::ErrorKind::OutOfMemory)?;
            let total = total.max(rustix::param::page_size());
            let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
            // SAFETY: a new mapping at an address of the system's choice changes no other one.
            let start = unsafe {
                rustix::mm::mmap_anonymous(ptr::null_mut(), total, ProtFlags::empty(), flags)
            }?;
            let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
            Ok(Self {
                start,
                total,
                guard,
                capacity,
                size: 0,
            })
        }

        /// Replaces a part of a new memory by an image's.
        fn map(&mut self, part: &Part) -> io::Result<()> {
            let end = part.at.checked_add(part.length);
            assert!(end.is_some_and(|end| end <= self.size));
            if part.length == 0 {
                return Ok(());
            }
            let access = ProtFlags::READ | ProtFlags::WRITE;
            let flags = MapFlags::PRIVATE | MapFlags::FIXED | MapFlags::NORESERVE;
            let offset = part.offset as u64;
            // SAFETY: the addresses are this mapping's own, as asserted, and nobody uses them yet. The file is
            // as long as its parts, as was found when it was opened or made, and is never written again. What
            // is written here is not written to the file.
            unsafe {
                let place: *mut c_void = self.base().add(part.at).cast();
                rustix::mm::mmap(place, part.length, access, flags, &*part.file, offset)?;
            }
            Ok(())
        }

        /// Makes the bytes up to `size` accessible.
        fn open(&mut self, size: usize) -> io::Result<()> {
            assert!(self.size <= size && size <= self.capacity);
            let (from, to) = (whole_pages(self.size)?, whole_pages(size)?);
            if from < to {
                let access = MprotectFlags::READ | MprotectFlags::WRITE;
                // SAFETY: the addresses are this mapping's own, as asserted, and not used yet.
                unsafe {
                    let place: *mut c_void = self.base().add(from).cast();
                    rustix::mm::mprotect(place, to - from, access)?;
                }
            }
            self.size = size;
            Ok(())
        }

        fn base(&self) -> *mut u8 {
            // SAFETY: the guard is within the mapping, or at its end if there is no memory.
            unsafe { self.start.as_ptr().add(self.guard) }
        }

        /// Gives way to a larger copy.
        fn move_to(&mut self, room: Room) -> io::Result<()> {
            let larger = Self::new(room, None)?;
            assert!(self.size <= larger.size);
            // SAFETY: both are accessible so far, as asserted, and are different mappings.
            unsafe { ptr::copy_nonoverlapping(self.base(), larger.base(), self.size) };
            *self = larger;
            Ok(())
        }
    }

    impl Drop for Mapping {
        fn drop(&mut self) {
            // SAFETY: the addresses are this mapping's own, and its owner is gone.
            let removed = unsafe { rustix::mm::munmap(self.start.as_ptr().cast(), self.total) };
            debug_assert!(removed.is_ok());
        }
    }

    // SAFETY: `as_ptr` is the beginning of `byte_size` accessible bytes; they move only where they grow beyond
    // `byte_capacity`. What is after these up to the guard's end traps.
    unsafe impl LinearMemory for Mapping {
        fn byte_size(&self) -> usize {
            self.size
        }

        fn byte_capacity(&self) -> usize {
            self.capacity
        }

        fn grow_to(&mut self, size: usize) -> wasmtime::Result<()> {
            wasmtime::ensure!(size >= self.size, "a memory does not shrink");
            match size <= self.capacity {
                true => self.open(size)?,
                false => self.move_to(Room::of(size, None, self.guard))?,
            }
            Ok(())
        }

        fn as_ptr(&self) -> *mut u8 {
            self.base()
        }
    }
}

/// Memory of the allocator's, for platforms whose mappings are not known here: without guards, and with a
/// copy of the image. `configure` sets an engine right for it.
#[cfg(any(test, not(unix)))]
mod owned {
    use std::alloc::{Layout, alloc_zeroed, dealloc};
    use std::io;
    use std::ptr::{self, NonNull};

    use wasmtime::LinearMemory;

    use super::super::parts::Image;
    use super::Room;

    const ALIGN: usize = 4096;

    /// All of it is accessible.
    pub(in super::super) struct Owned {
        start: NonNull<u8>,
        layout: Layout,
        size: usize,
    }

    // SAFETY: it owns its memory, and changes it only through `&mut self`.
    unsafe impl Send for Owned {}
    // SAFETY: as above; `&self` gives out numbers alone.
    unsafe impl Sync for Owned {}

    impl Owned {
        pub(super) fn new(room: Room, image: Option<&Image>) -> io::Result<Self> {
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
}

#[cfg(all(test, unix))]
#[path = "mapping_tests.rs"]
mod tests;
