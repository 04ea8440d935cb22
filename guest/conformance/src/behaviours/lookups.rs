//! Questions for the addresses of names.

use sandbox_net_guest::bindings::sandbox::net::client::{self, Lookup};
use sandbox_net_guest::bindings::sandbox::net::types::ErrorCode;

use super::{Behaviour, needs, row};
use crate::drive::{Step, fails, fetch, is_denied, is_invalid, same, stops, wait, wrong};
use crate::servers::Servers;

pub(super) const TABLE: &[Behaviour] = &[
    needs(&["name"], "a name that is allowed is found", found),
    needs(
        &["name"],
        "the answer is told as often as asked",
        told_again,
    ),
    needs(
        &["name"],
        "there are no addresses before the answer, and at most 64 behind it",
        addresses,
    ),
    row("an address leads to itself, and tells no others", address),
    needs(&["name"], "a lookup can be given up", given_up),
    needs(
        &["unknown-name"],
        "a name that nobody has is a failure of DNS, there or later",
        unknown,
    ),
    row("a name that no rule allows is denied at once", denied),
    row(
        "a host with more than one reading is refused at once",
        ambiguous,
    ),
];

fn settle(lookup: &Lookup) -> Step {
    loop {
        if let Some(ended) = lookup.status() {
            return Ok(ended?);
        }
        wait("the lookup", lookup.subscribe())?;
    }
}

fn found(servers: &Servers) -> Step {
    settle(&client::resolve(&servers.at("name").host)?)
}

fn told_again(servers: &Servers) -> Step {
    let lookup = client::resolve(&servers.at("name").host)?;
    settle(&lookup)?;
    for _ in 0..3 {
        match lookup.status() {
            Some(Ok(())) => {}
            other => return wrong(format!("the status is {other:?} afterwards")),
        }
    }
    wait("a lookup that is over", lookup.subscribe())
}

fn addresses(servers: &Servers) -> Step {
    let lookup = client::resolve(&servers.at("name").host)?;
    let before = lookup.addresses().len();
    if lookup.status().is_none() && before > 0 {
        return wrong(format!("{before} addresses before the answer"));
    }
    settle(&lookup)?;
    let count = lookup.addresses().len();
    match count <= 64 {
        true => Ok(()),
        false => wrong(format!("{count} addresses")),
    }
}

fn address(servers: &Servers) -> Step {
    let lookup = client::resolve(&servers.at("http").host)?;
    settle(&lookup)?;
    same("the number of addresses", lookup.addresses().len(), 0)
}

fn given_up(servers: &Servers) -> Step {
    for _ in 0..3 {
        drop(client::resolve(&servers.at("name").host)?);
    }
    found(servers)
}

fn unknown(servers: &Servers) -> Step {
    let place = servers.at("unknown-name");
    let looked_up = client::resolve(&place.host).map_err(Into::into);
    let ended = looked_up.and_then(|lookup| settle(&lookup));
    // A host that cannot ask lets every lookup end well.
    let ended = ended.and_then(|()| fetch(&place, "/hello"));
    stops("a name that nobody has", ended, "'dns'", |code| {
        matches!(code, ErrorCode::Dns(_))
    })
}

fn denied(_: &Servers) -> Step {
    let looked_up = client::resolve("nobody-allows-this.example");
    fails("the lookup", looked_up, "'denied'", is_denied)
}

/// Texts that two readers could take for two hosts.
pub(super) const AMBIGUOUS: &[&str] = &[
    "",
    ".",
    "a..b",
    "a b",
    "a\nb",
    "a/b",
    "a\\b",
    "user@127.0.0.1",
    "127.0.0.1:80",
    "[::1]",
    "http://127.0.0.1",
    "127.1",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "127.0.0.1/x",
    "127.0.0.1#x",
    "127.0.0.1?x",
    "%31%32%37.0.0.1",
];

fn ambiguous(_: &Servers) -> Step {
    for host in AMBIGUOUS {
        let what = format!("the lookup of {host:?}");
        fails(
            &what,
            client::resolve(host),
            "'invalid' or 'denied'",
            |code| is_invalid(code) || is_denied(code),
        )?;
    }
    Ok(())
}
