//! What name servers answer, and what they are asked.

use sandbox_net::policy::DenyReason::{Address, HostMismatch, NoRule};
use sandbox_net_tests::Trials;

use crate::row::Refusal::{Harmless, NotCarried, Raised};
use crate::row::Trace::Question;
use crate::row::{Name, Row, add_rows};

/// The name is allowed, but leads to this address. If that were permitted it would be dialled, as
/// in the control, where the name leads to the forbidden server.
const fn leads_to(name: &'static str, names: &'static [Name]) -> Row {
    Row::new(name, &["url", "http://allowed.test:{port}/"])
        .under(&["allowed.test:{port}"])
        .resolving(names)
        .asking(&["allowed.test"])
        .denied(Address)
        .but_under(&["allowed.test:{port} to 127.0.0.1"])
        .but_resolving(&[("allowed.test", &["127.0.0.1"])])
}

#[rustfmt::skip] // one row a line
pub const CLASSES: &[Row] = &[
    leads_to("loopback", &[("allowed.test", &["127.0.0.1"])]),
    leads_to("another loopback address", &[("allowed.test", &["127.0.0.2"])]),
    leads_to("IPv6 loopback", &[("allowed.test", &["::1"])]),
    leads_to("both loopback addresses", &[("allowed.test", &["127.0.0.1 ::1"])]),
    leads_to("the unspecified address", &[("allowed.test", &["0.0.0.0"])]),
    leads_to("the IPv6 unspecified address", &[("allowed.test", &["::"])]),
    leads_to("the rest of that network", &[("allowed.test", &["0.0.0.1"])]),
    leads_to("10/8", &[("allowed.test", &["10.0.0.1"])]),
    leads_to("172.16/12", &[("allowed.test", &["172.31.255.254"])]),
    leads_to("192.168/16", &[("allowed.test", &["192.168.0.1"])]),
    leads_to("carrier-grade NAT", &[("allowed.test", &["100.64.0.1"])]),
    leads_to("link-local", &[("allowed.test", &["169.254.0.1"])]),
    leads_to("IPv6 link-local", &[("allowed.test", &["fe80::1"])]),
    leads_to("unique local", &[("allowed.test", &["fd00::1"])]),
    leads_to("site-local", &[("allowed.test", &["fec0::1"])]),
    leads_to("the metadata service", &[("allowed.test", &["169.254.169.254"])]),
    leads_to("the metadata service by IPv6", &[("allowed.test", &["fd00:ec2::254"])]),
    leads_to("a metadata service outside the private ranges", &[("allowed.test", &["168.63.129.16"])]),
    leads_to("a mapped loopback address", &[("allowed.test", &["::ffff:127.0.0.1"])]),
    leads_to("a mapped private address", &[("allowed.test", &["::ffff:10.0.0.1"])]),
    leads_to("a compatible loopback address", &[("allowed.test", &["::127.0.0.1"])]),
    leads_to("a NAT64 loopback address", &[("allowed.test", &["64:ff9b::127.0.0.1"])]),
    leads_to("a NAT64 metadata service", &[("allowed.test", &["64:ff9b::169.254.169.254"])]),
    leads_to("a 6to4 loopback address", &[("allowed.test", &["2002:7f00:1::1"])]),
    leads_to("multicast", &[("allowed.test", &["224.0.0.1"])]),
    leads_to("IPv6 multicast", &[("allowed.test", &["ff02::1"])]),
    leads_to("broadcast", &[("allowed.test", &["255.255.255.255"])]),
    leads_to("benchmarking", &[("allowed.test", &["198.18.0.1"])]),
    leads_to("documentation", &[("allowed.test", &["192.0.2.1"])]),
    leads_to("class E", &[("allowed.test", &["240.0.0.1"])]),
    leads_to("many private addresses", &[("allowed.test", &["10.0.0.1 127.0.0.1 127.0.0.2 ::1 fe80::1"])]),
    leads_to("a chain of aliases to loopback",
        &[("allowed.test", &["alias b.test"]), ("b.test", &["alias c.test"]), ("c.test", &["127.0.0.1"])])
        .asking(&["allowed.test", "b.test", "c.test"]),
    leads_to("an alias of localhost", &[("allowed.test", &["alias localhost"]), ("localhost", &["127.0.0.1"])])
        .asking(&["allowed.test", "localhost"]),
    leads_to("a loop of aliases", &[("allowed.test", &["alias b.test"]), ("b.test", &["alias allowed.test"])])
        .asking(&["allowed.test", "b.test"]).refused(Raised("socket.gaierror")),
    leads_to("nowhere", &[("allowed.test", &[""])]).refused(Raised("socket.gaierror")),
    leads_to("an address that is opened at another port", &[("allowed.test", &["127.0.0.1"])])
        .under(&["allowed.test:{port}", "127.0.0.1:1"]),
    leads_to("an address that is opened for another name", &[("allowed.test", &["127.0.0.2"])])
        .under(&["allowed.test:{port}", "other.test:{port} to 127.0.0.1"]),
    leads_to("an address that localhost has", &[("allowed.test", &["127.0.0.1"])])
        .under(&["allowed.test:{port}", "localhost:{port}"]),
];

