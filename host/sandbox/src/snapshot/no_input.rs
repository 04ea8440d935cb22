//! The stdin of imports: it is at its end, and knows how often it was read.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use tokio::io::AsyncRead;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdinStream};
use wasmtime_wasi::p2::{InputStream, Pollable, StreamError, StreamResult};

/// An input without bytes. Clones count together.
#[derive(Clone, Default)]
pub(super) struct NoInput(Arc<AtomicUsize>);

impl NoInput {
    /// How often it was read.
    pub(super) fn reads(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl IsTerminal for NoInput {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdinStream for NoInput {
    fn p2_stream(&self) -> Box<dyn InputStream> {
        Box::new(self.clone())
    }

    fn async_stream(&self) -> Box<dyn AsyncRead + Send + Sync> {
        // Only WASI 0.3 calls this, and it is not linked.
        Box::new(tokio::io::empty())
    }
}

#[async_trait]
impl InputStream for NoInput {
    fn read(&mut self, _: usize) -> StreamResult<Bytes> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Err(StreamError::Closed)
    }
}

#[async_trait]
impl Pollable for NoInput {
    async fn ready(&mut self) {}
}
