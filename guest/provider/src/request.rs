//! Sends a request: checks it, has it decided, and hands it to the host.

use crate::bindings::http::{
    FieldName, Fields, Method, OutgoingBody, OutgoingRequest, RequestOptions, Scheme,
};
use crate::bindings::types::{BodyKind, ErrorCode, Field, RequestHead};
use crate::bindings::{outgoing_handler, policy};
use crate::connection::Connection;
use crate::decision::decide;
use crate::exchange::Exchange;
use crate::fields::{self, Split};
use crate::{errors, host};

/// Sends `head` on a connection; the body follows through the exchange's stream.
pub(crate) fn send(
    connection: &Connection,
    head: RequestHead,
    kind: BodyKind,
) -> Result<Exchange, ErrorCode> {
    if connection.is_busy() {
        return Err(invalid("the request before this one is not over"));
    }
    let is_tls = connection.is_tls();
    let to = (connection.host.clone(), connection.port);
    let split = fields::split(head.fields, &kind, &to)?;
    let (method, path) = line(&head.method, &head.path)?;
    decide(&policy::Question::Send(policy::Request {
        scheme: if is_tls {
            policy::Scheme::Https
        } else {
            policy::Scheme::Http
        },
        to: connection.endpoint(),
        method: head.method,
        path: head.path,
        fields: split.judged.clone(),
    }))?;
    let expects = split.expects;
    let request = OutgoingRequest::new(host_fields(split, &kind)?);
    let set = request
        .set_method(&method)
        .and_then(|()| request.set_path_with_query(Some(&path)))
        .and_then(|()| {
            let (scheme, port) = if is_tls {
                (Scheme::Https, 443)
            } else {
                (Scheme::Http, 80)
            };
            request.set_scheme(Some(&scheme))?;
            request.set_authority(Some(&host::authority(&to.0, to.1, port)))
        });
    set.map_err(|()| invalid("the host does not take this method, path or host"))?;
    let body = request
        .body()
        .map_err(|()| invalid("the host gives the request no body"))?;
    let future = outgoing_handler::handle(request, options(connection));
    let future = future.map_err(|error| errors::of(&error))?;
    let body = match kind {
        BodyKind::None => {
            OutgoingBody::finish(body, None).map_err(|error| errors::of(&error))?;
            None
        }
        BodyKind::Sized(_) | BodyKind::Chunked => Some(body),
    };
    let exchange = Exchange::new(future, body, expects);
    connection.carries(exchange.progress());
    Ok(exchange)
}

fn invalid(why: &str) -> ErrorCode {
    ErrorCode::Invalid(why.to_owned())
}

/// The method and the path, checked.
fn line(method: &[u8], path: &[u8]) -> Result<(Method, String), ErrorCode> {
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    if method.is_empty() || !method.iter().all(is_token) {
        return Err(invalid("the method is no token of RFC 9110"));
    }
    let is_asterisk = path == b"*" && method == b"OPTIONS";
    let is_visible = |byte: &u8| byte.is_ascii_graphic() && *byte != b'#';
    if !(is_asterisk || path.starts_with(b"/") && path.iter().all(is_visible)) {
        return Err(invalid(
            "the path does not begin with / or has bytes that are escaped in one",
        ));
    }
    let method = String::from_utf8_lossy(method);
    let method = match &*method {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "CONNECT" => Method::Connect,
        "OPTIONS" => Method::Options,
        "TRACE" => Method::Trace,
        "PATCH" => Method::Patch,
        other => Method::Other(other.to_owned()),
    };
    Ok((method, String::from_utf8_lossy(path).into_owned()))
}

/// The fields as the host gets them: it sends `Host` itself, and frames the body by its length.
fn host_fields(split: Split, kind: &BodyKind) -> Result<Fields, ErrorCode> {
    let mut list: Vec<(FieldName, Vec<u8>)> = Vec::with_capacity(split.judged.len() + 1);
    let mut length = match (kind, split.length_at) {
        (BodyKind::Sized(size), _) => Some(*size),
        (BodyKind::None, Some(_)) => Some(0),
        (BodyKind::None | BodyKind::Chunked, _) => None,
    };
    let field = |size: u64| ("content-length".to_owned(), size.to_string().into_bytes());
    for (index, (name, value)) in split.judged.into_iter().enumerate() {
        if split.length_at == Some(index) {
            list.extend(length.take().map(field));
        }
        if !name.eq_ignore_ascii_case(b"host") {
            list.push(own_field((name, value))?);
        }
    }
    list.extend(length.map(field));
    Fields::from_list(&list).map_err(errors::of_field)
}

fn own_field((name, value): Field) -> Result<(FieldName, Vec<u8>), ErrorCode> {
    let name = String::from_utf8(name);
    let name = name.map_err(|_| invalid("a field's name is no token of RFC 9110"))?;
    Ok((name, value))
}

/// The guest's deadline for connecting, where the host takes one. It has deadlines of its own, and a guest
/// that waits no longer drops the exchange.
fn options(connection: &Connection) -> Option<RequestOptions> {
    let timeout = connection.timeout?;
    let options = RequestOptions::new();
    options.set_connect_timeout(Some(timeout)).ok()?;
    Some(options)
}
