//! Connections: the capability, their phases, and their end.

use sandbox_net_guest::bindings::sandbox::net::client::{self, Connection, Exchange};
use sandbox_net_guest::bindings::sandbox::net::types::{ConnectOptions, ErrorCode, Phase};

use super::lookups::AMBIGUOUS;
use super::{Behaviour, needs, row};
use crate::drive::{
    Step, Stop, answer, begin, connect, fails, fetch, get, head, is_closed, is_denied, is_invalid,
    is_marked, same, settle, stops, text, wait, wrong,
};
use crate::servers::{Place, Servers};

pub(super) const TABLE: &[Behaviour] = &[
    row("connecting ends well", connects),
    row("the status is told as often as asked", told_again),
    needs(&["name"], "a connection by name carries a request", by_name),
    needs(
        &["denied"],
        "a host and port that no rule allows is denied at once",
        denied,
    ),
    needs(
        &["denied"],
        "nothing reaches a host that is denied",
        not_reached,
    ),
    needs(
        &["denied"],
        "a denial says by which rule, and to people why",
        denial_text,
    ),
    row("port 0 is refused at once", port_0),
    row(
        "a host with more than one reading is refused at once",
        ambiguous,
    ),
    needs(
        &["refused"],
        "a port where nobody listens is refused, there or later",
        refused,
    ),
    needs(
        &["full"],
        "the guest's own timeout ends an attempt",
        timeout,
    ),
    needs(&["full"], "an attempt can be given up", given_up),
    row(
        "a request before the phase has ended is invalid or waits",
        too_early,
    ),
    row("one exchange follows the other", sequence),
    row(
        "a second request before the first one's end is invalid",
        not_pipelined,
    ),
    row(
        "a refused second request leaves the first one alone",
        not_disturbed,
    ),
    row("without TLS there is nothing that it settled", no_tls),
    row("sixteen exchanges are under way at once", together),
    row("closing ends an exchange with 'closed'", closing),
    row("dropping ends an exchange with 'closed'", dropping),
    row(
        "the server sees that a connection was closed",
        closing_is_seen,
    ),
    row("a closed connection does not end others", apart),
    row("handles can be dropped in any order", any_order),
];

fn http(servers: &Servers) -> Step<Connection> {
    connect(&servers.at("http"))
}

fn hello(exchange: &Exchange) -> Step {
    same("the response", answer(exchange)?, (200, b"hello".to_vec()))
}

fn connects(servers: &Servers) -> Step {
    http(servers).map(drop)
}

fn told_again(servers: &Servers) -> Step {
    let connection = http(servers)?;
    for _ in 0..3 {
        match connection.status() {
            Some(Ok(())) => {}
            other => return wrong(format!("the status is {other:?} afterwards")),
        }
    }
    wait("a phase that is over", connection.subscribe())
}

fn by_name(servers: &Servers) -> Step {
    let connection = connect(&servers.at("name"))?;
    hello(&get(&connection, "/hello")?)
}

fn denied(servers: &Servers) -> Step {
    fails(
        "connecting",
        begin(&servers.at("denied")),
        "'denied'",
        is_denied,
    )?;
    let nobody = Place {
        host: "nobody-allows-this.example".into(),
        port: 443,
    };
    fails("connecting", begin(&nobody), "'denied'", is_denied)
}

fn not_reached(servers: &Servers) -> Step {
    let _ = begin(&servers.at("denied")).map(|connection| settle(&connection));
    same(
        "the number of connections",
        text(servers, "/count/denied")?.as_str(),
        "0",
    )
}

fn denial_text(servers: &Servers) -> Step {
    match begin(&servers.at("denied")) {
        Err(ErrorCode::Denied(denial)) if denial.message.is_empty() || denial.rule.is_empty() => {
            wrong(format!("there is no text in {denial:?}"))
        }
        Err(ErrorCode::Denied(_)) => Ok(()),
        other => wrong(format!("connecting gave {other:?}")),
    }
}

fn port_0(servers: &Servers) -> Step {
    let place = Place {
        port: 0,
        ..servers.at("http")
    };
    fails(
        "connecting to port 0",
        begin(&place),
        "'invalid'",
        is_invalid,
    )
}

fn ambiguous(servers: &Servers) -> Step {
    let port = servers.at("http").port;
    for host in AMBIGUOUS {
        let host = (*host).to_owned();
        let what = format!("connecting to {host:?}");
        let place = Place { host, port };
        fails(&what, begin(&place), "'invalid' or 'denied'", |code| {
            is_invalid(code) || is_denied(code)
        })?;
    }
    Ok(())
}

fn refused(servers: &Servers) -> Step {
    let fetched = fetch(&servers.at("refused"), "/hello");
    stops("connecting", fetched, "'refused'", |code| {
        matches!(code, ErrorCode::Refused)
    })
}

