//! Blind tunnels of native programs: decided, dialled and recorded like connections, and then bytes
//! that nobody reads.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use futures_util::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::audit::PendingRequest;
use crate::completion::Completion;
use crate::meter::{Meter, Opened};
use crate::task::Task;
use sandbox_net_egress::{EgressError, Fields, Limit, RawStream};
use sandbox_net_policy::Endpoint;

/// A tunnel that is being made; dropping it ends the attempt.
pub type Tunnelling = Task<Result<Tunnel, EgressError>>;

/// A tunnel to one endpoint: what is written goes there as it is, and what comes back is read.
///
/// Its bytes count toward `bytes_up` and `bytes_down`. It ends, with an error that
/// [`failure`](Self::failure) tells, when a budget or the time is used up, and when another policy
/// no longer grants it. Dropping it closes it. The log gets an exchange record at its end.
pub struct Tunnel {
    endpoint: Endpoint,
    ends: Arc<Ends>,
    /// Ends it from elsewhere, whether or not its owner reads or writes.
    _watching: Task<()>,
    /// It counts as a connection that has carried no request.
    _opened: Opened,
}

/// What a tunnel and the task that watches it share.
pub(crate) struct Ends {
    socket: Mutex<Option<RawStream>>,
    peer: SocketAddr,
    completion: Arc<Completion>,
    record: Arc<PendingRequest>,
    /// Who waits to read, and to write.
    readers: AtomicWaker,
    writers: AtomicWaker,
    has_read_all: AtomicBool,
    has_written_all: AtomicBool,
}

impl std::fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tunnel")
            .field("endpoint", &self.endpoint)
            .field("peer", &self.ends.peer)
            .field("completion", &self.ends.completion)
            .finish_non_exhaustive()
    }
}

impl Tunnel {
    pub(crate) fn new(
        endpoint: Endpoint,
        socket: RawStream,
        (completion, record): (Arc<Completion>, Arc<PendingRequest>),
        (meter, opened): (&Arc<Meter>, Opened),
    ) -> Self {
        let ends = Arc::new(Ends {
            peer: socket.peer(),
            socket: Mutex::new(Some(socket)),
            completion,
            record,
            readers: AtomicWaker::new(),
            writers: AtomicWaker::new(),
            has_read_all: AtomicBool::new(false),
            has_written_all: AtomicBool::new(false),
        });
        let watching = watch(Arc::clone(&ends), Arc::clone(meter));
        Self {
            endpoint,
            ends,
            _watching: Task::spawn(watching),
            _opened: opened,
        }
    }

    /// Where it leads.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The address that was dialled, checked by the policy.
    pub fn address(&self) -> SocketAddr {
        self.ends.peer
    }

    /// Why it ended early; `None` while it is open, and if both directions were closed.
    pub fn failure(&self) -> Option<EgressError> {
        self.ends.completion.failure()
    }
}

/// Closes the socket when the tunnel is over, or the time is.
async fn watch(ends: Arc<Ends>, meter: Arc<Meter>) {
    let over = meter.within_time(ends.completion.ended()).await;
    if let Err(limit @ Limit::Time) = over {
        ends.completion.fail(EgressError::Limit(limit));
    }
    drop(ends.socket().take());
    ends.readers.wake();
    ends.writers.wake();
}

impl Ends {
    fn socket(&self) -> MutexGuard<'_, Option<RawStream>> {
        self.socket.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does `act` on the socket. `None` if it is closed, and that is no failure.
    fn act<T>(
        &self,
        act: impl FnOnce(Pin<&mut RawStream>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<Option<T>>> {
        if let Some(failure) = self.completion.failure() {
            return Poll::Ready(Err(as_io(failure)));
        }
        let mut socket = self.socket();
        let Some(socket) = &mut *socket else {
            return Poll::Ready(Ok(None));
        };
        let done = ready!(act(Pin::new(socket)));
        if let Err(error) = &done {
            self.completion.fail(RawStream::failure(error));
        }
        Poll::Ready(done.map(Some))
    }

    /// Notes that one direction is over.
    fn half_over(&self, half: &AtomicBool) {
        half.store(true, Ordering::Relaxed);
        let halves = [&self.has_read_all, &self.has_written_all];
        if halves.into_iter().all(|half| half.load(Ordering::Relaxed)) {
            self.completion.complete(Fields::new());
        }
    }
}

fn as_io(failure: EgressError) -> io::Error {
    let kind = match &failure {
        EgressError::Denied(_) => io::ErrorKind::PermissionDenied,
        EgressError::Limit(_) => io::ErrorKind::QuotaExceeded,
        EgressError::Timeout(_) => io::ErrorKind::TimedOut,
        EgressError::Reset => io::ErrorKind::ConnectionReset,
        _ => io::ErrorKind::ConnectionAborted,
    };
    io::Error::new(kind, failure)
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        match self.ends.has_read_all.load(Ordering::Relaxed) {
            true => self.ends.completion.complete(Fields::new()),
            false => self.ends.completion.cancel(),
        }
        drop(self.ends.socket().take());
    }
}

impl AsyncRead for Tunnel {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let ends = &self.ends;
        ends.readers.register(cx.waker());
        let (before, has_room) = (buf.filled().len(), buf.remaining() > 0);
        let read = ready!(ends.act(|socket| socket.poll_read(cx, buf)))?;
        let bytes = buf.filled().len() - before;
        ends.record.received(bytes as u64);
        if read.is_some() && bytes == 0 && has_room {
            ends.half_over(&ends.has_read_all);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let ends = &self.ends;
        ends.writers.register(cx.waker());
        if ends.has_written_all.load(Ordering::Relaxed) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        match ready!(ends.act(|socket| socket.poll_write_vectored(cx, bufs)))? {
            Some(written) => {
                ends.record.sent(written as u64);
                Poll::Ready(Ok(written))
            }
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.ends.writers.register(cx.waker());
        ready!(self.ends.act(|socket| socket.poll_flush(cx)))?;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ends = &self.ends;
        ends.writers.register(cx.waker());
        if ready!(ends.act(|socket| socket.poll_shutdown(cx)))?.is_some() {
            ends.half_over(&ends.has_written_all);
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod replaced_tests;
#[cfg(test)]
mod tests;
