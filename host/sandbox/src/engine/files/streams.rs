//! The streams of a file on a disk.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use rustix::io::Errno;
use tokio::task::JoinHandle;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::{
    DynInputStream, DynOutputStream, InputStream, OutputStream, Pollable, StreamError, StreamResult,
};

use super::StreamToken;
use crate::disk::Held;

/// Bytes that a guest may write at a time.
const WRITE_SIZE: usize = 64 << 10;

/// A reader that counts until it is dropped, and keeps its file open if that is on a disk.
pub(super) struct Reader {
    pub(super) inner: DynInputStream,
    pub(super) _held: Option<Arc<Held>>,
    pub(super) _token: StreamToken,
}

#[async_trait]
impl Pollable for Reader {
    async fn ready(&mut self) {
        self.inner.ready().await;
    }
}

#[async_trait]
impl InputStream for Reader {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        self.inner.read(size)
    }

    async fn blocking_read(&mut self, size: usize) -> StreamResult<Bytes> {
        self.inner.blocking_read(size).await
    }

    fn skip(&mut self, size: usize) -> StreamResult<usize> {
        self.inner.skip(size)
    }

    async fn blocking_skip(&mut self, size: usize) -> StreamResult<usize> {
        self.inner.blocking_skip(size).await
    }

    async fn cancel(&mut self) {
        self.inner.cancel().await;
    }
}

/// A writer to a file of the host that counts until it is dropped.
pub(super) struct Plain {
    pub(super) inner: DynOutputStream,
    pub(super) _token: StreamToken,
}

#[async_trait]
impl Pollable for Plain {
    async fn ready(&mut self) {
        self.inner.ready().await;
    }
}

#[async_trait]
impl OutputStream for Plain {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.inner.flush()
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.inner.check_write()
    }

    async fn blocking_write_and_flush(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.inner.blocking_write_and_flush(bytes).await
    }

    async fn cancel(&mut self) {
        self.inner.cancel().await;
    }
}

/// A writer whose every byte is counted before it is written.
pub(super) struct Writer {
    held: Arc<Held>,
    _token: StreamToken,
    /// Where the next byte goes; `None` means the end of the file.
    position: Option<u64>,
    state: Writing,
}

enum Writing {
    Idle,
    /// Returns the number of bytes that were written.
    Busy(JoinHandle<(u64, io::Result<()>)>),
    Failed(io::Error),
    Closed,
}

impl Writer {
    pub(super) fn new(held: Arc<Held>, position: Option<u64>, token: StreamToken) -> Self {
        Self {
            held,
            _token: token,
            position,
            state: Writing::Idle,
        }
    }

    /// Returns the error of the last write, once.
    fn take_error(&mut self) -> StreamResult<()> {
        match std::mem::replace(&mut self.state, Writing::Closed) {
            Writing::Failed(error) => {
                Err(StreamError::LastOperationFailed(for_guest(error).into()))
            }
            Writing::Closed => Err(StreamError::Closed),
            state => {
                self.state = state;
                Ok(())
            }
        }
    }
}

#[async_trait]
impl Pollable for Writer {
    async fn ready(&mut self) {
        if let Writing::Busy(task) = &mut self.state {
            let (written, result) = match task.await {
                Ok(done) => done,
                Err(failed) => (0, Err(io::Error::other(failed))),
            };
            self.position = self.position.map(|position| position + written);
            self.state = match result {
                Ok(()) => Writing::Idle,
                Err(error) => Writing::Failed(error),
            };
        }
    }
}

#[async_trait]
impl OutputStream for Writer {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        match self.state {
            Writing::Idle => {}
            Writing::Closed => return Err(StreamError::Closed),
            _ => return Err(StreamError::trap("a write without leave")),
        }
        let (held, position) = (self.held.clone(), self.position);
        let work = move || write_all(&held, &bytes, position);
        self.state = Writing::Busy(tokio::task::spawn_blocking(work));
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.take_error()
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.take_error()?;
        match self.state {
            Writing::Busy(_) => Ok(0),
            _ => Ok(WRITE_SIZE),
        }
    }

    async fn cancel(&mut self) {
        self.ready().await;
        self.state = Writing::Closed;
    }
}

/// Writes all of it, or as much as fits.
fn write_all(held: &Held, bytes: &[u8], position: Option<u64>) -> (u64, io::Result<()>) {
    let (disk, file) = (held.disk(), held.file());
    let mut done = 0;
    while done < bytes.len() {
        let rest = &bytes[done..];
        let written = match position {
            Some(position) => disk.write_at(file, rest, position.saturating_add(done as u64)),
            None => disk.append(file, rest),
        };
        match written {
            Ok(0) => return (done as u64, Err(io::ErrorKind::WriteZero.into())),
            Ok(more) => done += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (done as u64, Err(error)),
        }
    }
    (done as u64, Ok(()))
}

/// The operating system's error, from which the guest's is made.
fn for_guest(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Errno::NOSPC.into(),
        _ => error,
    }
}
