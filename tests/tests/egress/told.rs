//! Addresses that a program learns for allowed names, used for something else.

use sandbox_net::policy::DenyReason::{Address, DenyRule, HostMismatch, NoRule};
use sandbox_net_tests::Trials;

use crate::row::Trace::{Head, Secure};
use crate::row::{Name, Row, add_rows};

/// All share an address that the program learns. They also lead to this machine by an address that
/// is dialled first and stays hidden, because no server here has a public address.
const SHARED: &[Name] = &[
    ("a.test", &["127.0.0.1 93.184.216.34"]),
    ("b.test", &["127.0.0.1 93.184.216.34"]),
    ("one.test", &["127.0.0.1 93.184.216.34"]),
    ("two.test", &["127.0.0.1 93.184.216.34"]),
    ("moves.test", &["93.184.216.34", "127.0.0.1"]),
    ("inner.test", &["127.0.0.1 10.0.0.1"]),
    ("elsewhere.test", &["127.0.0.1 93.184.216.35"]),
];

const A: &str = "http://a.test:{raw_port} to public,127.0.0.1";
const B: &str = "http://b.test:{raw_port} to public,127.0.0.1";
const B_ELSEWHERE: &str = "http://b.test:{good_port} to public,127.0.0.1";
const ELSEWHERE: &str = "http://elsewhere.test:{raw_port} to public,127.0.0.1";
const ONE: &str = "https://one.test:{tls_port} to public,127.0.0.1";
const TWO: &str = "https://two.test:{tls_port} to public,127.0.0.1";
const TWO_ELSEWHERE: &str = "https://two.test:{good_port} to public,127.0.0.1";

