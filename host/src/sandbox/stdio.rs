//! The three standard streams of a run.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::account::{HostMemory, Reservation};
use bytes::Bytes;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

/// Bytes that a capture keeps of one stream.
const CAPTURE_LIMIT: usize = 64 << 20;
/// The part of the host's memory for the sandbox that captures leave to everything else: one over
/// this many.
const LEFT: usize = 4;
/// The least that a capture grows by.
const STEP: usize = 64 * 1024;
/// What a capture has from the beginning, so that a program that has used up the memory can still
/// say so: this many bytes, or one over so many of the memory where that is less.
const GUARANTEED: usize = 256 * 1024;
const GUARANTEED_PART: usize = 32;
/// Bytes that the guest may write at a time.
const WRITE_SIZE: usize = 64 * 1024;

/// What the guest reads as its standard input.
#[derive(Clone, Debug, Default)]
pub enum Stdin {
    /// Nothing: the first read is the end.
    #[default]
    Empty,
    /// The process's own.
    Inherit,
    /// These bytes.
    Bytes(Vec<u8>),
}

/// Where an output stream of the guest goes.
#[derive(Clone, Default)]
pub enum Output {
    /// Into the [`Outcome`](super::Outcome), up to 64 MiB of each stream, and up to three quarters
    /// of the sandbox's [host memory](super::SandboxBuilder::host_memory_limit) together; what is
    /// beyond is left out, and [`truncated`](super::Outcome::truncated) says so.
    #[default]
    Capture,
    /// To the process's own.
    Inherit,
    /// To this writer, as it comes. An error of the writer is an error of the guest's write.
    Writer(Arc<Mutex<dyn Write + Send>>),
}

impl Output {
    /// An output that goes to `writer`.
    pub fn to(writer: impl Write + Send + 'static) -> Self {
        Self::Writer(Arc::new(Mutex::new(writer)))
    }
}

/// What was captured of one stream.
#[derive(Clone)]
pub(super) struct Capture {
    kept: Arc<Mutex<Kept>>,
    truncated: Arc<AtomicBool>,
}

/// The bytes, and their memory.
struct Kept {
    bytes: Vec<u8>,
    memory: HostMemory,
    held: Option<Reservation>,
}

impl Kept {
    /// Makes room for as many of `more` bytes as there is memory for; how many that is.
    fn grow(&mut self, more: usize) -> usize {
        let wanted = (self.bytes.len() + more).min(CAPTURE_LIMIT);
        // As vectors do, so that it is seldom copied, but never beyond the limit.
        let doubled = wanted.max(2 * self.held()).max(STEP).min(CAPTURE_LIMIT);
        if wanted > self.held() && !self.hold(doubled) {
            self.hold(wanted);
        }
        let room = wanted.min(self.held());
        if room > self.bytes.capacity() {
            let size = self.held().min(doubled);
            self.bytes.reserve_exact(size - self.bytes.len());
        }
        room.saturating_sub(self.bytes.len())
    }

    fn held(&self) -> usize {
        self.held.as_ref().map_or(0, Reservation::bytes)
    }

    /// Takes memory for `size` bytes, if enough of it is left then.
    fn hold(&mut self, size: usize) -> bool {
        let missing = size.saturating_sub(self.held());
        let left = self.memory.limit() / LEFT;
        if self.memory.free() < missing.saturating_add(left) {
            return false;
        }
        match &mut self.held {
            Some(held) => held.grow(missing).is_ok(),
            None => {
                self.held = self.memory.reserve(missing).ok();
                self.held.is_some()
            }
        }
    }
}

impl Capture {
    /// A capture whose bytes are taken from `memory`.
    pub(super) fn new(memory: &HostMemory) -> Self {
        let guaranteed = GUARANTEED.min(memory.limit() / GUARANTEED_PART);
        Self {
            kept: Arc::new(Mutex::new(Kept {
                bytes: Vec::new(),
                memory: memory.clone(),
                // Where there is nothing left, other runs of the sandbox have it.
                held: memory.reserve(guaranteed).ok(),
            })),
            truncated: Arc::default(),
        }
    }

    /// What was captured, which is no longer the sandbox's to hold.
    pub(super) fn take(&self) -> Vec<u8> {
        let mut kept = self.kept();
        kept.held = None;
        std::mem::take(&mut kept.bytes)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_truncated(&self) -> bool {
        self.truncated.load(Ordering::Relaxed)
    }

    fn extend(&self, new: &[u8]) {
        let mut kept = self.kept();
        let room = kept.grow(new.len());
        if new.len() > room {
            self.truncated.store(true, Ordering::Relaxed);
        }
        kept.bytes.extend_from_slice(&new[..new.len().min(room)]);
    }
}

/// The guest's end of an output that is captured or written on.
#[derive(Clone)]
pub(super) enum Sink {
    Capture(Capture),
    Writer(Arc<Mutex<dyn Write + Send>>),
}

impl IsTerminal for Sink {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Sink {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        // Only WASI 0.3 asks for this; it is not linked.
        Box::new(tokio::io::sink())
    }
}

#[async_trait]
impl Pollable for Sink {
    async fn ready(&mut self) {}
}

#[async_trait]
impl OutputStream for Sink {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        match self {
            Self::Capture(capture) => capture.extend(&bytes),
            Self::Writer(writer) => {
                let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
                writer.write_all(&bytes).map_err(failed)?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        if let Self::Writer(writer) = self {
            let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
            writer.flush().map_err(failed)?;
        }
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_SIZE)
    }
}

fn failed(error: std::io::Error) -> StreamError {
    StreamError::LastOperationFailed(wasmtime::Error::from(error))
}
