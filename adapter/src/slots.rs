//! A table whose ids a guest cannot forge into those of other entries.
//!
//! An id is a slot and that slot's generation. A slot's generation increases when its entry is
//! removed, so the old id is invalid from then on; a slot that had its last generation is not used
//! again.

use core::mem;
use core::ptr;

const SLOT_BITS: u32 = 12;
/// How many entries there can be at once.
const SLOTS: u32 = 1 << SLOT_BITS;
/// An id leaves its highest bit free, for file descriptors. With that bit no id is a descriptor that means
/// something else: the control channel, or -1.
const LAST_GENERATION: u32 = (u32::MAX >> (SLOT_BITS + 1)) - 1;

struct Slot<T> {
    generation: u32,
    content: Content<T>,
}

enum Content<T> {
    Used(T),
    /// Free, with the next free slot.
    Free(Option<u32>),
}

/// The table.
pub(crate) struct Slots<T> {
    slots: *mut Slot<T>,
    /// How many slots were ever used, from the first on; the others are uninitialized.
    used: u32,
    /// The free slot among them that is used next.
    free: Option<u32>,
}

impl<T> Slots<T> {
    /// The size of the memory that the slots need.
    pub(crate) const SIZE: usize = SLOTS as usize * size_of::<Slot<T>>();

    /// An empty table, with its slots at `address`.
    ///
    /// # Safety
    ///
    /// The [`Slots::SIZE`] bytes there are the caller's alone, for good, and aligned to 16.
    pub(crate) unsafe fn new(address: usize) -> Slots<T> {
        Slots {
            slots: ptr::with_exposed_provenance_mut(address),
            used: 0,
            free: None,
        }
    }

    /// Whether an [`Slots::insert`] would find a slot.
    pub(crate) fn has_room(&self) -> bool {
        self.free.is_some() || self.used < SLOTS
    }

    /// Assigns an id to `entry`; `None` if there is no room.
    pub(crate) fn insert(&mut self, entry: T) -> Option<u32> {
        let Some(index) = self.free else {
            return self.insert_unused(entry);
        };
        let slot = self.slot(index)?;
        let id = slot.generation << SLOT_BITS | index;
        if let Content::Free(next) = mem::replace(&mut slot.content, Content::Used(entry)) {
            self.free = next;
        }
        Some(id)
    }

    fn insert_unused(&mut self, entry: T) -> Option<u32> {
        let index = self.used;
        if index >= SLOTS {
            return None;
        }
        let slot = Slot {
            generation: 1,
            content: Content::Used(entry),
        };
        // SAFETY: there is memory for the slot, and nothing in it yet.
        unsafe { self.slots.add(index as usize).write(slot) };
        self.used += 1;
        Some(1 << SLOT_BITS | index)
    }

    /// The entry of that id.
    pub(crate) fn get(&mut self, id: u32) -> Option<&mut T> {
        match &mut self.slot_of(id)?.content {
            Content::Used(entry) => Some(entry),
            Content::Free(_) => None,
        }
    }

    /// Removes the entry of that id; from then on the id is invalid.
    pub(crate) fn remove(&mut self, id: u32) -> Option<T> {
        self.get(id)?;
        let next = self.free;
        let slot = self.slot_of(id)?;
        let reusable = slot.generation < LAST_GENERATION;
        slot.generation += u32::from(reusable);
        let free = Content::Free(if reusable { next } else { None });
        let content = mem::replace(&mut slot.content, free);
        if reusable {
            self.free = Some(id & (SLOTS - 1));
        }
        match content {
            Content::Used(entry) => Some(entry),
            Content::Free(_) => None,
        }
    }

    fn slot_of(&mut self, id: u32) -> Option<&mut Slot<T>> {
        self.slot(id & (SLOTS - 1))
            .filter(|slot| slot.generation == id >> SLOT_BITS)
    }

    fn slot(&mut self, index: u32) -> Option<&mut Slot<T>> {
        // SAFETY: slots below `used` are initialized.
        (index < self.used).then(|| unsafe { &mut *self.slots.add(index as usize) })
    }
}

#[cfg(test)]
mod tests {
    use super::{LAST_GENERATION, SLOT_BITS, SLOTS, Slots};
    use crate::numbers::BODIES;

    fn slots() -> Slots<u32> {
        let memory = vec![0_u128; Slots::<u32>::SIZE.div_ceil(16)];
        let address = memory.leak().as_mut_ptr().expose_provenance();
        // SAFETY: the memory was leaked, so it is the table's for good.
        unsafe { Slots::new(address) }
    }

    #[test]
    fn an_id_finds_its_own_entry_until_it_is_removed() {
        let mut slots = slots();
        let ids: Vec<u32> = (0..SLOTS).map(|n| slots.insert(n).unwrap()).collect();
        for (number, id) in ids.iter().enumerate() {
            assert_eq!(slots.get(*id).copied(), Some(number as u32));
        }
        for (number, id) in ids.iter().enumerate() {
            assert_eq!(slots.remove(*id), Some(number as u32));
            assert_eq!(slots.get(*id), None);
            assert_eq!(slots.remove(*id), None);
        }
    }

    #[test]
    fn ids_that_were_never_given_find_nothing() {
        let mut slots = slots();
        let id = slots.insert(7).unwrap();
        for other in [0, 1, SLOTS, u32::MAX, id + 1, id + SLOTS, id - SLOTS] {
            if other != id {
                assert_eq!(slots.get(other), None, "{other:x}");
            }
        }
    }

    #[test]
    fn a_full_table_takes_nothing_until_something_is_removed() {
        let mut slots = slots();
        let ids: Vec<u32> = (0..SLOTS).map(|n| slots.insert(n).unwrap()).collect();
        assert_eq!((slots.has_room(), slots.insert(0)), (false, None));
        slots.remove(ids[9]);
        assert!(slots.has_room());
        assert!(slots.insert(0).is_some_and(|id| !ids.contains(&id)));
        assert_eq!((slots.has_room(), slots.insert(0)), (false, None));
    }

    #[test]
    fn a_slot_that_had_its_last_generation_is_not_used_again() {
        let mut slots = slots();
        let first = slots.insert(0).unwrap();
        slots.remove(first);
        let mut last = first;
        for _ in 1..LAST_GENERATION {
            last = slots.insert(0).unwrap();
            slots.remove(last);
        }
        assert_eq!(last % SLOTS, first % SLOTS);
        const { assert!(LAST_GENERATION << SLOT_BITS | (SLOTS - 1) < BODIES - SLOTS) };
        let next = slots.insert(0).unwrap();
        assert_ne!(next % SLOTS, first % SLOTS);
        assert_eq!(slots.get(first), None);
        assert_eq!(slots.get(last), None);
    }
}