const MOVES: &[Name] = &[("moves.test", &["127.0.0.1", "127.0.0.2"])];
const TO_FIRST: &[&str] = &["moves.test:{good_port} to 127.0.0.1"];
const TO_BOTH: &[&str] = &[
    "moves.test:{good_port} to 127.0.0.1",
    "moves.test:{good_port} to 127.0.0.2",
];

/// The name leads to the good server at first, and later to its neighbour at another address.
const fn moves(name: &'static str, attack: &'static [&'static str]) -> Row {
    Row::new(name, attack)
        .under(TO_FIRST)
        .resolving(MOVES)
        .asking(&["moves.test"])
        .denied(Address)
        .but_under(TO_BOTH)
}

#[rustfmt::skip] // one row a line
pub const MOVING: &[Row] = &[
    moves("between two connections",
        &["urls", "http://moves.test:{good_port}/close", "http://moves.test:{good_port}/get"]),
    moves("between http and https",
        &["urls", "http://moves.test:{good_port}/get", "https://moves.test:{good_port}/get"]),
    moves("between the check and the dial", &["url", "http://moves.test:{good_port}/get"])
        .resolving(&[("moves.test", &["127.0.0.2", "127.0.0.1"])]),
    moves("while its connection is kept, which is used",
        &["session", "http://moves.test:{good_port}/get", "http://moves.test:{good_port}/get"])
        .refused(Harmless)
        .but_as(&["session", "http://moves.test:{good_port}/close", "http://moves.test:{good_port}/get"]),
    moves("while its connection is closed by the server",
        &["session", "http://moves.test:{good_port}/close", "http://moves.test:{good_port}/get"]),
    moves("to a second answer beside the first", &["url", "http://moves.test:{good_port}/get"])
        .resolving(&[("moves.test", &["127.0.0.2 127.0.0.1"])]).refused(Harmless),
    moves("to a second answer behind an alias", &["url", "http://moves.test:{good_port}/get"])
        .resolving(&[("moves.test", &["alias b.test"]), ("b.test", &["127.0.0.2 127.0.0.1"])])
        .asking(&["moves.test", "b.test"]).refused(Harmless),
    moves("by the alias that it is",
        &["urls", "http://moves.test:{good_port}/close", "http://moves.test:{good_port}/get"])
        .resolving(&[("moves.test", &["127.0.0.1", "alias b.test"]), ("b.test", &["127.0.0.2"])])
        .asking(&["moves.test", "b.test"]),
];

const EVIL: &[Name] = &[
    ("3d5f.evil.test", &["127.0.0.1"]),
    ("3d5f.good.test", &["127.0.0.1"]),
];

/// A query that carries data out; it is sent if a rule allows the name.
const fn leak(name: &'static str, attack: &'static [&'static str]) -> Row {
    Row::new(name, attack)
        .under(&["*.good.test:{port}"])
        .resolving(EVIL)
        .denied(NoRule)
        .seen(Question("evil.test"))
        .but_as(&["url", "http://3d5f.evil.test:{port}/"])
        .but_under(&["*.evil.test:{port}"])
}

#[rustfmt::skip] // one row a line
pub const LEAKS: &[Row] = &[
    leak("a label of a URL", &["url", "http://3d5f.evil.test:{port}/"]),
    leak("a label of a URL, by requests", &["requests", "http://3d5f.evil.test:{port}/"]),
    leak("a look-up", &["lookup", "3d5f.evil.test"]).refused(Harmless),
    leak("a label past the parsers", &["frames", "3d5f.evil.test", "{port}"]),
    leak("a label below an allowed name, at another port", &["frames", "3d5f.good.test", "{good_port}"])
        .seen(Question("good.test"))
        .but_as(&["frames", "3d5f.good.test", "{port}"]).but_under(&["*.good.test:{port}"]),
    leak("the name of a Host field", &["client", "{good}", "GET", "/get", "Host", "3d5f.evil.test"])
        .denied(HostMismatch),
    leak("a server name", &["start_tls", "{tls}", "3d5f.evil.test", "verified"])
        .under(&["https://{tls}"]).denied(HostMismatch),
    leak("a redirect", &["url", "http://{good}/redirect/302?to=http%3A//3d5f.evil.test:{port}/"]),
    leak("a proxy's name", &["proxy", "http://3d5f.evil.test:{port}", "http://{good}/get"]),
    leak("four long labels", &["url", concat!("http://",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.", "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb.",
        "ccccccccccccccccccccccccccccccccccccccccccccccccccccccc.", "ddddddddddddddddd.evil.test:{port}/")]),
    leak("a datagram to the name server", &["datagram", "127.0.0.1", "{dns_port}", "3d5f.evil.test"])
        .refused(NotCarried).natively(),
];

/// How many rows this group has.
pub const COUNT: usize = CLASSES.len() + MOVING.len() + LEAKS.len();

/// Adds the tests of this group.
pub fn add_to(trials: &mut Trials) {
    add_rows(
        trials,
        "dns::an_allowed_name_does_not_lead_to_an_address_of_another_kind",
        CLASSES,
    );
    add_rows(
        trials,
        "dns::a_name_that_moves_does_not_lead_to_where_it_has_moved",
        MOVING,
    );
    add_rows(
        trials,
        "dns::no_question_carries_data_to_a_name_that_no_rule_allows",
        LEAKS,
    );
}
