//! Changes the file of a memory image so that its checksums are right: as somebody would who lies.

use std::ops::Range;

use flate2::Crc;
use serde_json::Value;
use sha2::{Digest, Sha256};

// The places of its parts, as `host/python/src/image/file.rs` says.
const IDENTITY: Range<usize> = 16..48;
const MINIMUM: Range<usize> = 48..56;
const SIZE: Range<usize> = 56..64;
const PAGES: Range<usize> = 64..68;
const NUMBERS: Range<usize> = 68..72;
const HEADER: Range<usize> = 72..76;
const LENGTH: Range<usize> = 128..132;
const NOTES: Range<usize> = 132..136;
const TEXT: usize = 136;
const MEMORY: usize = 64 << 10;
const PAGE: usize = 4096;

/// The bytes of an image with notes: a snapshot, or the memory of a saved session.
#[derive(Clone)]
pub struct ForgedImage {
    /// The whole file.
    pub bytes: Vec<u8>,
}

impl ForgedImage {
    /// Begins with a good one.
    pub fn of(bytes: Vec<u8>) -> Self {
        Self { bytes }
    }

    /// Other notes.
    ///
    /// # Panics
    ///
    /// When it has none.
    #[must_use]
    pub fn notes(mut self, change: impl FnOnce(&mut Value)) -> Self {
        let length = self.bytes[LENGTH].try_into().map(u32::from_le_bytes);
        let text = TEXT..TEXT + length.expect("four bytes") as usize;
        let mut notes = serde_json::from_slice(&self.bytes[text.clone()]).expect("notes");
        change(&mut notes);
        self.bytes[text].fill(0);
        let text = notes.to_string();
        self.bytes[TEXT..TEXT + text.len()].copy_from_slice(text.as_bytes());
        self.put(LENGTH, &(text.len() as u32).to_le_bytes());
        self.put(NOTES, &checksum(text.as_bytes()));
        self.put(IDENTITY, &Sha256::digest(text));
        self.headed()
    }

    /// A memory that has this byte everywhere.
    #[must_use]
    pub fn memory(mut self, byte: u8) -> Self {
        self.bytes[MEMORY..].fill(byte);
        let pages = (self.bytes.len() - MEMORY) / PAGE;
        let numbers = (0..pages as u32).flat_map(u32::to_le_bytes);
        let numbers: Vec<u8> = numbers.collect();
        // Pages of zeros do not count.
        let is_used = byte != 0;
        let sum = |bytes: &[u8]| checksum(if is_used { bytes } else { &[] });
        let (memory, numbers) = (sum(&self.bytes[MEMORY..]), sum(&numbers));
        self.put(PAGES, &memory);
        self.put(NUMBERS, &numbers);
        self.headed()
    }

    /// Other sizes: that with which the runtime's memory begins, and that of the memory.
    #[must_use]
    pub fn sizes(mut self, minimum: u64, size: u64) -> Self {
        self.put(MINIMUM, &minimum.to_le_bytes());
        self.put(SIZE, &size.to_le_bytes());
        self.headed()
    }

    fn headed(mut self) -> Self {
        let sum = checksum(&self.bytes[..HEADER.start]);
        self.put(HEADER, &sum);
        self
    }

    fn put(&mut self, place: Range<usize>, bytes: &[u8]) {
        self.bytes[place].copy_from_slice(bytes);
    }
}

fn checksum(bytes: &[u8]) -> [u8; 4] {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum().to_le_bytes()
}
