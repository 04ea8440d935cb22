//! A broker over loopback servers, and clients that write bytes.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use sandbox_net_broker::{Broker, BrokerBuilder, RunningBroker};
use sandbox_net_egress::test_support::tls::{Authority, serve_tls};
use sandbox_net_egress::test_support::{Server, echo, read_request, write};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// The settings of a broker that clients reach by a TCP port with a token.
pub(crate) fn builder() -> BrokerBuilder {
    Broker::builder().listen("127.0.0.1:0".parse().unwrap())
}

pub(crate) async fn start(builder: BrokerBuilder) -> RunningBroker {
    builder.build().unwrap().start().await.unwrap()
}

/// A broker that allows these rules.
pub(crate) async fn allowing(rules: &[String]) -> RunningBroker {
    start(with_rules(builder(), rules)).await
}

pub(crate) fn with_rules(builder: BrokerBuilder, rules: &[String]) -> BrokerBuilder {
    rules
        .iter()
        .fold(builder, |builder, rule| builder.allow(rule))
}

/// A client's connection to the broker.
pub(crate) async fn dial(broker: &RunningBroker) -> TcpStream {
    TcpStream::connect(broker.addresses()[0]).await.unwrap()
}

/// The field that carries the token.
pub(crate) fn auth(broker: &RunningBroker) -> String {
    let token = broker.token().as_str();
    format!("Proxy-Authorization: Bearer {token}\r\n")
}

/// A response as its client sees it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {:?}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The code of its error.
    pub(crate) fn code(&self) -> String {
        self.json()["error"]["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    pub(crate) fn field(&self, name: &str) -> Option<String> {
        self.head.lines().find_map(|line| {
            let (own, value) = line.split_once(':')?;
            let is_it = own.eq_ignore_ascii_case(name);
            is_it.then(|| value.trim().to_owned())
        })
    }
}

/// Reads a response. `None` if the connection ends before it.
pub(crate) async fn read_answer(stream: &mut (impl AsyncRead + Unpin)) -> Option<Answer> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8_lossy(&bytes).into_owned();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let mut answer = Answer {
        status,
        head,
        body: Vec::new(),
    };
    if let Some(length) = answer.field("content-length") {
        answer.body = vec![0; length.parse().ok()?];
        stream.read_exact(&mut answer.body).await.ok()?;
    } else if answer.field("transfer-encoding").is_some() {
        answer.body = read_chunks(stream).await?;
    } else if status >= 200
        && status != 204
        && status != 304
        && answer.field("x-sandbox-net-connection").is_none()
    {
        stream.read_to_end(&mut answer.body).await.ok()?;
    }
    Some(answer)
}

async fn read_line(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.push(stream.read_u8().await.ok()?);
    }
    line.truncate(line.len() - 2);
    String::from_utf8(line).ok()
}

async fn read_chunks(stream: &mut (impl AsyncRead + Unpin)) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let size = usize::from_str_radix(&read_line(stream).await?, 16).ok()?;
        if size == 0 {
            while !read_line(stream).await?.is_empty() {}
            return Some(body);
        }
        let start = body.len();
        body.resize(start + size, 0);
        stream.read_exact(&mut body[start..]).await.ok()?;
        read_line(stream).await?;
    }
}

/// Sends bytes, and reads the response to them.
pub(crate) async fn ask(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    text: &str,
) -> Option<Answer> {
    stream.write_all(text.as_bytes()).await.ok()?;
    stream.flush().await.ok()?;
    read_answer(stream).await
}

/// Sends one call of the API, with the token.
pub(crate) async fn api(broker: &RunningBroker, method: &str, path: &str, body: &str) -> Answer {
    let (length, auth) = (body.len(), auth(broker));
    let text = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{auth}Content-Length: {length}\r\n\r\n{body}"
    );
    ask(&mut dial(broker).await, &text).await.unwrap()
}

/// Makes a connection by `CONNECT`, with more fields; returns the answer, too.
pub(crate) async fn connect_with(
    broker: &RunningBroker,
    endpoint: &str,
    fields: &str,
) -> (TcpStream, Answer) {
    let mut stream = dial(broker).await;
    let auth = auth(broker);
    let text = format!("CONNECT {endpoint} HTTP/1.1\r\nHost: {endpoint}\r\n{auth}{fields}\r\n");
    let answer = ask(&mut stream, &text).await.unwrap();
    (stream, answer)
}

/// Makes a connection that has to be allowed.
pub(crate) async fn connect(broker: &RunningBroker, endpoint: &str) -> TcpStream {
    let (stream, answer) = connect_with(broker, endpoint, "").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    stream
}

/// The settings of a client that trusts only the broker's authority.
pub(crate) fn trusting(broker: &RunningBroker, alpn: &[&str]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let pem = broker.ca_pem();
    roots
        .add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}

/// Begins TLS with the broker for this name.
pub(crate) async fn tls<S: AsyncRead + AsyncWrite + Unpin>(
    broker: &RunningBroker,
    stream: S,
    name: &str,
) -> std::io::Result<TlsStream<S>> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let config = trusting(broker, &["h2", "http/1.1"]);
    TlsConnector::from(config).connect(name, stream).await
}

/// A server that tells each request that it gets, and answers with its bytes.
pub(crate) async fn reflecting() -> (Server, mpsc::UnboundedReceiver<String>) {
    let (tx, requests) = mpsc::unbounded_channel();
    let server = Server::start(move |stream, _| reflect(stream, tx.clone())).await;
    (server, requests)
}

/// The same over TLS, with a certificate for these names.
pub(crate) async fn reflecting_tls(
    authority: &Authority,
    names: &[&str],
) -> (Server, mpsc::UnboundedReceiver<String>) {
    let (tx, requests) = mpsc::unbounded_channel();
    let config = authority.server_with(&["http/1.1"], names, |_| {});
    let server = serve_tls(config, move |stream, _| reflect(stream, tx.clone())).await;
    (server, requests)
}

async fn reflect(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    tx: mpsc::UnboundedSender<String>,
) {
    loop {
        let request = read_request(&mut stream).await;
        if request.is_empty() {
            return;
        }
        let answer = sandbox_net_egress::test_support::ok(&request);
        let _ = tx.send(request);
        write(&mut stream, answer.as_bytes()).await;
    }
}

/// Whether a client sees a reset, and not an end.
pub(crate) async fn is_reset(stream: &mut (impl AsyncRead + Unpin)) -> bool {
    let mut rest = Vec::new();
    let read = stream.read_to_end(&mut rest).await;
    read.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset)
}

/// What nobody listens on.
pub(crate) async fn closed_port() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

pub(crate) async fn echoing() -> Server {
    Server::start(|stream, _| echo(stream)).await
}
