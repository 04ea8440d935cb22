//! Bodies of requests: their stream, their end, and a peer that does not read them.

use sandbox_net_guest::bindings::sandbox::net::client::{self, Connection, Exchange};
use sandbox_net_guest::bindings::sandbox::net::types::{BodyKind, RequestHead};

use super::{Behaviour, row};
use crate::drive::{
    Step, Stop, answer, connect, fails, field, flush, get, head, head_of, is_closed, is_invalid,
    is_marked, is_soon, pattern, post, reason, same, send, text, wait, write, wrong,
};
use crate::servers::Servers;

pub(super) const TABLE: &[Behaviour] = &[
    row("a sized body arrives, framed by its size", sized),
    row("a chunked body arrives, framed in chunks", chunked),
    row("a body of no bytes arrives", empty),
    row("a body arrives that is written byte by byte", byte_by_byte),
    row("a mebibyte arrives", large),
    row("a request without a body has no stream and no end", none),
    row("the stream is given once", stream_once),
    row("the body is finished once", finish_once),
    row(
        "the body is not finished while its stream is there",
        stream_there,
    ),
    row(
        "fewer bytes than announced are invalid, and do not look whole",
        too_short,
    ),
    row(
        "more bytes than announced are an error of the stream",
        too_long,
    ),
    row(
        "a body that was not finished does not look whole",
        not_finished,
    ),
    row("a server that does not read holds the guest up", held_up),
    row("an answer before the body is there", early),
    row(
        "writes fail when the exchange has failed, and it says why",
        reset,
    ),
    row("a peer that asks for the body is told, once", continued),
    row("a peer that does not want the body answers", unwanted),
    row("without 'Expect' nobody asks", not_asked),
];

fn begin(servers: &Servers, path: &str, body: BodyKind) -> Step<(Connection, Exchange)> {
    let connection = connect(&servers.at("http"))?;
    let exchange = post(&connection, path, body)?;
    Ok((connection, exchange))
}

/// Sends a body to be echoed; the framing that the server saw.
fn echoed(servers: &Servers, kind: BodyKind, bytes: &[u8]) -> Step<String> {
    let (_connection, exchange) = begin(servers, "/echo", kind)?;
    send(&exchange, bytes)?;
    let head = head(&exchange)?;
    same("the body", crate::drive::body(&exchange)?.as_slice(), bytes)?;
    let is_it = |name: &[u8]| name.eq_ignore_ascii_case(b"x-framing");
    let found = head.fields.into_iter().find(|(name, _)| is_it(name));
    Ok(found.map_or_else(String::new, |(_, value)| {
        String::from_utf8_lossy(&value).into_owned()
    }))
}

fn sized(servers: &Servers) -> Step {
    same(
        "the framing",
        echoed(servers, BodyKind::Sized(5), b"sized")?.as_str(),
        "sized",
    )
}

fn chunked(servers: &Servers) -> Step {
    same(
        "the framing",
        echoed(servers, BodyKind::Chunked, b"in chunks")?.as_str(),
        "chunked",
    )
}

fn empty(servers: &Servers) -> Step {
    echoed(servers, BodyKind::Sized(0), b"")?;
    echoed(servers, BodyKind::Chunked, b"")?;
    // A body without a stream has an end, too.
    let (_connection, exchange) = begin(servers, "/echo", BodyKind::Sized(0))?;
    exchange.finish_body()?;
    same("the status", answer(&exchange)?.0, 200)
}

fn byte_by_byte(servers: &Servers) -> Step {
    for kind in [BodyKind::Sized(100), BodyKind::Chunked] {
        let body = pattern(100);
        let (_connection, exchange) = begin(servers, "/check", kind)?;
        let stream = exchange.body()?;
        for byte in &body {
            write(&exchange, &stream, &[*byte])?;
            flush(&exchange, &stream)?;
        }
        drop(stream);
        exchange.finish_body()?;
        same(
            "the server's view",
            answer(&exchange)?.1,
            b"100 right".to_vec(),
        )?;
    }
    Ok(())
}

