//! The three standard streams of a run.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::OutputStream;
use wasmtime_wasi::p2::pipe::MemoryInputPipe;

use crate::capture::Capture;
use crate::drain::{Drain, DrainStream};
use crate::error::Error;
use crate::pipe::{OutputReader, PipeWriter, pipe};
use crate::stdin::ProcessStdin;
use crate::stdin_pipe::{StdinPipe, StdinWriter, stdin_pipe};
use sandbox_net_egress::account::HostMemory;

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
    /// Written by the embedder while the program runs: see [`Run::stdin`](crate::Run::stdin).
    Piped,
}

/// Where an output stream of the guest goes.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum Output {
    /// Captured in the [`Outcome`](crate::Outcome), up to 64 MiB of each stream or
    /// [`capture_limit`](crate::SandboxBuilder::capture_limit), and up to three quarters of the sandbox's [host memory](crate::SandboxBuilder::host_memory_limit) together.
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
    /// Read by the embedder while the program runs: see [`Run::stdout`](crate::Run::stdout). The
    /// program waits while 64 KiB wait to be read.
    Piped,
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Capture => "Capture",
            Self::Inherit => "Inherit",
            Self::Writer(_) => "Writer(..)",
            Self::Piped => "Piped",
        })
    }
}

impl Output {
    /// An output that goes to `writer`.
    pub fn to(writer: impl Write + Send + 'static) -> Self {
        Self::Writer(Arc::new(Mutex::new(writer)))
    }
}

/// Where the input of every run of a sandbox comes from.
#[derive(Clone)]
pub(crate) enum Input {
    Empty,
    Process,
    Bytes(Bytes),
    Pipe,
}

impl Input {
    pub(crate) fn new(stdin: Stdin) -> Self {
        match stdin {
            Stdin::Empty => Self::Empty,
            Stdin::Inherit => Self::Process,
            Stdin::Bytes(bytes) => Self::Bytes(bytes.into()),
            Stdin::Piped => Self::Pipe,
        }
    }

    /// The input of one run, and its writer if it is piped.
    ///
    /// # Errors
    ///
    /// [`Error::HostMemory`] if there is no memory for a pipe.
    pub(crate) fn source(
        &self,
        memory: &HostMemory,
    ) -> Result<(InputSource, Option<StdinWriter>), Error> {
        Ok(match self {
            Self::Empty => (InputSource::Empty, None),
            Self::Process => (InputSource::Process(ProcessStdin), None),
            Self::Bytes(bytes) => (
                InputSource::Bytes(MemoryInputPipe::new(bytes.clone())),
                None,
            ),
            Self::Pipe => {
                let (pipe, writer) = stdin_pipe(memory)?;
                (InputSource::Pipe(pipe), Some(writer))
            }
        })
    }
}

/// Whether an output is the process's own stream.
pub(crate) fn is_inherited(output: &Output) -> bool {
    matches!(output, Output::Inherit)
}

/// The guest's end of an input.
pub(crate) enum InputSource {
    Empty,
    Process(ProcessStdin),
    Bytes(MemoryInputPipe),
    Pipe(StdinPipe),
}

/// Where an output of every run of a sandbox goes.
#[derive(Clone)]
pub(crate) enum Destination {
    Capture,
    Pipe,
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
            Output::Piped => Self::Pipe,
            Output::Writer(writer) => Self::Writer(Drain::new(writer)),
            Output::Inherit => {
                let drain = process.get_or_init(|| Drain::new(Arc::new(Mutex::new(own()))));
                Self::Process(drain.clone(), own().is_terminal())
            }
        }
    }

    /// The output of one run, and its reader if it is piped. `memory` pays for what waits or is
    /// captured, and a capture keeps at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// [`Error::HostMemory`] if there is no memory for a pipe.
    pub(crate) fn sink(
        &self,
        memory: &HostMemory,
        limit: usize,
    ) -> Result<(Sink, Option<OutputReader>), Error> {
        Ok(match self {
            Self::Capture => (Sink::Capture(Capture::new(memory, limit)), None),
            Self::Writer(drain) => (Sink::Drain(drain.stream(), false), None),
            Self::Process(drain, is_terminal) => (Sink::Drain(drain.stream(), *is_terminal), None),
            Self::Pipe => {
                let (writer, reader) = pipe(memory)?;
                (Sink::Pipe(writer), Some(reader))
            }
        })
    }
}

/// The guest's end of an output.
#[derive(Clone)]
pub(crate) enum Sink {
    Capture(Capture),
    /// A stream, and whether that is a terminal.
    Drain(DrainStream, bool),
    Pipe(PipeWriter),
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
            Self::Capture(capture) => capture.last(),
            Self::Drain(stream, _) => stream.last(),
            Self::Pipe(pipe) => pipe.last(),
        }
    }

    /// Ends the output of a run; returns what was captured, and whether something is missing. Waits
    /// up to `grace` for what has not arrived, then drops it.
    pub(crate) async fn end(&self, grace: Duration) -> (Vec<u8>, bool) {
        match self {
            Self::Capture(capture) => (capture.take(), capture.is_truncated()),
            Self::Drain(stream, _) => (Vec::new(), stream.close(grace).await),
            Self::Pipe(pipe) => {
                pipe.close();
                (Vec::new(), false)
            }
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
            Self::Pipe(pipe) => Box::new(pipe.clone()),
        }
    }

    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        // Only WASI 0.3 calls this, and it is not linked.
        Box::new(tokio::io::sink())
    }
}
