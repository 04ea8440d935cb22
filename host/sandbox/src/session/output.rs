//! The output of a session, which goes elsewhere in each turn.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::stdio::Sink;

/// A stream whose bytes go where the turn's go. Between turns nobody writes.
#[derive(Clone, Default)]
pub(super) struct Switch {
    sink: Arc<Mutex<Option<Sink>>>,
}

impl Switch {
    /// Sends what is written from now on to `sink`.
    pub(super) fn to(&self, sink: Option<Sink>) {
        *self.sink() = sink;
    }

    fn sink(&self) -> MutexGuard<'_, Option<Sink>> {
        self.sink.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T: Default>(
        &self,
        work: impl FnOnce(&mut dyn OutputStream) -> StreamResult<T>,
    ) -> StreamResult<T> {
        match &mut *self.sink() {
            Some(Sink::Capture(capture)) => work(capture),
            Some(Sink::Drain(stream, _)) => work(stream),
            Some(Sink::Pipe(pipe)) => work(pipe),
            None => Ok(T::default()),
        }
    }
}

impl IsTerminal for Switch {
    fn is_terminal(&self) -> bool {
        self.sink().as_ref().is_some_and(Sink::is_terminal)
    }
}

impl StdoutStream for Switch {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        // Only WASI 0.3 calls this, and it is not linked.
        Box::new(tokio::io::sink())
    }
}

#[async_trait]
impl Pollable for Switch {
    async fn ready(&mut self) {
        let sink = self.sink().clone();
        match sink {
            Some(Sink::Capture(mut capture)) => capture.ready().await,
            Some(Sink::Drain(mut stream, _)) => stream.ready().await,
            Some(Sink::Pipe(mut pipe)) => pipe.ready().await,
            None => {}
        }
    }
}

#[async_trait]
impl OutputStream for Switch {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.with(|stream| stream.write(bytes))
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.with(|stream| stream.flush())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        // What is written between turns is dropped, and does not wait.
        let is_between_turns = self.sink().is_none();
        match is_between_turns {
            true => Ok(usize::from(u16::MAX)),
            false => self.with(|stream| stream.check_write()),
        }
    }
}
