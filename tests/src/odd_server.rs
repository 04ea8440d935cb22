//! A TCP server that sends the answers of [`ODD_ANSWERS`], and records which connection carried
//! what.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::background::Background;
use crate::http_server::loopback;
use crate::odd_answers::ODD_ANSWERS;

/// More than any request head that the tests send.
const LARGEST_HEAD: usize = 64 * 1024;

/// The paths that each connection requested, in order.
type Seen = Arc<Mutex<Vec<Vec<String>>>>;

/// A running server. It stops, and its connections close, when it is dropped.
#[derive(Debug)]
pub struct OddServer {
    address: SocketAddr,
    seen: Seen,
    _accepting: Background,
}

impl OddServer {
    /// Starts the server on 127.0.0.1, at a port that is free.
    ///
    /// # Panics
    ///
    /// When loopback gives no port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind(loopback(0)).await;
        let listener = listener.expect("a loopback port");
        let address = listener.local_addr().expect("a bound address");
        let seen = Seen::default();
        let shared = Arc::clone(&seen);
        let accepting = Background::accept(listener, move |stream| {
            let seen = Arc::clone(&shared);
            async move {
                // Errors are the client's end of the connection.
                let _ = converse(stream, &seen).await;
            }
        });
        Self {
            address,
            seen,
            _accepting: accepting,
        }
    }

    /// The base URL and the rule of this server.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The paths that each connection requested, in order.
    pub fn connections(&self) -> Vec<Vec<String>> {
        lock(&self.seen).clone()
    }
}

fn lock(seen: &Seen) -> MutexGuard<'_, Vec<Vec<String>>> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives the next connection its number.
fn begin(seen: &Seen) -> usize {
    let mut seen = lock(seen);
    seen.push(Vec::new());
    seen.len() - 1
}

async fn converse(mut stream: TcpStream, seen: &Seen) -> std::io::Result<()> {
    let number = begin(seen);
    let mut unread = Vec::new();
    while let Some(path) = read_head(&mut stream, &mut unread).await? {
        let answer = ODD_ANSWERS.iter().find(|answer| answer.path == path);
        lock(seen)[number].push(path);
        let Some(answer) = answer else {
            let missing = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
            stream.write_all(missing).await?;
            continue;
        };
        stream.write_all(answer.bytes).await?;
        if !answer.stays {
            stream.shutdown().await?;
            break;
        }
    }
    // Reading to the peer's end keeps unread bytes from turning the close into a reset.
    let mut ignored = [0; 16 * 1024];
    while stream.read(&mut ignored).await? > 0 {}
    Ok(())
}

/// The path of the next request; what was read beyond it stays in `unread`.
async fn read_head(
    stream: &mut TcpStream,
    unread: &mut Vec<u8>,
) -> std::io::Result<Option<String>> {
    while unread.len() < LARGEST_HEAD {
        if let Some(end) = unread.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&unread[..end]).into_owned();
            unread.drain(..end + 4);
            return Ok(Some(head.split(' ').nth(1).unwrap_or_default().to_owned()));
        }
        if stream.read_buf(unread).await? == 0 {
            return Ok(None);
        }
    }
    Ok(None)
}