fn large(servers: &Servers) -> Step {
    let body = pattern(1 << 20);
    for kind in [BodyKind::Sized(1 << 20), BodyKind::Chunked] {
        let (_connection, exchange) = begin(servers, "/check", kind)?;
        send(&exchange, &body)?;
        same(
            "the server's view",
            answer(&exchange)?.1,
            b"1048576 right".to_vec(),
        )?;
    }
    Ok(())
}

fn none(servers: &Servers) -> Step {
    let (_connection, exchange) = begin(servers, "/hello", BodyKind::None)?;
    fails("the stream", exchange.body(), "'invalid'", is_invalid)?;
    fails("finishing", exchange.finish_body(), "'invalid'", is_invalid)?;
    same("the status", answer(&exchange)?.0, 200)
}

fn stream_once(servers: &Servers) -> Step {
    let (_connection, exchange) = begin(servers, "/echo", BodyKind::Sized(1))?;
    let stream = exchange.body()?;
    fails("the second stream", exchange.body(), "'closed'", is_closed)?;
    drop(stream);
    fails(
        "a stream behind the first",
        exchange.body(),
        "'closed'",
        is_closed,
    )
}

fn finish_once(servers: &Servers) -> Step {
    let (_connection, exchange) = begin(servers, "/echo", BodyKind::Sized(1))?;
    send(&exchange, b"x")?;
    fails(
        "finishing again",
        exchange.finish_body(),
        "'closed'",
        is_closed,
    )?;
    fails(
        "the stream behind the end",
        exchange.body(),
        "'closed'",
        is_closed,
    )?;
    same("the body", answer(&exchange)?.1, b"x".to_vec())
}

fn stream_there(servers: &Servers) -> Step {
    let (_connection, exchange) = begin(servers, "/echo", BodyKind::Sized(1))?;
    let stream = exchange.body()?;
    write(&exchange, &stream, b"x")?;
    fails("finishing", exchange.finish_body(), "'invalid'", is_invalid)?;
    flush(&exchange, &stream)?;
    drop(stream);
    exchange.finish_body()?;
    same("the body", answer(&exchange)?.1, b"x".to_vec())
}

fn too_short(servers: &Servers) -> Step {
    let key = servers.key();
    let path = format!("/incomplete/{key}");
    let (_connection, exchange) = begin(servers, &path, BodyKind::Sized(10))?;
    let stream = exchange.body()?;
    write(&exchange, &stream, b"short")?;
    flush(&exchange, &stream)?;
    drop(stream);
    fails("finishing", exchange.finish_body(), "'invalid'", is_invalid)?;
    drop(exchange);
    is_marked(servers, &format!("{key}-cut"))
}

fn too_long(servers: &Servers) -> Step {
    let (_connection, exchange) = begin(servers, "/echo", BodyKind::Sized(4))?;
    let stream = exchange.body()?;
    let written = write(&exchange, &stream, b"too long").and_then(|()| flush(&exchange, &stream));
    match written {
        Err(Stop::Told(_)) => Ok(()),
        // The stream's error is what counts; a reason may be missing where the host knows none.
        Err(Stop::Wrong(why)) if why.contains("no reason") => Ok(()),
        Err(other) => Err(other),
        Ok(()) => wrong("eight bytes went into a body of four"),
    }
}

fn not_finished(servers: &Servers) -> Step {
    for kind in [BodyKind::Sized(10), BodyKind::Chunked] {
        let key = servers.key();
        let (connection, exchange) = begin(servers, &format!("/incomplete/{key}"), kind)?;
        let stream = exchange.body()?;
        write(&exchange, &stream, b"half")?;
        flush(&exchange, &stream)?;
        drop((stream, exchange, connection));
        is_marked(servers, &format!("{key}-cut"))?;
    }
    Ok(())
}

