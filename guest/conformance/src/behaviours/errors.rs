//! Peers that break off, stay silent, or do not speak HTTP.

use sandbox_net_guest::bindings::sandbox::net::client::{Connection, Exchange};
use sandbox_net_guest::bindings::sandbox::net::types::{ErrorCode, Limit, Phase};

use super::{Behaviour, needs, row};
use crate::drive::{End, Step, Stop, answer, connect, drain, fetch, get, head, same, stops, wrong};
use crate::servers::Servers;

pub(super) const TABLE: &[Behaviour] = &[
    row("a reset before the head is an error", reset),
    row("an end before the head is an error", closed),
    row("an end within the head is an error", head_cut),
    row("what is no HTTP is an error of the protocol", garbage),
    row(
        "what came instead of HTTP can be read, or is closed",
        garbage_body,
    ),
    row(
        "a head that is too large is a limit or an error of the protocol",
        large_head,
    ),
    row("two lengths that differ are an error", two_lengths),
    row("a body that ends too early fails, and says why", short),
    row("a body that is reset fails, and says why", short_reset),
    row(
        "a chunk that ends too early fails, and says why",
        short_chunk,
    ),
    row(
        "a body without its last chunk fails, and says why",
        no_last_chunk,
    ),
    row("a chunk without a size fails, and says why", bad_chunk),
    row("bytes before a fault are given", bytes_before),
    row("an exchange that failed fails the same way again", again),
    row("a connection that failed leaves others alone", others),
    needs(
        &["deadlines"],
        "the host's deadline ends the wait for a head",
        head_deadline,
    ),
    needs(
        &["deadlines"],
        "the host's deadline ends the wait for a body",
        body_deadline,
    ),
];

fn begin(servers: &Servers, path: &str) -> Step<(Connection, Exchange)> {
    let connection = connect(&servers.at("http"))?;
    let exchange = get(&connection, path)?;
    Ok((connection, exchange))
}

fn breaks(
    servers: &Servers,
    path: &str,
    expected: &str,
    is_it: impl Fn(&ErrorCode) -> bool,
) -> Step {
    stops(
        "the response",
        fetch(&servers.at("http"), path),
        expected,
        is_it,
    )
}

const BROKEN: &str = "'reset', 'closed' or 'protocol'";

fn is_broken(code: &ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::Reset | ErrorCode::Closed | ErrorCode::Protocol(_)
    )
}

fn reset(servers: &Servers) -> Step {
    breaks(servers, "/reset", BROKEN, is_broken)
}

fn closed(servers: &Servers) -> Step {
    breaks(servers, "/close", BROKEN, is_broken)
}

fn head_cut(servers: &Servers) -> Step {
    breaks(servers, "/head-cut", BROKEN, is_broken)
}

fn is_protocol(code: &ErrorCode) -> bool {
    matches!(code, ErrorCode::Protocol(_))
}

fn garbage(servers: &Servers) -> Step {
    breaks(servers, "/garbage", "'protocol'", is_protocol)
}

fn garbage_body(servers: &Servers) -> Step {
    let (_connection, exchange) = begin(servers, "/garbage")?;
    stops("the head", head(&exchange), "'protocol'", is_protocol)?;
    let stream = match exchange.response_body() {
        Ok(stream) => stream,
        Err(ErrorCode::Closed) => return Ok(()),
        Err(other) => return Err(Stop::Told(other)),
    };
    let (came, _) = drain(&exchange, &stream)?;
    let came = String::from_utf8_lossy(&came).into_owned();
    same("what came", came.as_str(), "this is no HTTP at all\r\n\r\n")
}

fn large_head(servers: &Servers) -> Step {
    breaks(
        servers,
        "/large-head",
        "'limit' or 'protocol'",
        |code| match code {
            ErrorCode::Limit(failure) => failure.limit == Limit::ResponseHeadSize,
            other => is_protocol(other),
        },
    )
}

fn two_lengths(servers: &Servers) -> Step {
    breaks(servers, "/two-lengths", "'protocol'", is_protocol)
}

/// Reads a body that has to fail; what came of it and the reasons.
fn failing(exchange: &Exchange) -> Step<(Vec<u8>, ErrorCode)> {
    head(exchange)?;
    let stream = exchange.response_body()?;
    match drain(exchange, &stream)? {
        (came, End::Failed(Some(with), Some(without))) => {
            same(
                "the reason without the error",
                format!("{without:?}"),
                format!("{with:?}"),
            )?;
            Ok((came, with))
        }
        // Some hosts know the reason from the error alone.
        (came, End::Failed(Some(with), None)) => Ok((came, with)),
        (_, End::Failed(None, _)) => wrong("the stream failed, and its error has no reason"),
        (came, End::Closed) => wrong(format!("{} bytes passed for a whole body", came.len())),
    }
}

fn cut(servers: &Servers, path: &str) -> Step {
    let (_connection, exchange) = begin(servers, path)?;
    let ended = failing(&exchange).and_then(|(_, code)| Err::<(), _>(Stop::Told(code)));
    stops("the body", ended, BROKEN, is_broken)
}

fn short(servers: &Servers) -> Step {
    cut(servers, "/short")
}

fn short_reset(servers: &Servers) -> Step {
    cut(servers, "/short-reset")
}

fn short_chunk(servers: &Servers) -> Step {
    cut(servers, "/short-chunk")
}

fn no_last_chunk(servers: &Servers) -> Step {
    cut(servers, "/no-last-chunk")
}

fn bad_chunk(servers: &Servers) -> Step {
    cut(servers, "/bad-chunk")
}

fn bytes_before(servers: &Servers) -> Step {
    let (_connection, exchange) = begin(servers, "/short")?;
    same("what came", failing(&exchange)?.0.as_slice(), b"0123456789")
}

fn again(servers: &Servers) -> Step {
    let (_connection, exchange) = begin(servers, "/short")?;
    let (_, first) = failing(&exchange)?;
    for _ in 0..2 {
        if let Some(code) = exchange.failure(None) {
            same(
                "the failure then",
                format!("{code:?}"),
                format!("{first:?}"),
            )?;
        }
    }
    match exchange.trailers() {
        Some(Ok(_)) => wrong("there are trailers behind a body that was cut"),
        Some(Err(_)) | None => Ok(()),
    }
}

fn others(servers: &Servers) -> Step {
    let (_other, good) = begin(servers, "/pattern/100000")?;
    for path in ["/reset", "/garbage", "/short"] {
        if fetch(&servers.at("http"), path).is_ok() {
            return wrong(format!("{path} went well"));
        }
    }
    same("the size of the body", answer(&good)?.1.len(), 100_000)
}

fn head_deadline(servers: &Servers) -> Step {
    let path = format!("/silent/{}", servers.key());
    breaks(servers, &path, "'timeout' in the phase 'head'", |code| {
        matches!(code, ErrorCode::Timeout(Phase::Head))
    })
}

fn body_deadline(servers: &Servers) -> Step {
    let path = format!("/half/{}", servers.key());
    breaks(servers, &path, "'timeout' in the phase 'body'", |code| {
        matches!(code, ErrorCode::Timeout(Phase::Body))
    })
}
