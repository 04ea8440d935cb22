//! A server whose answers the test computes from the request head, byte for byte and piece by
//! piece.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::background::Background;
use crate::ca::Leaf;
use crate::http_server::loopback;

/// An answer.
#[derive(Clone, Debug, Default)]
pub struct Script {
    /// The bytes to send, each piece in a write, and over TLS in a record, of its own.
    pub pieces: Vec<Vec<u8>>,
    /// Whether the server closes after it; otherwise it waits for the next request, or for the end.
    pub close: bool,
}

#[derive(Debug, Default)]
struct Seen {
    connections: usize,
    closed: usize,
    heads: Vec<Vec<u8>>,
}

/// A running server. It stops, and its connections close, when it is dropped. It reads only heads:
/// a request with a body would count as two.
#[derive(Debug)]
pub struct ScriptedServer {
    address: SocketAddr,
    scheme: &'static str,
    seen: Arc<watch::Sender<Seen>>,
    _accepting: Background,
}

impl ScriptedServer {
    /// Serves plain HTTP on 127.0.0.1, at a port that is free; `answer` gets each head.
    ///
    /// # Panics
    ///
    /// When loopback gives no port.
    pub async fn plain(answer: impl Fn(&str) -> Script + Send + Sync + 'static) -> Self {
        Self::start(None, Arc::new(answer)).await
    }

    /// Serves HTTPS with `leaf`, speaking the first of `alpn`.
    ///
    /// # Panics
    ///
    /// When loopback gives no port.
    pub async fn tls(
        leaf: &Leaf,
        alpn: &[&[u8]],
        answer: impl Fn(&str) -> Script + Send + Sync + 'static,
    ) -> Self {
        let acceptor = TlsAcceptor::from(leaf.server_config(alpn));
        Self::start(Some(acceptor), Arc::new(answer)).await
    }

    async fn start(tls: Option<TlsAcceptor>, answer: Arc<Answer>) -> Self {
        let listener = TcpListener::bind(loopback(0)).await;
        let listener = listener.expect("a loopback port");
        let address = listener.local_addr().expect("a bound address");
        let scheme = if tls.is_some() { "https" } else { "http" };
        let seen = Arc::new(watch::Sender::new(Seen::default()));
        let shared = Arc::clone(&seen);
        let accepting = Background::accept(listener, move |stream| {
            shared.send_modify(|seen| seen.connections += 1);
            let (seen, answer, tls) = (Arc::clone(&shared), Arc::clone(&answer), tls.clone());
            async move {
                // Errors are the client's end of the connection, which tests cause.
                let _ = match tls {
                    None => converse(stream, &seen, &*answer).await,
                    Some(acceptor) => match acceptor.accept(stream).await {
                        Ok(stream) => converse(stream, &seen, &*answer).await,
                        Err(error) => Err(error),
                    },
                };
                seen.send_modify(|seen| seen.closed += 1);
            }
        });
        Self {
            address,
            scheme,
            seen,
            _accepting: accepting,
        }
    }

    /// Scheme, address and port: a base URL, and the rule that allows only this server.
    pub fn origin(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// How many TCP connections were accepted.
    pub fn connections(&self) -> usize {
        self.seen.borrow().connections
    }

    /// The request heads so far, including the empty line.
    pub fn heads(&self) -> Vec<String> {
        let seen = self.seen.borrow();
        let heads = seen.heads.iter();
        heads
            .map(|head| String::from_utf8_lossy(head).into_owned())
            .collect()
    }

    /// Waits until a request for `target` has arrived.
    pub async fn until_requested(&self, target: &str) {
        let target = format!(" {target} HTTP/1.1\r\n");
        let arrived = |head: &Vec<u8>| String::from_utf8_lossy(head).contains(&target);
        // The sender is `self`, so it outlives the wait.
        let mut seen = self.seen.subscribe();
        let _ = seen.wait_for(|seen| seen.heads.iter().any(arrived)).await;
    }

    /// Waits until `count` connections have ended.
    pub async fn until_closed(&self, count: usize) {
        let mut seen = self.seen.subscribe();
        let _ = seen.wait_for(|seen| seen.closed >= count).await;
    }
}

type Answer = dyn Fn(&str) -> Script + Send + Sync;

async fn converse<S>(
    mut stream: S,
    seen: &watch::Sender<Seen>,
    answer: &Answer,
) -> std::io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut buffer = Vec::new();
    loop {
        let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") else {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
            continue;
        };
        let head: Vec<u8> = buffer.drain(..end + 4).collect();
        let script = answer(&String::from_utf8_lossy(&head));
        seen.send_modify(|seen| seen.heads.push(head));
        for piece in &script.pieces {
            stream.write_all(piece).await?;
            stream.flush().await?;
        }
        if script.close {
            stream.shutdown().await?;
            // Reading to the peer's end keeps unread bytes from turning the close into a reset.
            while stream.read_buf(&mut Vec::new()).await? > 0 {}
            return Ok(());
        }
    }
}
