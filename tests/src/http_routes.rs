//! The paths of the HTTP server and what each answers.

use std::convert::Infallible;
use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::json;

use crate::content;
use crate::http_bodies::{ResponseBody, drain, empty, full, hanging, pieces};
use crate::http_documents::{document, rpc};
use crate::journal::{BodyRecord, Journal, RequestRecord};
use crate::stream_routes::stream_route;

/// The length of the answer of `/count`: more than all buffers on its way hold.
pub const COUNT_ANSWER_LENGTH: usize = 5 * 1024 * 1024 + 3;

/// The user name and password that `/auth` accepts.
pub const CREDENTIALS: (&str, &str) = ("user", "secret");

/// `CREDENTIALS` as in RFC 7617 section 2.
const AUTHORIZATION: &str = "Basic dXNlcjpzZWNyZXQ=";

/// The table that `/csv` answers with.
pub const CSV: &str = "name,value\none,1\ntwo,2\nthree,3\n";

/// Notes `request` in `journal` and answers it.
pub(crate) async fn answer(
    request: Request<Incoming>,
    connection: usize,
    journal: Arc<Journal>,
) -> Result<Response<ResponseBody>, Infallible> {
    let (head, mut body) = request.into_parts();
    let target = head
        .uri
        .path_and_query()
        .map_or("/", |target| target.as_str())
        .to_owned();
    let index = journal.requested(RequestRecord {
        connection,
        method: head.method.to_string(),
        target: target.clone(),
        version: format!("{:?}", head.version),
        headers: fields(&head.headers),
        body: None,
    });
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let response = match path {
        "/echo" => {
            let bytes = whole(body, index, &journal).await;
            ok("application/octet-stream", full(bytes))
        }
        "/connection" => ok("text/plain", full(connection.to_string())),
        "/rpc" => rpc(&whole(body, index, &journal).await),
        "/duplex" => {
            // Each piece comes back as soon as it has arrived.
            ok("application/octet-stream", body.boxed_unsync())
        }
        "/slow" => {
            journal.until_released().await;
            ok("text/plain", full("at last\n"))
        }
        _ => match stream_route(path, query, &mut body, &journal).await {
            Some((content_type, body)) => ok(content_type, body),
            None => {
                let body = drain(body).await.unwrap_or_default();
                journal.body_read(index, body.clone());
                let seen = Seen {
                    method: &head.method,
                    target: &target,
                    headers: &head.headers,
                    body,
                };
                document(path, query, &head.headers)
                    .unwrap_or_else(|| route(path, query, &seen, &journal))
            }
        },
    };
    Ok(if head.method == Method::HEAD {
        without_body(response)
    } else {
        response
    })
}

/// Reads a body to its end, and notes it as that of request `index`.
async fn whole(body: Incoming, index: usize, journal: &Journal) -> Bytes {
    let read = body.collect().await;
    let bytes = read.map(|body| body.to_bytes()).unwrap_or_default();
    let record = BodyRecord {
        length: bytes.len() as u64,
        sha256: content::sha256(&bytes),
    };
    journal.body_read(index, record);
    bytes
}

/// A request whose body was read.
struct Seen<'a> {
    method: &'a Method,
    target: &'a str,
    headers: &'a HeaderMap,
    body: BodyRecord,
}

fn route(path: &str, query: &str, seen: &Seen<'_>, journal: &Journal) -> Response<ResponseBody> {
    let (first, argument) = path[1..].split_once('/').unwrap_or((&path[1..], ""));
    let number = argument.parse::<usize>().unwrap_or(0);
    match first {
        "get" | "upload" => ok("application/json", full(describe(seen))),
        "bytes" => ok("application/octet-stream", full(content::pattern(number))),
        "all-bytes" => ok(
            "application/octet-stream",
            full((0..=255).collect::<Vec<u8>>()),
        ),
        "redirect" => redirect(argument, query),
        "cookies" => cookies(),
        "gzip" => gzip(&describe(seen)),
        "status" => status(argument),
        "stream" => ok("text/plain", pieces(numbered("piece ", "\n", number), None)),
        "sse" => ok(
            "text/event-stream",
            pieces(numbered("data: event ", "\n\n", number), None),
        ),
        "slow-body" => ok("text/plain", hanging("the beginning\n")),
        "count" => count(journal),
        "large" => large(number as u64 * 1024 * 1024),
        "auth" => auth(seen.headers),
        "csv" => ok("text/csv", full(CSV)),
        "close" => {
            let mut response = ok("text/plain", full("the last answer of this connection\n"));
            response
                .headers_mut()
                .insert(header::CONNECTION, HeaderValue::from_static("close"));
            response
        }
        _ => status("404"),
    }
}

