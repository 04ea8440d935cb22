//! What is dropped before its end, at each stage.

use sandbox_net_guest::bindings::sandbox::net::client::{Connection, Exchange};
use sandbox_net_guest::bindings::sandbox::net::types::{BodyKind, TlsOptions};
use sandbox_net_guest::bindings::wasi::clocks::monotonic_clock::subscribe_duration;
use sandbox_net_guest::bindings::wasi::io::poll::poll;

use super::{Behaviour, needs, row};
use crate::drive::{
    Step, answer, begin, connect, fetch, flush, get, head, is_marked, post, same, secure, wait,
    write, wrong,
};
use crate::servers::Servers;

pub(super) const TABLE: &[Behaviour] = &[
    row("before the connection is there", while_connecting),
    needs(&["silent"], "within the TLS handshake", in_handshake),
    row(
        "an exchange before its head: the server sees the end",
        before_head,
    ),
    row(
        "an exchange within its request's body: the server sees the end",
        in_request,
    ),
    row(
        "an exchange within its response's body: the server sees the end",
        in_response,
    ),
    row(
        "within a response's body whose stream is there",
        with_stream,
    ),
    needs(&["https"], "within TLS: the server sees the end", in_tls),
    row(
        "a connection whose exchange was dropped refuses requests, or carries them",
        then,
    ),
    row("many at once, and the next request works", many),
    row("a timer ends a wait for several exchanges", timer),
];

fn silent(servers: &Servers) -> Step<(Connection, Exchange, String)> {
    let (connection, key) = (connect(&servers.at("http"))?, servers.key());
    let exchange = get(&connection, &format!("/silent/{key}"))?;
    is_marked(servers, &format!("{key}-began"))?;
    Ok((connection, exchange, key))
}

fn works(servers: &Servers) -> Step {
    let answered = fetch(&servers.at("http"), "/hello")?;
    same("the response", answered, (200, b"hello".to_vec()))
}

fn while_connecting(servers: &Servers) -> Step {
    for _ in 0..4 {
        drop(begin(&servers.at("http"))?);
    }
    works(servers)
}

fn in_handshake(servers: &Servers) -> Step {
    let connection = connect(&servers.at("silent"))?;
    connection.start_tls("", &TlsOptions::default())?;
    drop(connection);
    works(servers)
}

fn before_head(servers: &Servers) -> Step {
    let (_connection, exchange, key) = silent(servers)?;
    drop(exchange);
    is_marked(servers, &key)
}

fn in_request(servers: &Servers) -> Step {
    let (connection, key) = (connect(&servers.at("http"))?, servers.key());
    let path = format!("/incomplete/{key}");
    let exchange = post(&connection, &path, BodyKind::Chunked)?;
    let stream = exchange.body()?;
    write(&exchange, &stream, b"half")?;
    flush(&exchange, &stream)?;
    drop(stream);
    drop(exchange);
    is_marked(servers, &format!("{key}-cut"))
}

fn half(servers: &Servers) -> Step<(Connection, Exchange, String)> {
    let (connection, key) = (connect(&servers.at("http"))?, servers.key());
    let exchange = get(&connection, &format!("/half/{key}"))?;
    head(&exchange)?;
    Ok((connection, exchange, key))
}

fn in_response(servers: &Servers) -> Step {
    let (_connection, exchange, key) = half(servers)?;
    drop(exchange);
    is_marked(servers, &key)
}

fn with_stream(servers: &Servers) -> Step {
    let (_connection, exchange, key) = half(servers)?;
    let stream = exchange.response_body()?;
    while stream.read(10).is_ok_and(|piece| piece.is_empty()) {
        wait("the first bytes", stream.subscribe())?;
    }
    drop(stream);
    drop(exchange);
    is_marked(servers, &key)
}

fn in_tls(servers: &Servers) -> Step {
    let connection = secure(&servers.at("https"), &TlsOptions::default())?;
    let key = servers.key();
    let exchange = get(&connection, &format!("/silent/{key}"))?;
    is_marked(servers, &format!("{key}-began"))?;
    drop(exchange);
    is_marked(servers, &key)
}

fn then(servers: &Servers) -> Step {
    let (connection, exchange, _) = silent(servers)?;
    drop(exchange);
    // Whether the host makes a new connection beneath is its choice; it may not answer wrongly.
    match get(&connection, "/hello")
        .map_err(Into::into)
        .and_then(|e| answer(&e))
    {
        Ok(answered) => same("the response", answered, (200, b"hello".to_vec())),
        Err(crate::drive::Stop::Told(_)) => Ok(()),
        Err(other) => Err(other),
    }
}

fn many(servers: &Servers) -> Step {
    let begun: Vec<_> = (0..8).map(|_| silent(servers)).collect::<Step<_>>()?;
    let keys: Vec<String> = begun.iter().map(|(_, _, key)| key.clone()).collect();
    drop(begun);
    for key in keys {
        is_marked(servers, &key)?;
    }
    works(servers)
}

fn timer(servers: &Servers) -> Step {
    let begun: Vec<_> = (0..4).map(|_| silent(servers)).collect::<Step<_>>()?;
    let mut watched: Vec<_> = begun.iter().map(|(_, e, _)| e.subscribe()).collect();
    watched.push(subscribe_duration(50_000_000));
    let ready = poll(&watched.iter().collect::<Vec<_>>());
    match ready.as_slice() {
        [4] => Ok(()),
        other => wrong(format!("{other:?} of five were ready, not the timer alone")),
    }
}
