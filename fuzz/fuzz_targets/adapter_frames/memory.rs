//! Writes a program's frames and lists of buffers to its own memory.

use std::ptr;

use crate::guest::{Buffers, Errno};
use crate::machine::{BASE, GUEST, PAGE};

/// The places of the program's lists, its frames, and its replies.
const LISTS: usize = BASE + 1;
const FRAMES: usize = BASE + PAGE;
const REPLIES: usize = BASE + GUEST / 2;

/// Writes a frame to memory, cut at these places, and lists its parts.
pub(crate) fn place(frame: &[u8], cuts: &[usize]) -> Buffers {
    let mut at = FRAMES;
    let mut list = Vec::new();
    let mut rest = frame;
    for cut in cuts.iter().copied().chain([usize::MAX]) {
        let (part, behind) = rest.split_at(cut.min(rest.len()));
        store(at, part);
        list.push((at as u32, part.len() as u32));
        at += part.len() + 3;
        rest = behind;
    }
    lists(&list).expect("buffers inside the memory")
}

/// A place for this many bytes of a reply, in two parts.
pub(crate) fn room(size: usize) -> Buffers {
    let first = size / 3;
    let parts = [(REPLIES, first), (REPLIES + first, size - first)];
    let list = parts.map(|(at, size)| (at as u32, size as u32));
    lists(&list).expect("buffers inside the memory")
}

/// The bytes that were written there.
pub(crate) fn replied(size: usize) -> Vec<u8> {
    let start = ptr::with_exposed_provenance::<u8>(REPLIES);
    // SAFETY: the program's memory is mapped and initialized, and nobody has a reference to it.
    unsafe { std::slice::from_raw_parts(start, size) }.to_vec()
}

/// A list of buffers at any addresses.
pub(crate) fn lists(list: &[(u32, u32)]) -> Result<Buffers, Errno> {
    let pairs = list.iter().flat_map(|(at, size)| [*at, *size]);
    let bytes: Vec<u8> = pairs.flat_map(u32::to_le_bytes).collect();
    store(LISTS, &bytes);
    Buffers::new(LISTS as u32, list.len() as u32)
}

fn store(at: usize, bytes: &[u8]) {
    assert!(at >= BASE && at + bytes.len() <= BASE + GUEST);
    let place = ptr::with_exposed_provenance_mut(at);
    // SAFETY: the range belongs to the program, as checked above, and nothing reads it now.
    unsafe { ptr::copy(bytes.as_ptr(), place, bytes.len()) };
}
