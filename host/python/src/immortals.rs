//! Makes the objects in an image immortal, so that copies of it share the pages that these are in.
//!
//! CPython writes to an object's reference count whenever it looks at the object, unless the count says that
//! the object is immortal (PEP 683). Who makes the image, `settled.py` in the shim, tells where objects
//! are. What it says is the guest's word: a wrong one spoils the guest's own memory and nothing else.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// Where the guest writes it, below its root.
pub(crate) const FILE: &str = ".objects";
/// The most bytes of that file: a bit for each eight bytes of 4 GiB.
const MOST: u64 = (64 << 20) + 4;
/// CPython's `_Py_IMMORTAL_INITIAL_REFCNT` where a pointer has four bytes.
const IMMORTAL: u32 = 5 << 28;
/// More references than an object has; what has more is immortal, or is none.
const LARGEST_COUNT: u32 = 1 << 24;
/// What an object's address is a multiple of.
const ALIGN: usize = 8;

/// Which objects are to be immortal.
#[derive(Debug, Default)]
pub(crate) struct Immortals {
    /// The address of the first bit.
    first: usize,
    bits: Vec<u8>,
}

impl Immortals {
    /// Reads what the guest wrote.
    pub(crate) fn read(path: &Path) -> io::Result<Self> {
        let mut bytes = Vec::new();
        File::open(path)?.take(MOST).read_to_end(&mut bytes)?;
        Ok(Self::of(&bytes))
    }

    /// What the guest wrote.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let Some((first, bits)) = bytes.split_first_chunk() else {
            return Self::default();
        };
        Self {
            first: u32::from_le_bytes(*first) as usize,
            bits: bits.to_vec(),
        }
    }

    /// Marks the objects in the piece of memory that begins at `start`.
    pub(crate) fn mark(&self, piece: &mut [u8], start: usize) {
        let (words, _) = piece.as_chunks_mut::<ALIGN>();
        for (index, word) in words.iter_mut().enumerate() {
            if self.is_object(start + index * ALIGN)
                && let Some(count) = word.first_chunk_mut()
                && (1..LARGEST_COUNT).contains(&u32::from_le_bytes(*count))
            {
                *count = IMMORTAL.to_le_bytes();
            }
        }
    }

    fn is_object(&self, address: usize) -> bool {
        let bit = address.checked_sub(self.first).map(|from| from / ALIGN);
        bit.is_some_and(|bit| {
            self.bits
                .get(bit / 8)
                .is_some_and(|byte| byte >> (bit % 8) & 1 == 1)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(piece: &[u8]) -> Vec<u32> {
        let (counts, _) = piece.as_chunks::<4>();
        counts
            .iter()
            .map(|count| u32::from_le_bytes(*count))
            .collect()
    }

    #[test]
    fn the_counts_of_objects_are_made_immortal_and_nothing_else_is_changed() {
        // Objects at 64, 80, 88 and 128.
        let told = Immortals::of(&[64, 0, 0, 0, 0b1101, 1]);
        let words = |numbers: [u32; 6]| numbers.map(u32::to_le_bytes).concat();
        let mut piece = words([1, 1, 7, 7, 2, 9]);
        told.mark(&mut piece, 64);
        assert_eq!(counts(&piece), [IMMORTAL, 1, 7, 7, IMMORTAL, 9]);
        // Immortal already, free memory, and no count at all.
        for kept in [7 << 28, 0, u32::MAX] {
            let mut piece = words([kept, 1, 1, 1, 1, 1]);
            told.mark(&mut piece, 88);
            assert_eq!(counts(&piece), [kept, 1, 1, 1, 1, 1]);
        }
        for elsewhere in [0, 40, 1 << 20] {
            let mut piece = words([1; 6]);
            told.mark(&mut piece, elsewhere);
            assert_eq!(counts(&piece), [1; 6], "{elsewhere}");
        }
    }

    #[test]
    fn whatever_the_guest_says_is_harmless() {
        for said in [&[][..], &[1, 2, 3], &[0; 4], &[255; 9], &[63, 0, 0, 0, 255]] {
            let mut piece = vec![1; 100];
            Immortals::of(said).mark(&mut piece, 0);
            assert_eq!(piece.len(), 100);
        }
    }
}
