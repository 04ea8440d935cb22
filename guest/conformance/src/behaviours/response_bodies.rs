//! Bodies of responses: their stream, their end, and the fields behind them.

use sandbox_net_guest::bindings::sandbox::net::client::{Connection, Exchange};
use sandbox_net_guest::bindings::sandbox::net::types::{ErrorCode, Field};
use sandbox_net_guest::bindings::wasi::clocks::monotonic_clock::subscribe_duration;
use sandbox_net_guest::bindings::wasi::io::streams::StreamError;

use super::{Behaviour, row};
use crate::drive::{
    Step, answer, body, connect, fails, fetch, field, get, head, is_closed, is_invalid, is_marked,
    pattern, same, text, wait, wrong,
};
use crate::servers::Servers;

pub(super) const TABLE: &[Behaviour] = &[
    row("there is no body before the head", before_head),
    row("the stream is given once", once),
    row("a body of chunks is given without their framing", chunked),
    row(
        "a body that the connection's end ends is whole",
        until_close,
    ),
    row("a body of no bytes ends", empty),
    row("a mebibyte arrives", large),
    row("a stream that has ended stays so", stays_ended),
    row("bytes come before the whole body is there", in_pieces),
    row("a guest that does not read holds the server up", held_up),
    row("a body that is not read to its end can be dropped", dropped),
    row(
        "trailers are not there before the body's end",
        trailers_early,
    ),
    row("trailers come behind the body, with their order", trailers),
    row("without trailers there is an empty list", no_trailers),
    row("a good exchange has no failure", no_failure),
];

fn begin(servers: &Servers, path: &str) -> Step<(Connection, Exchange)> {
    let connection = connect(&servers.at("http"))?;
    let exchange = get(&connection, path)?;
    Ok((connection, exchange))
}

fn whole(servers: &Servers, path: &str, expected: &[u8]) -> Step {
    same(
        "the body",
        fetch(&servers.at("http"), path)?.1.as_slice(),
        expected,
    )
}

fn before_head(servers: &Servers) -> Step {
    let key = servers.key();
    let (_connection, exchange) = begin(servers, &format!("/silent/{key}"))?;
    is_marked(servers, &format!("{key}-began"))?;
    fails(
        "the body",
        exchange.response_body(),
        "'invalid'",
        is_invalid,
    )
}

fn once(servers: &Servers) -> Step {
    let (_connection, exchange) = begin(servers, "/hello")?;
    head(&exchange)?;
    let stream = exchange.response_body()?;
    fails(
        "the second stream",
        exchange.response_body(),
        "'closed'",
        is_closed,
    )?;
    drop(stream);
    fails(
        "a stream behind the first",
        exchange.response_body(),
        "'closed'",
        is_closed,
    )
}

fn chunked(servers: &Servers) -> Step {
    whole(servers, "/chunked", b"onetwothree")
}

fn until_close(servers: &Servers) -> Step {
    whole(servers, "/until-close", b"to the end")
}

fn empty(servers: &Servers) -> Step {
    whole(servers, "/zero", b"")
}

fn large(servers: &Servers) -> Step {
    let (_, body) = fetch(&servers.at("http"), "/pattern/1048576")?;
    match body == pattern(1 << 20) {
        true => Ok(()),
        false => wrong(format!("{} other bytes came", body.len())),
    }
}

fn stays_ended(servers: &Servers) -> Step {
    let (_connection, exchange) = begin(servers, "/hello")?;
    head(&exchange)?;
    let stream = exchange.response_body()?;
    crate::drive::drain(&exchange, &stream)?;
    for _ in 0..3 {
        match stream.read(10) {
            Err(StreamError::Closed) => {}
            other => return wrong(format!("behind its end the stream gives {other:?}")),
        }
    }
    wait("a stream that has ended", stream.subscribe())
}

fn in_pieces(servers: &Servers) -> Step {
    let key = servers.key();
    let (_connection, exchange) = begin(servers, &format!("/half/{key}"))?;
    head(&exchange)?;
    let stream = exchange.response_body()?;
    let mut came = Vec::new();
    while came.len() < 10 {
        match stream.read(64) {
            Ok(piece) if piece.is_empty() => wait("the first bytes", stream.subscribe())?,
            Ok(piece) => came.extend(piece),
            Err(error) => return wrong(format!("the stream ended with {error:?}")),
        }
    }
    same("the first bytes", came.as_slice(), b"0123456789")
}

