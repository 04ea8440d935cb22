//! Heads of requests: what is sent, and what is refused.

use sandbox_net_guest::bindings::sandbox::net::client::{self, Exchange};
use sandbox_net_guest::bindings::sandbox::net::types::{
    BodyKind, DenyReason, ErrorCode, Field, RequestHead,
};

use super::{Behaviour, row};
use crate::drive::{
    Step, answer, connect, fails, field, head_of, is_denied, is_invalid, same, send, wrong,
};
use crate::servers::Servers;

pub(super) const TABLE: &[Behaviour] = &[
    row("methods are sent as they are", methods),
    row("CONNECT and TRACE are never sent", method_denied),
    row("a method that is none is invalid", bad_method),
    row("path and query are sent as they are", path),
    row("a path that is none is invalid", bad_path),
    row(
        "fields are sent with their order, duplicates and bytes",
        fields,
    ),
    row("fields that are none are invalid", bad_field),
    row("the host sends 'Host' itself", host_itself),
    row("a 'Host' that says the same is taken", host_same),
    row("another 'Host' is denied", host_other),
    row("fields that are the host's own are denied", own_fields),
    row("framing fields that say the same are taken", framing_same),
    row(
        "framing fields that say something else are refused",
        framing_other,
    ),
    row(
        "a refused request leaves the connection as it was",
        as_before,
    ),
];

fn begin(
    servers: &Servers,
    head: &RequestHead,
    body: BodyKind,
) -> Step<Result<Exchange, ErrorCode>> {
    let connection = connect(&servers.at("http"))?;
    let exchange = client::request(&connection, head, body);
    // The exchange needs its connection, which no check here looks at again.
    std::mem::forget(connection);
    Ok(exchange)
}

/// What the server saw of a request.
fn seen(servers: &Servers, path: &str, fields: Vec<Field>) -> Step<String> {
    let head = RequestHead {
        fields,
        ..head_of("GET", path)
    };
    let (_, body) = answer(&begin(servers, &head, BodyKind::None)??)?;
    Ok(body.iter().map(|&byte| char::from(byte)).collect())
}

fn lines<'a>(seen: &'a str, name: &str) -> Vec<&'a str> {
    let is_it = |line: &&str| {
        let found = line.split_once(':');
        found.is_some_and(|(n, _)| n.eq_ignore_ascii_case(name))
    };
    seen.split("\r\n").filter(is_it).collect()
}

fn methods(servers: &Servers) -> Step {
    for method in ["PUT", "DELETE", "OPTIONS", "PATCH", "REPORT", "M-SEARCH"] {
        let head = head_of(method, "/head");
        let (_, seen) = answer(&begin(servers, &head, BodyKind::None)??)?;
        let first = String::from_utf8_lossy(&seen);
        match first.starts_with(&format!("{method} /head ")) {
            true => {}
            false => return wrong(format!("'{method}' came as {first:?}")),
        }
    }
    Ok(())
}

fn method_denied(servers: &Servers) -> Step {
    for method in ["CONNECT", "TRACE"] {
        let begun = begin(servers, &head_of(method, "/head"), BodyKind::None)?;
        fails(
            method,
            begun,
            "'denied' for its method",
            |code| match code {
                ErrorCode::Denied(denial) => denial.reason == DenyReason::Method,
                _ => false,
            },
        )?;
    }
    Ok(())
}

fn bad_method(servers: &Servers) -> Step {
    for method in ["", "GE T", "GET\r\n", "G\u{e9}T", "GET:"] {
        let begun = begin(servers, &head_of(method, "/head"), BodyKind::None)?;
        fails(&format!("{method:?}"), begun, "'invalid'", is_invalid)?;
    }
    Ok(())
}

fn path(servers: &Servers) -> Step {
    for path in [
        "/head/a%20b/%C3%A9",
        "/head?",
        "/head?x=%2F&y",
        "/head/;v=1,2",
    ] {
        let seen = seen(servers, path, Vec::new())?;
        match seen.starts_with(&format!("GET {path} ")) {
            true => {}
            false => return wrong(format!("'{path}' came as {seen:?}")),
        }
    }
    Ok(())
}

fn bad_path(servers: &Servers) -> Step {
    for path in [
        "",
        "head",
        "http://127.0.0.1/",
        "/a b",
        "/a\r\nX: y",
        "/a#b",
        "/\u{0}",
    ] {
        let begun = begin(servers, &head_of("GET", path), BodyKind::None)?;
        // A path that two readers may read in two ways may also be the policy's to deny.
        fails(
            &format!("{path:?}"),
            begun,
            "'invalid' or 'denied'",
            |code| is_invalid(code) || is_denied(code),
        )?;
    }
    Ok(())
}

fn fields(servers: &Servers) -> Step {
    let sent = [
        ("X-One", "1"),
        ("x-two", "a"),
        ("X-Two", "b"),
        ("X-Empty", ""),
    ];
    let mut list: Vec<Field> = sent.iter().map(|(n, v)| field(n, v)).collect();
    list.push((b"X-Bytes".to_vec(), b"\xe9\xff".to_vec()));
    let seen = seen(servers, "/head", list)?;
    for (name, values) in [
        ("x-one", ["1"].as_slice()),
        ("x-two", ["a", "b"].as_slice()),
        ("x-empty", [""].as_slice()),
        ("x-bytes", ["\u{e9}\u{ff}"].as_slice()),
    ] {
        let found = lines(&seen, name);
        let found = found.iter().filter_map(|line| line.split_once(':'));
        let found: Vec<&str> = found.map(|(_, value)| value.trim()).collect();
        same(&format!("the list of '{name}'"), found.as_slice(), values)?;
    }
    Ok(())
}

