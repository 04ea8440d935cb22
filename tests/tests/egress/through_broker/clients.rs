//! Native clients of a broker, which write their bytes themselves.

use std::io;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use sandbox_net_broker::RunningBroker;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::entry::Entry;
use super::told::Told;

/// How a client asks for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// `CONNECT`, and the request on that connection.
    Connect,
    /// A URL in absolute form.
    Absolute,
    /// `POST /api/proxy`.
    Api,
}

impl Client {
    pub const ALL: [Self; 3] = [Self::Connect, Self::Absolute, Self::Api];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "CONNECT",
            Self::Absolute => "absolute form",
            Self::Api => "/api/proxy",
        }
    }

    /// Asks for the marker before an entry.
    pub async fn mark(self, broker: &RunningBroker, index: usize) {
        let text = format!("CONNECT marker-{index}.test:1 HTTP/1.1\r\nHost: x\r\n\r\n");
        let answer = ask(&mut dial(broker).await, text.as_bytes(), false).await;
        assert_eq!(answer.expect("an answer").status, 403);
    }

    /// Sends a request; `None` if this client cannot express it.
    pub async fn send(self, broker: &RunningBroker, entry: &Entry) -> Option<Told> {
        match self {
            Self::Connect => connect(broker, entry).await,
            Self::Absolute => absolute(broker, entry).await,
            Self::Api => api(broker, entry).await,
        }
    }
}

/// A response, as its client reads it.
struct Answer {
    status: u16,
    /// The connection's ID, if a `CONNECT` was answered.
    id: Option<String>,
    body: Vec<u8>,
    /// Whether the broker made it.
    is_own: bool,
}

impl Answer {
    fn told(self) -> Told {
        match self.is_own {
            true => Told::error(self.status, &self.body),
            false => Told::Response(self.status),
        }
    }
}

async fn dial(broker: &RunningBroker) -> TcpStream {
    TcpStream::connect(broker.addresses()[0])
        .await
        .expect("the broker")
}

/// Whether a line of a request can have this text.
fn fits_a_line(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_graphic()) && !text.is_empty()
}

fn latin1(text: &str) -> Vec<u8> {
    text.chars()
        .map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?'))
        .collect()
}

/// The request with this target. `None` if it would be another one on the wire.
fn request(entry: &Entry, target: &str) -> Option<Vec<u8>> {
    let is_token = |name: &str| {
        let is_part = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        !name.is_empty() && name.chars().all(is_part)
    };
    let is_value = |value: &str| !value.contains(char::is_control) && value.trim() == value;
    let fields = entry.fields.iter();
    let are_lines = fields
        .clone()
        .all(|(name, value)| is_token(name) && is_value(value));
    if !is_token(&entry.method) || !fits_a_line(target) || !are_lines {
        return None;
    }
    // A hop's own fields are not the request's: the broker reads them, and so does the shim.
    let is_framing = |name: &str| {
        let own = [
            "connection",
            "keep-alive",
            "te",
            "trailer",
            "transfer-encoding",
            "upgrade",
        ];
        let more = ["content-length", "expect", "http2-settings"];
        let name = name.to_ascii_lowercase();
        own.contains(&&*name) || more.contains(&&*name) || name.starts_with("proxy-")
    };
    if fields.clone().any(|(name, _)| is_framing(name)) {
        return None;
    }
    let mut text = latin1(&format!("{} {target} HTTP/1.1\r\n", entry.method));
    if !fields
        .clone()
        .any(|(name, _)| name.eq_ignore_ascii_case("host"))
    {
        text.extend(latin1(&format!("Host: {}\r\n", entry.host_field())));
    }
    for (name, value) in fields {
        text.extend(latin1(&format!("{name}: {value}\r\n")));
    }
    text.extend(b"\r\n");
    Some(text)
}

impl Entry {
    fn host_field(&self) -> String {
        let default = if self.scheme == "https" { 443 } else { 80 };
        match self.authority().strip_suffix(&format!(":{default}")) {
            Some(host) => host.to_owned(),
            None => self.authority(),
        }
    }
}

