//! The three standard streams of a run.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::drain::{Drain, DrainStream, LAST};
use sandbox_net_egress::account::{HostMemory, Reservation};

/// Bytes that are captured of one stream.
const CAPTURE_LIMIT: usize = 64 << 20;
/// The part of the sandbox's host memory that captures leave free: one over this number.
const LEFT: usize = 4;
/// The least that a capture grows by.
const STEP: usize = 64 * 1024;
/// Bytes that a capture has from the start, so that a program that has used up the memory can still
/// say so, but at most one over [`GUARANTEED_PART`] of the memory.
const GUARANTEED: usize = 256 * 1024;
const GUARANTEED_PART: usize = 32;
/// Bytes that the guest may write at a time.
const WRITE_SIZE: usize = 64 * 1024;

/// What the guest reads as its standard input.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Stdin {
    /// Nothing: the first read returns the end.
    #[default]
    Empty,
    /// The process's own stdin. A separate thread reads it when a program asks for it; the holder
    /// of the lock of [`std::io::stdin`] keeps programs waiting meanwhile.
    Inherit,
    /// These bytes.
    Bytes(Vec<u8>),
}

/// Where an output stream of the guest goes.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum Output {
    /// Captured in the [`Outcome`](crate::Outcome), up to 64 MiB of each stream, and up to three
    /// quarters of the sandbox's [host memory](crate::SandboxBuilder::host_memory_limit) together.
    /// What is beyond is dropped, and [`truncated`](crate::Outcome::truncated) says so.
    #[default]
    Capture,
    /// Written to the process's own stream, from a thread of its own. The holder of the lock of
    /// [`std::io::stdout`] or [`std::io::stderr`] keeps programs waiting meanwhile, until their time
    /// limit ends them.
    Inherit,
    /// Written to this writer as it comes, from a thread of its own. The guest waits for each
    /// write; an error of the writer is an error of that write. A writer that never returns keeps
    /// its thread, but no run beyond its time limit.
    Writer(Arc<Mutex<dyn Write + Send>>),
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Capture => "Capture",
            Self::Inherit => "Inherit",
            Self::Writer(_) => "Writer(..)",
        })
    }
}

impl Output {
    /// An output that goes to `writer`.
    pub fn to(writer: impl Write + Send + 'static) -> Self {
        Self::Writer(Arc::new(Mutex::new(writer)))
    }
}

/// What was captured of one stream.
#[derive(Clone)]
pub(crate) struct Capture {
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
    /// Makes room for as many of `more` bytes as the memory allows; returns how many.
    fn grow(&mut self, more: usize) -> usize {
        let wanted = (self.bytes.len() + more).min(CAPTURE_LIMIT);
        // Doubles like vectors, so that it is seldom copied, but never beyond the limit.
        let doubled = wanted.max(2 * self.held()).clamp(STEP, CAPTURE_LIMIT);
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

    /// Reserves memory for `size` bytes, if enough stays free.
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
    pub(crate) fn new(memory: &HostMemory) -> Self {
        let guaranteed = GUARANTEED.min(memory.limit() / GUARANTEED_PART);
        Self {
            kept: Arc::new(Mutex::new(Kept {
                bytes: Vec::new(),
                memory: memory.clone(),
                // If nothing is left, other runs of the sandbox use it.
                held: memory.reserve(guaranteed).ok(),
            })),
            truncated: Arc::default(),
        }
    }

    /// Takes what was captured; it no longer counts as the sandbox's memory.
    fn take(&self) -> Vec<u8> {
        let mut kept = self.kept();
        kept.held = None;
        std::mem::take(&mut kept.bytes)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_truncated(&self) -> bool {
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

/// Where an output of every run of a sandbox goes.
#[derive(Clone)]
pub(crate) enum Destination {
    Capture,
    Writer(Drain),
    /// A stream of the process itself, and whether that is a terminal.
    Process(Drain, bool),
}

impl Destination {
    pub(crate) fn stdout(output: Output) -> Self {
        static STDOUT: OnceLock<Drain> = OnceLock::new();
        Self::new(output, &STDOUT, io::stdout)
    }

    pub(crate) fn stderr(output: Output) -> Self {
        static STDERR: OnceLock<Drain> = OnceLock::new();
        Self::new(output, &STDERR, io::stderr)
    }

    /// The process's own stream has one thread for all sandboxes.
    fn new<W>(output: Output, process: &OnceLock<Drain>, own: fn() -> W) -> Self
    where
        W: Write + std::io::IsTerminal + Send + 'static,
    {
        match output {
            Output::Capture => Self::Capture,
            Output::Writer(writer) => Self::Writer(Drain::new(writer)),
            Output::Inherit => {
                let drain = process.get_or_init(|| Drain::new(Arc::new(Mutex::new(own()))));
                Self::Process(drain.clone(), own().is_terminal())
            }
        }
    }

    /// The output of one run; `memory` pays for what is captured.
    pub(crate) fn sink(&self, memory: &HostMemory) -> Sink {
        match self {
            Self::Capture => Sink::Capture(Capture::new(memory)),
            Self::Writer(drain) => Sink::Drain(drain.stream(), false),
            Self::Process(drain, is_terminal) => Sink::Drain(drain.stream(), *is_terminal),
        }
    }
}

/// The guest's end of an output.
#[derive(Clone)]
pub(crate) enum Sink {
    Capture(Capture),
    /// A stream, and whether that is a terminal.
    Drain(DrainStream, bool),
}

impl Sink {
    /// Waits until all that the guest wrote has arrived.
    pub(crate) async fn written(&self) {
        if let Self::Drain(stream, _) = self {
            stream.written().await;
        }
    }

    /// The last few bytes that the guest wrote.
    pub(crate) fn last(&self) -> Vec<u8> {
        match self {
            Self::Capture(capture) => {
                let kept = capture.kept();
                kept.bytes[kept.bytes.len().saturating_sub(LAST)..].to_vec()
            }
            Self::Drain(stream, _) => stream.last(),
        }
    }

    /// Ends the output of a run; returns what was captured, and whether something is missing. Waits
    /// up to `grace` for what has not arrived, then drops it.
    pub(crate) async fn end(&self, grace: Duration) -> (Vec<u8>, bool) {
        match self {
            Self::Capture(capture) => (capture.take(), capture.is_truncated()),
            Self::Drain(stream, _) => (Vec::new(), stream.close(grace).await),
        }
    }
}

impl IsTerminal for Sink {
    fn is_terminal(&self) -> bool {
        matches!(self, Self::Drain(_, true))
    }
}

impl StdoutStream for Sink {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        match self {
            Self::Capture(capture) => Box::new(capture.clone()),
            Self::Drain(stream, _) => Box::new(stream.clone()),
        }
    }

    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        // Only WASI 0.3 calls this, and it is not linked.
        Box::new(tokio::io::sink())
    }
}

#[async_trait]
impl Pollable for Capture {
    async fn ready(&mut self) {}
}

#[async_trait]
impl OutputStream for Capture {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.extend(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_SIZE)
    }
}
