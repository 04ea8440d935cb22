//! Sends the requests of its arguments by WASI 0.2, one after the other, and writes a line about each: arguments
//! and lines are those of `guest/client`, which does the same by WASI 0.3.

mod bindings;

use bindings::exports::wasi::cli::run::Guest;
use bindings::wasi::cli::{environment, stdout};
use bindings::wasi::http::outgoing_handler::handle;
use bindings::wasi::http::types::{
    ErrorCode, Fields, IncomingBody, IncomingResponse, Method, OutgoingBody, OutgoingRequest,
    Scheme, http_error_code,
};
use bindings::wasi::io::streams::StreamError;

struct Client;

impl Guest for Client {
    fn run() -> Result<(), ()> {
        let mut lines = String::new();
        for argument in environment::get_arguments().into_iter().skip(1) {
            let line = match fetch(&argument) {
                Ok(line) => line,
                Err(error) => format!("error {error:?}"),
            };
            lines.push_str(&line);
            lines.push('\n');
        }
        let stdout = stdout::get_stdout();
        for piece in lines.as_bytes().chunks(4096) {
            stdout.blocking_write_and_flush(piece).map_err(drop)?;
        }
        Ok(())
    }
}

fn fetch(argument: &str) -> Result<String, ErrorCode> {
    let (request, body) = request(argument)?;
    let to = body.as_ref().map(|_| request.body());
    let to = to.transpose().map_err(|()| refused("body"))?;
    let response = handle(request, None)?;
    if let Some((to, bytes)) = to.zip(body) {
        send(to, &bytes)?;
    }
    response.subscribe().block();
    let answer = response.get().ok_or_else(|| refused("response"))?;
    let answer = answer.map_err(|()| refused("response"))??;
    let status = answer.status();
    let text = read(&answer)?;
    Ok(format!("{status} {}", text.escape_debug()))
}

fn send(to: OutgoingBody, bytes: &[u8]) -> Result<(), ErrorCode> {
    let stream = to.write().map_err(|()| refused("body"))?;
    // A body of one piece: the requests of tests are short.
    if !bytes.is_empty() {
        let written = stream.blocking_write_and_flush(bytes);
        written.map_err(|error| failed(&error))?;
    }
    drop(stream);
    OutgoingBody::finish(to, None)
}

fn read(answer: &IncomingResponse) -> Result<String, ErrorCode> {
    let body = answer.consume().map_err(|()| refused("response"))?;
    let stream = body.stream().map_err(|()| refused("response"))?;
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(1 << 16) {
            Ok(piece) => bytes.extend(piece),
            Err(StreamError::Closed) => break,
            Err(error) => return Err(failed(&error)),
        }
    }
    drop(stream);
    let trailers = IncomingBody::finish(body);
    trailers.subscribe().block();
    if let Some(Ok(trailers)) = trailers.get() {
        trailers?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn request(argument: &str) -> Result<(OutgoingRequest, Option<Vec<u8>>), ErrorCode> {
    let mut parts = argument.split('\t');
    let mut part = || parts.next().filter(|part| !part.is_empty());
    let (method, scheme, authority, path) = (part(), part(), part(), part());
    let fields = Fields::new();
    let mut body = None;
    for part in parts {
        match (part.strip_prefix('='), part.split_once(": ")) {
            (Some(text), _) => body = Some(text.as_bytes().to_vec()),
            (None, Some((name, value))) => fields
                .append(name, value.as_bytes())
                .map_err(|error| refused(&format!("{name}: {error:?}")))?,
            (None, None) => return Err(refused(part)),
        }
    }
    let request = OutgoingRequest::new(fields);
    let method = method.map_or(Method::Get, of_name);
    if matches!(method, Method::Post | Method::Other(_)) {
        // jco waits for the end of a body that such a method may have.
        body.get_or_insert_default();
    }
    let set = request
        .set_method(&method)
        .and_then(|()| request.set_scheme(scheme.map(of_scheme).as_ref()))
        .and_then(|()| request.set_authority(authority))
        .and_then(|()| request.set_path_with_query(path));
    set.map_err(|()| refused("request"))?;
    Ok((request, body))
}

fn failed(error: &StreamError) -> ErrorCode {
    let code = match error {
        StreamError::LastOperationFailed(error) => http_error_code(error),
        StreamError::Closed => None,
    };
    code.unwrap_or_else(|| ErrorCode::InternalError(Some(format!("{error:?}"))))
}

/// What the host's types refuse before anything is sent.
fn refused(what: &str) -> ErrorCode {
    ErrorCode::InternalError(Some(format!("refused before it was sent: {what}")))
}

fn of_name(method: &str) -> Method {
    match method {
        "GET" => Method::Get,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "CONNECT" => Method::Connect,
        "TRACE" => Method::Trace,
        other => Method::Other(other.to_owned()),
    }
}

fn of_scheme(scheme: &str) -> Scheme {
    match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => Scheme::Other(other.to_owned()),
    }
}

bindings::export!(Client with_types_in bindings);
