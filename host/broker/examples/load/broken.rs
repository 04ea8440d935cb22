//! Broken clients: each does one thing wrong, again and again, until it is stopped.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// What a broken client does.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// Writes a head byte by byte.
    Slow,
    /// Leaves in the middle of a head.
    HalfHead,
    /// Resets the connection after `CONNECT` was answered.
    Reset,
    /// Resets it in the middle of a TLS handshake.
    HalfHandshake,
    /// Writes what is not HTTP.
    Garbage,
    /// Writes a head of 128 KiB.
    Oversize,
    /// Announces a body of 1 GiB.
    Huge,
    /// Calls without a token.
    Stranger,
}

const FAULTS: [Fault; 8] = [
    Fault::Slow,
    Fault::HalfHead,
    Fault::Reset,
    Fault::HalfHandshake,
    Fault::Garbage,
    Fault::Oversize,
    Fault::Huge,
    Fault::Stranger,
];

/// Between two attempts of one client.
const PAUSE: Duration = Duration::from_millis(5);

/// Broken clients at work, one for each fault.
pub(crate) struct Broken {
    stopping: CancellationToken,
    clients: JoinSet<()>,
    counts: Arc<[AtomicU64; FAULTS.len()]>,
}

/// How often each fault occurred.
pub(crate) struct Seen([u64; FAULTS.len()]);

impl Seen {
    /// The rarest.
    pub(crate) fn least(&self) -> u64 {
        self.0.into_iter().min().unwrap_or(0)
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs = FAULTS.iter().zip(self.0);
        let pairs: Vec<_> = pairs
            .map(|(fault, count)| format!("{fault:?} {count}"))
            .collect();
        f.write_str(&pairs.join(", "))
    }
}

impl Broken {
    /// Begins to break things at this broker.
    pub(crate) fn start(broker: SocketAddr, token: &str, server: SocketAddr) -> Self {
        let counts: Arc<[AtomicU64; FAULTS.len()]> = Arc::default();
        let stopping = CancellationToken::new();
        let mut clients = JoinSet::new();
        for (index, fault) in FAULTS.into_iter().enumerate() {
            let (counts, stopping) = (Arc::clone(&counts), stopping.clone());
            let (token, port) = (token.to_owned(), server.port());
            clients.spawn(async move {
                while !stopping.is_cancelled() {
                    tokio::select! {
                        () = stopping.cancelled() => {}
                        // What becomes of it does not matter.
                        _ = once(fault, broker, &token, port) => {
                            counts[index].fetch_add(1, Ordering::Relaxed);
                        }
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            });
        }
        Self {
            stopping,
            clients,
            counts,
        }
    }

    pub(crate) async fn stop(self) -> Seen {
        self.stopping.cancel();
        self.clients.join_all().await;
        Seen(std::array::from_fn(|index| {
            self.counts[index].load(Ordering::Relaxed)
        }))
    }
}

async fn once(fault: Fault, broker: SocketAddr, token: &str, port: u16) -> io::Result<()> {
    let mut stream = TcpStream::connect(broker).await?;
    let auth = format!("Proxy-Authorization: Bearer {token}\r\n");
    let connect = format!("CONNECT localhost:{port} HTTP/1.1\r\n{auth}\r\n");
    match fault {
        Fault::Slow => {
            for byte in connect.as_bytes().iter().take(40) {
                stream.write_all(&[*byte]).await?;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        Fault::HalfHead => stream.write_all(&connect.as_bytes()[..20]).await?,
        Fault::Reset | Fault::HalfHandshake => {
            stream.write_all(connect.as_bytes()).await?;
            stream.read_u8().await?;
            if matches!(fault, Fault::HalfHandshake) {
                stream
                    .write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01")
                    .await?;
            }
            stream.set_zero_linger()?;
        }
        Fault::Garbage => {
            stream
                .write_all(b"\0\xff\r\n\r\n\x16\x03 garbage\r\n\r\n")
                .await?;
            let _ = stream.read(&mut [0; 512]).await;
        }
        Fault::Oversize => {
            let head = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(128 << 10));
            stream.write_all(head.as_bytes()).await?;
            let _ = stream.read(&mut [0; 512]).await;
        }
        Fault::Huge => {
            let head = format!(
                "POST /api/proxy HTTP/1.1\r\nHost: localhost\r\n{auth}Content-Length: {}\r\n\r\n",
                1 << 30
            );
            stream.write_all(head.as_bytes()).await?;
            let _ = stream.read(&mut [0; 512]).await;
        }
        Fault::Stranger => {
            stream
                .write_all(b"GET /policy HTTP/1.1\r\nHost: localhost\r\n\r\n")
                .await?;
            let _ = stream.read(&mut [0; 512]).await;
        }
    }
    Ok(())
}
