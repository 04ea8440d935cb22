//! Carries the bytes of a running program to its embedder while they come.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use sandbox_net_egress::account::{HostMemory, Reservation};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::Notify;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use crate::drain::keep_last;
use crate::error::Error;

/// Bytes that may wait for the reader, as in a pipe of Linux.
pub(crate) const QUEUE: usize = 64 * 1024;

/// An output stream of a running program.
///
/// At most 64 KiB wait to be read; the program waits when it writes more, within its limits. The
/// stream ends when the program does. What is not read then can still be read. If the stream is
/// dropped, the program's next write raises `BrokenPipeError`.
///
/// It is an [`AsyncRead`], so that [`tokio::io::BufReader`] gives it lines.
pub struct OutputReader {
    shared: Arc<Shared>,
}

/// The guest's end. The stream ends with the last clone.
#[derive(Clone)]
pub(crate) struct PipeWriter {
    end: Arc<WriterEnd>,
}

struct WriterEnd {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    has_room: Notify,
}

#[derive(Default)]
struct State {
    queue: VecDeque<u8>,
    last: Vec<u8>,
    /// The program has ended.
    is_over: bool,
    /// Nobody reads any more.
    is_abandoned: bool,
    reader: Option<Waker>,
    /// The memory of the queue.
    held: Option<Reservation>,
}

/// Makes a pipe whose queue is taken from `memory`.
///
/// # Errors
///
/// [`Error::HostMemory`], or [`Error::Full`] for all sandboxes together, if there is none left.
pub(crate) fn pipe(memory: &HostMemory) -> Result<(PipeWriter, OutputReader), Error> {
    let held = memory.reserve(QUEUE).map_err(Error::no_room)?;
    let shared = Arc::new(Shared {
        state: Mutex::new(State {
            held: Some(held),
            ..State::default()
        }),
        has_room: Notify::new(),
    });
    let end = Arc::new(WriterEnd {
        shared: Arc::clone(&shared),
    });
    Ok((PipeWriter { end }, OutputReader { shared }))
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn poll_take(&self, cx: &Context<'_>, most: usize) -> Poll<Vec<u8>> {
        let mut state = self.state();
        let count = state.queue.len().min(most);
        if count == 0 && !state.is_over {
            state.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let taken = state.queue.drain(..count).collect();
        if state.is_over && state.queue.is_empty() {
            (state.queue, state.held) = (VecDeque::new(), None);
        }
        drop(state);
        self.has_room.notify_waiters();
        Poll::Ready(taken)
    }
}

impl OutputReader {
    /// Waits for the next bytes; `None` at the end.
    ///
    /// Cancel safe: no byte is taken before it is returned.
    pub async fn next(&mut self) -> Option<Bytes> {
        let shared = &self.shared;
        let taken = std::future::poll_fn(|cx| shared.poll_take(cx, QUEUE)).await;
        (!taken.is_empty()).then(|| taken.into())
    }
}

impl std::fmt::Debug for OutputReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let waiting = self.shared.state().queue.len();
        f.debug_struct("OutputReader")
            .field("waiting", &waiting)
            .finish_non_exhaustive()
    }
}

impl AsyncRead for OutputReader {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let taken = std::task::ready!(self.shared.poll_take(cx, buffer.remaining()));
        buffer.put_slice(&taken);
        Poll::Ready(Ok(()))
    }
}

impl Drop for OutputReader {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.is_abandoned = true;
        (state.queue, state.held) = (VecDeque::new(), None);
        drop(state);
        self.shared.has_room.notify_waiters();
    }
}

impl PipeWriter {
    /// The last bytes that the guest wrote.
    pub(crate) fn last(&self) -> Vec<u8> {
        self.end.shared.state().last.clone()
    }

    /// Ends the stream, although the guest may still have it.
    pub(crate) fn close(&self) {
        self.end.close();
    }

    fn room(&self) -> StreamResult<usize> {
        let state = self.end.shared.state();
        match state.is_abandoned || state.is_over {
            true => Err(StreamError::LastOperationFailed(broken().into())),
            false => Ok(QUEUE - state.queue.len()),
        }
    }
}

impl WriterEnd {
    fn close(&self) {
        let mut state = self.shared.state();
        state.is_over = true;
        if state.queue.is_empty() {
            state.held = None;
        }
        let reader = state.reader.take();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

impl Drop for WriterEnd {
    fn drop(&mut self) {
        self.close();
    }
}

/// The error of a pipe without a reader, with its number: the program gets it as `errno`.
fn broken() -> io::Error {
    #[cfg(unix)]
    return rustix::io::Errno::PIPE.into();
    #[cfg(not(unix))]
    return io::ErrorKind::BrokenPipe.into();
}

#[async_trait]
impl Pollable for PipeWriter {
    async fn ready(&mut self) {
        loop {
            let mut has_room = std::pin::pin!(self.end.shared.has_room.notified());
            has_room.as_mut().enable();
            // An error is told by the next call.
            if !matches!(self.room(), Ok(0)) {
                return;
            }
            has_room.await;
        }
    }
}

#[async_trait]
impl OutputStream for PipeWriter {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if bytes.len() > self.room()? {
            return Err(StreamError::trap("a write beyond what check-write permits"));
        }
        let mut state = self.end.shared.state();
        state.queue.extend(&bytes);
        keep_last(&mut state.last, &bytes);
        let reader = state.reader.take();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.room().map(drop)
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.room()
    }
}

#[cfg(test)]
mod tests;
