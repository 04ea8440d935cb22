//! A server with keep-alive whose answers are valid or broken, depending on the path of the
//! request.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConnection;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::background::Background;
use crate::ca::Leaf;
use crate::fault_answers::{After, Answer, answer};
use crate::http_server::loopback;

/// The time between two pieces of an answer: long enough that each is read separately, even on a
/// busy machine.
const PAUSE: Duration = Duration::from_millis(20);
/// More than any request of the tests has.
const LARGEST_REQUEST: usize = 64 * 1024;
/// A record of application data (RFC 8446 section 5.2) that no key decrypts.
const BAD_RECORD: [u8; 37] = {
    let mut record = [0xaa; 37];
    [record[0], record[1], record[2], record[3], record[4]] = [23, 3, 3, 0, 32];
    record
};

#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    accepted: usize,
    open: usize,
    requests: usize,
}

/// A running server. It stops, and its connections close, when it is dropped.
///
/// It answers `/KIND/VARIANT/NUMBER` as the table in `fault_answers` says, the same each time, so
/// that clients can be compared.
#[derive(Debug)]
pub struct FaultServer {
    address: SocketAddr,
    scheme: &'static str,
    seen: Arc<watch::Sender<Seen>>,
    _accepting: Background,
}

impl FaultServer {
    /// Serves plain HTTP on 127.0.0.1, at a port that is free.
    ///
    /// # Panics
    ///
    /// When loopback gives no port.
    pub async fn plain() -> Self {
        Self::start("http", None).await
    }

    /// Serves HTTPS on 127.0.0.1 with `leaf`, at a port that is free.
    ///
    /// # Panics
    ///
    /// When loopback gives no port.
    pub async fn tls(leaf: &Leaf) -> Self {
        let acceptor = TlsAcceptor::from(leaf.server_config(&[b"http/1.1"]));
        Self::start("https", Some(acceptor)).await
    }

    async fn start(scheme: &'static str, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind(loopback(0))
            .await
            .expect("a loopback port");
        let address = listener.local_addr().expect("a bound address");
        let seen = Arc::new(watch::Sender::new(Seen::default()));
        let shared = Arc::clone(&seen);
        let accepting = Background::accept(listener, move |stream| {
            let (open, tls) = (Open::new(&shared), tls.clone());
            async move {
                // Errors are the client's end of the connection, which faults cause.
                let _ = match tls {
                    None => converse(stream, &open).await,
                    Some(tls) => match tls.accept(stream).await {
                        Ok(stream) => converse(stream, &open).await,
                        Err(error) => Err(error),
                    },
                };
            }
        });
        Self {
            address,
            scheme,
            seen,
            _accepting: accepting,
        }
    }

    /// The base URL and the rule of this server, such as `http://127.0.0.1:8080`.
    pub fn origin(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// How many TCP connections were accepted.
    pub fn connections(&self) -> usize {
        self.seen.borrow().accepted
    }

    /// How many requests were read.
    pub fn requests(&self) -> usize {
        self.seen.borrow().requests
    }

    /// Waits until no connection is open.
    pub async fn until_unused(&self) {
        // The sender is `self`, so it outlives the wait.
        let _ = self.seen.subscribe().wait_for(|seen| seen.open == 0).await;
    }
}

/// An open connection, for as long as this lives.
struct Open(Arc<watch::Sender<Seen>>);

impl Open {
    fn new(seen: &Arc<watch::Sender<Seen>>) -> Self {
        seen.send_modify(|seen| {
            seen.accepted += 1;
            seen.open += 1;
        });
        Self(Arc::clone(seen))
    }

