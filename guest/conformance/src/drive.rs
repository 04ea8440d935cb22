//! Calls the interface the way that behaviours need it, and never waits without an end.

use std::fmt;

use sandbox_net_guest::bindings::sandbox::net::client::{
    self, Connection, Exchange, RequestHead, ResponseHead,
};
use sandbox_net_guest::bindings::sandbox::net::types::{
    BodyKind, ConnectOptions, ErrorCode, Field, TlsOptions,
};
use sandbox_net_guest::bindings::wasi::clocks::monotonic_clock::subscribe_duration;
use sandbox_net_guest::bindings::wasi::io::poll::{Pollable, poll};
use sandbox_net_guest::bindings::wasi::io::streams::{InputStream, OutputStream, StreamError};

use crate::servers::{Place, Servers};

/// The longest that anything here is waited for, in nanoseconds.
const PATIENCE: u64 = 30_000_000_000;
/// Long enough for what is about to be ready, in nanoseconds.
const MOMENT: u64 = 200_000_000;

/// Why a step did not go on.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The host told an error.
    Told(ErrorCode),
    /// What is not as it should be.
    Wrong(String),
}

impl From<ErrorCode> for Stop {
    fn from(code: ErrorCode) -> Self {
        Self::Told(code)
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Told(code) => write!(f, "the host told {code:?}"),
            Self::Wrong(why) => f.write_str(why),
        }
    }
}

pub(crate) type Step<T = ()> = Result<T, Stop>;

/// What is not as it should be.
pub(crate) fn wrong<T>(why: impl Into<String>) -> Step<T> {
    Err(Stop::Wrong(why.into()))
}

/// Checks that two values are equal.
pub(crate) fn same<T: PartialEq + fmt::Debug>(what: &str, came: T, expected: T) -> Step {
    match came == expected {
        true => Ok(()),
        false => wrong(format!("{what} is {came:?}, not {expected:?}")),
    }
}

/// Checks that a call failed as it should.
pub(crate) fn fails<T>(
    what: &str,
    came: Result<T, ErrorCode>,
    expected: &str,
    is_it: impl Fn(&ErrorCode) -> bool,
) -> Step {
    match came {
        Err(code) if is_it(&code) => Ok(()),
        Err(code) => wrong(format!("{what} failed with {code:?}, not with {expected}")),
        Ok(_) => wrong(format!(
            "{what} went well, instead of failing with {expected}"
        )),
    }
}

/// Checks that some step failed as it should, in whatever place.
pub(crate) fn stops<T>(
    what: &str,
    came: Step<T>,
    expected: &str,
    is_it: impl Fn(&ErrorCode) -> bool,
) -> Step {
    match came {
        Err(Stop::Told(code)) => fails::<()>(what, Err(code), expected, is_it),
        Err(other) => Err(other),
        Ok(_) => wrong(format!(
            "{what} went well, instead of failing with {expected}"
        )),
    }
}

pub(crate) fn is_invalid(code: &ErrorCode) -> bool {
    matches!(code, ErrorCode::Invalid(_))
}

pub(crate) fn is_closed(code: &ErrorCode) -> bool {
    matches!(code, ErrorCode::Closed)
}

pub(crate) fn is_denied(code: &ErrorCode) -> bool {
    matches!(code, ErrorCode::Denied(_))
}

/// Waits, but not forever.
pub(crate) fn wait(what: &str, pollable: Pollable) -> Step {
    let timer = subscribe_duration(PATIENCE);
    match poll(&[&pollable, &timer]).contains(&0) {
        true => Ok(()),
        false => wrong(format!("waited half a minute for {what}")),
    }
}

/// Whether it becomes ready in a moment.
pub(crate) fn is_soon(pollable: &Pollable) -> bool {
    let timer = subscribe_duration(MOMENT);
    poll(&[pollable, &timer]).contains(&0)
}

/// Begins a connection.
pub(crate) fn begin(place: &Place) -> Result<Connection, ErrorCode> {
    client::connect(&place.host, place.port, ConnectOptions { timeout: None })
}

/// Waits for the end of a connection's phase.
pub(crate) fn settle(connection: &Connection) -> Step {
    loop {
        if let Some(ended) = connection.status() {
            return Ok(ended?);
        }
        wait("the connection's phase", connection.subscribe())?;
    }
}

/// A connection that is there.
pub(crate) fn connect(place: &Place) -> Step<Connection> {
    let connection = begin(place)?;
    settle(&connection)?;
    Ok(connection)
}

/// A connection with TLS.
pub(crate) fn secure(place: &Place, options: &TlsOptions) -> Step<Connection> {
    let connection = connect(place)?;
    connection.start_tls("", options)?;
    settle(&connection)?;
    Ok(connection)
}

/// A head without fields.
pub(crate) fn head_of(method: &str, path: &str) -> RequestHead {
    RequestHead {
        method: method.into(),
        path: path.into(),
        fields: Vec::new(),
    }
}

/// A field of a request.
pub(crate) fn field(name: &str, value: &str) -> Field {
    (name.into(), value.into())
}

/// Sends a GET request.
pub(crate) fn get(connection: &Connection, path: &str) -> Result<Exchange, ErrorCode> {
    client::request(connection, &head_of("GET", path), BodyKind::None)
}

