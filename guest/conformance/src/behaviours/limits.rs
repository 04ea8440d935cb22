//! Bounds of the host.

use sandbox_net_guest::bindings::sandbox::net::client;
use sandbox_net_guest::bindings::sandbox::net::types::{
    BodyKind, ErrorCode, Limit, RequestHead, TlsOptions,
};

use super::{Behaviour, needs, row};
use crate::drive::{
    Step, Stop, answer, begin, connect, fails, fetch, field, head_of, is_denied, is_invalid, same,
    settle, wrong,
};
use crate::servers::Servers;

pub(super) const TABLE: &[Behaviour] = &[
    row(
        "a request's head that is too large is a limit, or is answered",
        large_head,
    ),
    row("too many fields are a limit, or are answered", many_fields),
    needs(&["https"], "too many roots are refused", many_roots),
    needs(
        &["connections"],
        "more connections than the host allows are a limit",
        connections,
    ),
    needs(
        &["connections"],
        "what is dropped makes room again",
        room_again,
    ),
];

fn bounded(servers: &Servers, fields: Vec<(Vec<u8>, Vec<u8>)>) -> Step {
    let connection = connect(&servers.at("http"))?;
    let head = RequestHead {
        fields,
        ..head_of("GET", "/hello")
    };
    let sent = client::request(&connection, &head, BodyKind::None);
    let answered = sent
        .map_err(Stop::from)
        .and_then(|exchange| answer(&exchange));
    match answered {
        Ok((status, _)) if status == 200 || status >= 400 => {}
        Err(Stop::Told(ErrorCode::Limit(failure))) if failure.limit == Limit::RequestHeadSize => {}
        Err(Stop::Told(code)) if is_invalid(&code) => {}
        other => return wrong(format!("it gave {other:?}")),
    }
    same(
        "the next status",
        fetch(&servers.at("http"), "/hello")?.0,
        200,
    )
}

fn large_head(servers: &Servers) -> Step {
    bounded(servers, vec![field("X-A", &"a".repeat(4 << 20))])
}

fn many_fields(servers: &Servers) -> Step {
    bounded(servers, vec![field("X-A", "a"); 20_000])
}

fn many_roots(servers: &Servers) -> Step {
    let connection = connect(&servers.at("https"))?;
    let options = TlsOptions {
        roots: vec![vec![0x30; 1000]; 5000],
        ..TlsOptions::default()
    };
    let begun = connection.start_tls("", &options);
    fails(
        "TLS with 5000 roots",
        begun,
        "'invalid', 'denied' or 'limit'",
        |code| is_invalid(code) || is_denied(code) || matches!(code, ErrorCode::Limit(_)),
    )
}

/// Connects until the host refuses; what was open, and how it refused.
fn fill(servers: &Servers) -> (Vec<client::Connection>, Option<Stop>) {
    let place = servers.at("http");
    let mut open = Vec::new();
    for _ in 0..=servers.number("connections") {
        let connected = begin(&place).map_err(Stop::from);
        let connected = connected.and_then(|c| settle(&c).map(|()| c));
        match connected {
            Ok(connection) => open.push(connection),
            Err(stop) => return (open, Some(stop)),
        }
    }
    (open, None)
}

fn connections(servers: &Servers) -> Step {
    match fill(servers) {
        (_, Some(Stop::Told(ErrorCode::Limit(f)))) if f.limit == Limit::Connections => Ok(()),
        (open, other) => wrong(format!("with {} open it gave {other:?}", open.len())),
    }
}

fn room_again(servers: &Servers) -> Step {
    drop(fill(servers));
    same("the status", fetch(&servers.at("http"), "/hello")?.0, 200)
}
