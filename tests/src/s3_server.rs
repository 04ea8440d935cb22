//! Object storage with S3's interface, as far as botocore's common calls use it. Each request must
//! have a valid signature over the fields that it signs: if one byte changes in transit, the answer
//! is 403.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::background::Background;
use crate::ca::Leaf;
use crate::content::sha256;
use crate::http_routes::percent_decode;
use crate::http_server::loopback;
use crate::sigv4::{SignedRequest, verify};

/// The only bucket.
const BUCKET: &str = "/bucket";

/// The bucket that does not answer.
const SLOW: &str = "/slow";

/// An object: its bytes and the fields that were stored with it.
#[derive(Clone, Debug, Default)]
struct Object {
    bytes: Bytes,
    fields: Vec<(String, Vec<u8>)>,
}

#[derive(Debug, Default)]
struct Store {
    objects: BTreeMap<String, Object>,
    /// The parts of the uploads that are not complete, by key and number.
    parts: BTreeMap<(String, u32), Bytes>,
    refused: Vec<&'static str>,
    versions: Vec<String>,
}

/// A running server. It stops when it is dropped.
#[derive(Debug)]
pub struct S3Server {
    address: SocketAddr,
    scheme: &'static str,
    store: Arc<Mutex<Store>>,
    _accepting: Background,
}

impl S3Server {
    /// The key that requests have to be signed with: its name and its secret.
    pub const KEY: (&'static str, &'static str) = ("AKIDTEST", "a secret of the tests");

    /// Serves plain HTTP on 127.0.0.1.
    ///
    /// # Panics
    ///
    /// When loopback gives no port.
    pub async fn plain() -> Self {
        Self::start(None).await
    }

    /// Serves HTTPS with `leaf`, speaking the first of `alpn` that the client offers.
    ///
    /// # Panics
    ///
    /// When loopback gives no port.
    pub async fn tls(leaf: &Leaf, alpn: &[&[u8]]) -> Self {
        Self::start(Some(TlsAcceptor::from(leaf.server_config(alpn)))).await
    }

    async fn start(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind(loopback(0)).await;
        let listener = listener.expect("a loopback port");
        let address = listener.local_addr().expect("a bound address");
        let scheme = if tls.is_some() { "https" } else { "http" };
        let store = Arc::new(Mutex::new(Store::default()));
        let shared = Arc::clone(&store);
        let mut connections = 0_u64;
        let accepting = Background::accept(listener, move |stream| {
            let (store, tls) = (Arc::clone(&shared), tls.clone());
            connections += 1;
            let connection = connections;
            async move {
                match tls {
                    None => serve(stream, connection, store).await,
                    Some(acceptor) => {
                        if let Ok(stream) = acceptor.accept(stream).await {
                            serve(stream, connection, store).await;
                        }
                    }
                }
            }
        });
        Self {
            address,
            scheme,
            store,
            _accepting: accepting,
        }
    }

    /// Scheme, address and port: the endpoint's URL, and the rule that allows only this server.
    pub fn origin(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// Why requests were refused, in order.
    ///
    /// # Panics
    ///
    /// If a connection's task panicked.
    pub fn refused(&self) -> Vec<&'static str> {
        self.store.lock().expect("no panic").refused.clone()
    }

    /// The versions of HTTP of the requests so far.
    ///
    /// # Panics
    ///
    /// If a connection's task panicked.
    pub fn versions(&self) -> Vec<String> {
        self.store.lock().expect("no panic").versions.clone()
    }
}

async fn serve<S>(stream: S, connection: u64, store: Arc<Mutex<Store>>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| {
        let answering = answer(request, Arc::clone(&store));
        async move {
            let mut response = answering.await?;
            let fields = response.headers_mut();
            fields.insert("x-connection", HeaderValue::from(connection));
            Ok::<_, Infallible>(response)
        }
    });
    // Errors here are the client's: it disconnected.
    let _ = auto::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

type Answer = Response<Full<Bytes>>;

