//! Servers for tests, written as scripts, and the shortest way to send them a request.

pub mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::body_kind::BodyKind;
use crate::client::Client;
use crate::config::EgressConfig;
use crate::connection::Connection;
use crate::error::EgressError;
use crate::fields::Fields;
use crate::h1::Reuse;
use crate::protocol_failure::ProtocolFault;
use crate::response::Response;
use crate::tls::{Roots, TlsConfig};
use crate::tls_profile::GuestTlsOptions;
use sandbox_net_policy::{
    Checked, Document, Endpoint, Host, Origin, Policy, RequestLine, Rule, Scheme, TlsOverrides,
};

/// A server that runs one script for each connection.
#[derive(Debug)]
pub struct Server {
    pub address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Runs `script` for each connection, with the connection's number from 0.
    pub async fn start<F, S>(script: S) -> Self
    where
        S: Fn(TcpStream, usize) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepted = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&accepted);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                tokio::spawn(script(stream, counter.fetch_add(1, Ordering::SeqCst)));
            }
        });
        Self {
            address,
            accepted,
            task,
        }
    }

    /// Answers the first request of each connection with these bytes, and hangs up.
    pub async fn answering(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self::start(move |mut stream, _| {
            let bytes = bytes.clone();
            async move {
                read_request(&mut stream).await;
                write(&mut stream, &bytes).await;
            }
        })
        .await
    }

    /// Answers every request with its own body, for as long as the client likes.
    pub async fn echo() -> Self {
        Self::start(|stream, _| echo(stream)).await
    }

    /// How many connections were accepted.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    pub fn http(&self) -> Origin {
        self.origin(Scheme::Http)
    }

    pub fn https(&self) -> Origin {
        self.origin(Scheme::Https)
    }

    fn origin(&self, scheme: Scheme) -> Origin {
        let host = self.address.ip().to_string();
        let endpoint = Endpoint::new(&host, self.address.port()).unwrap();
        Origin { scheme, endpoint }
    }
}

/// Answers every request on a connection with its own body.
pub async fn echo(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    loop {
        let request = read_request(&mut stream).await;
        let Some((_, body)) = request.split_once("\r\n\r\n") else {
            return;
        };
        write(&mut stream, ok(body).as_bytes()).await;
    }
}

/// A response with this body.
pub fn ok(body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}")
}

/// Writes as much as the client accepts.
pub async fn write(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) {
    let _ = stream.write_all(bytes).await;
    let _ = stream.flush().await;
}

/// Closes a connection by a reset.
pub fn reset(stream: TcpStream) {
    stream.set_zero_linger().unwrap();
}

/// Reads a request head, and a body by its `Content-Length`. Empty if the client hung up.
pub async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let head = read_head(stream).await;
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("Content-Length: "))
        .map_or(0, |value| value.parse().unwrap());
    let mut body = vec![0; length];
    match stream.read_exact(&mut body).await {
        Ok(_) => head + &String::from_utf8_lossy(&body),
        Err(_) => String::new(),
    }
}

/// Reads a request head. Empty if the client hung up.
pub async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => bytes.push(byte),
            Err(_) => return String::new(),
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// The policy that allows an endpoint, at 127.0.0.1 if it is a name.
pub fn policy_for(endpoint: &Endpoint) -> Policy {
    let to = match &endpoint.host {
        Host::Name(name) if name.as_str() != "localhost" => " to 127.0.0.1",
        _ => "",
    };
    Policy::allow([format!("{endpoint}{to}").parse().unwrap()])
}

/// A new client.
pub fn egress() -> Client {
    egress_with(config())
}

pub fn egress_with(config: EgressConfig) -> Client {
    Client::new(config)
}

pub fn config() -> EgressConfig {
    EgressConfig::new(TlsConfig::new(Roots::Bundled, []).unwrap())
}

/// Connects, with TLS by the host's own profile if the origin has it.
pub async fn connect(egress: &Client, origin: &Origin) -> Result<Connection, EgressError> {
    connect_on(egress, origin, &GuestTlsOptions::default()).await
}

/// Connects, with TLS by the profile of these options if the origin has it. The policy grants only
/// what they need.
pub async fn connect_on(
    egress: &Client,
    origin: &Origin,
    options: &GuestTlsOptions,
) -> Result<Connection, EgressError> {
    let policy = policy_for(&origin.endpoint);
    let route = policy.check_connect(origin.endpoint.clone()).unwrap();
    let mut connection = egress.connect(route, None, None, Reuse::Pool).await?;
    if origin.scheme == Scheme::Https {
        let profile = egress.profile(options)?;
        let policy = granting(&origin.endpoint, profile.request());
        let origin = policy.check_tls(&origin.endpoint, None, profile.request());
        connection.start_tls_on(origin.unwrap(), profile).await?;
    }
    Ok(connection)
}

/// The policy that allows an endpoint, with these TLS settings.
fn granting(endpoint: &Endpoint, request: TlsOverrides) -> Policy {
    let rule: Rule = policy_for(endpoint).allow_rules().next().unwrap().clone();
    let grant = |setting| format!("{setting} {endpoint}").parse().unwrap();
    let document = Document {
        allow: vec![rule],
        tls: request.settings().map(grant).collect(),
        ..Document::default()
    };
    document.into()
}

/// A request that the policy has checked.
pub fn request(
    origin: &Origin,
    method: &str,
    path: &str,
    fields: &[(&str, &str)],
) -> Checked<RequestLine> {
    let fields: Fields = fields
        .iter()
        .map(|(name, value)| ((*name).into(), (*value).into()))
        .collect();
    policy_for(&origin.endpoint)
        .check_request(origin, method.as_bytes(), path.as_bytes(), &fields)
        .unwrap()
}

/// Sends a request without a body.
pub async fn send(
    connection: &mut Connection,
    origin: &Origin,
    method: &str,
) -> Result<Response, EgressError> {
    let request = request(origin, method, "/", &[]);
    let body = Empty::<Bytes>::new();
    connection.send(request, BodyKind::None, body).await
}

/// Sends a POST with a body in one piece.
pub async fn post(
    connection: &mut Connection,
    origin: &Origin,
    body: impl Into<Bytes>,
) -> Result<Response, EgressError> {
    let body = body.into();
    let kind = BodyKind::Sized(body.len() as u64);
    let request = request(origin, "POST", "/", &[]);
    connection.send(request, kind, Full::new(body)).await
}

/// Connects, sends a GET and reads the whole response.
pub async fn get(egress: &Client, origin: &Origin) -> Result<(Response, Bytes), EgressError> {
    get_on(egress, origin, &GuestTlsOptions::default()).await
}

/// Does the same with the profile of these options.
pub async fn get_on(
    egress: &Client,
    origin: &Origin,
    options: &GuestTlsOptions,
) -> Result<(Response, Bytes), EgressError> {
    let mut connection = connect_on(egress, origin, options).await?;
    let mut response = send(&mut connection, origin, "GET").await?;
    let body = collect(&mut response).await?;
    Ok((response, body))
}

/// Reads the rest of the body.
pub async fn collect(response: &mut Response) -> Result<Bytes, EgressError> {
    Ok((&mut response.body).collect().await?.to_bytes())
}

/// The fault of a peer that violated HTTP, and the bytes that show it.
pub fn fault(error: EgressError) -> (ProtocolFault, Bytes) {
    match error {
        EgressError::Protocol(failure) => (failure.fault, failure.received),
        other => panic!("not a fault of the protocol: {other:?}"),
    }
}
