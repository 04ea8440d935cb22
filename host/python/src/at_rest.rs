//! An interpreter between two turns: it is asked for another one, and its memory is read.

use wasmtime::Store;
use wasmtime::component::{ComponentNamedList, Instance, Lift, Lower, TypedFunc, WasmList};

use crate::build_error::BuildError;
use crate::componentize::WASM_PAGE;
use crate::image::{Image, ImageWriter};
use crate::immortals::Immortals;
use crate::manifest::MemoryRange;

/// How much of the memory is looked at at once.
const PIECE: usize = 1 << 20;

/// An instance of a [runtime](crate::Builder::runtime), between two turns.
///
/// ```no_run
/// # use wasmtime::{Store, component::Instance};
/// # async fn example(store: &mut Store<()>, instance: Instance) -> wasmtime::Result<()> {
/// let mut interpreter = sandbox_net_python::AtRest::new(store, instance);
/// let status = interpreter.turn(b"print(1)").await?;
/// assert_eq!(status, 0);
/// # Ok(())
/// # }
/// ```
pub struct AtRest<'a, T: 'static> {
    store: &'a mut Store<T>,
    instance: Instance,
}

impl<T> std::fmt::Debug for AtRest<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AtRest").finish_non_exhaustive()
    }
}

impl<'a, T: Send + 'static> AtRest<'a, T> {
    /// Takes an instance in which nothing runs.
    pub fn new(store: &'a mut Store<T>, instance: Instance) -> Self {
        Self { store, instance }
    }

    /// What its store holds.
    pub fn data(&self) -> &T {
        self.store.data()
    }

    fn function<P, R>(&mut self, name: &str) -> wasmtime::Result<TypedFunc<P, R>>
    where
        P: ComponentNamedList + Lower,
        R: ComponentNamedList + Lift,
    {
        self.instance.get_typed_func(&mut *self.store, name)
    }

    /// Where the stack of its C code ends. It is the same whenever nothing runs.
    ///
    /// # Errors
    ///
    /// If the instance has trapped.
    pub async fn stack_pointer(&mut self) -> wasmtime::Result<u32> {
        let function = self.function::<(), (u32,)>("stack-pointer")?;
        let (pointer,) = function.call_async(&mut *self.store, ()).await?;
        Ok(pointer)
    }

    /// Lets it run one turn, and returns its status.
    ///
    /// # Errors
    ///
    /// If it traps, or a limit of the store ends it.
    pub async fn turn(&mut self, source: &[u8]) -> wasmtime::Result<i32> {
        let turn = self.function::<(&[u8],), (i32,)>("turn")?;
        let (status,) = turn.call_async(&mut *self.store, (source,)).await?;
        Ok(status)
    }

    /// Copies a part of its memory.
    ///
    /// # Errors
    ///
    /// If the part is not within its memory.
    pub async fn read(&mut self, address: u32, length: u32) -> wasmtime::Result<Vec<u8>> {
        let view = self.function::<(u32, u32), (WasmList<u8>,)>("memory-view")?;
        let (list,) = view.call_async(&mut *self.store, (address, length)).await?;
        Ok(list.as_le_slice(&*self.store).to_vec())
    }

    /// Writes its memory with zeros in the ranges of `reset`, and with immortal objects.
    pub(crate) async fn write(
        mut self,
        mut into: ImageWriter,
        reset: &[MemoryRange],
        immortals: &Immortals,
    ) -> Result<Image, BuildError> {
        let pages = self.function::<(), (u32,)>("memory-pages");
        let pages = pages.map_err(BuildError::snapshot)?;
        let called = pages.call_async(&mut *self.store, ()).await;
        let (pages,) = called.map_err(BuildError::snapshot)?;
        let view = self.function::<(u32, u32), (WasmList<u8>,)>("memory-view");
        let view = view.map_err(BuildError::snapshot)?;
        let size = pages as usize * WASM_PAGE;
        for start in (0..size).step_by(PIECE) {
            let length = PIECE.min(size - start);
            let piece = (start as u32, length as u32);
            let called = view.call_async(&mut *self.store, piece).await;
            let (list,) = called.map_err(BuildError::snapshot)?;
            let bytes = list.as_le_slice(&*self.store);
            let wiped = wiped(bytes, start, reset);
            let mut piece = wiped.unwrap_or_else(|| bytes.to_vec());
            immortals.mark(&mut piece, start);
            into.append(&piece)?;
        }
        Ok(into.finish()?)
    }
}

/// The piece of memory that begins at `start` with zeros in these ranges, if any is in it.
fn wiped(piece: &[u8], start: usize, ranges: &[MemoryRange]) -> Option<Vec<u8>> {
    let end = start + piece.len();
    let mut wiped = None;
    for range in ranges {
        let from = range.address as usize;
        let to = from + range.length as usize;
        let (from, to) = (from.max(start), to.min(end));
        if from < to {
            let copy = wiped.get_or_insert_with(|| piece.to_vec());
            copy[from - start..to - start].fill(0);
        }
    }
    wiped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_zeroed_in_each_piece_that_it_is_in() {
        let ranges = [MemoryRange {
            address: 6,
            length: 4,
        }];
        let piece = [1; 4];
        assert_eq!(wiped(&piece, 0, &ranges), None);
        assert_eq!(wiped(&piece, 4, &ranges), Some(vec![1, 1, 0, 0]));
        assert_eq!(wiped(&piece, 8, &ranges), Some(vec![0, 0, 1, 1]));
        assert_eq!(wiped(&piece, 12, &ranges), None);
    }
}
