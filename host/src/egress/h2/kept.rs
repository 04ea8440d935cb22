//! What the library keeps of a session's streams until somebody takes it, counted.
//!
//! A peer may send heads, data in small frames, and the fields behind a body, while nobody reads. The
//! library keeps all of it, and says nothing about how much. So the frames are counted before it
//! gets them, and what they cost is taken from the sandbox's memory until the exchange has taken it.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::account::{HostMemory, Reservation};
use crate::egress::Limit;

/// What an exchange takes from the sandbox's memory for this before it begins: enough for an honest
/// head with few fields, or for a few fields behind a body.
pub(super) const AHEAD: usize = 2 << 10;

/// What a frame with data costs beside the data, at most: the library's own entry, in a list that
/// grows to twice its size.
const DATA_FRAME: usize = 512;

/// What a list of fields is kept for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The final head, or an informational one.
    Head,
    /// Fields behind a body.
    Trailers,
}

/// The streams of one session.
#[derive(Clone)]
pub(super) struct Streams(Arc<Inner>);

struct Inner {
    memory: HostMemory,
    streams: Mutex<HashMap<u32, Kept>>,
}

/// What is kept for one stream.
struct Kept {
    held: Reservation,
    heads: usize,
    trailers: usize,
    data_frames: usize,
    /// Whether any head came.
    has_begun: bool,
}

impl Kept {
    /// Takes what is kept now, beyond what was taken ahead.
    fn settle(&mut self) -> Result<(), Limit> {
        let all = self.heads + self.trailers + self.data_frames * DATA_FRAME;
        self.held.change_to(all.saturating_sub(AHEAD))
    }
}

impl fmt::Debug for Streams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.lock().keys()).finish()
    }
}

impl Streams {
    pub(super) fn new(memory: HostMemory) -> Self {
        Self(Arc::new(Inner {
            memory,
            streams: Mutex::default(),
        }))
    }

    pub(super) fn memory(&self) -> &HostMemory {
        &self.0.memory
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u32, Kept>> {
        let streams = self.0.streams.lock();
        streams.unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a stream by `open`, which gives its number. Nothing that comes on it is looked at
    /// before it is known here.
    pub(super) fn open<T, E>(
        &self,
        open: impl FnOnce() -> Result<(u32, T), E>,
    ) -> Result<(KeptStream, T), OpenError<E>> {
        let held = self.0.memory.reserve(0).map_err(OpenError::Limit)?;
        let mut streams = self.lock();
        let (id, opened) = open().map_err(OpenError::Library)?;
        let kept = Kept {
            held,
            heads: 0,
            trailers: 0,
            data_frames: 0,
            has_begun: false,
        };
        streams.insert(id, kept);
        let streams = self.clone();
        Ok((KeptStream { streams, id }, opened))
    }

    /// Which list begins on a stream; none where the library drops whatever comes there.
    pub(super) fn begin_block(&self, id: u32, is_last: bool) -> Option<Part> {
        let mut streams = self.lock();
        let kept = streams.get_mut(&id)?;
        let has_begun = std::mem::replace(&mut kept.has_begun, true);
        Some(match has_begun && is_last {
            true => Part::Trailers,
            false => Part::Head,
        })
    }

    /// Keeps so many bytes of a list that comes on a stream.
    pub(super) fn keep(&self, id: u32, part: Part, bytes: usize) -> Result<(), Limit> {
        let mut streams = self.lock();
        let Some(kept) = streams.get_mut(&id) else {
            return Ok(());
        };
        match part {
            Part::Head => kept.heads += bytes,
            Part::Trailers => kept.trailers += bytes,
        }
        kept.settle()
    }

    /// Keeps a frame with data.
    pub(super) fn keep_data_frame(&self, id: u32) -> Result<(), Limit> {
        let mut streams = self.lock();
        let Some(kept) = streams.get_mut(&id) else {
            return Ok(());
        };
        kept.data_frames += 1;
        kept.settle()
    }
}

/// Why a stream does not open.
#[derive(Debug)]
pub(super) enum OpenError<E> {
    Library(E),
    Limit(Limit),
}

/// A stream whose exchange goes on. Dropping it, after everything of the library's, gives back what
/// was taken for it.
pub(super) struct KeptStream {
    streams: Streams,
    id: u32,
}

impl fmt::Debug for KeptStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeptStream").field(&self.id).finish()
    }
}

impl KeptStream {
    /// The exchange has its head, and informational ones are gone.
    pub(super) fn took_head(&self) {
        self.took(|kept| kept.heads = 0);
    }

    /// The exchange has a frame with data.
    pub(super) fn took_data_frame(&self) {
        self.took(|kept| kept.data_frames = kept.data_frames.saturating_sub(1));
    }

    /// The exchange has all of the response.
    pub(super) fn took_all(&self) {
        self.took(|kept| (kept.heads, kept.trailers, kept.data_frames) = (0, 0, 0));
    }

    fn took(&self, less: impl FnOnce(&mut Kept)) {
        if let Some(kept) = self.streams.lock().get_mut(&self.id) {
            less(kept);
            // It is never more than before.
            let _ = kept.settle();
        }
    }
}

impl Drop for KeptStream {
    fn drop(&mut self) {
        self.streams.lock().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(streams: &Streams, id: u32) -> KeptStream {
        let open = || Ok::<_, ()>((id, ()));
        streams.open(open).expect("memory").0
    }

    #[test]
    fn what_comes_for_a_stream_is_taken_until_the_exchange_has_it() {
        let memory = HostMemory::new(10 * AHEAD as u64);
        let streams = Streams::new(memory.clone());
        let stream = opened(&streams, 1);
        assert_eq!(streams.begin_block(1, false), Some(Part::Head));
        streams.keep(1, Part::Head, AHEAD).unwrap();
        assert_eq!(memory.used(), 0, "so much was taken before");
        streams.keep(1, Part::Head, 100).unwrap();
        streams.keep_data_frame(1).unwrap();
        assert_eq!(streams.begin_block(1, true), Some(Part::Trailers));
        streams.keep(1, Part::Trailers, 2 * AHEAD).unwrap();
        assert_eq!(memory.used(), 100 + DATA_FRAME + 2 * AHEAD);
        stream.took_head();
        assert_eq!(memory.used(), DATA_FRAME + AHEAD);
        stream.took_data_frame();
        stream.took_data_frame();
        assert_eq!(memory.used(), AHEAD);
        let too_much = streams.keep(1, Part::Trailers, 10 * AHEAD);
        assert_eq!(too_much, Err(Limit::HostMemory));
        stream.took_all();
        assert_eq!(memory.used(), 0);
        streams.keep(1, Part::Trailers, 2 * AHEAD).unwrap();
        drop(stream);
        assert_eq!(memory.used(), 0);
    }

    #[test]
    fn a_response_without_a_body_is_a_head_and_what_nobody_asked_for_is_not_kept() {
        let streams = Streams::new(HostMemory::new(100));
        let stream = opened(&streams, 3);
        assert_eq!(streams.begin_block(3, true), Some(Part::Head));
        drop(stream);
        for id in [1, 3] {
            assert_eq!(streams.begin_block(id, true), None);
            assert_eq!(streams.keep(id, Part::Head, 1 << 20), Ok(()));
            assert_eq!(streams.keep_data_frame(id), Ok(()));
        }
        assert_eq!(streams.memory().used(), 0);
    }
}
