//! An image: the memory with which instances begin, in parts of files that nobody writes to any more.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use super::usual::Usual;

static NUMBERS: AtomicU64 = AtomicU64::new(0);

/// The memory with which instances begin, ready to be mapped. What is in none of its parts is zero.
#[derive(Debug)]
pub struct Image {
    parts: Vec<Part>,
    loose: Loose,
    minimum: usize,
    size: usize,
    /// What is known of the pages that whatever runs uses.
    pub(super) usual: OnceLock<Usual>,
    /// Where that is kept for later processes, if it is.
    pub(super) beside: Option<PathBuf>,
    /// No other image of this process has it.
    number: u64,
}

/// Bytes that each memory gets a copy of, over the parts: pages here and there that whatever runs writes to
/// anyway, and that would each be a mapping otherwise.
#[derive(Debug, Default)]
pub(super) struct Loose {
    ranges: Vec<Range<usize>>,
    /// Those of all ranges, one after the other.
    bytes: Vec<u8>,
}

impl Loose {
    /// Bytes of ranges that are in order and do not overlap.
    pub(super) fn new(ranges: Vec<Range<usize>>, bytes: Vec<u8>) -> Self {
        assert_eq!(ranges.iter().map(Range::len).sum::<usize>(), bytes.len());
        Self { ranges, bytes }
    }

    pub(super) fn ranges(&self) -> &[Range<usize>] {
        &self.ranges
    }

    /// The bytes of each range, and where they begin.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &[u8])> {
        let mut rest = self.bytes.as_slice();
        self.ranges.iter().map(move |range| {
            let (bytes, more) = rest.split_at(range.len());
            rest = more;
            (range.start, bytes)
        })
    }
}

/// A part of a memory, and the file in which it is.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// Where it begins in the memory.
    pub(super) at: usize,
    pub(super) length: usize,
    pub(super) file: Arc<File>,
    /// Where it begins in the file.
    pub(super) offset: usize,
}

impl Image {
    /// The memory of `size` bytes that begins at `offset` in a file. The file is at least as long, and is
    /// not written to any more.
    pub(super) fn of_file(file: File, offset: usize, minimum: usize, size: usize) -> Self {
        let part = Part {
            at: 0,
            length: size,
            file: Arc::new(file),
            offset,
        };
        Self::of_parts(vec![part], Loose::default(), minimum, size)
    }

    /// Parts in the order of the memory, that do not overlap, and what is over them.
    pub(super) fn of_parts(parts: Vec<Part>, loose: Loose, minimum: usize, size: usize) -> Self {
        let mut end = 0;
        for part in &parts {
            assert!(part.at >= end, "the parts of a memory overlap");
            end = part.at + part.length;
        }
        let end = end.max(loose.ranges.last().map_or(0, |last| last.end));
        assert!(end <= size && minimum <= size, "a part is no part of it");
        Self {
            parts,
            loose,
            minimum,
            size,
            usual: OnceLock::new(),
            beside: None,
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
        }
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Whether the memory of an instance that is gone is kept for the next one: not for what is frozen of one that
    /// lives, which few begin with, and whose loose pages are in no file.
    pub(super) fn has_spares(&self) -> bool {
        cfg!(target_os = "linux")
            && self.parts.len() == 1
            && self.loose.ranges.is_empty()
            && self.usual.get().is_some()
    }

    /// The bytes of memory with which an instance begins.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The bytes of them that the runtime itself asks for: a store's limiter hears of these alone.
    pub fn minimum(&self) -> usize {
        self.minimum
    }

    pub(super) fn parts(&self) -> &[Part] {
        &self.parts
    }

    pub(super) fn loose(&self) -> &Loose {
        &self.loose
    }

    /// Copies the memory.
    pub(crate) fn read(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; self.size];
        self.read_at(0, &mut bytes)?;
        Ok(bytes)
    }

    /// Copies the memory from `at` on, all of which is within it.
    pub(super) fn read_at(&self, at: usize, into: &mut [u8]) -> io::Result<()> {
        into.fill(0);
        let range = at..at + into.len();
        // What of `start..end` is in the range, as a place in `into`.
        let within = |start: usize, end: usize| {
            let (from, to) = (start.max(range.start), end.min(range.end));
            (from < to).then(|| (from - start, from - at..to - at))
        };
        for part in &self.parts {
            if let Some((skipped, place)) = within(part.at, part.at + part.length) {
                let offset = part.offset + skipped;
                read_exact_at(&part.file, &mut into[place], offset as u64)?;
            }
        }
        for (start, loose) in self.loose.iter() {
            if let Some((skipped, place)) = within(start, start + loose.len()) {
                let length = place.len();
                into[place].copy_from_slice(&loose[skipped..skipped + length]);
            }
        }
        Ok(())
    }
}

#[cfg(unix)]
impl Drop for Image {
    fn drop(&mut self) {
        super::spares::forget(self.number);
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, into: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, into, offset)
}

#[cfg(not(unix))]
fn read_exact_at(mut file: &File, into: &mut [u8], offset: u64) -> io::Result<()> {
    use std::io::{Read, Seek, SeekFrom};

    file.seek(SeekFrom::Start(offset))?;
    file.read_exact(into)
}
