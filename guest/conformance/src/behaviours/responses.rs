//! Heads of responses.

use sandbox_net_guest::bindings::sandbox::net::client::{self, Connection, Exchange};
use sandbox_net_guest::bindings::sandbox::net::types::{
    BodyKind, ErrorCode, HttpVersion, ResponseHead,
};

use super::{Behaviour, row};
use crate::drive::{Step, answer, body, connect, get, head, head_of, is_marked, same, wait, wrong};
use crate::servers::Servers;

pub(super) const TABLE: &[Behaviour] = &[
    row("a head has the status, and the reason or none", reason),
    row("fields keep their duplicates and bytes", fields),
    row(
        "fields keep order and spelling, unless the version is not known",
        order,
    ),
    row("there is no head before it comes", not_yet),
    row("the head is given once", once),
    row("what is watched is ready when the head is there", ready),
    row("an informational response is not shown", informational),
    row("a redirect is a response as any other", redirect),
    row(
        "an error of the server is a response as any other",
        not_found,
    ),
    row("HTTP/1.0 is answered", http10),
    row("a response to HEAD has no body", to_head),
    row("204 has no body", no_content),
];

fn begin(servers: &Servers, path: &str) -> Step<(Connection, Exchange)> {
    let connection = connect(&servers.at("http"))?;
    let exchange = get(&connection, path)?;
    Ok((connection, exchange))
}

fn head_at(servers: &Servers, path: &str) -> Step<ResponseHead> {
    let (_connection, exchange) = begin(servers, path)?;
    head(&exchange)
}

fn reason(servers: &Servers) -> Step {
    let head = head_at(servers, "/fields")?;
    same("the status", head.status, 200)?;
    match head.reason.as_slice() {
        b"" | b"Fine Indeed" => Ok(()),
        other => wrong(format!(
            "the reason is {:?}",
            String::from_utf8_lossy(other)
        )),
    }
}

fn fields(servers: &Servers) -> Step {
    let head = head_at(servers, "/fields")?;
    for (name, values) in [
        ("x-twice", [b"one".as_slice(), b"two"].as_slice()),
        ("x-bytes", [b"\xe9\xff".as_slice()].as_slice()),
        ("x-empty", [b"".as_slice()].as_slice()),
    ] {
        let is_it = |n: &[u8]| n.eq_ignore_ascii_case(name.as_bytes());
        let found = head.fields.iter().filter(|(n, _)| is_it(n));
        let found: Vec<&[u8]> = found.map(|(_, value)| value.as_slice()).collect();
        same(&format!("the list of '{name}'"), found.as_slice(), values)?;
    }
    Ok(())
}

fn order(servers: &Servers) -> Step {
    let head = head_at(servers, "/fields")?;
    if head.version == HttpVersion::Unknown {
        return Ok(());
    }
    let names: Vec<String> = (head.fields.iter())
        .map(|(name, _)| String::from_utf8_lossy(name).into_owned())
        .collect();
    let expected = ["X-Twice", "Content-Length", "x-twice", "X-Bytes", "X-Empty"];
    same(
        "the list of names",
        names,
        expected.map(String::from).to_vec(),
    )
}

fn not_yet(servers: &Servers) -> Step {
    let key = servers.key();
    let (_connection, exchange) = begin(servers, &format!("/silent/{key}"))?;
    is_marked(servers, &format!("{key}-began"))?;
    match exchange.head() {
        None => Ok(()),
        Some(head) => wrong(format!("there is {head:?}")),
    }
}

fn once(servers: &Servers) -> Step {
    let (_connection, exchange) = begin(servers, "/hello")?;
    head(&exchange)?;
    for _ in 0..2 {
        match exchange.head() {
            Some(Err(ErrorCode::Closed)) => {}
            other => return wrong(format!("the second time there is {other:?}")),
        }
    }
    same("the body", body(&exchange)?, b"hello".to_vec())
}

fn ready(servers: &Servers) -> Step {
    let (_connection, exchange) = begin(servers, "/hello")?;
    wait("the head", exchange.subscribe())?;
    match exchange.head() {
        Some(Ok(head)) => same("the status", head.status, 200),
        other => wrong(format!("behind the wait there is {other:?}")),
    }
}

fn informational(servers: &Servers) -> Step {
    let (_connection, exchange) = begin(servers, "/informational")?;
    same("the response", answer(&exchange)?, (200, b"final".to_vec()))
}

fn redirect(servers: &Servers) -> Step {
    same("the status", head_at(servers, "/redirect")?.status, 302)
}

fn not_found(servers: &Servers) -> Step {
    let (_connection, exchange) = begin(servers, "/nothing-here")?;
    same(
        "the response",
        answer(&exchange)?,
        (404, b"there is nothing here".to_vec()),
    )
}

fn http10(servers: &Servers) -> Step {
    let (_connection, exchange) = begin(servers, "/http10")?;
    let head = head(&exchange)?;
    match head.version {
        HttpVersion::Http10 | HttpVersion::Unknown => {}
        other => return wrong(format!("the version is {other:?}")),
    }
    same("the body", body(&exchange)?, b"old".to_vec())
}

fn to_head(servers: &Servers) -> Step {
    let connection = connect(&servers.at("http"))?;
    let exchange = client::request(&connection, &head_of("HEAD", "/hello"), BodyKind::None)?;
    same("the response", answer(&exchange)?, (200, Vec::new()))?;
    same(
        "the next status",
        answer(&get(&connection, "/hello")?)?.0,
        200,
    )
}

fn no_content(servers: &Servers) -> Step {
    let (connection, exchange) = begin(servers, "/empty")?;
    same("the response", answer(&exchange)?, (204, Vec::new()))?;
    same(
        "the next status",
        answer(&get(&connection, "/hello")?)?.0,
        200,
    )
}
