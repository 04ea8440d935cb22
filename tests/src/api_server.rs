//! A server of an API whose answers the test writes: it gets whole requests, and keeps them in
//! order.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::background::Background;
use crate::ca::Leaf;
use crate::http_server::loopback;

/// A request, as it arrived.
#[derive(Clone, Debug)]
pub struct ApiRequest {
    /// The method.
    pub method: String,
    /// The path, with its query.
    pub target: String,
    /// The fields, with names in lower case, in order.
    pub fields: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

impl ApiRequest {
    /// The value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter();
        let (_, value) = fields.find(|(known, _)| known == name)?;
        Some(value)
    }

    /// The path, without its query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct ApiAnswer {
    /// The status.
    pub status: u16,
    /// The fields beside `Content-Length`.
    pub fields: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl ApiAnswer {
    /// An answer with a body.
    pub fn new(status: u16, kind: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            fields: vec![("content-type", kind.to_owned())],
            body: body.into(),
        }
    }

    /// An answer in JSON.
    pub fn json(status: u16, body: Value) -> Self {
        Self::new(status, "application/json", body.to_string())
    }

    /// Adds a field.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.fields.push((name, value.into()));
        self
    }
}

/// Answers a request, given the server's origin and the earlier requests.
pub type Api = fn(&ApiRequest, &str, &[ApiRequest]) -> ApiAnswer;

/// A running server. It stops when it is dropped.
#[derive(Debug)]
pub struct ApiServer {
    origin: String,
    requests: Requests,
    _accepting: Background,
}

type Requests = Arc<Mutex<Vec<ApiRequest>>>;

impl ApiServer {
    /// Serves plain HTTP on 127.0.0.1.
    ///
    /// # Panics
    ///
    /// When loopback gives no port.
    pub async fn plain(api: Api) -> Self {
        Self::start(None, api).await
    }

    /// Serves HTTPS with `leaf`, HTTP/2 or HTTP/1.1 as the client prefers.
    ///
    /// # Panics
    ///
    /// When loopback gives no port.
    pub async fn tls(leaf: &Leaf, api: Api) -> Self {
        let config = leaf.server_config(&[b"h2", b"http/1.1"]);
        Self::start(Some(TlsAcceptor::from(config)), api).await
    }

    async fn start(tls: Option<TlsAcceptor>, api: Api) -> Self {
        let listener = TcpListener::bind(loopback(0)).await;
        let listener = listener.expect("a loopback port");
        let address: SocketAddr = listener.local_addr().expect("a bound address");
        let scheme = if tls.is_some() { "https" } else { "http" };
        let origin = format!("{scheme}://{address}");
        let requests = Requests::default();
        let (shared, name) = (Arc::clone(&requests), origin.clone());
        let accepting = Background::accept(listener, move |stream| {
            let (requests, name, tls) = (Arc::clone(&shared), name.clone(), tls.clone());
            async move {
                match tls {
                    None => serve(stream, requests, name, api).await,
                    Some(acceptor) => {
                        if let Ok(stream) = acceptor.accept(stream).await {
                            serve(stream, requests, name, api).await;
                        }
                    }
                }
            }
        });
        Self {
            origin,
            requests,
            _accepting: accepting,
        }
    }

    /// Scheme, address and port: a base URL, and the rule that allows only this server.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Takes the requests so far.
    ///
    /// # Panics
    ///
    /// If a connection's task panicked.
    pub fn take_requests(&self) -> Vec<ApiRequest> {
        std::mem::take(&mut *self.requests.lock().expect("no panic"))
    }
}

async fn serve<S>(stream: S, requests: Requests, origin: String, api: Api)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| {
        let (requests, origin) = (Arc::clone(&requests), origin.clone());
        async move {
            let request = whole(request).await;
            let mut before = requests.lock().expect("no panic");
            let answer = api(&request, &origin, &before);
            before.push(request);
            Ok::<_, Infallible>(response(answer))
        }
    });
    // Errors here are the client's: it disconnected.
    let _ = auto::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn whole(request: Request<Incoming>) -> ApiRequest {
    let (head, body) = request.into_parts();
    let body = body.collect().await;
    let field = |(name, value): (&hyper::header::HeaderName, &hyper::header::HeaderValue)| {
        let value = String::from_utf8_lossy(value.as_bytes());
        (name.as_str().to_owned(), value.into_owned())
    };
    let target = head.uri.path_and_query();
    ApiRequest {
        method: head.method.to_string(),
        target: target.map(ToString::to_string).unwrap_or_default(),
        fields: head.headers.iter().map(field).collect(),
        body: body.map(|body| body.to_bytes()).unwrap_or_default(),
    }
}

fn response(answer: ApiAnswer) -> Response<Full<Bytes>> {
    let mut response = Response::builder().status(answer.status);
    for (name, value) in answer.fields {
        response = response.header(name, value);
    }
    let body = Full::new(answer.body.into());
    response.body(body).expect("fields as HTTP has them")
}
