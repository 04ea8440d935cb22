//! Makes objects of a snapshot immortal, as CPython calls those whose references it does not count.
//!
//! A count is a write, and each first write to a page of an instance copies that page. The shim tells the
//! addresses (`sandbox_net.immortal`); they lie within the guest's own memory, or nothing is written.

use std::io;
use std::path::Path;

/// What the interpreter runs last, so that nothing of what it tells ends before the snapshot.
pub(super) const TELL: &str = "import sandbox_net.immortal\nsandbox_net.immortal.tell()\n";
/// The file in the guest's root with the addresses, in order, as little-endian numbers of four bytes.
const FILE: &str = "immortal";
/// CPython's count of an immortal object, where a pointer has four bytes (`_Py_IMMORTAL_INITIAL_REFCNT`).
const IMMORTAL: u32 = 5 << 28;
/// A count that is none, or one that is immortal already.
const MOST: u32 = 1 << 28;

/// The addresses of the objects.
pub(super) struct Immortal(Vec<u32>);

impl Immortal {
    /// Reads what the shim has left; nothing, if it has left nothing.
    pub(super) fn read(root: &Path) -> io::Result<Self> {
        let bytes = match std::fs::read(root.join(FILE)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            read => read?,
        };
        let (numbers, _) = bytes.as_chunks::<4>();
        let mut addresses: Vec<u32> = numbers.iter().copied().map(u32::from_le_bytes).collect();
        addresses.sort_unstable();
        Ok(Self(addresses))
    }

    /// Marks those in the `piece` of memory that begins at `start`, in a copy of it.
    pub(super) fn mark(&self, start: usize, piece: &[u8], copy: &mut Option<Vec<u8>>) {
        let first = self
            .0
            .partition_point(|address| (*address as usize) < start);
        for address in &self.0[first..] {
            let at = *address as usize - start;
            let Some(count) = piece.get(at..).and_then(<[u8]>::first_chunk) else {
                break;
            };
            if (1..MOST).contains(&u32::from_le_bytes(*count)) {
                let copy = copy.get_or_insert_with(|| piece.to_vec());
                copy[at..at + 4].copy_from_slice(&IMMORTAL.to_le_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_marked_and_nothing_else() {
        let memory: Vec<u8> = [7u32, 0, 1, u32::MAX, 2]
            .iter()
            .flat_map(|n| n.to_le_bytes())
            .collect();
        let immortal = Immortal(vec![100, 104, 112, 116, 118, 4000]);
        let mut copy = None;
        immortal.mark(100, &memory, &mut copy);
        let words: Vec<u32> = copy
            .unwrap()
            .as_chunks::<4>()
            .0
            .iter()
            .map(|word| u32::from_le_bytes(*word))
            .collect();
        assert_eq!(words, [IMMORTAL, 0, 1, u32::MAX, IMMORTAL]);
        let mut untouched = None;
        immortal.mark(200, &memory, &mut untouched);
        assert_eq!(untouched, None);
        let root = tempfile::tempdir().unwrap();
        assert!(Immortal::read(root.path()).unwrap().0.is_empty());
        std::fs::write(root.path().join(FILE), [8, 0, 0, 0, 4, 0, 0, 0, 9]).unwrap();
        assert_eq!(Immortal::read(root.path()).unwrap().0, [4, 8]);
    }
}
