//! Addresses of this process that are one memory of WebAssembly. Unsafe code, with `mapping.rs` alone.
#![expect(unsafe_code, reason = "memory that is mapped; see SAFETY")]

use std::ffi::c_void;
use std::io;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
#[cfg(target_os = "linux")]
use std::{ops::Range, slice, sync::Arc};

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags};

use super::frozen::Unnamed;
#[cfg(target_os = "linux")]
use super::layers::{self, Layer};
#[cfg(target_os = "linux")]
use super::parts::Loose;
use super::parts::{Image, Part};
#[cfg(target_os = "linux")]
use super::ranges::{windows, within, without};
use super::room::Room;
#[cfg(target_os = "linux")]
use super::written::{changed, mapped, own, written};
#[cfg(target_os = "linux")]
use crate::zeros::used;

/// A guard, the memory, what it can grow to, a guard. They are given back with the last owner.
#[derive(Debug)]
pub(super) struct Addresses {
    start: NonNull<u8>,
    total: usize,
    guard: usize,
    capacity: usize,
    /// The bytes that are accessible. Only the thread that has the instance changes it.
    size: AtomicUsize,
    backing: Mutex<Backing>,
}

/// What is behind the addresses, besides memory of no file.
#[derive(Debug, Default)]
struct Backing {
    /// Parts of images, copied on write.
    parts: Vec<Part>,
    /// What is behind the memory that was added since, where it is to be frozen without being copied.
    growth: Option<Growth>,
    /// Whether the pages that its image [shows](Image::shown) are mapped.
    is_shown: bool,
}