/// Sends the head of a POST request.
pub(crate) fn post(
    connection: &Connection,
    path: &str,
    body: BodyKind,
) -> Result<Exchange, ErrorCode> {
    client::request(connection, &head_of("POST", path), body)
}

/// The response's head.
pub(crate) fn head(exchange: &Exchange) -> Step<ResponseHead> {
    loop {
        if let Some(head) = exchange.head() {
            return Ok(head?);
        }
        // It is told once, and makes the pollable ready until then.
        exchange.continued();
        wait("the response's head", exchange.subscribe())?;
    }
}

/// How the stream of a response's body ended.
#[derive(Debug)]
pub(crate) enum End {
    Closed,
    /// With the reason that the exchange then told with the stream's error, and without it.
    Failed(Option<ErrorCode>, Option<ErrorCode>),
}

/// Reads a stream to its end.
pub(crate) fn drain(exchange: &Exchange, stream: &InputStream) -> Step<(Vec<u8>, End)> {
    let mut body = Vec::new();
    loop {
        match stream.read(64 * 1024) {
            Ok(piece) if piece.is_empty() => wait("the response's body", stream.subscribe())?,
            Ok(piece) => body.extend(piece),
            Err(StreamError::Closed) => return Ok((body, End::Closed)),
            Err(StreamError::LastOperationFailed(error)) => {
                let with = exchange.failure(Some(&error));
                return Ok((body, End::Failed(with, exchange.failure(None))));
            }
        }
    }
}

/// The whole body of a response, which must be complete.
pub(crate) fn body(exchange: &Exchange) -> Step<Vec<u8>> {
    let stream = exchange.response_body()?;
    match drain(exchange, &stream)? {
        (body, End::Closed) => Ok(body),
        (_, End::Failed(Some(code), _) | End::Failed(None, Some(code))) => Err(Stop::Told(code)),
        (_, End::Failed(None, None)) => wrong("the body failed, and the exchange tells no reason"),
    }
}

/// The status and the body of a response.
pub(crate) fn answer(exchange: &Exchange) -> Step<(u16, Vec<u8>)> {
    let head = head(exchange)?;
    Ok((head.status, body(exchange)?))
}

/// What a GET request is answered on a connection to itself.
pub(crate) fn fetch(place: &Place, path: &str) -> Step<(u16, Vec<u8>)> {
    let connection = connect(place)?;
    let exchange = get(&connection, path)?;
    answer(&exchange)
}

/// As text.
pub(crate) fn text(servers: &Servers, path: &str) -> Step<String> {
    let (_, body) = fetch(&servers.at("http"), path)?;
    Ok(String::from_utf8_lossy(&body).into_owned())
}

/// Whether a server marks a key, for which it waits.
pub(crate) fn is_marked(servers: &Servers, key: &str) -> Step {
    match text(servers, &format!("/marked/{key}"))?.as_str() {
        "yes" => Ok(()),
        _ => wrong(format!("the server did not see it ('{}')", key_part(key))),
    }
}

fn key_part(key: &str) -> &str {
    key.split_once('-')
        .map_or("the end of the connection", |(_, part)| part)
}

/// Why a write did not go on.
pub(crate) fn reason(exchange: &Exchange, error: StreamError) -> Stop {
    let code = match &error {
        StreamError::LastOperationFailed(error) => exchange.failure(Some(error)),
        StreamError::Closed => exchange.failure(None),
    };
    match code {
        Some(code) => Stop::Told(code),
        None => Stop::Wrong("a write failed, and the exchange tells no reason".into()),
    }
}

/// Writes all of it, as fast as the host takes it.
pub(crate) fn write(exchange: &Exchange, stream: &OutputStream, bytes: &[u8]) -> Step {
    let mut rest = bytes;
    while !rest.is_empty() {
        match stream.check_write() {
            Ok(0) => wait("room for the request's body", stream.subscribe())?,
            Ok(room) => {
                let room = usize::try_from(room).unwrap_or(usize::MAX);
                let (part, after) = rest.split_at(rest.len().min(room));
                stream
                    .write(part)
                    .map_err(|error| reason(exchange, error))?;
                rest = after;
            }
            Err(error) => return Err(reason(exchange, error)),
        }
    }
    Ok(())
}

/// Flushes a body's stream. Behind the last byte that was announced it may be closed: there is nothing left
/// to write.
pub(crate) fn flush(exchange: &Exchange, stream: &OutputStream) -> Step {
    let told = |error| match error {
        StreamError::Closed if exchange.failure(None).is_none() => Ok(()),
        error => Err(reason(exchange, error)),
    };
    if let Err(error) = stream.flush() {
        return told(error);
    }
    loop {
        match stream.check_write() {
            Ok(0) => wait("the request's body to go out", stream.subscribe())?,
            Ok(_) => return Ok(()),
            Err(error) => return told(error),
        }
    }
}

/// Sends a whole body.
pub(crate) fn send(exchange: &Exchange, bytes: &[u8]) -> Step {
    let stream = exchange.body()?;
    write(exchange, &stream, bytes)?;
    flush(exchange, &stream)?;
    drop(stream);
    Ok(exchange.finish_body()?)
}

/// The bytes that bodies consist of: n modulo 251.
pub(crate) fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|n| (n % 251) as u8).collect()
}
