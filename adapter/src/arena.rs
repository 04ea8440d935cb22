//! Memory for one frame: its payload, what the host lowers into it, and its reply.
//!
//! Blocks are allocated one after the other, and all freed when the next frame begins. Their chunks
//! are kept, so a steady flow of frames does not grow the memory.

use core::alloc::Layout;
use core::cell::Cell;
use core::ptr;

use crate::errors::Fault;
use crate::machine;

/// The least size of the first chunk: enough for an ordinary frame, with room to spare.
pub(crate) const FIRST_CHUNK: usize = 512 * 1024;
/// The least by which the arena grows.
const NEXT_CHUNK: usize = 256 * 1024;
/// What [`Arena::reserve`] adds for the alignment of the blocks that follow.
const PADDING: usize = 64;

/// The head of a chunk; its blocks follow it.
struct Chunk {
    end: usize,
    next: Cell<Option<&'static Chunk>>,
}

impl Chunk {
    /// Makes a chunk of the memory from `start` to `end`.
    ///
    /// # Safety
    ///
    /// That memory is the caller's alone, for good, and at least as large as a `Chunk`.
    unsafe fn place(start: usize, end: usize) -> &'static Chunk {
        let chunk = ptr::with_exposed_provenance_mut::<Chunk>(start.next_multiple_of(16));
        // SAFETY: as this function's.
        unsafe {
            chunk.write(Chunk {
                end,
                next: Cell::new(None),
            });
            &*chunk
        }
    }

    fn start(&'static self) -> usize {
        ptr::from_ref(self).addr() + size_of::<Chunk>()
    }

    /// Where a block would begin at or after `from`, if the chunk has room for it.
    fn fit(&self, from: usize, layout: Layout) -> Option<usize> {
        let begin = from.checked_next_multiple_of(layout.align())?;
        let end = begin.checked_add(layout.size())?;
        (end <= self.end).then_some(begin)
    }
}

/// The chunks, and how far they are used.
pub(crate) struct Arena {
    first: &'static Chunk,
    current: Cell<&'static Chunk>,
    cursor: Cell<usize>,
    exhausted: Cell<bool>,
    /// Where the next list of bytes that the host returns belongs.
    place: Cell<Option<Place>>,
}

/// A place for bytes outside the arena.
#[derive(Clone, Copy)]
struct Place {
    start: usize,
    size: usize,
}

impl Arena {
    /// An arena whose first chunk is the memory from `start` to `end`.
    ///
    /// # Safety
    ///
    /// That memory is the caller's alone, for good, and larger than a chunk's head.
    pub(crate) unsafe fn new(start: usize, end: usize) -> Arena {
        // SAFETY: as this function's.
        let first = unsafe { Chunk::place(start, end) };
        Arena {
            first,
            current: Cell::new(first),
            cursor: Cell::new(first.start()),
            exhausted: Cell::new(false),
            place: Cell::new(None),
        }
    }

    /// Runs `call`, and has the host put the bytes that it returns at `start`, where there is room for
    /// `size` of them.
    pub(crate) fn placing<T>(&self, start: usize, size: usize, call: impl FnOnce() -> T) -> T {
        self.place.set(Some(Place { start, size }));
        let result = call();
        self.place.set(None);
        result
    }

    /// The place for a list of bytes of this layout, if one was prepared.
    pub(crate) fn take_place(&self, layout: Layout) -> Option<usize> {
        let place = self.place.get()?;
        if layout.align() != 1 || layout.size() > place.size {
            return None;
        }
        self.place.set(None);
        Some(place.start)
    }

    /// Frees every block.
    pub(crate) fn reset(&self) {
        self.current.set(self.first);
        self.cursor.set(self.first.start());
        self.exhausted.set(false);
    }

    /// Makes sure that blocks of `size` bytes together can be allocated, whatever else fails.
    pub(crate) fn reserve(&self, size: usize) -> Result<(), Fault> {
        let padded = size.checked_add(PADDING).ok_or(Fault::Memory)?;
        let layout = Layout::from_size_align(padded, 1).map_err(|_| Fault::Memory)?;
        self.seek(layout).map(drop).ok_or(Fault::Memory)
    }

    /// Whether everything that the host returned since the last reset is intact.
    pub(crate) fn intact(&self) -> Result<(), Fault> {
        if self.exhausted.get() {
            Err(Fault::Memory)
        } else {
            Ok(())
        }
    }

    /// A block that stays until the next reset; `None` if the memory cannot grow.
    fn block(&self, layout: Layout) -> Option<usize> {
        let begin = self.seek(layout)?;
        self.cursor.set(begin + layout.size());
        Some(begin)
    }

