//! One transport connection: TCP, or TLS over TCP.

use std::io::{self, IoSlice, Read as _};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::FutureExt;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio_rustls::client::TlsStream;

use crate::account::Reservation;
use crate::error::EgressError;
use crate::tls::TlsInfo;
use crate::tls_profile::TlsProfile;
use crate::wire::{Ended, Metered};

/// How often a check for silence reads data that only the TLS layer uses.
const MAX_CONTROL_RECORDS: usize = 16;

/// A connection to a peer, counted against the client's limit for as long as it lives.
#[derive(Debug)]
pub(crate) struct Stream {
    io: Io,
    peer: SocketAddr,
    tls: Option<Secured>,
    permit: Permit,
}

/// The right to one of the client's connections, and the memory that it holds.
#[derive(Debug)]
pub(crate) struct Permit {
    _permit: OwnedSemaphorePermit,
    held: Reservation,
}

impl Permit {
    pub(crate) fn new(permit: OwnedSemaphorePermit, held: Reservation) -> Self {
        Self {
            _permit: permit,
            held,
        }
    }

    /// Reserves this much more memory.
    pub(crate) fn hold(&mut self, bytes: usize) -> Result<(), EgressError> {
        self.held.grow(bytes).map_err(EgressError::Limit)
    }
}

/// The result of a TLS handshake, and its profile.
#[derive(Debug, Clone)]
pub(crate) struct Secured {
    pub(crate) info: Arc<TlsInfo>,
    pub(crate) profile: Arc<TlsProfile>,
}

#[derive(Debug)]
enum Io {
    Plain(Metered),
    Tls(Box<TlsIo>),
}

/// A TLS session over TCP.
#[derive(Debug)]
struct TlsIo {
    session: TlsStream<Metered>,
    /// Why it failed, while what the peer sent before that is still to be read.
    failure: Option<io::Error>,
}

impl TlsIo {
    /// Reads like the session, but keeps what came in the same read as the record that broke it: a
    /// peer may answer, and then send an alert.
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.failure.is_none() {
            match ready!(Pin::new(&mut self.session).poll_read(cx, buf)) {
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    self.failure = Some(error);
                }
                result => {
                    // Data never comes in the middle of a TLS message (RFC 8446 section 5.1).
                    self.session.get_mut().0.settle();
                    return Poll::Ready(result);
                }
            }
        }
        let mut rest = self.session.get_mut().1.reader();
        match rest.read(buf.initialize_unfilled()) {
            Ok(length @ 1..) => buf.advance(length),
            // The failure is reported once; later reads get the session's own.
            _ => return Poll::Ready(self.failure.take().map_or(Ok(()), Err)),
        }
        Poll::Ready(Ok(()))
    }
}

impl Stream {
    /// A TCP connection that carries nothing yet.
    pub(crate) fn plain(tcp: Metered, peer: SocketAddr, permit: Permit) -> Self {
        Self {
            io: Io::Plain(tcp),
            peer,
            tls: None,
            permit,
        }
    }

    /// Takes the TCP connection out, to put TLS around it. `None` if there is TLS already.
    pub(crate) fn into_plain(self) -> Option<(Metered, SocketAddr, Permit)> {
        match self.io {
            Io::Plain(tcp) => Some((tcp, self.peer, self.permit)),
            Io::Tls(_) => None,
        }
    }

    /// A TLS connection after its handshake.
    pub(crate) fn tls(
        tls: TlsStream<Metered>,
        peer: SocketAddr,
        permit: Permit,
        secured: Secured,
    ) -> Self {
        Self {
            io: Io::Tls(Box::new(TlsIo {
                session: tls,
                failure: None,
            })),
            peer,
            tls: Some(secured),
            permit,
        }
    }

    /// The address at the other end.
    pub(crate) fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Reports that a limit has ended the connection.
    pub(crate) fn ended(&self) -> Ended {
        match &self.io {
            Io::Plain(tcp) => tcp.ended(),
            Io::Tls(tls) => tls.session.get_ref().0.ended(),
        }
    }

    /// The TLS handshake; `None` for plain TCP.
    pub(crate) fn secured(&self) -> Option<&Secured> {
        self.tls.as_ref()
    }

    /// Whether the peer has neither closed the connection nor sent anything: only then can a used
    /// connection carry another request.
    ///
    /// This asks the kernel directly, because the runtime may not have noticed yet.
    pub(crate) async fn is_quiet(&mut self) -> bool {
        for _ in 0..MAX_CONTROL_RECORDS {
            match &mut self.io {
                Io::Plain(tcp) => return is_silent(tcp.tcp()) == Some(true),
                Io::Tls(tls) => {
                    let tls = &mut tls.session;
                    let mut byte = [0];
                    let read = tokio::task::unconstrained(tls.read(&mut byte)).now_or_never();
                    if read.is_some() {
                        return false;
                    }
                    let tcp = tls.get_ref().0.tcp();
                    match is_silent(tcp) {
                        Some(true) => return true,
                        Some(false) => return false,
                        // Records are waiting, perhaps only session tickets: read on.
                        None if tcp.readable().await.is_err() => return false,
                        None => {}
                    }
                }
            }
        }
        false
    }
}

/// `Some(true)`: open, and no byte is waiting; `Some(false)`: over; `None`: bytes are waiting.
fn is_silent(tcp: &TcpStream) -> Option<bool> {
    match SockRef::from(tcp).peek(&mut [MaybeUninit::uninit()]) {
        Ok(0) => Some(false),
        Ok(_) => None,
        Err(error) => Some(error.kind() == io::ErrorKind::WouldBlock),
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Io::Tls(tls) => tls.poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.io {
            Io::Plain(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Io::Tls(tls) => Pin::new(&mut tls.session).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.io {
            Io::Plain(tcp) => Pin::new(tcp).poll_write_vectored(cx, bufs),
            Io::Tls(tls) => Pin::new(&mut tls.session).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Io::Tls(tls) => Pin::new(&mut tls.session).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Io::Tls(tls) => Pin::new(&mut tls.session).poll_shutdown(cx),
        }
    }
}