/// A file in memory that the instance writes to directly; its places are those of the memory.
#[derive(Debug)]
struct Growth {
    file: Unnamed,
    from: usize,
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
            backing: Mutex::default(),
        })
    }

    /// Lets the memory begin as an image.
    pub(super) fn begin(&self, image: &Image) -> io::Result<()> {
        for part in image.parts() {
            self.map(part)?;
        }
        self.backing().parts = image.parts().to_vec();
        for range in image.usual().map_or(&[][..], Loose::ranges) {
            self.populate(range.start, range.len());
        }
        for (at, bytes) in image.loose().iter() {
            self.populate(at, bytes.len());
            self.copy_in(at, bytes);
        }
        Ok(())
    }

    /// Whether this is what was asked for.
    pub(super) fn has(&self, room: &Room) -> bool {
        (self.size(), self.capacity, self.guard) == (room.size, room.capacity, room.guard)
    }

    /// Lets the memory be as it began, as `image`. Nobody uses it any more.
    ///
    /// # Errors
    ///
    /// If it can't be; what is in it is anything then.
    #[cfg(target_os = "linux")]
    pub(super) fn begin_again(&self, image: &Image) -> io::Result<()> {
        let usual = image.usual().ok_or(io::ErrorKind::Unsupported)?;
        if !self.is_of(image) || whole_pages(image.size())? != image.size() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        if self.size() > image.size() {
            self.size.store(image.size(), Ordering::Relaxed);
            self.forget(image.size())?;
        }
        let whole = 0..image.size();
        let gaps = without(slice::from_ref(&whole), image.shown());
        let unusual = without(&self.found(image.size(), own)?, usual.ranges());
        let unusual = without(&unusual, &gaps);
        for range in &unusual {
            self.give_back(range.clone())?;
        }
        let is_shown = std::mem::replace(&mut self.backing().is_shown, true);
        let hidden = match is_shown {
            true => within(image.shown(), &windows(&unusual, image.size())),
            false => image.shown().to_vec(),
        };
        for range in hidden {
            self.show(range)?;
        }
        // Last, because showing pages maps what lies around them. The same pages are mapped then whatever ran, so that
        // no program finds out what another one used.
        for range in gaps {
            self.give_back(range)?;
        }
        for (at, bytes) in usual.iter() {
            self.copy_in(at, bytes);
        }
        Ok(())
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn begin_again(&self, _: &Image) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Whether the files behind it are those of `image` still, and it has at least as much memory.
    #[cfg(target_os = "linux")]
    fn is_of(&self, image: &Image) -> bool {
        let backing = self.backing();
        let same = |(one, other): (&Part, &Part)| {
            Arc::ptr_eq(&one.file, &other.file)
                && (one.at, one.length, one.offset) == (other.at, other.length, other.offset)
        };
        backing.growth.is_none()
            && backing.parts.len() == image.parts().len()
            && backing.parts.iter().zip(image.parts()).all(same)
            && self.size() >= image.size()
    }

    /// Gives pages back to the system: they are those of the file again, or zero where there is none.
    #[cfg(target_os = "linux")]
    fn give_back(&self, range: Range<usize>) -> io::Result<()> {
        assert!(range.start <= range.end && range.end <= self.capacity);
        if range.is_empty() {
            return Ok(());
        }
        // SAFETY: the addresses are this mapping's own, as asserted, and nobody has a reference to what is in
        // them.
        unsafe {
            let place: *mut c_void = self.base().add(range.start).cast();
            rustix::mm::madvise(place, range.len(), rustix::mm::Advice::LinuxDontNeed)?;
        }
        Ok(())
    }

    /// Maps what is behind the pages for reading, all at once.
    #[cfg(target_os = "linux")]
    fn show(&self, range: Range<usize>) -> io::Result<()> {
        assert!(range.start <= range.end && range.end <= self.capacity);
        // SAFETY: the addresses are this mapping's own, as asserted, and what is in them stays the same.
        unsafe {
            let place: *mut c_void = self.base().add(range.start).cast();
            rustix::mm::madvise(place, range.len(), rustix::mm::Advice::LinuxPopulateRead)?;
        }
        Ok(())
    }

    fn backing(&self) -> MutexGuard<'_, Backing> {
        self.backing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces what is in these addresses by a part of an image. The instance is not executing.
    fn map(&self, part: &Part) -> io::Result<()> {
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

    /// As [`open`](Self::open); the memory that is added can be frozen without being copied, if there is a
    /// file for it.
    #[cfg(target_os = "linux")]
    pub(super) fn open_shared(&self, size: usize) -> io::Result<()> {
        let mut backing = self.backing();
        if backing.growth.is_none()
            && self.size() < size
            && let Some(file) = Unnamed::sparse(self.capacity)
        {
            let from = whole_pages(self.size())?;
            self.back(from, &file)?;
            backing.growth = Some(Growth { file, from });
        }
        drop(backing);
        self.open(size)
    }

    /// Puts a file behind what the memory can grow to, from this place on.
    #[cfg(target_os = "linux")]
    fn back(&self, from: usize, file: &Unnamed) -> io::Result<()> {
        assert!(self.size() <= from && from < self.capacity);
        let (access, flags) = (ProtFlags::empty(), MapFlags::SHARED | MapFlags::FIXED);
        // SAFETY: the addresses are this mapping's own, as asserted, and not accessible before and after. The
        // file is as long as what can be accessed, and no other one maps it before it is sealed.
        unsafe {
            let place: *mut c_void = self.base().add(from).cast();
            rustix::mm::mmap(
                place,
                self.capacity - from,
                access,
                flags,
                file.file(),
                from as u64,
            )?;
        }
        Ok(())
    }

    /// Returns parts of files, and what is over them, with all that the memory has, and goes on with the
    /// parts, copying on write. The instance is not executing.
    #[cfg(target_os = "linux")]
    pub(super) fn freeze(&self) -> io::Result<(Vec<Part>, Loose)> {
        let mut backing = self.backing();
        self.end_growth(&mut backing)?;
        let (base, size) = (self.base().addr(), self.size());
        let file = |part: &Part| {
            let end = whole_pages(part.at + part.length)?;
            Ok(base + part.at..base + end)
        };
        let files: io::Result<Vec<_>> = backing.parts.iter().map(file).collect();
        let mut written = changed(base..base + whole_pages(size)?, &files?)?;
        for range in &mut written {
            *range = range.start - base..(range.end - base).min(size);
        }
        let (loose, layer) = match layers::is_wasteful(&backing.parts, size) {
            true => (Vec::new(), std::iter::once(0..size).collect()),
            false => layers::split(written),
        };
        if !layer.is_empty() {
            backing.parts = self.layer(&backing.parts, &layer)?;
        }
        let mut bytes = Vec::with_capacity(loose.iter().map(Range::len).sum());
        for range in &loose {
            self.look(range, |piece| bytes.extend_from_slice(piece));
        }
        Ok((backing.parts.clone(), Loose::new(loose, bytes)))
    }

    /// Seals the file behind what was added, so that it is a part like the others.
    #[cfg(target_os = "linux")]
    fn end_growth(&self, backing: &mut Backing) -> io::Result<()> {
        let size = self.size();
        let growth = backing.growth.take_if(|growth| growth.from < size);
        let Some(Growth { file, from }) = growth else {
            return Ok(());
        };
        let part = Part {
            at: from,
            length: size - from,
            file: Arc::new(file.file().try_clone()?),
            offset: from,
        };
        self.map(&part)?;
        self.forget(whole_pages(size)?)?;
        // Nobody can write to it any more: no mapping is left that does.
        file.seal()?;
        backing.parts.push(part);
        Ok(())
    }

    /// Takes away what is behind the addresses that are not accessible yet.
    #[cfg(target_os = "linux")]
    fn forget(&self, from: usize) -> io::Result<()> {
        assert!(self.size() <= from && from <= self.capacity);
        if from == self.capacity {
            return Ok(());
        }
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE | MapFlags::FIXED;
        // SAFETY: the addresses are this mapping's own, as asserted, and not accessible before and after.
        unsafe {
            let place: *mut c_void = self.base().add(from).cast();
            let access = ProtFlags::empty();
            rustix::mm::mmap_anonymous(place, self.capacity - from, access, flags)?;
        }
        Ok(())
    }

    /// Copies what was written to a new file, and goes on with it.
    #[cfg(target_os = "linux")]
    fn layer(&self, parts: &[Part], written: &[Range<usize>]) -> io::Result<Vec<Part>> {
        let layer = Layer::over(parts, written, self.size());
        let into = Unnamed::new(self.size())?;
        for range in &layer.copied {
            self.look(range, |bytes| {
                let mut used = used(bytes);
                used.try_for_each(|(at, run)| into.write_at(run, range.start + at))
            })?;
        }
        let file = Arc::new(into.seal()?);
        let part = |range: &Range<usize>| Part {
            at: range.start,
            length: range.len(),
            file: Arc::clone(&file),
            offset: range.start,
        };
        let mut new: Vec<Part> = layer.replaced.iter().map(part).collect();
        for part in &new {
            self.map(part)?;
        }
        new.extend(layer.kept);
        new.sort_by_key(|part| part.at);
        Ok(new)
    }

    /// Looks at a range. The instance is not executing.
    #[cfg(target_os = "linux")]
    fn look<T>(&self, range: &Range<usize>, look: impl FnOnce(&[u8]) -> T) -> T {
        assert!(range.start <= range.end && range.end <= self.size());
        // SAFETY: they are accessible, as asserted, and nobody writes to them while the instance is not
        // executing.
        look(unsafe { slice::from_raw_parts(self.base().add(range.start), range.len()) })
    }

    /// The whole pages of the first `size` bytes that were written to.
    #[cfg(target_os = "linux")]
    pub(super) fn written(&self, size: usize) -> io::Result<Vec<Range<usize>>> {
        self.found(size, written)
    }

    /// The whole pages of the first `size` bytes that are mapped, written to or not.
    #[cfg(target_os = "linux")]
    pub(super) fn mapped(&self, size: usize) -> io::Result<Vec<Range<usize>>> {
        self.found(size, mapped)
    }

    #[cfg(target_os = "linux")]
    fn found(
        &self,
        size: usize,
        find: fn(Range<usize>) -> io::Result<Vec<Range<usize>>>,
    ) -> io::Result<Vec<Range<usize>>> {
        let base = self.base().addr();
        let end = size.min(self.size()) & !(rustix::param::page_size() - 1);
        let mut found = find(base..base + end)?;
        for range in &mut found {
            *range = range.start - base..range.end - base;
        }
        Ok(found)
    }

    /// As [`populate`](Self::populate), of what is within the memory.
    #[cfg(target_os = "linux")]
    pub(super) fn populate_within(&self, ranges: &[Range<usize>]) {
        let size = self.size();
        for range in ranges.iter().filter(|range| range.start < size) {
            self.populate(range.start, range.end.min(size) - range.start);
        }
    }

    /// Gets pages at once that would be faults one by one. That they are not got is no fault.
    fn populate(&self, at: usize, length: usize) {
        assert!(at.checked_add(length).is_some_and(|end| end <= self.size()));
        #[cfg(target_os = "linux")]
        // SAFETY: the addresses are this mapping's own, as asserted; what they contain stays the same.
        unsafe {
            let place: *mut c_void = self.base().add(at).cast();
            let _ = rustix::mm::madvise(place, length, rustix::mm::Advice::LinuxPopulateWrite);
        }
    }

    /// Writes to a memory in which nothing has run.
    fn copy_in(&self, at: usize, bytes: &[u8]) {
        assert!(
            at.checked_add(bytes.len())
                .is_some_and(|end| end <= self.size())
        );
        // SAFETY: they are accessible, as asserted, and nobody has a reference to what is in a memory.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.base().add(at), bytes.len()) };
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