/// A response with the status 200.
pub(crate) fn ok(content_type: &'static str, body: ResponseBody) -> Response<ResponseBody> {
    let mut response = Response::new(body);
    // In HTTP/2 hyper omits the length of an empty body; in HTTP/1.1 it does not.
    if let Some(length) = response.body().size_hint().exact() {
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// The request as JSON, so that a client can see how it arrived.
fn describe(seen: &Seen<'_>) -> Vec<u8> {
    let headers: Vec<_> = fields(seen.headers)
        .into_iter()
        .map(|(name, value)| {
            (
                name,
                value
                    .iter()
                    .map(|&byte| char::from(byte))
                    .collect::<String>(),
            )
        })
        .collect();
    let description = json!({
        "method": seen.method.as_str(),
        "path": seen.target,
        "headers": headers,
        "length": seen.body.length,
        "sha256": seen.body.sha256,
    });
    description.to_string().into_bytes()
}

fn redirect(code: &str, query: &str) -> Response<ResponseBody> {
    let to = query
        .strip_prefix("to=")
        .map(percent_decode)
        .unwrap_or_default();
    let mut response = status(code);
    if let Ok(location) = HeaderValue::from_bytes(&to) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

fn cookies() -> Response<ResponseBody> {
    let mut response = ok("text/plain", full("two cookies\n"));
    for cookie in ["first=1; Path=/", "second=2; Path=/; HttpOnly"] {
        response
            .headers_mut()
            .append(header::SET_COOKIE, HeaderValue::from_static(cookie));
    }
    response
}

fn gzip(bytes: &[u8]) -> Response<ResponseBody> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("writes into memory");
    let body = encoder.finish().expect("writes into memory");
    let mut response = ok("application/json", full(body));
    response
        .headers_mut()
        .insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    response
}

fn status(code: &str) -> Response<ResponseBody> {
    let status = code.parse().unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let bodiless = status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED;
    let body = if bodiless {
        empty()
    } else {
        full(format!("status {}\n", status.as_u16()))
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

fn numbered(
    before: &'static str,
    after: &'static str,
    count: usize,
) -> impl Iterator<Item = Bytes> + Send + Unpin {
    (0..count).map(move |number| Bytes::from(format!("{before}{number}{after}")))
}

/// Reports in a field how many requests for `/count` there were, including this one, and answers
/// with [`COUNT_ANSWER_LENGTH`] bytes of the pattern.
fn count(journal: &Journal) -> Response<ResponseBody> {
    let requests = journal.requests();
    let count = requests
        .iter()
        .filter(|request| request.target.starts_with("/count"))
        .count();
    let mut response = ok(
        "application/octet-stream",
        full(content::pattern(COUNT_ANSWER_LENGTH)),
    );
    response
        .headers_mut()
        .insert("x-count", HeaderValue::from(count));
    response
}

fn large(length: u64) -> Response<ResponseBody> {
    let body = pieces(Box::new(content::pattern_pieces(length)), Some(length));
    ok("application/octet-stream", body)
}

fn auth(headers: &HeaderMap) -> Response<ResponseBody> {
    let given = headers.get(header::AUTHORIZATION);
    if given.is_some_and(|value| value == AUTHORIZATION) {
        return ok("text/plain", full("welcome\n"));
    }
    let mut response = status("401");
    let challenge = HeaderValue::from_static("Basic realm=\"tests\"");
    response
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, challenge);
    response
}

/// The response to a HEAD request: the same head, with the length that GET would have.
fn without_body(response: Response<ResponseBody>) -> Response<ResponseBody> {
    let (mut head, body) = response.into_parts();
    if let Some(length) = body.size_hint().exact() {
        head.headers
            .insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    Response::from_parts(head, empty())
}

fn fields(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    let field = |(name, value): (&header::HeaderName, &HeaderValue)| {
        (name.as_str().to_owned(), value.as_bytes().to_vec())
    };
    headers.iter().map(field).collect()
}

/// Decodes `%XX` (RFC 3986 section 2.1); anything else stands for itself.
pub(crate) fn percent_decode(text: &str) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let digits = after
            .get(..2)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match escaped.filter(|_| byte == b'%') {
            Some(value) => {
                decoded.push(value);
                rest = &after[2..];
            }
            None => {
                decoded.push(byte);
                rest = after;
            }
        }
    }
    decoded
}
