//! Puts a memory image back into a module, for a component that runs on other hosts.

use wasm_encoder::reencode::{Error as ReencodeError, Reencode};
use wasm_encoder::{ConstExpr, DataSection, MemorySection};
use wasmparser::{DataSectionReader, MemorySectionReader};

use super::error::ComponentizeError;
use super::facts::WASM_PAGE;
use super::intercept::rewrite;

/// What is looked at together: runs of zeros that are shorter stay in a segment.
const CHUNK: usize = 4096;

type Faults = ReencodeError<ComponentizeError>;

/// The module whose instances begin with the memory `image`, which is of whole pages of WebAssembly.
pub(crate) fn embed(module: &[u8], image: &[u8]) -> Result<Vec<u8>, ComponentizeError> {
    rewrite(&mut Embed { image }, module)
}

struct Embed<'a> {
    image: &'a [u8],
}

impl Reencode for Embed<'_> {
    type Error = ComponentizeError;

    fn parse_memory_section(
        &mut self,
        memories: &mut MemorySection,
        section: MemorySectionReader<'_>,
    ) -> Result<(), Faults> {
        for memory in section {
            let mut memory = self.memory_type(memory?)?;
            memory.minimum = (self.image.len() / WASM_PAGE) as u64;
            memories.memory(memory);
        }
        Ok(())
    }

    fn parse_data_section(
        &mut self,
        data: &mut DataSection,
        _: DataSectionReader<'_>,
    ) -> Result<(), Faults> {
        for (start, bytes) in runs(self.image) {
            let offset = ConstExpr::i32_const((start as u32).cast_signed());
            data.active(0, &offset, bytes.iter().copied());
        }
        Ok(())
    }
}

/// The parts that are not zero, in whole chunks, with their places.
fn runs(image: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let is_used = |chunk: &[u8]| chunk.iter().any(|byte| *byte != 0);
    let used: Vec<bool> = image.chunks(CHUNK).map(is_used).collect();
    let mut start = 0;
    std::iter::from_fn(move || {
        start += used[start..].iter().position(|is_used| *is_used)?;
        let rest = &used[start..];
        let length = rest.iter().position(|is_used| !is_used);
        let end = start + length.unwrap_or(rest.len());
        let from = std::mem::replace(&mut start, end) * CHUNK;
        Some((from, &image[from..image.len().min(end * CHUNK)]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_that_are_not_zero_are_found_with_their_places() {
        let mut image = vec![0; 5 * CHUNK];
        assert_eq!(runs(&image).count(), 0);
        for at in [CHUNK, 3 * CHUNK - 1, 5 * CHUNK - 1] {
            image[at] = 1;
        }
        let found: Vec<_> = runs(&image).map(|(at, run)| (at, run.len())).collect();
        assert_eq!(found, [(CHUNK, 2 * CHUNK), (4 * CHUNK, CHUNK)]);
    }
}
