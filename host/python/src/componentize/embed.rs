//! Puts a memory image back into a module, for a component that runs on other hosts.

use wasm_encoder::reencode::{Error as ReencodeError, Reencode};
use wasm_encoder::{ConstExpr, DataSection, MemorySection};
use wasmparser::{DataSectionReader, MemorySectionReader};

use super::error::ComponentizeError;
use super::facts::WASM_PAGE;
use super::intercept::rewrite;
use crate::zeros::used;

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
        for (start, bytes) in used(self.image) {
            let offset = ConstExpr::i32_const((start as u32).cast_signed());
            data.active(0, &offset, bytes.iter().copied());
        }
        Ok(())
    }
}
