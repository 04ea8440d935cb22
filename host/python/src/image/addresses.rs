//! Addresses of this process that are one memory of WebAssembly. Unsafe code, with `mapping.rs` alone.
#![expect(unsafe_code, reason = "memory that is mapped; see SAFETY")]

use std::ffi::c_void;
use std::io;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags};

use super::parts::Part;
use super::room::Room;

/// A guard, the memory, what it can grow to, a guard. They are given back with the last owner.
#[derive(Debug)]
pub(super) struct Addresses {
    start: NonNull<u8>,
    total: usize,
    guard: usize,
    capacity: usize,
    /// The bytes that are accessible. Only the thread that has the instance changes it.
    size: AtomicUsize,
}

// SAFETY: the addresses are its own. Nothing here makes a reference to what is in them.
unsafe impl Send for Addresses {}
// SAFETY: as above.
unsafe impl Sync for Addresses {}

fn whole_pages(bytes: usize) -> io::Result<usize> {
    let page = rustix::param::page_size();
    let whole = bytes.checked_next_multiple_of(page);
    whole.ok_or_else(|| io::ErrorKind::OutOfMemory.into())
}

impl Addresses {
    /// Takes the addresses, none of them accessible.
    pub(super) fn reserve(room: &Room) -> io::Result<Self> {
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
            size: AtomicUsize::new(0),
        })
    }

    /// Replaces what is in these addresses by a part of an image. The instance is not executing.
    pub(super) fn map(&self, part: &Part) -> io::Result<()> {
        let end = part.at.checked_add(part.length);
        assert!(end.is_some_and(|end| end <= self.size()));
        if part.length == 0 {
            return Ok(());
        }
        let access = ProtFlags::READ | ProtFlags::WRITE;
        let flags = MapFlags::PRIVATE | MapFlags::FIXED | MapFlags::NORESERVE;
        let offset = part.offset as u64;
        // SAFETY: the addresses are this mapping's own, as asserted, and nobody has a reference to what is in
        // them. The file is as long as its parts, as was found when it was opened or made, and is never
        // written again. What is written here is not written to the file.
        unsafe {
            let place: *mut c_void = self.base().add(part.at).cast();
            rustix::mm::mmap(place, part.length, access, flags, &*part.file, offset)?;
        }
        Ok(())
    }

    /// Makes the bytes up to `size` accessible.
    pub(super) fn open(&self, size: usize) -> io::Result<()> {
        assert!(self.size() <= size && size <= self.capacity);
        let (from, to) = (whole_pages(self.size())?, whole_pages(size)?);
        if from < to {
            let access = MprotectFlags::READ | MprotectFlags::WRITE;
            // SAFETY: the addresses are this mapping's own, as asserted, and not used yet.
            unsafe {
                let place: *mut c_void = self.base().add(from).cast();
                rustix::mm::mprotect(place, to - from, access)?;
            }
        }
        self.size.store(size, Ordering::Relaxed);
        Ok(())
    }

    /// Copies what is accessible to larger addresses, and is empty from then on.
    pub(super) fn move_to(&self, larger: &Self) {
        assert!(self.size() <= larger.size() && !ptr::eq(self, larger));
        // SAFETY: both are accessible so far, as asserted, and are different mappings.
        unsafe { ptr::copy_nonoverlapping(self.base(), larger.base(), self.size()) };
        self.size.store(0, Ordering::Relaxed);
    }

    /// Reads a number at an address that is a multiple of its size. The instance is not executing.
    pub(super) fn read(&self, at: usize) -> Option<u32> {
        // SAFETY: it is accessible and aligned, and nobody writes to it meanwhile.
        self.number(at).map(|place| unsafe { place.read() })
    }

    /// Writes a number at an address that is a multiple of its size. The instance is not executing.
    pub(super) fn write(&self, at: usize, number: u32) -> Option<()> {
        // SAFETY: it is accessible and aligned, and nobody has a reference to what is in a memory.
        self.number(at).map(|place| unsafe { place.write(number) })
    }

    /// The place of a number, if it is within the memory and aligned.
    fn number(&self, at: usize) -> Option<*mut u32> {
        let end = at.checked_add(size_of::<u32>())?;
        let is_its = end <= self.size() && at.is_multiple_of(align_of::<u32>());
        // SAFETY: it is within the memory.
        is_its.then(|| unsafe { self.base().add(at).cast() })
    }

    pub(super) fn size(&self) -> usize {
        self.size.load(Ordering::Relaxed)
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(super) fn guard(&self) -> usize {
        self.guard
    }

    pub(super) fn base(&self) -> *mut u8 {
        // SAFETY: the guard is within the mapping, or at its end if there is no memory.
        unsafe { self.start.as_ptr().add(self.guard) }
    }
}

impl Drop for Addresses {
    fn drop(&mut self) {
        // SAFETY: the addresses are this mapping's own, and its owner is gone.
        let removed = unsafe { rustix::mm::munmap(self.start.as_ptr().cast(), self.total) };
        debug_assert!(removed.is_ok());
    }
}
