//! The guest's side of preview1: error numbers, and the buffers of a call.

use core::ptr;
use core::slice;

use crate::machine;

/// The error numbers of preview1 that the channel returns.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u16)]
pub(crate) enum Errno {
    /// `again`: nothing was written yet, so there is no reply.
    Again = 6,
    /// `badf`: a body of an exchange that there is not.
    BadFile = 8,
    /// `fault`: an address outside the memory, or 0.
    Fault = 21,
    /// `inval`: buffers of 2 GiB or more together.
    Invalid = 28,
    /// `io`: a body that cannot be written; a `write` tells why.
    Io = 29,
    /// `nomem`: no room for the adapter's state.
    NoMemory = 48,
}

/// A piece of the guest's memory. It may overlap others, and the guest may write to it between
/// calls, but not during one.
#[derive(Clone, Copy)]
pub(crate) struct Buffer {
    pub(crate) start: *mut u8,
    pub(crate) size: usize,
}

impl Buffer {
    /// The `size` bytes at `address`, if all of them are inside the memory. C code never has any at
    /// 0.
    fn new(address: u32, size: u32) -> Result<Buffer, Errno> {
        let end = u64::from(address) + u64::from(size);
        if size != 0 && (address == 0 || end > machine::memory_size()) {
            return Err(Errno::Fault);
        }
        Ok(Buffer {
            start: ptr::with_exposed_provenance_mut(address as usize),
            size: size as usize,
        })
    }

    /// Without its first `count` bytes.
    pub(crate) fn skip(self, count: usize) -> Buffer {
        let count = count.min(self.size);
        Buffer {
            start: self.start.wrapping_add(count),
            size: self.size - count,
        }
    }

    /// Only its first `count` bytes.
    pub(crate) fn first(self, count: usize) -> Buffer {
        let size = self.size.min(count);
        Buffer { size, ..self }
    }

    /// Puts `bytes`, of which there are no more than fit, at its beginning, if they are not there yet.
    pub(crate) fn fill(self, bytes: &[u8]) {
        if bytes.as_ptr() != self.start {
            // SAFETY: the buffer is inside the memory; the bytes fit, and may overlap it.
            unsafe { ptr::copy(bytes.as_ptr(), self.start, bytes.len().min(self.size)) };
        }
    }

    /// Its bytes.
    ///
    /// # Safety
    ///
    /// Nothing writes to them while the slice is in use: neither a reader's copy nor the arena.
    pub(crate) unsafe fn bytes<'a>(self) -> &'a [u8] {
        if self.size == 0 {
            return Default::default();
        }
        // SAFETY: the range was found inside the memory, which never shrinks, and not at 0; it is
        // smaller than 2 GiB as its list is.
        unsafe { slice::from_raw_parts(self.start, self.size) }
    }
}

/// The `iovec` list of a call.
#[derive(Clone, Copy)]
pub(crate) struct Buffers {
    list: *const [u32; 2],
    count: u32,
    /// All buffers' sizes together.
    pub(crate) total: u32,
}

impl Buffers {
    /// The `count` buffers listed at `list`.
    pub(crate) fn new(list: u32, count: u32) -> Result<Buffers, Errno> {
        let size = count
            .checked_mul(size_of::<[u32; 2]>() as u32)
            .ok_or(Errno::Fault)?;
        let list = Buffer::new(list, size)?.start.cast_const().cast();
        let mut buffers = Buffers {
            list,
            count,
            total: 0,
        };
        for index in 0..count {
            let size = buffers.at(index)?.size as u32;
            buffers.total = (buffers.total.checked_add(size))
                .filter(|total| *total <= i32::MAX as u32)
                .ok_or(Errno::Invalid)?;
        }
        Ok(buffers)
    }

    fn at(&self, index: u32) -> Result<Buffer, Errno> {
        // SAFETY: `new` found the whole list inside the memory.
        let [address, size] = unsafe { self.list.add(index as usize).read_unaligned() };
        Buffer::new(address, size)
    }

    /// The buffers in order, up to the first that is not inside the memory. [`Buffers::new`]
    /// refused such; they come about only where a buffer that was written to overlaps the list.
    pub(crate) fn iter(self) -> impl Iterator<Item = Buffer> {
        (0..self.count).map_while(move |index| self.at(index).ok())
    }

    /// The content of the buffers after their first `count` bytes.
    pub(crate) fn skip(self, mut count: usize) -> impl Iterator<Item = Buffer> {
        self.iter().filter_map(move |buffer| {
            let rest = buffer.skip(count);
            count -= buffer.size - rest.size;
            (rest.size > 0).then_some(rest)
        })
    }
}

/// A place in the guest's memory for a result of the call.
pub(crate) struct Place<T>(*mut T);

impl<T> Place<T> {
    /// The place at `address`.
    pub(crate) fn new(address: u32) -> Result<Place<T>, Errno> {
        let buffer = Buffer::new(address, size_of::<T>() as u32)?;
        Ok(Place(buffer.start.cast()))
    }

    /// Stores the result.
    pub(crate) fn set(self, value: T) {
        // SAFETY: `new` found the place inside the memory. It is the guest's to say what was there.
        unsafe { self.0.write_unaligned(value) };
    }
}