fn attempt(servers: &Servers) -> Step<Connection> {
    let place = servers.at("full");
    let options = ConnectOptions {
        timeout: Some(300_000_000),
    };
    Ok(client::connect(&place.host, place.port, options)?)
}

fn timeout(servers: &Servers) -> Step {
    let ended = attempt(servers).and_then(|connection| {
        settle(&connection)?;
        answer(&get(&connection, "/hello")?)
    });
    stops(
        "connecting",
        ended,
        "'timeout' in the phase 'connect'",
        |code| matches!(code, ErrorCode::Timeout(Phase::Connect)),
    )
}

fn given_up(servers: &Servers) -> Step {
    drop(attempt(servers)?);
    client::close(attempt(servers)?);
    let watched = attempt(servers)?;
    drop(watched.subscribe());
    drop(watched);
    connects(servers)
}

fn too_early(servers: &Servers) -> Step {
    let connection = begin(&servers.at("http"))?;
    match get(&connection, "/hello") {
        Ok(exchange) => return hello(&exchange),
        Err(ErrorCode::Invalid(_)) => {}
        Err(other) => return Err(Stop::Told(other)),
    }
    settle(&connection)?;
    hello(&get(&connection, "/hello")?)
}

fn sequence(servers: &Servers) -> Step {
    let connection = http(servers)?;
    for path in [
        "/hello",
        "/chunked",
        "/empty",
        "/zero",
        "/trailers",
        "/hello",
    ] {
        answer(&get(&connection, path)?)?;
    }
    Ok(())
}

fn not_pipelined(servers: &Servers) -> Step {
    let connection = http(servers)?;
    let key = servers.key();
    let _first = get(&connection, &format!("/silent/{key}"))?;
    is_marked(servers, &format!("{key}-began"))?;
    fails(
        "the second request",
        get(&connection, "/hello"),
        "'invalid'",
        is_invalid,
    )
}

fn not_disturbed(servers: &Servers) -> Step {
    let connection = http(servers)?;
    let first = get(&connection, "/pattern/100000")?;
    head(&first)?;
    drop(get(&connection, "/hello"));
    let body = crate::drive::body(&first)?;
    same("the size of the body", body.len(), 100_000)?;
    hello(&get(&connection, "/hello")?)
}

fn no_tls(servers: &Servers) -> Step {
    match http(servers)?.tls() {
        None => Ok(()),
        Some(info) => wrong(format!("TLS settled {info:?}")),
    }
}

fn together(servers: &Servers) -> Step {
    const COUNT: usize = 16;
    let path = format!("/together/{}/{COUNT}", servers.key());
    let connections: Vec<_> = (0..COUNT).map(|_| http(servers)).collect::<Step<_>>()?;
    let begun = connections.iter().map(|connection| get(connection, &path));
    let exchanges: Vec<_> = begun.collect::<Result<_, _>>()?;
    for exchange in &exchanges {
        same(
            "the response",
            answer(exchange)?,
            (200, b"together".to_vec()),
        )?;
    }
    Ok(())
}

/// An exchange that waits for its head, on a connection.
fn waiting(servers: &Servers) -> Step<(Connection, Exchange, String)> {
    let (connection, key) = (http(servers)?, servers.key());
    let exchange = get(&connection, &format!("/silent/{key}"))?;
    is_marked(servers, &format!("{key}-began"))?;
    Ok((connection, exchange, key))
}

fn closing(servers: &Servers) -> Step {
    let (connection, exchange, _) = waiting(servers)?;
    client::close(connection);
    stops("the exchange", head(&exchange), "'closed'", is_closed)
}

fn dropping(servers: &Servers) -> Step {
    let (connection, exchange, _) = waiting(servers)?;
    drop(connection);
    stops("the exchange", head(&exchange), "'closed'", is_closed)
}

fn closing_is_seen(servers: &Servers) -> Step {
    let (connection, _exchange, key) = waiting(servers)?;
    client::close(connection);
    is_marked(servers, &key)
}

fn apart(servers: &Servers) -> Step {
    let (first, second) = (http(servers)?, http(servers)?);
    let exchange = get(&second, "/pattern/100000")?;
    client::close(first);
    same("the size of the body", answer(&exchange)?.1.len(), 100_000)
}

fn any_order(servers: &Servers) -> Step {
    for order in 0..4 {
        let connection = http(servers)?;
        let exchange = get(&connection, "/pattern/100000")?;
        if order > 1 {
            head(&exchange)?;
            let stream = exchange.response_body()?;
            drop(stream.subscribe());
        }
        match order % 2 {
            0 => drop((connection, exchange)),
            _ => drop((exchange, connection)),
        }
    }
    connects(servers)
}