async fn connect(broker: &RunningBroker, entry: &Entry) -> Option<Told> {
    let authority = entry.authority();
    let request = request(entry, &entry.path)?;
    if !fits_a_line(&authority) {
        return None;
    }
    let text = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
    let mut stream = dial(broker).await;
    let answer = ask(&mut stream, text.as_bytes(), false).await.ok()?;
    if answer.status != 200 {
        return Some(answer.told());
    }
    let is_head = entry.method == "HEAD";
    let id = answer.id.expect("the connection's ID");
    let answer = match entry.scheme {
        "https" => match secured(broker, stream, &entry.host).await {
            Ok(mut stream) => ask(&mut stream, &request, is_head).await,
            Err(error) => Err(error),
        },
        _ => ask(&mut stream, &request, is_head).await,
    };
    match answer {
        Ok(answer) => Some(answer.told()),
        // A handshake has no room for more than an alert.
        Err(_) => Some(why(broker, &id).await),
    }
}

/// Asks why a connection ended.
async fn why(broker: &RunningBroker, id: &str) -> Told {
    let text = format!("GET /api/connections/{id} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let answer = ask(&mut dial(broker).await, text.as_bytes(), false).await;
    answer.map_or(Told::Cut, |answer| Told::error(403, &answer.body))
}

/// Whether a URL can have this authority.
fn is_in_a_url(entry: &Entry) -> bool {
    !entry.host.contains(['/', '?', '#', '@', '\\'])
}

async fn absolute(broker: &RunningBroker, entry: &Entry) -> Option<Told> {
    let url = format!("{}://{}{}", entry.scheme, entry.authority(), entry.path);
    // A path without its slash would be a part of the authority.
    if !is_in_a_url(entry) || !entry.path.starts_with('/') || entry.method == "CONNECT" {
        return None;
    }
    let request = request(entry, &url)?;
    let answer = ask(&mut dial(broker).await, &request, entry.method == "HEAD").await;
    Some(answer.map_or(Told::Cut, Answer::told))
}

async fn api(broker: &RunningBroker, entry: &Entry) -> Option<Told> {
    if !is_in_a_url(entry) || !entry.path.starts_with('/') || entry.path.contains('#') {
        return None;
    }
    let is_ascii = |text: &str| text.is_ascii();
    let fields = entry.fields.iter();
    if !is_ascii(&entry.path) || !fields.clone().all(|(a, b)| is_ascii(a) && is_ascii(b)) {
        return None;
    }
    let call = json!({
        "url": format!("{}://{}{}", entry.scheme, entry.authority(), entry.path),
        "method": entry.method,
        "headers": entry.fields,
    });
    let body = call.to_string();
    let head = format!(
        "POST /api/proxy HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let text = [head.as_bytes(), body.as_bytes()].concat();
    let answer = ask(&mut dial(broker).await, &text, false).await.ok()?;
    Some(match answer.status {
        200 => {
            let value: Value = serde_json::from_slice(&answer.body).expect("JSON");
            Told::Response(value["status"].as_u64().and_then(|it| it.try_into().ok())?)
        }
        status => Told::error(status, &answer.body),
    })
}

/// Begins TLS with the broker, trusting only its authority.
async fn secured(
    broker: &RunningBroker,
    stream: TcpStream,
    host: &str,
) -> io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    let pem = broker.ca_pem();
    let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).expect("PEM");
    roots.add(certificate).expect("an authority");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
}

/// Sends bytes, and reads the response to them.
async fn ask(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    text: &[u8],
    is_head: bool,
) -> io::Result<Answer> {
    stream.write_all(text).await?;
    stream.flush().await?;
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    let field = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(':'));
        lines
            .find(|(own, _)| *own == name)
            .map(|(_, value)| value.trim().to_owned())
    };
    let length = field("content-length").and_then(|length| length.parse().ok());
    let mut body = vec![0; length.filter(|_| !is_head).unwrap_or(0)];
    stream.read_exact(&mut body).await?;
    Ok(Answer {
        id: field("x-sandbox-net-connection"),
        status: status.ok_or(io::ErrorKind::InvalidData)?,
        is_own: body.starts_with(b"{\"error\":"),
        body,
    })
}
