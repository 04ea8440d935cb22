//! Memory for WebAssembly that begins as an image or with zeros. With `addresses.rs` and `owned.rs` the only
//! unsafe code about it.
#![expect(unsafe_code, reason = "memory that is mapped; see SAFETY")]

#[cfg(unix)]
pub(super) use self::mapped::Mapping;
#[cfg(not(unix))]
pub(super) use super::owned::Owned as Mapping;

use wasmtime::{LinearMemory, MemoryCreator, MemoryType};

use super::creator::{self, ImageMemory, image_of};
use super::room::Room;

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
        let memory = Mapping::new(Room::of(size, reserved, guard), image.as_ref());
        let memory = memory.map_err(|e| format!("memory of {size} bytes can't be mapped: {e}"))?;
        #[cfg(unix)]
        let memory = match image {
            Some(_) => memory.freezes(creator::made),
            None => memory,
        };
        Ok(Box::new(memory))
    }
}

#[cfg(unix)]
mod mapped {
    use std::io;
    use std::sync::Arc;

    use wasmtime::LinearMemory;

    use super::super::parts::Image;
    use super::super::spares::Lease;
    use super::Room;

    /// The memory of an instance.
    pub(in super::super) struct Mapping {
        pub(super) addresses: Arc<Lease>,
        /// Whether what it grows by can be frozen without being copied.
        freezes: bool,
    }

    impl Mapping {
        pub(super) fn new(room: Room, image: Option<&Arc<Image>>) -> io::Result<Self> {
            let addresses = match image {
                Some(image) => Lease::of(image, &room)?,
                None => Lease::zeros(&room)?,
            };
            Ok(Self {
                addresses: Arc::new(addresses),
                freezes: false,
            })
        }

        pub(super) fn freezes(self, ask: impl FnOnce(&Arc<Lease>) -> bool) -> Self {
            let freezes = ask(&self.addresses);
            Self { freezes, ..self }
        }

        fn open(&self, size: usize) -> io::Result<()> {
            #[cfg(target_os = "linux")]
            if self.freezes {
                return self.addresses.open_shared(size);
            }
            self.addresses.open(size)
        }

        /// Gives way to a larger copy.
        fn move_to(&mut self, room: Room) -> io::Result<()> {
            let larger = Self::new(room, None)?;
            self.addresses.move_to(&larger.addresses);
            *self = larger;
            Ok(())
        }
    }

    // SAFETY: `as_ptr` is the beginning of `byte_size` accessible bytes; they move only where they grow beyond
    // `byte_capacity`. What is after these up to the guard's end traps.
    unsafe impl LinearMemory for Mapping {
        fn byte_size(&self) -> usize {
            self.addresses.size()
        }

        fn byte_capacity(&self) -> usize {
            self.addresses.capacity()
        }

        fn grow_to(&mut self, size: usize) -> wasmtime::Result<()> {
            wasmtime::ensure!(size >= self.byte_size(), "a memory does not shrink");
            match size <= self.byte_capacity() {
                true => self.open(size)?,
                false => self.move_to(Room::of(size, None, self.addresses.guard()))?,
            }
            Ok(())
        }

        fn as_ptr(&self) -> *mut u8 {
            self.addresses.base()
        }
    }
}

#[cfg(all(test, unix))]
#[path = "mapping_tests.rs"]
mod tests;

#[cfg(all(test, target_os = "linux"))]
#[path = "freeze_tests.rs"]
mod freeze_tests;
