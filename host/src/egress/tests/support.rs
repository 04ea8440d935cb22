//! Servers that tests write as scripts, and the shortest way to send them a request.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::egress::{
    BodyKind, Connection, Egress, EgressConfig, EgressError, Fields, Response, Roots, TlsSettings,
};
use crate::policy::{Checked, Endpoint, Origin, Policy, RequestLine, Scheme};

/// A server that runs one script for each connection.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Serves each connection by `script`, which also gets the connection's number from 0.
    pub(super) async fn start<F, S>(script: S) -> Self
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
    pub(super) async fn answering(bytes: impl Into<Bytes>) -> Self {
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

    /// How many connections were accepted.
    pub(super) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    pub(super) fn origin(&self, scheme: Scheme) -> Origin {
        let endpoint = Endpoint::new(&self.address.ip().to_string(), self.address.port()).unwrap();
        Origin { scheme, endpoint }
    }
}

/// Writes as far as the client lets.
pub(super) async fn write(stream: &mut TcpStream, bytes: &[u8]) {
    let _ = tokio::io::AsyncWriteExt::write_all(stream, bytes).await;
}

/// Reads a request head, and a body by its `Content-Length`. Empty where the client hung up.
pub(super) async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => bytes.push(byte),
            Err(_) => return String::new(),
        }
    }
    let head = String::from_utf8(bytes).unwrap();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("Content-Length: "))
        .map_or(0, |value| value.parse().unwrap());
    let mut body = vec![0; length];
    if stream.read_exact(&mut body).await.is_err() {
        return String::new();
    }
    head + &String::from_utf8_lossy(&body)
}

/// The policy that allows an endpoint by its address.
pub(super) fn policy_for(endpoint: &Endpoint) -> Policy {
    Policy::allow([endpoint.to_string().parse().unwrap()])
}

/// A tenant that may talk to this origin, and trusts the public roots.
pub(super) fn egress(origin: &Origin) -> Egress {
    Egress::new(config(), policy_for(&origin.endpoint))
}

pub(super) fn config() -> EgressConfig {
    EgressConfig::new(TlsSettings::new(Roots::Bundled, []).unwrap())
}

pub(super) async fn connect(egress: &Egress, origin: &Origin) -> Result<Connection, EgressError> {
    let policy = policy_for(&origin.endpoint);
    let route = policy.check_connect(origin.endpoint.clone()).unwrap();
    let mut connection = egress.connect(route, None).await?;
    if origin.scheme == Scheme::Https {
        let origin = policy.check_tls(&origin.endpoint, None, true).unwrap();
        connection.start_tls(origin).await?;
    }
    Ok(connection)
}

/// A request that the policy has seen.
pub(super) fn request(
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
        .check_exchange(origin, method.as_bytes(), path.as_bytes(), &fields)
        .unwrap()
}

/// Sends a request without a body.
pub(super) async fn send(
    connection: &mut Connection,
    origin: &Origin,
    method: &str,
) -> Result<Response, EgressError> {
    let request = request(origin, method, "/", &[]);
    connection
        .send(request, BodyKind::None, Empty::<Bytes>::new())
        .await
}

/// Sends a POST with a body in one piece.
pub(super) async fn post(
    connection: &mut Connection,
    origin: &Origin,
    body: impl Into<Bytes>,
) -> Result<Response, EgressError> {
    let body = body.into();
    let kind = BodyKind::Sized(body.len() as u64);
    connection
        .send(request(origin, "POST", "/", &[]), kind, Full::new(body))
        .await
}

/// Connects, sends a GET and reads the whole response.
pub(super) async fn get(
    egress: &Egress,
    origin: &Origin,
) -> Result<(Response, Bytes), EgressError> {
    let mut connection = connect(egress, origin).await?;
    let mut response = send(&mut connection, origin, "GET").await?;
    let body = collect(&mut response).await?;
    Ok((response, body))
}

/// Reads the rest of the body.
pub(super) async fn collect(response: &mut Response) -> Result<Bytes, EgressError> {
    Ok((&mut response.body).collect().await?.to_bytes())
}