fn held_up(servers: &Servers) -> Step {
    let (key, flood) = (servers.key(), servers.flood());
    let path = format!("/hold/{key}");
    let (_connection, exchange) = begin(servers, &path, BodyKind::Sized(flood as u64))?;
    let stream = exchange.body()?;
    let body = pattern(flood);
    let mut rest = body.as_slice();
    loop {
        match stream.check_write() {
            Ok(0) if !is_soon(&stream.subscribe()) => break,
            Ok(0) => {}
            Ok(room) => {
                let room = usize::try_from(room).unwrap_or(usize::MAX);
                let (part, after) = rest.split_at(rest.len().min(room));
                stream
                    .write(part)
                    .map_err(|error| reason(&exchange, error))?;
                rest = after;
            }
            Err(error) => return Err(reason(&exchange, error)),
        }
        if rest.is_empty() {
            return wrong("the whole body was taken for a server that reads nothing");
        }
    }
    text(servers, &format!("/release/{key}"))?;
    write(&exchange, &stream, rest)?;
    flush(&exchange, &stream)?;
    drop(stream);
    exchange.finish_body()?;
    let expected = format!("{flood} right");
    same(
        "the server's view",
        answer(&exchange)?.1,
        expected.into_bytes(),
    )
}

fn early(servers: &Servers) -> Step {
    let (_connection, exchange) = begin(servers, "/early", BodyKind::Sized(1 << 20))?;
    same("the status", head(&exchange)?.status, 413)?;
    same("the body", crate::drive::body(&exchange)?, b"no".to_vec())
}

fn reset(servers: &Servers) -> Step {
    let (_connection, exchange) = begin(servers, "/ends", BodyKind::Chunked)?;
    let stream = exchange.body()?;
    // The server ends the connection behind this word: flushing it may fail already.
    let mut piece: &[u8] = b"begin";
    loop {
        let written = write(&exchange, &stream, piece).and_then(|()| flush(&exchange, &stream));
        match written {
            Ok(()) => piece = &[b'x'; 8192],
            Err(Stop::Told(_)) => return Ok(()),
            Err(Stop::Wrong(why)) if why.contains("no reason") => break,
            Err(other) => return Err(other),
        }
    }
    // Some hosts know it from the head only.
    match head(&exchange) {
        Err(Stop::Told(_)) => Ok(()),
        Err(other) => Err(other),
        Ok(head) => wrong(format!("a response came: {}", head.status)),
    }
}

fn expecting(servers: &Servers, path: &str) -> Step<(Connection, Exchange)> {
    let connection = connect(&servers.at("http"))?;
    let head = RequestHead {
        fields: vec![field("Expect", "100-continue")],
        ..head_of("POST", path)
    };
    let exchange = client::request(&connection, &head, BodyKind::Sized(4))?;
    Ok((connection, exchange))
}

fn continued(servers: &Servers) -> Step {
    let (_connection, exchange) = expecting(servers, "/continue")?;
    wait("a peer that asks for the body", exchange.subscribe())?;
    same("'continued'", exchange.continued(), true)?;
    same("'continued' the second time", exchange.continued(), false)?;
    send(&exchange, b"body")?;
    same("the body", answer(&exchange)?.1, b"body".to_vec())
}

fn unwanted(servers: &Servers) -> Step {
    let (_connection, exchange) = expecting(servers, "/unwanted")?;
    wait("the response's head", exchange.subscribe())?;
    same("'continued'", exchange.continued(), false)?;
    same("the status", head(&exchange)?.status, 417)
}

fn not_asked(servers: &Servers) -> Step {
    let connection = connect(&servers.at("http"))?;
    let exchange = get(&connection, "/hello")?;
    same("'continued' before the head", exchange.continued(), false)?;
    answer(&exchange)?;
    same("'continued' behind it", exchange.continued(), false)
}
