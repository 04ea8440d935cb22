//! Accounts for the buffers that the bytes of a session are read into.
//!
//! The library does not copy data: what it keeps of a frame is a slice of the buffer that the frame
//! was read into, and keeps all of it. So a buffer counts in the sandbox's memory as long as data in
//! it is kept. (Names and values of fields are copied.)

use std::collections::HashMap;

use crate::account::Reservation;
use crate::limit::Limit;

/// Identifies a buffer of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct BufferId(u64);

/// Where bytes were read to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Landing {
    /// The address of the first byte.
    pub(super) address: usize,
    /// The room that was available.
    pub(super) room: usize,
    /// The number of bytes.
    pub(super) length: usize,
    /// The bytes of an unfinished frame from before: they move along to another buffer.
    pub(super) carried: usize,
}

/// The buffers of one session.
pub(super) struct Buffers {
    /// For the buffers that somebody holds.
    held: Reservation,
    known: HashMap<BufferId, Buffer>,
    next: u64,
    reading: Reading,
}

#[derive(Default)]
struct Buffer {
    size: usize,
    /// How many holders it has.
    holders: usize,
    /// Whether nothing more is read into it.
    is_over: bool,
}

/// The buffer that is being read into.
struct Reading {
    id: BufferId,
    /// The address after the last byte, and the room that was left there.
    end: usize,
    room: usize,
    filled: usize,
}

impl Buffers {
    /// `held`, which is still empty, grows for the buffers that somebody holds.
    pub(super) fn new(held: Reservation) -> Self {
        Self {
            held,
            known: HashMap::new(),
            next: 1,
            reading: Reading {
                id: BufferId(0),
                end: 0,
                room: 0,
                filled: 0,
            },
        }
    }

    /// The buffer that was read into last. A frame that is complete now is entirely in it.
    pub(super) fn reading(&self) -> BufferId {
        self.reading.id
    }

    /// Notes bytes that were read.
    pub(super) fn read(&mut self, landing: Landing) -> Result<(), Limit> {
        let is_same = self.reading.room > 0 && self.reading.end == landing.address;
        if !is_same {
            self.retire(self.reading.id);
            self.reading.id = self.add();
            self.reading.filled = landing.carried;
        }
        let size = self.reading.filled + landing.room;
        self.reading.end = landing.address + landing.length;
        self.reading.room = landing.room - landing.length;
        self.reading.filled += landing.length;
        self.grow_to(self.reading.id, size)
    }

    /// Adds a buffer, which nobody holds yet.
    fn add(&mut self) -> BufferId {
        let id = BufferId(self.next);
        self.next += 1;
        self.known.insert(id, Buffer::default());
        id
    }

    /// Notes that nothing more is read into a buffer, which is removed when nobody holds it.
    fn retire(&mut self, id: BufferId) {
        if let Some(buffer) = self.known.get_mut(&id) {
            buffer.is_over = true;
            self.forget_unheld(id);
        }
    }

    /// Adds a holder to a buffer.
    pub(super) fn hold(&mut self, id: BufferId) -> Result<(), Limit> {
        if let Some(buffer) = self.known.get_mut(&id) {
            if buffer.holders == 0 {
                self.held.grow(buffer.size)?;
            }
            buffer.holders += 1;
        }
        Ok(())
    }

    /// Removes a holder from a buffer.
    pub(super) fn release(&mut self, id: BufferId) {
        let Some(buffer) = self.known.get_mut(&id) else {
            return;
        };
        buffer.holders -= 1;
        if buffer.holders == 0 {
            self.held.shrink_to(self.held.bytes() - buffer.size);
            self.forget_unheld(id);
        }
    }

    fn grow_to(&mut self, id: BufferId, size: usize) -> Result<(), Limit> {
        let Some(buffer) = self.known.get_mut(&id) else {
            return Ok(());
        };
        let more = size.saturating_sub(buffer.size);
        if buffer.holders > 0 {
            self.held.grow(more)?;
        }
        buffer.size += more;
        Ok(())
    }

    fn forget_unheld(&mut self, id: BufferId) {
        let is_needed = |buffer: &Buffer| buffer.holders > 0 || !buffer.is_over;
        if self.known.get(&id).is_some_and(|buffer| !is_needed(buffer)) {
            self.known.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::HostMemory;

    /// Reads this many bytes into the room at an address.
    fn read(buffers: &mut Buffers, address: usize, room: usize, length: usize) -> BufferId {
        let landing = Landing {
            address,
            room,
            length,
            carried: 0,
        };
        buffers.read(landing).expect("memory");
        buffers.reading()
    }

    fn buffers(limit: u64) -> (HostMemory, Buffers) {
        let memory = HostMemory::new(limit);
        let held = memory.reserve(0).expect("nothing");
        (memory, Buffers::new(held))
    }

    #[test]
    fn reads_that_follow_each_other_are_in_one_buffer_and_others_are_not() {
        let (_, mut buffers) = buffers(0);
        let first = read(&mut buffers, 1000, 100, 40);
        assert_eq!(read(&mut buffers, 1040, 60, 60), first);
        // It is full: what follows is read into another one.
        let second = read(&mut buffers, 1100, 100, 10);
        assert_ne!(second, first);
        // The room moved, or bytes were skipped.
        assert_ne!(read(&mut buffers, 1111, 89, 10), second);
    }

    #[test]
    fn a_buffer_is_taken_once_and_until_the_last_holder_is_gone() {
        let (memory, mut buffers) = buffers(1000);
        let id = read(&mut buffers, 1, 100, 40);
        buffers.hold(id).unwrap();
        buffers.hold(id).unwrap();
        assert_eq!(memory.used(), 100);
        // It has grown in place.
        read(&mut buffers, 41, 260, 10);
        assert_eq!(memory.used(), 300);
        let other = read(&mut buffers, 5000, 200, 10);
        buffers.release(id);
        buffers.hold(other).unwrap();
        assert_eq!(memory.used(), 500);
        buffers.release(id);
        assert_eq!((memory.used(), buffers.known.len()), (200, 1));
        buffers.release(other);
        buffers.hold(other).unwrap();
        assert_eq!(memory.used(), 200, "it is still read into");
    }

    #[test]
    fn what_was_carried_along_is_a_part_of_a_buffer() {
        let (memory, mut buffers) = buffers(1000);
        let landing = Landing {
            address: 700,
            room: 100,
            length: 100,
            carried: 50,
        };
        buffers.read(landing).unwrap();
        buffers.hold(buffers.reading()).unwrap();
        assert_eq!(memory.used(), 150);
    }

    #[test]
    fn a_buffer_beyond_the_memory_is_the_limit() {
        let (memory, mut buffers) = buffers(99);
        let id = read(&mut buffers, 1, 100, 1);
        assert_eq!(buffers.hold(id), Err(Limit::HostMemory));
        assert_eq!(memory.used(), 0);
    }
}
