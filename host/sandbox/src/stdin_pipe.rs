//! Carries what an embedder writes to the stdin of a running program.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use sandbox_net_egress::account::{HostMemory, Reservation};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};
use wasmtime_wasi::cli::AsyncStdinStream;

use crate::error::Error;
use crate::pipe::QUEUE;

/// What the library beneath reads ahead.
const AHEAD: usize = 64 * 1024;

/// The guest's end.
pub(crate) type StdinPipe = AsyncStdinStream;

/// The stdin of a running program.
///
/// At most 128 KiB wait for the program to read them; a writer waits when it writes more. Dropping it
/// is the end of the program's input, and so is [`shutdown`](tokio::io::AsyncWriteExt::shutdown).
/// Writing after the program's end is an error of the kind [`BrokenPipe`](io::ErrorKind::BrokenPipe).
#[derive(Debug)]
pub struct StdinWriter {
    pipe: DuplexStream,
}

/// What the guest reads, with the memory of what waits.
struct Counted {
    pipe: DuplexStream,
    _held: Reservation,
}

/// Makes a pipe whose bytes are taken from `memory`.
///
/// # Errors
///
/// [`Error::HostMemory`], or [`Error::Full`] for all sandboxes together, if there is none left.
pub(crate) fn stdin_pipe(memory: &HostMemory) -> Result<(StdinPipe, StdinWriter), Error> {
    let held = memory.reserve(QUEUE + AHEAD);
    let held = held.map_err(Error::no_room)?;
    let (guest, pipe) = duplex(QUEUE);
    let read = Counted {
        pipe: guest,
        _held: held,
    };
    Ok((AsyncStdinStream::new(read), StdinWriter { pipe }))
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_read(cx, buffer)
    }
}

impl AsyncWrite for StdinWriter {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.pipe).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_shutdown(cx)
    }
}
