//! A stream that its embedder may read, and that is captured where nobody does.

use sandbox_net_egress::account::HostMemory;

use crate::capture::Capture;
use crate::pipe::OutputReader;

/// A stream of the program, and what was captured of it because nobody took it.
pub(crate) struct Piped {
    reader: Option<OutputReader>,
    memory: HostMemory,
    limit: usize,
    captured: Option<Capture>,
}

impl Piped {
    /// What is captured is taken from `memory`, and is at most `limit` bytes.
    pub(crate) fn new(reader: Option<OutputReader>, memory: &HostMemory, limit: usize) -> Self {
        Self {
            reader,
            memory: memory.clone(),
            limit,
            captured: None,
        }
    }

    /// The embedder's end; None the second time, and if it is not piped.
    pub(crate) fn take(&mut self) -> Option<OutputReader> {
        self.reader.take()
    }

    /// Captures what is left, to the end.
    pub(crate) async fn drain(&mut self) {
        let Some(reader) = &mut self.reader else {
            return;
        };
        let new = || Capture::new(&self.memory, self.limit);
        let captured = self.captured.get_or_insert_with(new);
        while let Some(bytes) = reader.next().await {
            captured.extend(&bytes);
        }
        self.reader = None;
    }

    /// What was captured, and whether something is missing; None if it was not piped, or was taken.
    pub(crate) fn captured(&mut self) -> Option<(Vec<u8>, bool)> {
        let captured = self.captured.take()?;
        Some((captured.take(), captured.is_truncated()))
    }
}
