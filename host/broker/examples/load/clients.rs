//! Honest clients: each checks every response that it gets.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::server::{NAME, TestServer, body};

/// Requests on one connection; a proxy refuses the last of them.
const ON_ONE: usize = 20;
/// The longest that a connection or a response may take.
const LIMIT: Duration = Duration::from_secs(60);

/// How many requests come from how many clients.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) requests: usize,
    pub(crate) clients: usize,
}

impl Plan {
    pub(crate) fn new(requests: usize, clients: usize) -> Self {
        let clients = clients.max(1);
        let each = requests.div_ceil(clients).next_multiple_of(ON_ONE);
        Self {
            requests: each * clients,
            clients,
        }
    }

    /// A tenth of it.
    pub(crate) fn tenth(&self) -> Self {
        Self::new(self.requests / 10, self.clients)
    }
}

/// How clients reach the server.
#[derive(Clone)]
pub(crate) struct Way {
    dial: SocketAddr,
    /// What a proxy is asked, if there is one.
    connect: Option<String>,
    tls: Arc<ClientConfig>,
    host: String,
}

impl Way {
    pub(crate) fn direct(server: &TestServer) -> Self {
        Self {
            dial: server.address(),
            connect: None,
            tls: trusting(&server.ca_pem()),
            host: server.authority(),
        }
    }

    /// Through a proxy whose certificates this authority signs.
    pub(crate) fn proxy(
        server: &TestServer,
        dial: SocketAddr,
        token: Option<&str>,
        ca_pem: &str,
    ) -> Self {
        let host = server.authority();
        let auth = token.map(|token| format!("Proxy-Authorization: Bearer {token}\r\n"));
        let auth = auth.unwrap_or_default();
        Self {
            dial,
            connect: Some(format!(
                "CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n{auth}\r\n"
            )),
            tls: trusting(ca_pem),
            host,
        }
    }
}

fn trusting(pem: &str) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).expect("PEM");
    roots.add(certificate).expect("an authority");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Each connection pays for its handshake, whatever the proxy keeps.
    config.resumption = rustls::client::Resumption::disabled();
    Arc::new(config)
}

/// What came of a plan.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// The time of each request on a connection that was there.
    pub(crate) requests: Vec<Duration>,
    /// The time until each connection was there.
    pub(crate) connections: Vec<Duration>,
    pub(crate) elapsed: Duration,
    /// Right responses, denials included.
    pub(crate) right: usize,
    /// What was lost or wrong.
    pub(crate) wrong: Vec<String>,
}

impl Outcome {
    /// # Errors
    ///
    /// What was lost or wrong.
    pub(crate) fn check(&self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        match &self.wrong[..] {
            [] => Ok(()),
            [first, ..] => Err(format!("{} are lost or wrong: {first}", self.wrong.len()).into()),
        }
    }
}

/// Sends all requests of the plan.
pub(crate) async fn run(plan: &Plan, way: &Way) -> Outcome {
    let begun = Instant::now();
    let mut clients = JoinSet::new();
    for client in 0..plan.clients {
        let (way, each) = (way.clone(), plan.requests / plan.clients);
        clients.spawn(async move { one_client(client, each, &way).await });
    }
    let mut all = Outcome::default();
    for one in clients.join_all().await {
        all.requests.extend(one.requests);
        all.connections.extend(one.connections);
        all.right += one.right;
        all.wrong.extend(one.wrong);
    }
    all.elapsed = begun.elapsed();
    all
}

async fn one_client(client: usize, requests: usize, way: &Way) -> Outcome {
    let mut outcome = Outcome::default();
    for connection in 0..requests / ON_ONE {
        let begun = Instant::now();
        let mut stream = match within(connected(way)).await {
            Ok(stream) => BufReader::new(stream),
            Err(error) => {
                let lost = format!("client {client}: no connection: {error}");
                outcome.wrong.extend(std::iter::repeat_n(lost, ON_ONE));
                continue;
            }
        };
        outcome.connections.push(begun.elapsed());
        for index in 0..ON_ONE {
            let is_last = index + 1 == ON_ONE;
            let place = if is_last { "closed" } else { "open" };
            let path = format!("/{place}/{client}/{connection}/{index}");
            let is_denied = is_last && way.connect.is_some();
            let begun = Instant::now();
            match within(asked(&mut stream, &path, &way.host)).await {
                Ok((200, found)) if !is_denied && found == body(&path).as_bytes() => {
                    outcome.right += 1;
                }
                Ok((403, _)) if is_denied => outcome.right += 1,
                other => outcome.wrong.push(format!("{path}: {other:?}")),
            }
            outcome.requests.push(begun.elapsed());
        }
    }
    outcome
}

async fn within<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let done = tokio::time::timeout(LIMIT, work).await;
    done.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

async fn connected(way: &Way) -> io::Result<TlsStream<TcpStream>> {
    let mut stream = TcpStream::connect(way.dial).await?;
    stream.set_nodelay(true)?;
    if let Some(connect) = &way.connect {
        stream.write_all(connect.as_bytes()).await?;
        // Byte by byte: what follows is TLS.
        let (status, _) = head(&mut stream).await?;
        if status != 200 {
            return Err(io::Error::other(format!("CONNECT: {status}")));
        }
    }
    let name = ServerName::try_from(NAME).map_err(io::Error::other)?;
    TlsConnector::from(Arc::clone(&way.tls))
        .connect(name, stream)
        .await
}

/// Sends one request; returns the status and the body.
async fn asked(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    path: &str,
    host: &str,
) -> io::Result<(u16, Vec<u8>)> {
    let text = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    stream.write_all(text.as_bytes()).await?;
    stream.flush().await?;
    let (status, length) = head(stream).await?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok((status, body))
}

/// Reads a head; returns the status and the length of the body.
async fn head(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<(u16, usize)> {
    let mut bytes = Vec::with_capacity(256);
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(stream.read_u8().await?);
    }
    let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
    let status = text
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    let length = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"));
    let length = length.map_or(Some(0), |length| length.trim().parse().ok());
    status
        .zip(length)
        .ok_or_else(|| io::Error::other(format!("not a head: {text}")))
}
