//! Sends the requests of its arguments, one after the other, and writes a line about each.
//!
//! An argument has parts with tabs between them: method, scheme, authority, path, and then fields as
//! `name: value` or a body as `=text`. A part that is empty is not set. The line is `STATUS BODY`, or
//! `error` with the error code.

mod bindings;

use bindings::exports::wasi::cli::run::Guest;
use bindings::wasi::cli::{environment, stdout};
use bindings::wasi::http::client;
use bindings::wasi::http::types::{ErrorCode, Fields, Method, Request, Response, Scheme};
use bindings::{wit_future, wit_stream};

struct Client;

impl Guest for Client {
    async fn run() -> Result<(), ()> {
        let mut lines = String::new();
        for argument in environment::get_arguments().into_iter().skip(1) {
            let line = match fetch(&argument).await {
                Ok(line) => line,
                Err(error) => format!("error {error:?}"),
            };
            lines.push_str(&line);
            lines.push('\n');
        }
        let (mut writer, reader) = wit_stream::new();
        let written = stdout::write_via_stream(reader);
        let left = writer.write_all(lines.into_bytes()).await;
        drop(writer);
        match (left.is_empty(), written.await) {
            (true, Ok(())) => Ok(()),
            _ => Err(()),
        }
    }
}

async fn fetch(argument: &str) -> Result<String, ErrorCode> {
    let response = client::send(request(argument)?).await?;
    let status = response.get_status_code();
    let (_, done) = wit_future::new(|| Ok(()));
    let (body, trailers) = Response::consume_body(response, done);
    let body = body.collect().await;
    trailers.await?;
    let text = String::from_utf8_lossy(&body);
    Ok(format!("{status} {}", text.escape_debug()))
}

fn request(argument: &str) -> Result<Request, ErrorCode> {
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
    let contents = body.map(|body| {
        let (mut writer, reader) = wit_stream::new();
        wit_bindgen::spawn_local(async move {
            writer.write_all(body).await;
        });
        reader
    });
    let (_, trailers) = wit_future::new(|| Ok(None));
    let (request, _) = Request::new(fields, contents, trailers, None);
    let set = request
        .set_method(&method.map_or(Method::Get, named))
        .and_then(|()| request.set_scheme(scheme.map(of_scheme).as_ref()))
        .and_then(|()| request.set_authority(authority))
        .and_then(|()| request.set_path_with_query(path));
    set.map_err(|()| refused("request"))?;
    Ok(request)
}

/// What the host's types refuse before anything is sent.
fn refused(what: &str) -> ErrorCode {
    ErrorCode::InternalError(Some(format!("refused before it was sent: {what}")))
}

fn named(method: &str) -> Method {
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