const fn row(name: &'static str, attack: &'static [&'static str]) -> Row {
    Row::new(name, attack).resolving(SHARED)
}

const TO_B: &str = "Host: b.test:{raw_port}\r";
const TO_TWO: &[&str] = &[
    "pinned_tls",
    "one.test,two.test",
    "{tls}",
    "two.test",
    "two.test:{tls_port}",
];

#[rustfmt::skip] // one row a line
pub const NAMES: &[Row] = &[
    row("the address of an allowed name at another port", &["pinned", "a.test", "{port}"])
        .under(&[A]).asking(&["a.test"]).denied(NoRule).but_under(&["a.test:{port} to public,127.0.0.1"]),
    row("the address of a name that leads here alone", &["inside", "inner.test", "{port}"])
        .under(&["inner.test:{port}"]).asking(&["inner.test"]).denied(Address)
        .but_under(&["inner.test:{port} to 127.0.0.1"]),
    row("the address that a name had before it moved", &["moving", "moves.test", "{port}"])
        .under(&["moves.test:{port}"]).asking(&["moves.test"]).denied(Address)
        .but_under(&["moves.test:{port} to public,127.0.0.1"]),
    row("the address that was not told, of an allowed name", &["pinned", "127.0.0.1,a.test", "{port}"])
        .under(&["a.test:{port} to public,127.0.0.1"]).asking(&["a.test"]).denied(NoRule)
        .but_as(&["pinned", "127.0.0.1", "{port}"]).but_under(&["127.0.0.1:{port}"]),
    row("an address that no question gave", &["url", "http://127.0.0.1:{port}/"])
        .under(&["a.test:{port} to public,127.0.0.1"]).denied(NoRule).but_under(&["127.0.0.1:{port}"]),
];

#[rustfmt::skip] // one row a line
pub const HOSTS: &[Row] = &[
    row("the Host of a name that no rule allows", &["pinned", "a.test,b.test", "{raw}", "b.test:{raw_port}"])
        .under(&[A]).asking(&["a.test"]).denied(HostMismatch).seen(Head(TO_B)).but_under(&[A, B]),
    row("the Host of a denied name", &["pinned", "a.test,b.test", "{raw}", "b.test:{raw_port}"])
        .under(&[A, B, "!b.test"]).asking(&["a.test"]).denied(HostMismatch).seen(Head(TO_B)).but_under(&[A, B]),
    row("the Host of a name that is denied at this port", &["pinned", "a.test,b.test", "{raw}", "b.test:{raw_port}"])
        .under(&[A, B_ELSEWHERE]).asking(&["a.test", "b.test"]).denied(NoRule).seen(Head(TO_B)).but_under(&[A, B]),
    row("the Host of a name that a rule denies at this port", &["pinned", "a.test,b.test", "{raw}", "b.test:{raw_port}"])
        .under(&[A, B, "!b.test:{raw_port}", B_ELSEWHERE]).asking(&["a.test", "b.test"]).denied(DenyRule)
        .seen(Head(TO_B)).but_under(&[A, B]),
    row("the Host of an allowed name that was not asked for", &["pinned", "a.test", "{raw}", "b.test:{raw_port}"])
        .under(&[A, B]).asking(&["a.test"]).denied(HostMismatch).seen(Head(TO_B))
        .but_as(&["pinned", "a.test,b.test", "{raw}", "b.test:{raw_port}"]).but_under(&[A, B]),
    row("the Host of a name that was asked for and is elsewhere", &["pinned", "a.test,elsewhere.test", "{raw}", "elsewhere.test:{raw_port}"])
        .under(&[A, ELSEWHERE]).asking(&["a.test", "elsewhere.test"]).denied(HostMismatch)
        .seen(Head("Host: elsewhere.test:{raw_port}\r"))
        .but_as(&["pinned", "elsewhere.test", "{raw}", "elsewhere.test:{raw_port}"]).but_under(&[A, ELSEWHERE]),
    row("the Host of an asked name with another port", &["pinned", "a.test,b.test", "{raw}", "b.test:{good_port}"])
        .under(&[A, B]).asking(&["a.test", "b.test"]).denied(HostMismatch).seen(Head("Host: b.test:{good_port}\r"))
        .but_resolving(&[]).but_as(&["client", "{raw}", "GET", "/attack", "Host", "b.test:{good_port}"]),
    row("the address itself as the Host", &["pinned", "a.test", "{raw}", "93.184.216.34:{raw_port}"])
        .under(&[A]).asking(&["a.test"]).denied(NoRule).seen(Head("Host: 93.184.216.34"))
        .but_resolving(&[]).but_as(&["client", "{raw}", "GET", "/attack", "Host", "93.184.216.34:{raw_port}"]),
    row("a denied name in a second request", &["second", "a.test,b.test", "{raw}", "b.test:{raw_port}"])
        .under(&[A]).asking(&["a.test"]).denied(HostMismatch).seen(Head(TO_B))
        .but_as(&["pinned", "a.test,b.test", "{raw}", "b.test:{raw_port}"]).but_under(&[A, B]),
];

#[rustfmt::skip] // one row a line
pub const SERVER_NAMES: &[Row] = &[
    row("the server name of a name that no rule allows", TO_TWO)
        .under(&[ONE]).asking(&["one.test"]).denied(HostMismatch).seen(Secure("/attack")).but_under(&[ONE, TWO]),
    row("the server name of a denied name", TO_TWO)
        .under(&[ONE, TWO, "!two.test"]).asking(&["one.test"]).denied(HostMismatch).seen(Secure("/attack"))
        .but_under(&[ONE, TWO]),
    row("the server name of a name that is denied at this port", TO_TWO)
        .under(&[ONE, TWO_ELSEWHERE]).asking(&["one.test", "two.test"]).denied(NoRule).seen(Secure("/attack"))
        .but_under(&[ONE, TWO]),
    row("the server name of an allowed name that was not asked for",
        &["pinned_tls", "one.test", "{tls}", "two.test", "two.test:{tls_port}"])
        .under(&[ONE, TWO]).asking(&["one.test"]).denied(HostMismatch).seen(Secure("/attack"))
        .but_as(TO_TWO).but_under(&[ONE, TWO]),
    row("the Host of another name at the address, behind a server name",
        &["pinned_tls", "one.test,two.test", "{tls}", "one.test", "two.test:{tls_port}"])
        .under(&[ONE, TWO]).asking(&["one.test", "two.test"]).denied(HostMismatch).seen(Secure("/attack"))
        .but_as(TO_TWO).but_under(&[ONE, TWO]),
    row("the Host of a denied name, behind a server name",
        &["pinned_tls", "one.test,two.test", "{tls}", "one.test", "two.test:{tls_port}"])
        .under(&[ONE]).asking(&["one.test"]).denied(HostMismatch).seen(Secure("/attack"))
        .but_as(TO_TWO).but_under(&[ONE, TWO]),
    row("TLS where plain HTTP alone is allowed", TO_TWO)
        .under(&[ONE, "http://two.test:{tls_port} to public,127.0.0.1"]).asking(&["one.test", "two.test"])
        .denied(NoRule).seen(Secure("/attack")).but_under(&[ONE, TWO]),
];

/// How many rows this group has.
pub const COUNT: usize = NAMES.len() + HOSTS.len() + SERVER_NAMES.len();

/// Adds the tests of this group.
pub fn add_to(trials: &mut Trials) {
    add_rows(
        trials,
        "told::an_address_that_was_told_opens_nothing_but_its_name",
        NAMES,
    );
    add_rows(
        trials,
        "told::a_host_field_leads_to_no_other_name_at_an_address",
        HOSTS,
    );
    add_rows(
        trials,
        "told::a_server_name_leads_to_no_other_name_at_an_address",
        SERVER_NAMES,
    );
}