async fn answer(
    request: Request<Incoming>,
    store: Arc<Mutex<Store>>,
) -> Result<Answer, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await;
    let body = body.map(|body| body.to_bytes()).unwrap_or_default();
    let mut fields: Vec<(String, Vec<u8>)> = head
        .headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
        .collect();
    if let Some(authority) = head.uri.authority() {
        // In HTTP/2 the authority replaces the field.
        fields.push(("host".to_owned(), authority.as_str().as_bytes().to_vec()));
    }
    let request = SignedRequest {
        method: head.method.as_str(),
        path: head.uri.path(),
        query: head.uri.query().unwrap_or_default(),
        fields: &fields,
    };
    if request.path == SLOW {
        return std::future::pending().await;
    }
    let mut store = store.lock().expect("no panic");
    store.versions.push(format!("{:?}", head.version));
    let (key_id, secret) = S3Server::KEY;
    let checked = verify(&request, key_id, secret).and_then(|()| content(&request, body));
    Ok(match checked {
        Err(why) => {
            store.refused.push(why);
            failure(StatusCode::FORBIDDEN, "SignatureDoesNotMatch", why)
        }
        Ok(bytes) => store.perform(&head.method, &request, bytes),
    })
}

/// The object's bytes in a request's body, if they match the signature.
fn content(request: &SignedRequest<'_>, body: Bytes) -> Result<Bytes, &'static str> {
    let digest = request.field("x-amz-content-sha256").unwrap_or_default();
    if digest == "UNSIGNED-PAYLOAD" {
        return Ok(body);
    }
    if digest != "STREAMING-UNSIGNED-PAYLOAD-TRAILER" {
        let same = digest == sha256(&body);
        return same.then_some(body).ok_or("another content");
    }
    let decoded = unchunked(&body).ok_or("bad chunks in the content")?;
    let length = request.field("x-amz-decoded-content-length");
    let whole = length == Some(decoded.len().to_string());
    whole.then_some(decoded).ok_or("another length")
}

/// Removes the coding `aws-chunked`: chunks as in HTTP/1.1, inside the body.
fn unchunked(mut body: &[u8]) -> Option<Bytes> {
    let mut decoded = Vec::new();
    loop {
        let end = body.windows(2).position(|two| two == b"\r\n")?;
        let size = std::str::from_utf8(&body[..end]).ok()?;
        let size = usize::from_str_radix(size, 16).ok()?;
        body = &body[end + 2..];
        if size == 0 {
            return Some(decoded.into());
        }
        decoded.extend_from_slice(body.get(..size)?);
        body = body.get(size..)?.strip_prefix(b"\r\n")?;
    }
}

impl Store {
    fn perform(&mut self, method: &Method, request: &SignedRequest<'_>, bytes: Bytes) -> Answer {
        let Some(key) = request.path.strip_prefix(BUCKET) else {
            return failure(StatusCode::NOT_FOUND, "NoSuchBucket", "no such bucket");
        };
        let key = key.trim_start_matches('/');
        if key.is_empty() {
            return self.list(request.query);
        }
        if request.query.contains("upload") {
            return self.upload(method, key, request.query, bytes);
        }
        match *method {
            Method::PUT => {
                let kept = |name: &str| name.starts_with("x-amz-meta-") || name == "content-type";
                let fields = request.fields.iter().filter(|(name, _)| kept(name));
                let object = Object {
                    fields: fields.cloned().collect(),
                    bytes,
                };
                let answer = object.answer(false);
                self.objects.insert(key.to_owned(), object);
                answer
            }
            Method::DELETE => {
                self.objects.remove(key);
                respond(StatusCode::NO_CONTENT, Bytes::new())
            }
            _ => match self.objects.get(key) {
                Some(object) => match request.field("range") {
                    Some(range) => object.part(&range),
                    None => object.answer(true),
                },
                None => failure(StatusCode::NOT_FOUND, "NoSuchKey", "no such key"),
            },
        }
    }

    /// An upload in parts: its beginning, each part, and its end. A key has one at a time.
    fn upload(&mut self, method: &Method, key: &str, query: &str, bytes: Bytes) -> Answer {
        let number = parameter(query, "partNumber").and_then(|number| number.parse().ok());
        match (method, number) {
            (&Method::PUT, Some(number)) => {
                let tag = format!("\"{}\"", &sha256(&bytes)[..32]);
                self.parts.insert((key.to_owned(), number), bytes);
                let mut answer = respond(StatusCode::OK, Bytes::new());
                let tag = HeaderValue::try_from(tag).expect("hexadecimal digits");
                answer.headers_mut().insert("etag", tag);
                answer
            }
            (&Method::POST, _) if parameter(query, "uploadId").is_none() => {
                let text = "<?xml version=\"1.0\"?><InitiateMultipartUploadResult>\
                            <UploadId>1</UploadId></InitiateMultipartUploadResult>";
                respond(StatusCode::OK, text.into())
            }
            (&Method::POST, _) => {
                let all = std::mem::take(&mut self.parts).into_iter();
                let (these, others): (Vec<_>, Vec<_>) = all.partition(|((of, _), _)| of == key);
                self.parts.extend(others);
                let bytes: Vec<u8> = these.into_iter().flat_map(|(_, part)| part).collect();
                let object = Object {
                    bytes: bytes.into(),
                    fields: Vec::new(),
                };
                self.objects.insert(key.to_owned(), object);
                let text = "<?xml version=\"1.0\"?><CompleteMultipartUploadResult>\
                            <ETag>all</ETag></CompleteMultipartUploadResult>";
                respond(StatusCode::OK, text.into())
            }
            _ => failure(
                StatusCode::METHOD_NOT_ALLOWED,
                "MethodNotAllowed",
                "no such step",
            ),
        }
    }

    /// `ListObjectsV2`: the keys after the continuation token, which is the last key so far.
    fn list(&self, query: &str) -> Answer {
        let parameter = |name: &str| parameter(query, name);
        let after = parameter("continuation-token").unwrap_or_default();
        let prefix = parameter("prefix").unwrap_or_default();
        let most = parameter("max-keys").and_then(|most| most.parse().ok());
        let most: usize = most.unwrap_or(1000);
        let matching = || {
            let keys = self.objects.iter();
            keys.filter(|(key, _)| key.starts_with(&prefix) && **key > after)
        };
        let mut contents = String::new();
        let mut last = String::new();
        for (key, object) in matching().take(most) {
            let size = object.bytes.len();
            contents += &format!("<Contents><Key>{key}</Key><Size>{size}</Size></Contents>");
            last.clone_from(key);
        }
        let truncated = matching().count() > most;
        if truncated {
            contents += &format!("<NextContinuationToken>{last}</NextContinuationToken>");
        }
        let text = format!(
            "<?xml version=\"1.0\"?><ListBucketResult><Name>bucket</Name>\
             <IsTruncated>{truncated}</IsTruncated>{contents}</ListBucketResult>"
        );
        respond(StatusCode::OK, text.into())
    }
}

impl Object {
    /// The bytes of a range such as `bytes=5-9` or `bytes=5-`.
    fn part(&self, range: &str) -> Answer {
        let ends = range
            .strip_prefix("bytes=")
            .and_then(|ends| ends.split_once('-'));
        let (first, last) = ends.unwrap_or_default();
        let first = first.parse().unwrap_or(0);
        let last = last
            .parse()
            .map_or(self.bytes.len(), |last: usize| last + 1);
        let Some(bytes) = self.bytes.get(first..last.min(self.bytes.len())) else {
            return failure(
                StatusCode::RANGE_NOT_SATISFIABLE,
                "InvalidRange",
                "no such bytes",
            );
        };
        let mut answer = self.answer(true);
        *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
        let end = first + bytes.len() - 1;
        let told = format!("bytes {first}-{end}/{}", self.bytes.len());
        let told = HeaderValue::try_from(told).expect("digits");
        answer.headers_mut().insert("content-range", told);
        *answer.body_mut() = Full::new(self.bytes.slice(first..first + bytes.len()));
        answer
    }

    /// The object with its fields; without its bytes if it has just been stored.
    fn answer(&self, with_bytes: bool) -> Answer {
        let bytes = if with_bytes {
            self.bytes.clone()
        } else {
            Bytes::new()
        };
        let mut response = respond(StatusCode::OK, bytes);
        let tag = format!("\"{}\"", &sha256(&self.bytes)[..32]);
        let fields = self.fields.iter().filter(|_| with_bytes).cloned();
        for (name, value) in fields.chain([("etag".to_owned(), tag.into_bytes())]) {
            let name = HeaderName::try_from(name);
            let value = HeaderValue::try_from(value);
            if let (Ok(name), Ok(value)) = (name, value) {
                response.headers_mut().append(name, value);
            }
        }
        response
    }
}

/// The value of a parameter.
fn parameter(query: &str, name: &str) -> Option<String> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(key, _)| *key == name)?;
    String::from_utf8(percent_decode(value)).ok()
}

fn respond(status: StatusCode, body: Bytes) -> Answer {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response
}

fn failure(status: StatusCode, code: &str, message: &str) -> Answer {
    let text = format!(
        "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    );
    respond(status, text.into())
}
