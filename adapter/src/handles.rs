//! What the guest's ids mean.
//!
//! A handle of the component model that does not exist traps, so the guest never gets one. Its ids
//! are a slot of this table and the slot's generation, and every id is checked.

use core::ptr;

use crate::bindings::client;
use crate::bindings::streams::{InputStream, OutputStream};
use crate::errors::Fault;

/// How many connections and exchanges can be open at once.
const SLOTS: u32 = 1 << SLOT_BITS;
const SLOT_BITS: u32 = 12;
/// The last generation of a slot. A slot that had it is not used again.
const LAST_GENERATION: u32 = u32::MAX >> SLOT_BITS;

/// One of an exchange's two streams.
pub(crate) enum Stream<T> {
    /// Not asked for yet.
    Untaken,
    /// In use.
    Open(T),
    /// At its proper end.
    Ended,
    /// It failed; the exchange knows why.
    Failed,
}

/// A request and its response.
pub(crate) struct Exchange {
    // The order matters: children are dropped before their parent.
    pub(crate) request_body: Stream<OutputStream>,
    pub(crate) response_body: Stream<InputStream>,
    pub(crate) handle: client::Exchange,
}

/// What an id can stand for.
pub(crate) enum Resource {
    Connection(client::Connection),
    Exchange(Exchange),
}

struct Slot {
    generation: u32,
    content: Content,
}

enum Content {
    Used(Resource),
    /// Free, and the next slot that is.
    Free(Option<u32>),
}

/// The table of ids.
pub(crate) struct Handles {
    slots: *mut Slot,
    /// How many slots were ever used, from the first on; the others are uninitialized.
    used: u32,
    /// The free slot among them that is taken next.
    free: Option<u32>,
}

impl Handles {
    /// The size of the memory that the slots need.
    pub(crate) const SIZE: usize = SLOTS as usize * size_of::<Slot>();

    /// An empty table, with its slots at `address`.
    ///
    /// # Safety
    ///
    /// The [`Handles::SIZE`] bytes there are the caller's alone, for good, and aligned for it.
    pub(crate) unsafe fn new(address: usize) -> Handles {
        Handles {
            slots: ptr::with_exposed_provenance_mut(address),
            used: 0,
            free: None,
        }
    }

    /// Whether an [`Handles::insert`] would find a slot.
    pub(crate) fn has_room(&self) -> Result<(), Fault> {
        if self.free.is_some() || self.used < SLOTS {
            Ok(())
        } else {
            Err(Fault::Handles)
        }
    }

    /// Gives an id to `resource`.
    pub(crate) fn insert(&mut self, resource: Resource) -> Result<u32, Fault> {
        self.has_room()?;
        let Some(index) = self.free else {
            return Ok(self.insert_unused(resource));
        };
        let slot = self.slot(index).ok_or(Fault::Handles)?;
        let before = core::mem::replace(&mut slot.content, Content::Used(resource));
        let id = slot.generation << SLOT_BITS | index;
        if let Content::Free(next) = before {
            self.free = next;
        }
        Ok(id)
    }

    fn insert_unused(&mut self, resource: Resource) -> u32 {
        let index = self.used;
        let slot = Slot {
            generation: 1,
            content: Content::Used(resource),
        };
        // SAFETY: the caller found `used` below `SLOTS`, and nothing is there yet.
        unsafe { self.slots.add(index as usize).write(slot) };
        self.used += 1;
        1 << SLOT_BITS | index
    }

    /// The connection of that id.
    pub(crate) fn connection(&mut self, id: u32) -> Result<&client::Connection, Fault> {
        match self.resource(id)? {
            Resource::Connection(connection) => Ok(connection),
            Resource::Exchange(_) => Err(Fault::Handle),
        }
    }

    /// The exchange of that id.
    pub(crate) fn exchange(&mut self, id: u32) -> Result<&mut Exchange, Fault> {
        match self.resource(id)? {
            Resource::Exchange(exchange) => Ok(exchange),
            Resource::Connection(_) => Err(Fault::Handle),
        }
    }

    /// Whatever has that id.
    pub(crate) fn resource(&mut self, id: u32) -> Result<&mut Resource, Fault> {
        match self.slot_of(id)?.content {
            Content::Used(ref mut resource) => Ok(resource),
            Content::Free(_) => Err(Fault::Handle),
        }
    }

    /// Takes what has that id; from then on the id means nothing.
    pub(crate) fn remove(&mut self, id: u32) -> Result<Resource, Fault> {
        self.resource(id)?;
        let next = self.free;
        let slot = self.slot_of(id)?;
        let retired = slot.generation == LAST_GENERATION;
        if !retired {
            slot.generation += 1;
        }
        let content = Content::Free(if retired { None } else { next });
        let before = core::mem::replace(&mut slot.content, content);
        if !retired {
            self.free = Some(id & (SLOTS - 1));
        }
        match before {
            Content::Used(resource) => Ok(resource),
            Content::Free(_) => Err(Fault::Handle),
        }
    }

    fn slot_of(&mut self, id: u32) -> Result<&mut Slot, Fault> {
        self.slot(id & (SLOTS - 1))
            .filter(|slot| slot.generation == id >> SLOT_BITS)
            .ok_or(Fault::Handle)
    }

    fn slot(&mut self, index: u32) -> Option<&mut Slot> {
        // SAFETY: slots below `used` are initialized.
        (index < self.used).then(|| unsafe { &mut *self.slots.add(index as usize) })
    }
}
