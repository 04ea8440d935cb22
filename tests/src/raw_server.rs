//! A TCP server that answers HTTP requests as no HTTP library would: truncated, endless, malformed,
//! or in the spelling that a library would hide.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::background::Background;
use crate::http_server::loopback;
use crate::raw_behaviours::{BEHAVIOURS, Behaviour, End, Piece};

/// More than any head that the tests send.
const LARGEST_HEAD: usize = 64 * 1024;

#[derive(Debug, Default)]
struct Seen {
    connections: usize,
    heads: Vec<Vec<u8>>,
}

/// A running server. It stops, and its connections close, when it is dropped.
///
/// Each connection carries one request, whose path chooses the answer from [`BEHAVIOURS`]. A client
/// that sends no request head, such as one that begins with TLS, gets no answer.
#[derive(Debug)]
pub struct RawServer {
    address: SocketAddr,
    seen: Arc<watch::Sender<Seen>>,
    _accepting: Background,
}

impl RawServer {
    /// Starts the server on 127.0.0.1, at a port that is free.
    ///
    /// # Panics
    ///
    /// When loopback gives no port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind(loopback(0))
            .await
            .expect("a loopback port");
        let address = listener.local_addr().expect("a bound address");
        let seen = Arc::new(watch::Sender::new(Seen::default()));
        let shared = Arc::clone(&seen);
        let accepting = Background::accept(listener, move |stream| {
            shared.send_modify(|seen| seen.connections += 1);
            let seen = Arc::clone(&shared);
            async move {
                // Errors are the client's end of the connection, which tests cause.
                let _ = converse(stream, &seen).await;
            }
        });
        Self {
            address,
            seen,
            _accepting: accepting,
        }
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base URL and the rule of this server, such as `http://127.0.0.1:8080`.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many TCP connections were accepted.
    pub fn connections(&self) -> usize {
        self.seen.borrow().connections
    }

    /// The request heads so far, byte for byte, including the empty line.
    pub fn heads(&self) -> Vec<Vec<u8>> {
        self.seen.borrow().heads.clone()
    }

    /// Waits until a request head for `path` has arrived.
    pub async fn until_requested(&self, path: &str) {
        let arrived = |seen: &Seen| seen.heads.iter().any(|head| path_of(head) == path);
        // The sender is `self`, so it outlives the wait.
        let _ = self.seen.subscribe().wait_for(arrived).await;
    }
}

async fn converse(mut stream: TcpStream, seen: &watch::Sender<Seen>) -> std::io::Result<()> {
    let Some(head) = read_head(&mut stream).await? else {
        return Ok(());
    };
    let path = path_of(&head);
    let behaviour = BEHAVIOURS.iter().find(|behaviour| behaviour.path == path);
    seen.send_modify(|seen| seen.heads.push(head));
    match behaviour {
        Some(behaviour) => perform(stream, behaviour).await,
        None => {
            stream
                .write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                .await
        }
    }
}

async fn perform(mut stream: TcpStream, behaviour: &Behaviour) -> std::io::Result<()> {
    for piece in behaviour.answer {
        match piece {
            Piece::Once(bytes) => stream.write_all(bytes).await?,
            Piece::Forever(bytes) => {
                let many = bytes.repeat(16 * 1024 / bytes.len() + 1);
                loop {
                    stream.write_all(&many).await?;
                }
            }
        }
    }
    match behaviour.end {
        End::Finish => stream.shutdown().await?,
        End::Reset => return SockRef::from(&stream).set_linger(Some(Duration::ZERO)),
        End::Hold => {}
    }
    // Reading to the peer's end keeps unread bytes from turning the close into a reset.
    let mut ignored = [0; 16 * 1024];
    while stream.read(&mut ignored).await? > 0 {}
    Ok(())
}

/// Reads up to the empty line; `None` if the peer ends before it or never sends it.
async fn read_head(stream: &mut TcpStream) -> std::io::Result<Option<Vec<u8>>> {
    let mut head = Vec::new();
    while head.len() < LARGEST_HEAD {
        if stream.read_buf(&mut head).await? == 0 {
            return Ok(None);
        }
        if let Some(end) = head.windows(4).position(|window| window == b"\r\n\r\n") {
            head.truncate(end + 4);
            return Ok(Some(head));
        }
    }
    Ok(None)
}

/// The second word of the request line; empty if there is none.
fn path_of(head: &[u8]) -> &str {
    let line = head.split(|&byte| byte == b'\r').next().unwrap_or_default();
    let line = std::str::from_utf8(line).unwrap_or_default();
    line.split(' ').nth(1).unwrap_or_default()
}
