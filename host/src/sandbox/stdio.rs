//! The three standard streams of a run.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

/// Bytes that a capture keeps of one stream.
const CAPTURE_LIMIT: usize = 64 << 20;
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
    /// Into the [`Outcome`](super::Outcome), up to 64 MiB.
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
#[derive(Clone, Default)]
pub(super) struct Capture {
    bytes: Arc<Mutex<Vec<u8>>>,
    truncated: Arc<AtomicBool>,
}

impl Capture {
    pub(super) fn take(&self) -> Vec<u8> {
        let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut bytes)
    }

    pub(super) fn is_truncated(&self) -> bool {
        self.truncated.load(Ordering::Relaxed)
    }

    fn extend(&self, new: &[u8]) {
        let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        let room = CAPTURE_LIMIT - bytes.len();
        if new.len() > room {
            self.truncated.store(true, Ordering::Relaxed);
        }
        bytes.extend_from_slice(&new[..new.len().min(room)]);
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