    fn requested(&self) {
        self.0.send_modify(|seen| seen.requests += 1);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.send_modify(|seen| seen.open -= 1);
    }
}

/// A connection with its TCP socket, and its TLS if it has any.
trait Transport: AsyncRead + AsyncWrite + Send + Unpin {
    fn parts(&mut self) -> (&mut TcpStream, Option<&mut ServerConnection>);
}

impl Transport for TcpStream {
    fn parts(&mut self) -> (&mut TcpStream, Option<&mut ServerConnection>) {
        (self, None)
    }
}

impl Transport for TlsStream<TcpStream> {
    fn parts(&mut self) -> (&mut TcpStream, Option<&mut ServerConnection>) {
        let (tcp, tls) = self.get_mut();
        (tcp, Some(tls))
    }
}

async fn converse(mut stream: impl Transport, open: &Open) -> std::io::Result<()> {
    let mut unread = Vec::new();
    while let Some(request) = Request::read(&mut stream, &mut unread).await? {
        open.requested();
        let Some(answer) = answer(&request.path, &request.host, &request.body) else {
            let nothing = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
            stream.write_all(nothing).await?;
            continue;
        };
        send(&mut stream, &answer).await?;
        if answer.after != After::KeepAlive {
            return end(stream, answer.after).await;
        }
    }
    Ok(())
}

async fn send(stream: &mut impl Transport, answer: &Answer) -> std::io::Result<()> {
    for (number, piece) in answer.pieces.iter().enumerate() {
        if number > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        stream.write_all(piece).await?;
        stream.flush().await?;
    }
    Ok(())
}

async fn end(mut stream: impl Transport, after: After) -> std::io::Result<()> {
    match after {
        After::KeepAlive | After::Silence => {}
        After::Finish => stream.shutdown().await?,
        After::Reset => {
            return SockRef::from(&*stream.parts().0).set_linger(Some(Duration::ZERO));
        }
        After::Alert => {
            tokio::time::sleep(PAUSE).await;
            let (tcp, tls) = stream.parts();
            tcp.write_all(&tls.map_or(Ok(Vec::new()), alert)?).await?;
            tcp.shutdown().await?;
        }
        After::BadRecord => {
            tokio::time::sleep(PAUSE).await;
            stream.parts().0.write_all(&BAD_RECORD).await?;
        }
    }
    // Reading to the peer's end keeps unread bytes from turning the close into a reset.
    let mut ignored = [0; 16 * 1024];
    while stream.parts().0.read(&mut ignored).await? > 0 {}
    Ok(())
}

/// A fatal alert, encrypted. rustls answers a record that it cannot decrypt with one, and does not
/// know whether the record came from the peer.
fn alert(tls: &mut ServerConnection) -> std::io::Result<Vec<u8>> {
    tls.read_tls(&mut BAD_RECORD.as_slice())?;
    let refused = tls.process_new_packets();
    debug_assert!(refused.is_err());
    let mut records = Vec::new();
    tls.write_tls(&mut records)?;
    Ok(records)
}

/// What the server reads of a request.
struct Request {
    path: String,
    host: String,
    body: Vec<u8>,
}

impl Request {
    /// The next request; `None` if the peer ends before or within it. What was read beyond it stays
    /// in `unread`.
    async fn read(
        stream: &mut impl Transport,
        unread: &mut Vec<u8>,
    ) -> std::io::Result<Option<Self>> {
        let end = |bytes: &[u8]| bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let head_length = loop {
            match end(unread) {
                Some(at) => break at + 4,
                None if unread.len() > LARGEST_REQUEST => return Ok(None),
                None if stream.read_buf(unread).await? == 0 => return Ok(None),
                None => {}
            }
        };
        let head = String::from_utf8_lossy(&unread[..head_length]).into_owned();
        let length = field(&head, "content-length").parse().unwrap_or(0);
        while unread.len() < head_length + length {
            if stream.read_buf(unread).await? == 0 {
                return Ok(None);
            }
        }
        let body = unread[head_length..head_length + length].to_vec();
        unread.drain(..head_length + length);
        Ok(Some(Self {
            path: head.split(' ').nth(1).unwrap_or_default().to_owned(),
            host: field(&head, "host").to_owned(),
            body,
        }))
    }
}

/// The value of the field `name`; empty if there is none.
fn field<'a>(head: &'a str, name: &str) -> &'a str {
    let fields = head.lines().filter_map(|line| line.split_once(':'));
    let mut values = fields.filter(|(found, _)| found.eq_ignore_ascii_case(name));
    values.next().map_or("", |(_, value)| value.trim())
}
