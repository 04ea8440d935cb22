//! The own servers of `demo` and `bench` on the loopback interface.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rcgen::{CertificateParams, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::Failure;

const CSV: &str = "city,country,millions\nTokyo,Japan,37.2\nDelhi,India,32.9\nCairo,Egypt,22.2\n";

/// A server for `localhost`, with a certificate authority made for it.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) ca_pem: String,
    requests: Arc<AtomicU64>,
}

impl Server {
    pub(crate) async fn start() -> Result<Self, Failure> {
        let (ca_pem, tls) = certificates()?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let requests = Arc::new(AtomicU64::new(0));
        let counter = requests.clone();
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(serve(connection, tls.clone(), counter.clone()));
            }
        });
        Ok(Self {
            address,
            ca_pem,
            requests,
        })
    }

    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }
}

/// Starts a server without TLS, and returns its address. It ends with the runtime.
pub(crate) async fn plain() -> Result<SocketAddr, Failure> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            tokio::spawn(serve_on(connection, Arc::default()));
        }
    });
    Ok(address)
}

/// A listener that answers nobody and counts the connections.
pub(crate) struct Forbidden {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicU64>,
}

impl Forbidden {
    pub(crate) async fn start() -> Result<Self, Failure> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let connections = Arc::new(AtomicU64::new(0));
        let counter = connections.clone();
        tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        });
        Ok(Self {
            address,
            connections,
        })
    }

    pub(crate) fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }
}

fn certificates() -> Result<(String, TlsAcceptor), Failure> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = KeyPair::generate()?;
    let authority = params.self_signed(&key)?;
    let issuer = Issuer::new(params, key);
    let leaf_key = KeyPair::generate()?;
    let leaf = CertificateParams::new(["localhost".to_owned()])?.signed_by(&leaf_key, &issuer)?;

    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(
            vec![leaf.der().clone()],
            PrivateKeyDer::try_from(leaf_key.serialize_der()).map_err(anyhow::Error::msg)?,
        )?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok((authority.pem(), TlsAcceptor::from(Arc::new(config))))
}

/// Serves one connection. A client that disconnects is not an error.
async fn serve(connection: TcpStream, tls: TlsAcceptor, requests: Arc<AtomicU64>) {
    if let Ok(connection) = tls.accept(connection).await {
        serve_on(connection, requests).await;
    }
}

async fn serve_on<C>(connection: C, requests: Arc<AtomicU64>)
where
    C: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let service = service_fn(move |request| {
        requests.fetch_add(1, Ordering::Relaxed);
        answer(request)
    });
    let _ = auto::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(connection), service)
        .await;
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let route = (request.method().clone(), request.uri().path().to_owned());
    let body = request.into_body().collect().await;
    let body = body.map(|body| body.to_bytes()).unwrap_or_default();
    let (status, kind, text) = match (&route.0, route.1.as_str()) {
        (&Method::GET, "/hello") => (StatusCode::OK, "text/plain", "hello from outside\n".into()),
        (&Method::GET, "/cities.csv") => (StatusCode::OK, "text/csv", CSV.into()),
        (&Method::POST, "/orders") => (StatusCode::CREATED, "application/json", body),
        _ => (StatusCode::NOT_FOUND, "text/plain", Bytes::new()),
    };
    let response = Response::builder()
        .status(status)
        .header("content-type", kind)
        .body(Full::new(text));
    Ok(response.unwrap_or_default())
}
