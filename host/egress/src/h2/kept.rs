//! Counts what the library keeps of a session's streams until somebody takes it.
//!
//! A peer may send heads, data in small frames, and trailers, while nobody reads. The library keeps
//! all of it, and does not report how much. So the frames are counted before it gets them, and their
//! cost is taken from the sandbox's memory until the request has taken them.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::account::{HostMemory, Reservation};
use crate::h2::buffers::{BufferId, Buffers, Landing};
use crate::limit::Limit;

/// What a request reserves of the sandbox's memory for this before it begins: enough for an
/// ordinary head with few fields, or for a few trailers.
pub(super) const AHEAD: usize = 2 << 10;

/// What a frame with data costs at most besides the buffer that contains it: the library's own entry,
/// in a list that grows to twice its size, and one here.
const DATA_FRAME: usize = 512;

/// What a list of fields is kept for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The final head, or an informational one.
    Head,
    /// Trailers.
    Trailers,
}

/// The streams of one session.
#[derive(Clone)]
pub(super) struct Streams(Arc<Inner>);

struct Inner {
    memory: HostMemory,
    state: Mutex<State>,
}

struct State {
    streams: HashMap<u32, Kept>,
    buffers: Buffers,
}

/// What is kept for one stream.
struct Kept {
    held: Reservation,
    heads: usize,
    trailers: usize,
    data_frames: usize,
    /// The buffers of the complete frames, in order.
    buffers: VecDeque<BufferId>,
    /// Whether any head came.
    has_begun: bool,
}

impl Kept {
    /// Reserves what is kept now, beyond what was reserved ahead.
    fn settle(&mut self) -> Result<(), Limit> {
        let all = self.heads + self.trailers + self.data_frames * DATA_FRAME;
        self.held.change_to(all.saturating_sub(AHEAD))
    }
}

impl fmt::Debug for Streams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.lock().streams.keys()).finish()
    }
}

impl Streams {
    /// # Errors
    ///
    /// Those of the account.
    pub(super) fn new(memory: HostMemory) -> Result<Self, Limit> {
        let state = State {
            streams: HashMap::new(),
            buffers: Buffers::new(memory.reserve(0)?),
        };
        Ok(Self(Arc::new(Inner {
            memory,
            state: Mutex::new(state),
        })))
    }

    pub(super) fn memory(&self) -> &HostMemory {
        &self.0.memory
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        let state = self.0.state.lock();
        state.unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes where bytes were read to.
    pub(super) fn read(&self, landing: Landing) -> Result<(), Limit> {
        self.lock().buffers.read(landing)
    }

    /// Opens a stream by `open`, which returns its number. Nothing that arrives on it is inspected
    /// before it is registered here.
    pub(super) fn open<T, E>(
        &self,
        open: impl FnOnce() -> Result<(u32, T), E>,
    ) -> Result<(KeptStream, T), OpenError<E>> {
        let held = self.0.memory.reserve(0).map_err(OpenError::Limit)?;
        let mut state = self.lock();
        let (id, opened) = open().map_err(OpenError::Library)?;
        let kept = Kept {
            held,
            heads: 0,
            trailers: 0,
            data_frames: 0,
            buffers: VecDeque::new(),
            has_begun: false,
        };
        state.streams.insert(id, kept);
        drop(state);
        let streams = self.clone();
        Ok((KeptStream { streams, id }, opened))
    }

    /// Which list begins on a stream; `None` if the library drops whatever arrives there.
    pub(super) fn begin_block(&self, id: u32, is_last: bool) -> Option<Part> {
        let mut state = self.lock();
        let kept = state.streams.get_mut(&id)?;
        let has_begun = std::mem::replace(&mut kept.has_begun, true);
        Some(match has_begun && is_last {
            true => Part::Trailers,
            false => Part::Head,
        })
    }

    /// Counts this many bytes of a list that arrives on a stream.
    pub(super) fn keep(&self, id: u32, part: Part, bytes: usize) -> Result<(), Limit> {
        let mut state = self.lock();
        let Some(kept) = state.streams.get_mut(&id) else {
            return Ok(());
        };
        match part {
            Part::Head => kept.heads += bytes,
            Part::Trailers => kept.trailers += bytes,
        }
        kept.settle()
    }

    /// Counts a frame with data that begins.
    pub(super) fn keep_data_frame(&self, id: u32) -> Result<(), Limit> {
        let mut state = self.lock();
        let Some(kept) = state.streams.get_mut(&id) else {
            return Ok(());
        };
        kept.data_frames += 1;
        kept.settle()
    }

    /// Notes that a frame with data is complete, and holds the buffer that contains it.
    pub(super) fn end_data_frame(&self, id: u32) -> Result<(), Limit> {
        let State { streams, buffers } = &mut *self.lock();
        let Some(kept) = streams.get_mut(&id) else {
            return Ok(());
        };
        buffers.hold(buffers.reading())?;
        kept.buffers.push_back(buffers.reading());
        Ok(())
    }
}

/// Why a stream does not open.
#[derive(Debug)]
pub(super) enum OpenError<E> {
    Library(E),
    Limit(Limit),
}

/// A stream whose request is under way. Dropping it, after everything of the library's, returns
/// what was reserved for it.
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
    /// Notes that the request has taken its head, and informational ones are gone.
    pub(super) fn took_head(&self) {
        self.took(|kept| kept.heads = 0);
    }

    /// Notes that the request has taken a frame with data, and owns what it keeps of it.
    pub(super) fn took_data_frame(&self) {
        let buffer = self.took(|kept| {
            kept.data_frames = kept.data_frames.saturating_sub(1);
            kept.buffers.pop_front()
        });
        self.release(buffer.flatten());
    }

    /// Notes that the request has taken the whole response.
    pub(super) fn took_all(&self) {
        let buffers = self.took(|kept| {
            (kept.heads, kept.trailers, kept.data_frames) = (0, 0, 0);
            std::mem::take(&mut kept.buffers)
        });
        self.release(buffers.into_iter().flatten());
    }

    fn took<T>(&self, less: impl FnOnce(&mut Kept) -> T) -> Option<T> {
        let mut state = self.streams.lock();
        let kept = state.streams.get_mut(&self.id)?;
        let taken = less(kept);
        // It is never more than before, so this cannot fail.
        let _ = kept.settle();
        Some(taken)
    }

    fn release(&self, buffers: impl IntoIterator<Item = BufferId>) {
        let mut state = self.streams.lock();
        for id in buffers {
            state.buffers.release(id);
        }
    }
}

impl Drop for KeptStream {
    fn drop(&mut self) {
        self.took_all();
        self.streams.lock().streams.remove(&self.id);
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
        let streams = Streams::new(memory.clone()).unwrap();
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
        let streams = Streams::new(HostMemory::new(100)).unwrap();
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