fn held_up(servers: &Servers) -> Step {
    let (key, flood) = (servers.key(), servers.flood());
    let (_connection, exchange) = begin(servers, &format!("/slowly/{key}/{flood}"))?;
    head(&exchange)?;
    let stream = exchange.response_body()?;
    // Until nothing more goes out.
    let mut before = None;
    loop {
        let sent = text(servers, &format!("/count/{key}"))?;
        if before.as_ref() == Some(&sent) {
            break;
        }
        before = Some(sent);
        wait("a moment", subscribe_duration(500_000_000))?;
    }
    if before.is_some_and(|sent| sent == flood.to_string()) {
        return wrong("the whole body was taken for a guest that reads nothing");
    }
    let (body, _) = crate::drive::drain(&exchange, &stream)?;
    match body == pattern(flood) {
        true => Ok(()),
        false => wrong(format!("{} other bytes came", body.len())),
    }
}

fn dropped(servers: &Servers) -> Step {
    let (_connection, exchange) = begin(servers, "/pattern/1048576")?;
    head(&exchange)?;
    let stream = exchange.response_body()?;
    while stream.read(1000).is_ok_and(|piece| piece.is_empty()) {
        wait("the first bytes", stream.subscribe())?;
    }
    drop(stream);
    match exchange.trailers() {
        Some(Ok(_)) => wrong("there are trailers behind a body that was not read"),
        Some(Err(_)) | None => Ok(()),
    }
}

fn trailers_early(servers: &Servers) -> Step {
    let key = servers.key();
    let (_connection, exchange) = begin(servers, &format!("/half/{key}"))?;
    head(&exchange)?;
    match exchange.trailers() {
        None => {}
        Some(told) => return wrong(format!("before the body there is {told:?}")),
    }
    let _stream = exchange.response_body()?;
    match exchange.trailers() {
        None => Ok(()),
        Some(told) => wrong(format!("before the body's end there is {told:?}")),
    }
}

/// The fields behind a body.
fn behind(exchange: &Exchange) -> Step<Vec<Field>> {
    answer(exchange)?;
    loop {
        if let Some(trailers) = exchange.trailers() {
            return Ok(trailers?);
        }
        wait("the trailers", exchange.subscribe())?;
    }
}

fn trailers(servers: &Servers) -> Step {
    let (_connection, exchange) = begin(servers, "/trailers")?;
    let list = behind(&exchange)?;
    let lower = list
        .iter()
        .map(|(n, v)| (n.to_ascii_lowercase(), v.clone()));
    let mut lower: Vec<Field> = lower.collect();
    // Hosts on another interface know the order of one name only.
    lower.sort_by(|a, b| a.0.cmp(&b.0));
    let expected = [("x-last", "yes"), ("x-sum", "1"), ("x-sum", "2")];
    same(
        "the list",
        lower,
        expected.map(|(n, v)| field(n, v)).to_vec(),
    )?;
    // As often as asked.
    same(
        "the number of fields then",
        behind_again(&exchange)?.len(),
        3,
    )
}

fn behind_again(exchange: &Exchange) -> Step<Vec<Field>> {
    match exchange.trailers() {
        Some(trailers) => Ok(trailers?),
        None => wrong("the trailers are gone"),
    }
}

fn no_trailers(servers: &Servers) -> Step {
    for path in ["/hello", "/chunked", "/zero"] {
        let (_connection, exchange) = begin(servers, path)?;
        same("the list", behind(&exchange)?, Vec::new())?;
    }
    Ok(())
}

fn no_failure(servers: &Servers) -> Step {
    let (_connection, exchange) = begin(servers, "/hello")?;
    let failure = |when: &str| -> Step {
        let told: Option<ErrorCode> = exchange.failure(None);
        match told {
            None => Ok(()),
            Some(code) => wrong(format!("{when} the failure is {code:?}")),
        }
    };
    failure("before the head")?;
    head(&exchange)?;
    failure("before the body")?;
    body(&exchange)?;
    failure("behind the body")
}