fn bad_field(servers: &Servers) -> Step {
    for (name, value) in [
        ("", "x"),
        ("a b", "x"),
        ("a:", "x"),
        ("a\r\nb", "x"),
        ("X-A", "x\r\nX-B: y"),
        ("X-A", "x\ny"),
        ("X-A", "x\u{0}"),
    ] {
        let head = RequestHead {
            fields: vec![field(name, value)],
            ..head_of("GET", "/head")
        };
        let begun = begin(servers, &head, BodyKind::None)?;
        fails(
            &format!("{name:?}: {value:?}"),
            begun,
            "'invalid'",
            is_invalid,
        )?;
    }
    Ok(())
}

fn host_itself(servers: &Servers) -> Step {
    let place = servers.at("http");
    let seen = seen(servers, "/head", Vec::new())?;
    let found: Vec<String> = lines(&seen, "host")
        .iter()
        .map(|l| l.to_lowercase())
        .collect();
    same(
        "the list of 'Host'",
        found,
        vec![format!("host: {}:{}", place.host, place.port)],
    )
}

fn host_same(servers: &Servers) -> Step {
    let place = servers.at("http");
    for value in [format!("{}:{}", place.host, place.port), place.host.clone()] {
        let seen = seen(servers, "/head", vec![field("Host", &value)])?;
        same("the number of 'Host'", lines(&seen, "host").len(), 1)?;
    }
    Ok(())
}

fn host_other(servers: &Servers) -> Step {
    for value in ["other.test", "127.0.0.2", "", "127.0.0.1:1"] {
        let head = RequestHead {
            fields: vec![field("Host", value)],
            ..head_of("GET", "/head")
        };
        let begun = begin(servers, &head, BodyKind::None)?;
        fails(
            &format!("'Host: {value}'"),
            begun,
            "'denied' or 'invalid'",
            |code| is_denied(code) || is_invalid(code),
        )?;
    }
    Ok(())
}

fn own_fields(servers: &Servers) -> Step {
    for name in ["Upgrade", "Proxy-Authorization"] {
        let head = RequestHead {
            fields: vec![field(name, "x")],
            ..head_of("GET", "/head")
        };
        let begun = begin(servers, &head, BodyKind::None)?;
        fails(name, begun, "'denied' for a field", |code| match code {
            ErrorCode::Denied(denial) => denial.reason == DenyReason::Field,
            _ => false,
        })?;
    }
    Ok(())
}

fn framing_same(servers: &Servers) -> Step {
    for (framing, body) in [
        (field("Content-Length", "3"), BodyKind::Sized(3)),
        (field("Transfer-Encoding", "chunked"), BodyKind::Chunked),
    ] {
        let head = RequestHead {
            fields: vec![framing, field("Connection", "close")],
            ..head_of("POST", "/head")
        };
        let exchange = begin(servers, &head, body)??;
        send(&exchange, b"abc")?;
        let (_, seen) = answer(&exchange)?;
        let seen = String::from_utf8_lossy(&seen).into_owned();
        let count = lines(&seen, "content-length").len() + lines(&seen, "transfer-encoding").len();
        same("the number of framing fields", count, 1)?;
    }
    Ok(())
}

fn framing_other(servers: &Servers) -> Step {
    for (fields, body) in [
        (vec![field("Content-Length", "4")], BodyKind::Sized(3)),
        (vec![field("Content-Length", "3")], BodyKind::None),
        (vec![field("Content-Length", "3")], BodyKind::Chunked),
        (
            vec![field("Transfer-Encoding", "chunked")],
            BodyKind::Sized(3),
        ),
        (
            vec![field("Transfer-Encoding", "gzip, chunked")],
            BodyKind::Chunked,
        ),
        (
            vec![field("Content-Length", "3"), field("Content-Length", "3")],
            BodyKind::Sized(3),
        ),
    ] {
        let what = format!("{} fields with {body:?}", fields.len());
        let head = RequestHead {
            fields,
            ..head_of("POST", "/head")
        };
        let begun = begin(servers, &head, body)?;
        fails(&what, begun, "'invalid' or 'denied'", |code| {
            is_invalid(code) || is_denied(code)
        })?;
    }
    Ok(())
}

fn as_before(servers: &Servers) -> Step {
    let connection = connect(&servers.at("http"))?;
    for head in [
        head_of("GE T", "/"),
        head_of("TRACE", "/"),
        head_of("GET", "x"),
    ] {
        if client::request(&connection, &head, BodyKind::None).is_ok() {
            return wrong("a request that has to be refused was taken");
        }
    }
    let exchange = client::request(&connection, &head_of("GET", "/hello"), BodyKind::None)?;
    same("the response", answer(&exchange)?, (200, b"hello".to_vec()))
}
