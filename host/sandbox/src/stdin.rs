//! Reads the process's own stdin on behalf of guests.

use std::io::{self, Read};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

use bytes::Bytes;
use tokio::io::AsyncRead;
use tokio::sync::Notify;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdinStream};
use wasmtime_wasi::p2::{InputStream, Pollable, StreamError, StreamResult};

/// Bytes that are read at a time: as many as the buffer of [`io::Stdin`] has, so that nothing stays
/// in it.
const READ: usize = 64 * 1024;

/// The process's own stdin. Nothing is read before a guest asks for it, and the lock is not held
/// while waiting: the holder of the lock of [`io::stdin`] has the stream alone, for example to ask
/// a person something.
#[derive(Clone, Copy)]
pub(crate) struct ProcessStdin;

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    wanted: Condvar,
    changed: Notify,
}

#[derive(Default)]
struct State {
    is_wanted: bool,
    is_over: bool,
    bytes: Bytes,
    error: Option<io::Error>,
}

impl Shared {
    /// The one of the process, with the thread that reads.
    fn of_process() -> &'static Self {
        static SHARED: OnceLock<Shared> = OnceLock::new();
        static READER: OnceLock<()> = OnceLock::new();
        let shared = SHARED.get_or_init(Self::default);
        READER.get_or_init(|| {
            let name = "sandbox-net stdin".to_owned();
            let reader = thread::Builder::new().name(name);
            if let Err(error) = reader.spawn(|| shared.keep_reading()) {
                shared.state().error = Some(error);
            }
        });
        shared
    }

    fn keep_reading(&self) {
        let mut buffer = vec![0; READ];
        loop {
            let state = self.state();
            let unwanted = |state: &mut State| !state.is_wanted;
            let waiting = self.wanted.wait_while(state, unwanted);
            drop(waiting.unwrap_or_else(PoisonError::into_inner));
            let read = read_when_readable(&mut buffer);
            let mut state = self.state();
            state.is_wanted = false;
            match read {
                Ok(0) => state.is_over = true,
                Ok(count) => state.bytes = Bytes::copy_from_slice(&buffer[..count]),
                Err(error) => {
                    state.error = Some(error);
                    state.is_over = true;
                }
            }
            let is_over = state.is_over;
            drop(state);
            self.changed.notify_waiters();
            if is_over {
                return;
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Requests bytes, unless some are there or no more will come; returns whether the caller has
    /// to wait.
    fn wants(&self) -> bool {
        let mut state = self.state();
        let is_missing = state.bytes.is_empty() && state.error.is_none() && !state.is_over;
        if is_missing && !state.is_wanted {
            state.is_wanted = true;
            self.wanted.notify_one();
        }
        is_missing
    }
}

/// Waits without the lock. Once it has the lock, another holder may have read what was there.
#[cfg(unix)]
fn read_when_readable(buffer: &mut [u8]) -> io::Result<usize> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::io::Errno;

    let stdin = io::stdin();
    let is_readable = |limit: Option<&Timespec>| {
        let mut waited = [PollFd::new(&stdin, PollFlags::IN)];
        match poll(&mut waited, limit) {
            Err(Errno::INTR) => Ok(false),
            // The end and an error count as readable, too.
            polled => Ok::<_, io::Error>(polled? > 0),
        }
    };
    loop {
        if !is_readable(None)? {
            continue;
        }
        let mut stdin = stdin.lock();
        if is_readable(Some(&Timespec::default()))? {
            match stdin.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }
}

#[cfg(not(unix))]
fn read_when_readable(buffer: &mut [u8]) -> io::Result<usize> {
    io::stdin().read(buffer)
}

impl IsTerminal for ProcessStdin {
    fn is_terminal(&self) -> bool {
        std::io::IsTerminal::is_terminal(&io::stdin())
    }
}

impl StdinStream for ProcessStdin {
    fn p2_stream(&self) -> Box<dyn InputStream> {
        Box::new(*self)
    }

    fn async_stream(&self) -> Box<dyn AsyncRead + Send + Sync> {
        // Only WASI 0.3 calls this, and it is not linked.
        Box::new(tokio::io::empty())
    }
}

#[async_trait]
impl Pollable for ProcessStdin {
    async fn ready(&mut self) {
        let shared = Shared::of_process();
        loop {
            let mut changed = std::pin::pin!(shared.changed.notified());
            changed.as_mut().enable();
            if !shared.wants() {
                return;
            }
            changed.await;
        }
    }
}

#[async_trait]
impl InputStream for ProcessStdin {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        let shared = Shared::of_process();
        if size == 0 || shared.wants() {
            return Ok(Bytes::new());
        }
        let mut state = shared.state();
        if let Some(error) = state.error.take() {
            return Err(StreamError::LastOperationFailed(error.into()));
        }
        if state.bytes.is_empty() && state.is_over {
            return Err(StreamError::Closed);
        }
        // Another sandbox may have taken the bytes in between.
        let count = state.bytes.len().min(size);
        Ok(state.bytes.split_to(count))
    }
}
