//! A guest's stdin whose reads an interrupt ends, as a signal does: with `EINTR`.

use std::io;

use bytes::Bytes;
use tokio::io::AsyncRead;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdinStream};
use wasmtime_wasi::p2::{InputStream, Pollable, StreamError, StreamResult};

use super::interrupt::Interrupt;

/// A stream that waits no longer than until the guest is interrupted.
pub(crate) struct Interruptible<S> {
    inner: S,
    interrupt: Interrupt,
}

impl<S> Interruptible<S> {
    pub(crate) fn new(inner: S, interrupt: Interrupt) -> Self {
        Self { inner, interrupt }
    }
}

impl<S: IsTerminal> IsTerminal for Interruptible<S> {
    fn is_terminal(&self) -> bool {
        self.inner.is_terminal()
    }
}

impl<S: StdinStream> StdinStream for Interruptible<S> {
    fn async_stream(&self) -> Box<dyn AsyncRead + Send + Sync> {
        self.inner.async_stream()
    }

    fn p2_stream(&self) -> Box<dyn InputStream> {
        let (inner, interrupt) = (self.inner.p2_stream(), self.interrupt.clone());
        Box::new(Interruptible { inner, interrupt })
    }
}

#[async_trait]
impl Pollable for Interruptible<Box<dyn InputStream>> {
    async fn ready(&mut self) {
        let _ = self.interrupt.or(self.inner.ready()).await;
    }
}

#[async_trait]
impl InputStream for Interruptible<Box<dyn InputStream>> {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        if self.interrupt.is_asked() {
            let interrupted = io::Error::from(io::ErrorKind::Interrupted);
            return Err(StreamError::LastOperationFailed(interrupted.into()));
        }
        self.inner.read(size)
    }

    async fn cancel(&mut self) {
        self.inner.cancel().await;
    }
}
