//! A real HTTP server on loopback: HTTP/1.1 and HTTP/2, plain or TLS, with the paths of
//! `http_routes`.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls::HandshakeKind;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket};
use tokio_rustls::TlsAcceptor;

use crate::background::Background;
use crate::ca::Leaf;
use crate::http_routes::answer;
use crate::journal::{Journal, RequestRecord};
use crate::streams::StreamRecord;

/// The protocols that a TLS server offers.
#[derive(Clone, Copy, Debug)]
pub enum Alpn {
    /// Only HTTP/1.1.
    Http1,
    /// HTTP/2 first, HTTP/1.1 otherwise.
    Http2,
    /// No protocol: the extension is ignored, and the client has to assume HTTP/1.1.
    Absent,
}

impl Alpn {
    fn names(self) -> &'static [&'static [u8]] {
        match self {
            Self::Http1 => &[b"http/1.1"],
            Self::Http2 => &[b"h2", b"http/1.1"],
            Self::Absent => &[],
        }
    }
}

/// A running server. It stops, and its connections close, when it is dropped.
#[derive(Debug)]
pub struct HttpServer {
    address: SocketAddr,
    scheme: &'static str,
    journal: Arc<Journal>,
    _accepting: Background,
}

impl HttpServer {
    /// Serves plain HTTP on 127.0.0.1, at a port that is free.
    ///
    /// # Panics
    ///
    /// When loopback gives no port.
    pub async fn plain() -> Self {
        Self::plain_at(loopback(0)).await.expect("a loopback port")
    }

    /// Serves plain HTTP at `address`.
    ///
    /// # Errors
    ///
    /// When the address cannot be bound: ports below 1024 may need a privilege.
    pub async fn plain_at(address: SocketAddr) -> std::io::Result<Self> {
        Self::start(address, None).await
    }

    /// Serves HTTPS on 127.0.0.1 with `leaf`, at a port that is free.
    ///
    /// # Panics
    ///
    /// When loopback gives no port.
    pub async fn tls(leaf: &Leaf, alpn: Alpn) -> Self {
        Self::tls_at(loopback(0), leaf, alpn)
            .await
            .expect("a loopback port")
    }

    /// Serves HTTPS at `address` with `leaf`.
    ///
    /// # Errors
    ///
    /// When the address cannot be bound.
    pub async fn tls_at(address: SocketAddr, leaf: &Leaf, alpn: Alpn) -> std::io::Result<Self> {
        let acceptor = TlsAcceptor::from(leaf.server_config(alpn.names()));
        Self::start(address, Some(acceptor)).await
    }

    async fn start(address: SocketAddr, tls: Option<TlsAcceptor>) -> std::io::Result<Self> {
        let listener = listen(address)?;
        let address = listener.local_addr()?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let journal = Arc::new(Journal::new());
        let shared = Arc::clone(&journal);
        let accepting = Background::accept(listener, move |stream| {
            let (journal, tls) = (Arc::clone(&shared), tls.clone());
            let connection = journal.accepted();
            async move {
                match tls {
                    None => serve(stream, connection, journal).await,
                    // A client that rejects the certificate ends its connection here.
                    Some(acceptor) => {
                        if let Ok(stream) = acceptor.accept(stream).await {
                            if stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed) {
                                journal.resumed();
                            }
                            serve(stream, connection, journal).await;
                        }
                    }
                }
            }
        });
        Ok(Self {
            address,
            scheme,
            journal,
            _accepting: accepting,
        })
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Scheme, address and port, such as `http://127.0.0.1:8080`: a base URL, and also the rule
    /// that allows only this server.
    pub fn origin(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// The origin with another name of the same server, such as `localhost`.
    pub fn origin_as(&self, host: &str) -> String {
        format!("{}://{host}:{}", self.scheme, self.address.port())
    }

    /// How many TCP connections were accepted. Complete once every possible client has had an
    /// answer; to show that nobody connected, use [`Forbidden`](crate::Forbidden).
    pub fn connections(&self) -> usize {
        self.journal.connections()
    }

    /// How many TLS handshakes resumed a session of an earlier connection.
    pub fn resumptions(&self) -> usize {
        self.journal.resumptions()
    }

    /// Every request so far, in the order in which their heads arrived.
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.journal.requests()
    }

    /// The requests so far whose target is `target`.
    pub fn requests_for(&self, target: &str) -> Vec<RequestRecord> {
        self.requests()
            .into_iter()
            .filter(|request| request.target == target)
            .collect()
    }

    /// Waits until a request for `target` has arrived.
    pub async fn until_requested(&self, target: &str) {
        self.until_requested_times(target, 1).await;
    }

    /// Waits until `count` requests for `target` have arrived.
    pub async fn until_requested_times(&self, target: &str, count: usize) {
        self.journal.until_requested(target, count).await;
    }

    /// The record of the stream `name`: see the paths of `stream_routes`.
    pub fn stream(&self, name: &str) -> StreamRecord {
        self.journal.streams.record(name)
    }

    /// Waits until the stream `name` was cut off by the client.
    pub async fn until_cut(&self, name: &str) {
        self.journal.streams.until(name, |stream| stream.cut).await;
    }

    /// Answers the requests for `/slow` that wait for this.
    pub fn release(&self) {
        self.journal.release();
    }
}

/// An address on 127.0.0.1; port 0 stands for any that is free.
pub fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// Listens with room for a thousand simultaneous clients: without it the system drops their first
/// packets, and they try again after a second.
fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    const QUEUE: u32 = 4096;
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(QUEUE)
}

async fn serve<S>(stream: S, connection: usize, journal: Arc<Journal>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| answer(request, connection, Arc::clone(&journal)));
    let server = auto::Builder::new(TokioExecutor::new());
    // Errors here are the client's: it disconnected or broke off, which tests do on purpose.
    let _ = server.serve_connection(TokioIo::new(stream), service).await;
}
