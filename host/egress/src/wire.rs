//! Counts what crosses the wire, below TLS: every byte that is read or written for a sandbox, every
//! connection that is begun, and every name that is looked up.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::account::{HostMemory, Reservation};
use crate::error::EgressError;
use crate::limit::Limit;

/// Counts for one sandbox, and reports where its limits are.
pub trait Wire: Send + Sync {
    /// How many bytes may be read now: one more than is left, so that the end can be distinguished
    /// from more; `usize::MAX` if there is no bound.
    fn room(&self) -> Result<usize, Limit>;

    /// Counts bytes that were read. An error means that they exceed what is left.
    fn read(&self, bytes: usize) -> Result<(), Limit>;

    /// Counts bytes before they are written. An error means that none of them may be written.
    fn write(&self, bytes: usize) -> Result<(), Limit>;

    /// Uncounts bytes that were counted and not written.
    fn unwritten(&self, bytes: usize);

    /// Counts a connection before it is dialled.
    fn dial(&self) -> Result<(), Limit>;

    /// Counts a name before it is looked up.
    fn ask(&self) -> Result<(), Limit>;
}

/// Counts nothing.
pub(crate) struct Unmetered;

impl Wire for Unmetered {
    fn room(&self) -> Result<usize, Limit> {
        Ok(usize::MAX)
    }

    fn read(&self, _: usize) -> Result<(), Limit> {
        Ok(())
    }

    fn write(&self, _: usize) -> Result<(), Limit> {
        Ok(())
    }

    fn unwritten(&self, _: usize) {}

    fn dial(&self) -> Result<(), Limit> {
        Ok(())
    }

    fn ask(&self) -> Result<(), Limit> {
        Ok(())
    }
}

/// The limit that ended a connection, for code that sees only that it ended.
pub(crate) type Ended = Arc<OnceLock<Limit>>;

/// A TCP connection whose bytes are counted.
pub(crate) struct Metered {
    tcp: TcpStream,
    wire: Arc<dyn Wire>,
    ended: Ended,
    unsettled: Option<Unsettled>,
}

/// The memory of bytes that the TLS layer has not processed yet: it assembles messages of up to 64
/// KiB, such as a chain of certificates, or a ticket. It does not report how much it keeps.
struct Unsettled {
    bytes: usize,
    held: Reservation,
}

/// How many of such bytes are always covered by the memory of TLS: a whole record, and a read
/// beyond it.
const SETTLED: usize = 21 << 10;

/// What each byte beyond them costs: in a buffer that grows to twice its size, and in the message
/// that is made of it.
const UNSETTLED: usize = 3;

/// The most that they cost: beyond that the TLS layer fails.
const MOST_UNSETTLED: usize = UNSETTLED * (64 << 10);

impl Unsettled {
    fn add(&mut self, bytes: usize) -> Result<(), Limit> {
        self.bytes = self.bytes.saturating_add(bytes);
        let beyond = self.bytes.saturating_sub(SETTLED);
        let cost = beyond.saturating_mul(UNSETTLED).min(MOST_UNSETTLED);
        self.held.grow_to(cost)
    }
}

impl fmt::Debug for Metered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tcp.fmt(f)
    }
}

impl Metered {
    pub(crate) fn new(tcp: TcpStream, wire: Arc<dyn Wire>) -> Self {
        Self {
            tcp,
            wire,
            ended: Ended::default(),
            unsettled: None,
        }
    }

    /// Reserves memory for what is read, from now on and until it is [`settled`](Self::settle).
    pub(crate) fn hold_unsettled(&mut self, memory: &HostMemory) -> Result<(), EgressError> {
        let held = memory.reserve(0).map_err(EgressError::Limit)?;
        self.unsettled = Some(Unsettled { bytes: 0, held });
        Ok(())
    }

    /// Notes that everything that was read has become data, or the result of a handshake.
    pub(crate) fn settle(&mut self) {
        if let Some(unsettled) = &mut self.unsettled {
            unsettled.bytes = 0;
            unsettled.held.shrink_to(0);
        }
    }

    /// The connection itself, to inspect: nothing is read or written uncounted.
    pub(crate) fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    pub(crate) fn ended(&self) -> Ended {
        Arc::clone(&self.ended)
    }

    fn end(&self, limit: Limit) -> io::Error {
        let first = *self.ended.get_or_init(|| limit);
        io::Error::new(io::ErrorKind::QuotaExceeded, first)
    }

    /// Writes what was counted, and uncounts what the connection did not take.
    fn counted(
        &mut self,
        bytes: usize,
        write: impl FnOnce(Pin<&mut TcpStream>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        self.wire.write(bytes).map_err(|limit| self.end(limit))?;
        let written = write(Pin::new(&mut self.tcp));
        let taken = match &written {
            Poll::Ready(Ok(taken)) => *taken,
            _ => 0,
        };
        self.wire.unwritten(bytes - taken.min(bytes));
        written
    }
}

impl AsyncRead for Metered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let room = self.wire.room().map_err(|limit| self.end(limit))?;
        let before = buf.filled().len();
        if room < buf.remaining() {
            let mut part = ReadBuf::new(buf.initialize_unfilled_to(room));
            ready!(Pin::new(&mut self.tcp).poll_read(cx, &mut part))?;
            let read = part.filled().len();
            buf.advance(read);
        } else {
            ready!(Pin::new(&mut self.tcp).poll_read(cx, buf))?;
        }
        let read = buf.filled().len() - before;
        let counted = self.wire.read(read);
        let counted = counted.and_then(|()| match &mut self.unsettled {
            Some(unsettled) => unsettled.add(read),
            None => Ok(()),
        });
        Poll::Ready(counted.map_err(|limit| self.end(limit)))
    }
}

impl AsyncWrite for Metered {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.counted(buf.len(), |tcp| tcp.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let bytes = bufs.iter().map(|buf| buf.len()).sum();
        self.counted(bytes, |tcp| tcp.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
