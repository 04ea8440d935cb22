//! Authorities and request targets that two parsers may read differently.

use sandbox_net::policy::DenyReason::{HostMismatch, NoRule};
use sandbox_net_tests::{Place, Trials};

use crate::row::Refusal::{Denied, Harmless, Invalid, NotCarried, Raised};
use crate::row::Trace::Head;
use crate::row::{Row, add_rows};
use crate::runner;
use crate::world::World;

/// A URL that contains an allowed host and leads, natively or in plain spelling, to the forbidden
/// server.
const fn url(name: &'static str, attack: &'static [&'static str]) -> Row {
    Row::new(name, attack).but_as(&["url", "http://127.0.0.1:{port}/"])
}

/// A target of a request that names another server, on an allowed connection.
const fn target(name: &'static str, attack: &'static [&'static str]) -> Row {
    Row::new(name, attack)
        .under(&["http://{raw}"])
        .refused(NotCarried)
}

#[rustfmt::skip] // one row a line
pub const URLS: &[Row] = &[
    url("an allowed host as user information", &["url", "http://{good}@127.0.0.1:{port}/"])
        .refused(Raised("socket.gaierror")),
    url("an allowed host as user information, by requests", &["requests", "http://{good}@127.0.0.1:{port}/"])
        .but_under(&["127.0.0.1:{port}"]),
    url("an allowed name as user information, by requests", &["requests", "http://localhost@127.0.0.1:{port}/"])
        .but_under(&["127.0.0.1:{port}"]),
    url("a backslash and an allowed host, by requests", &["requests", "http://127.0.0.1:{port}\\@{good}/"])
        .but_under(&["127.0.0.1:{port}"]).but_as(&["requests", "http://127.0.0.1:{port}/"]),
    url("a backslash and an allowed host", &["url", "http://127.0.0.1:{port}\\@{good}/"])
        .refused(Raised("socket.gaierror")),
    url("a fragment sign before the host", &["requests", "http://127.0.0.1:{port}#@{good}/"])
        .but_under(&["127.0.0.1:{port}"]),
    url("a question mark before the host", &["requests", "http://127.0.0.1:{port}?@{good}/"])
        .but_under(&["127.0.0.1:{port}"]),
    url("a fragment with the forbidden host", &["url", "http://{good}/get#@127.0.0.1:{port}/"])
        .refused(Harmless),
    url("a query with the forbidden host", &["url", "http://{good}/get?@127.0.0.1:{port}/"])
        .refused(Harmless),
    url("letters after the brackets", &["url", "http://[::1]x:{port}/"]).refused(Raised("ValueError")),
    url("a host in brackets that is no IPv6", &["url", "http://[127.0.0.1]:{port}/"])
        .refused(Raised("ValueError")),
    url("two ports", &["url", "http://127.0.0.1:{good_port}:{port}/"]).refused(Raised("socket.gaierror")),
    url("a port that is no number", &["url", "http://127.0.0.1:{port}x/"])
        .refused(Raised("http.client.InvalidURL")),
    url("port 0", &["url", "http://127.0.0.1:0/"]).refused(Invalid),
    url("a port with leading zeros", &["url", "http://127.0.0.1:0{port}/"]),
    url("a port with a sign", &["url", "http://127.0.0.1:+{port}/"]),
    url("a port with a space", &["url", "http://127.0.0.1: {port}/"]),
    url("an underscore in the port", &["client", "127.0.0.1:1_0", "GET", "/"]),
    url("no port, where another port is allowed", &["url", "http://127.0.0.1/"]),
    url("an empty port", &["url", "http://127.0.0.1:/"]),
    url("port 65536 and the allowed one", &["frames", "127.0.0.1", "65537"]).refused(Raised("OSError")),
    url("a percent-encoded authority", &["url", "http://127.0.0.1%3a{port}/"]),
    url("a percent-encoded user sign", &["url", "http://{good}%40127.0.0.1:{port}/"])
        .refused(Raised("socket.gaierror")),
    url("a percent-encoded slash", &["url", "http://127.0.0.1:{port}%2f@{good}/"])
        .refused(Raised("socket.gaierror")),
    url("a tabulator inside the host", &["requests", "http://127.0.0.1\t:{port}/"])
        .refused(Raised("requests.exceptions.InvalidURL"))
        .but_under(&["127.0.0.1:{port}"]).but_as(&["requests", "http://127.0.0.1:{port}/"]),
    url("a line break inside the URL", &["requests", "http://127.0.0.1:{port}/\r\nHost: {good}"])
        .but_under(&["127.0.0.1:{port}"]),
    url("three slashes", &["requests", "http:///127.0.0.1:{port}/"]).refused(Raised("requests.exceptions.InvalidURL")),
    url("a scheme of its own", &["url", "gopher://127.0.0.1:{port}/"]).refused(Raised("urllib.error.URLError")),
    url("a file", &["url", "file://127.0.0.1:{port}/etc/passwd"]).refused(Raised("urllib.error.URLError")),
    url("FTP", &["url", "ftp://127.0.0.1:{port}/"]).refused(Raised("urllib.error.URLError")).but_as(&["url", "ftp://127.0.0.1:{port}/"]),
];

#[rustfmt::skip] // one row a line
pub const TARGETS: &[Row] = &[
    target("absolute form", &["client", "{raw}", "GET", "http://127.0.0.1:{port}/attack"])
        .seen(Head("GET http://127.0.0.1:{port}/attack")),
    target("absolute form of the host itself", &["client", "{raw}", "GET", "http://{raw}/attack"])
        .seen(Head("GET http://{raw}/attack")),
    target("authority form", &["client", "{raw}", "CONNECT", "127.0.0.1:{port}"])
        .seen(Head("CONNECT 127.0.0.1:{port}")),
    target("authority form with another method", &["client", "{raw}", "GET", "127.0.0.1:{port}"])
        .seen(Head("GET 127.0.0.1:{port}")),
    target("asterisk form", &["client", "{raw}", "OPTIONS", "*"]).seen(Head("OPTIONS * ")),
    target("a path without its slash", &["client", "{raw}", "GET", "@127.0.0.1:{port}/attack"])
        .seen(Head("GET @127.0.0.1:{port}/attack")),
    target("absolute form, past the parsers", &["say", "{raw}", "GET", "http://127.0.0.1:{port}/attack"])
        .refused(Invalid).seen(Head("GET http://127.0.0.1:{port}/attack"))
        .but_as(&["client", "{raw}", "GET", "http://127.0.0.1:{port}/attack"]),
    target("authority form, past the parsers", &["say", "{raw}", "OPTIONS", "127.0.0.1:{port}"])
        .refused(Invalid).seen(Head("OPTIONS 127.0.0.1:{port}"))
        .but_as(&["client", "{raw}", "OPTIONS", "127.0.0.1:{port}"]),
    target("asterisk form, past the parsers", &["say", "{raw}", "OPTIONS", "*"])
        .refused(Invalid).seen(Head("OPTIONS * ")).but_as(&["client", "{raw}", "OPTIONS", "*"]),
    // To a server two slashes are a path; only code that resolves references sees an authority.
    target("two slashes stay a path", &["client", "{raw}", "GET", "//127.0.0.1:{port}/attack"])
        .refused(Harmless).seen(crate::row::Trace::Connection)
        .but_as(&["url", "http://127.0.0.1:{port}/attack"]),
    target("another Host field", &["client", "{raw}", "GET", "/ok", "Host", "127.0.0.1:{port}"])
        .refused(Denied(HostMismatch)).seen(Head("Host: 127.0.0.1:{port}")),
    target("a Host field with the default port", &["client", "{raw}", "GET", "/ok", "Host", "127.0.0.1:80"])
        .refused(Denied(HostMismatch)).seen(Head("Host: 127.0.0.1:80\r")),
    target("a Host field with an empty port", &["client", "{raw}", "GET", "/ok", "Host", "127.0.0.1:"])
        .refused(Denied(HostMismatch)).seen(Head("Host: 127.0.0.1:\r")),
    target("a Host field of another name without a port", &["client", "{raw}", "GET", "/ok", "Host", "localhost"])
        .refused(Denied(HostMismatch)).seen(Head("Host: localhost\r")),
    target("a Host field of another address without a port", &["client", "{raw}", "GET", "/ok", "Host", "127.0.0.2"])
        .refused(Denied(HostMismatch)).seen(Head("Host: 127.0.0.2\r")),
    target("a second Host field without a port", &["client", "{raw}", "GET", "/ok", "Host", "{raw}", "Host", "127.0.0.1"])
        .refused(Denied(HostMismatch)).seen(Head("Host: 127.0.0.1\r")),
    target("a Host field with a user", &["client", "{raw}", "GET", "/ok", "Host", "{raw}@evil.test"])
        .refused(Denied(HostMismatch)).seen(Head("@evil.test")),
    target("a Host field with two hosts", &["client", "{raw}", "GET", "/ok", "Host", "{raw}, evil.test"])
        .refused(Denied(HostMismatch)).seen(Head(", evil.test")),
    target("an empty Host field", &["client", "{raw}", "GET", "/ok", "Host", ""])
        .refused(Denied(HostMismatch)).seen(Head("Host: \r")),
    target("two Host fields", &["client", "{raw}", "GET", "/ok", "Host", "{raw}", "Host", "evil.test"])
        .refused(Denied(HostMismatch)).seen(Head("Host: evil.test")),
    target("two Host fields in two spellings", &["client", "{raw}", "GET", "/ok", "Host", "{raw}", "hOST", "evil.test"])
        .refused(Denied(HostMismatch)).seen(Head("hOST: evil.test")),
    target("a Host field of another spelling of the address", &["client", "{raw}", "GET", "/ok", "Host", "127.1:{raw_port}"])
        .refused(Denied(HostMismatch)).seen(Head("Host: 127.1:")),
    target("a Host field that a program adds to its URL", &["url", "http://{raw}/ok", "Host", "evil.test"])
        .refused(Denied(HostMismatch)).seen(Head("evil.test")),
];

/// An allowed name does not act as a proxy for another one.
pub const PROXIES: &[Row] = &[
    Row::new(
        "the forbidden server as a proxy",
        &["proxy", "http://127.0.0.1:{port}", "http://{good}/get"],
    )
    .denied(NoRule),
    Row::new(
        "an allowed server as a proxy, for http",
        &["proxy", "http://{raw}", "http://127.0.0.1:{port}/attack"],
    )
    .under(&["http://{raw}"])
    .refused(NotCarried)
    .seen(Head("GET http://127.0.0.1:{port}/attack")),
    Row::new(
        "an allowed server as a proxy, for https",
        &["proxy", "http://{raw}", "https://127.0.0.1:{port}/attack"],
    )
    .under(&["http://{raw}"])
    .refused(NotCarried)
    .seen(Head("CONNECT 127.0.0.1:{port}")),
];

/// How many rows this group has.
pub const COUNT: usize = URLS.len() + TARGETS.len() + PROXIES.len();

/// Adds the tests of this group.
pub fn add_to(trials: &mut Trials) {
    add_rows(trials, "authority::an_authority_means_one_host_only", URLS);
    add_rows(trials, "authority::a_target_names_no_other_server", TARGETS);
    add_rows(trials, "authority::no_server_is_a_proxy", PROXIES);
    trials.test(
        "authority",
        "a_host_without_the_port_arrives_as_the_program_wrote_it",
        a_host_without_the_port_arrives_as_the_program_wrote_it,
    );
}

/// The host of the connection without its port is the same host, and programs omit the port.
async fn a_host_without_the_port_arrives_as_the_program_wrote_it() {
    const ROW: Row = Row::new("a Host field without the port", &[]).under(&["http://{raw}"]);
    for value in ["127.0.0.1", "{raw}"] {
        let attack = ["client", "{raw}", "GET", "/ok", "Host", value];
        let world = World::start(&[]).await;
        let inside = runner::in_sandbox(Place::Run, &world, &ROW, &attack, ROW.rules, ROW.good);
        let inside = inside.await;
        let outside = runner::natively(&world, &ROW, &attack).await;
        assert_eq!(inside.line("attack"), outside.line("attack"));
        let heads = world.raw.heads();
        let expected = format!("Host: {}\r\n", world.fill(value));
        let head = heads[0].escape_ascii().to_string();
        assert!(
            head.contains(&expected.escape_default().to_string()),
            "{head}"
        );
        assert_eq!(
            heads[0], heads[1],
            "the sandbox's head is left, native right"
        );
    }
}