    /// Finds the first chunk, from the current one on, with room for the block, adding one if
    /// necessary, and returns the place of the block.
    fn seek(&self, layout: Layout) -> Option<usize> {
        loop {
            let chunk = self.current.get();
            if let Some(begin) = chunk.fit(self.cursor.get(), layout) {
                return Some(begin);
            }
            if chunk.next.get().is_none() {
                chunk.next.set(Some(grow(layout)?));
            }
            let next = chunk.next.get()?;
            self.current.set(next);
            self.cursor.set(next.start());
        }
    }

    /// A block for callers that cannot be told of a failure: the host while it lowers a result, or
    /// the bindings that lift it.
    ///
    /// If the memory cannot grow, the block overlaps used ones, and [`Arena::intact`] fails from
    /// then on. Such a result is never read.
    pub(crate) fn block_or_overlap(&self, layout: Layout) -> Option<usize> {
        self.block(layout).or_else(|| {
            self.exhausted.set(true);
            let mut chunk = Some(self.first);
            while let Some(candidate) = chunk {
                if let Some(begin) = candidate.fit(candidate.start(), layout) {
                    return Some(begin);
                }
                chunk = candidate.next.get();
            }
            None
        })
    }
}

/// A new chunk with room for one block: a large chunk, or as large as necessary.
fn grow(layout: Layout) -> Option<&'static Chunk> {
    let least = layout.size().checked_add(layout.align() + PADDING)?;
    let pages = |size: usize| size.div_ceil(machine::PAGE);
    let (start, pages) = [pages(least.max(NEXT_CHUNK)), pages(least)]
        .into_iter()
        .find_map(|pages| machine::grow(pages).map(|start| (start, pages)))?;
    // SAFETY: the pages are new, and nobody else knows of them. They have more than `PADDING`
    // bytes, which is more than a head.
    Some(unsafe { Chunk::place(start, start + pages * machine::PAGE) })
}

#[cfg(test)]
mod tests {
    use core::alloc::Layout;

    use super::{Arena, PADDING};
    use crate::errors::Fault;

    const SIZE: usize = 4096;

    /// An arena that cannot grow: outside WebAssembly no memory does.
    fn arena() -> Arena {
        let memory = vec![0_u128; SIZE / 16].leak();
        let start = memory.as_mut_ptr().expose_provenance();
        // SAFETY: the memory was leaked, so it is the arena's for good.
        unsafe { Arena::new(start, start + SIZE) }
    }

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).unwrap()
    }

    #[test]
    fn blocks_are_aligned_and_apart() {
        let arena = arena();
        let mut end = 0;
        for (size, align) in [(1, 1), (4, 4), (3, 1), (16, 8), (5, 2), (100, 16)] {
            let begin = arena.block(layout(size, align)).unwrap();
            assert!(begin >= end && begin.is_multiple_of(align));
            end = begin + size;
        }
    }

    #[test]
    fn a_reset_gives_every_block_back() {
        let arena = arena();
        let first = arena.block(layout(3000, 1));
        assert_eq!(arena.block(layout(3000, 1)), None);
        arena.reset();
        assert_eq!(arena.block(layout(3000, 1)), first);
    }

    #[test]
    fn a_place_is_for_one_list_of_bytes_that_fits() {
        let arena = arena();
        assert_eq!(arena.take_place(layout(1, 1)), None);
        arena.placing(7, 10, || {
            assert_eq!(arena.take_place(layout(11, 1)), None);
            assert_eq!(arena.take_place(layout(8, 4)), None);
            assert_eq!(arena.take_place(layout(10, 1)), Some(7));
            assert_eq!(arena.take_place(layout(1, 1)), None);
        });
        arena.placing(7, 10, || ());
        assert_eq!(arena.take_place(layout(1, 1)), None);
    }

    #[test]
    fn what_was_reserved_can_be_had_in_pieces() {
        let arena = arena();
        arena.block(layout(7, 1));
        let rest = 3000;
        assert_eq!(arena.reserve(rest), Ok(()));
        for _ in 0..rest / 1000 {
            assert!(arena.block(layout(1000, 8)).is_some());
        }
        assert_eq!(arena.reserve(SIZE), Err(Fault::Memory));
        assert_eq!(arena.reserve(usize::MAX - PADDING), Err(Fault::Memory));
        assert_eq!(arena.reserve(usize::MAX), Err(Fault::Memory));
        assert_eq!(arena.intact(), Ok(()));
    }

    #[test]
    fn where_memory_runs_out_blocks_overlap_and_the_arena_is_not_intact() {
        let arena = arena();
        let first = arena.block_or_overlap(layout(3000, 8));
        assert_eq!(arena.intact(), Ok(()));
        assert_eq!(arena.block_or_overlap(layout(2000, 8)), first);
        assert_eq!(arena.intact(), Err(Fault::Memory));
        assert_eq!(arena.block_or_overlap(layout(SIZE, 8)), None);
        arena.reset();
        assert_eq!(arena.intact(), Ok(()));
    }
}
