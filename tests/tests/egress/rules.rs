//! Rules by method, path, port and network, rules that deny, and rules that ask: another spelling of
//! the same request bypasses none of them.

use sandbox_net::policy::DenyReason::{Address, DenyRule, Hook, Method, NoRule};
use sandbox_net_tests::Trials;

use crate::row::Trace::{Head, Request};
use crate::row::{Name, Row, add_rows};

const NAMES: &[Name] = &[
    ("one.test", &["127.0.0.1"]),
    ("a.good.test", &["127.0.0.1"]),
    ("a.b.good.test", &["127.0.0.1"]),
];

/// A path outside the only one that a rule allows.
const fn outside(name: &'static str, attack: &'static [&'static str]) -> Row {
    Row::new(name, attack)
        .under(&["http://{raw}/public/**"])
        .denied(NoRule)
        .seen(Head("dmin"))
        .but_under(&["http://{raw}"])
}

/// A path inside the one that a rule denies.
const fn inside(name: &'static str, attack: &'static [&'static str]) -> Row {
    Row::new(name, attack)
        .under(&["http://{raw}", "!{raw}/admin/**"])
        .denied(DenyRule)
        .seen(Head("dmin"))
        .but_under(&["http://{raw}"])
}

/// A method that no rule allows.
const fn method(name: &'static str, attack: &'static [&'static str]) -> Row {
    Row::new(name, attack)
        .under(&["GET,HEAD http://{raw}"])
        .denied(NoRule)
        .seen(Head("/attack"))
        .but_under(&["http://{raw}"])
}

/// The forbidden server under a name, or an address, of its own.
const fn server(name: &'static str, attack: &'static [&'static str]) -> Row {
    Row::new(name, attack).resolving(NAMES).denied(NoRule)
}

#[rustfmt::skip] // one row a line
pub const OUTSIDE: &[Row] = &[
    outside("another path", &["say", "{raw}", "GET", "/admin"]),
    outside("another path, by urllib", &["url", "http://{raw}/admin"]).refused(crate::row::Refusal::Denied(NoRule)),
    outside("a path that begins alike", &["say", "{raw}", "GET", "/publicadmin"]),
    outside("the same letters in capitals", &["say", "{raw}", "GET", "/PUBLIC/admin"]),
    outside("dots", &["say", "{raw}", "GET", "/public/../admin"]),
    outside("encoded dots", &["say", "{raw}", "GET", "/public/%2e%2e/admin"]),
    outside("one encoded dot", &["say", "{raw}", "GET", "/public/.%2E/admin"]),
    outside("an encoded slash", &["say", "{raw}", "GET", "/public/..%2fadmin"]),
    outside("encoded slashes all over", &["say", "{raw}", "GET", "/public%2f..%2fadmin"]),
    outside("an encoded backslash", &["say", "{raw}", "GET", "/public/..%5cadmin"]),
    outside("a backslash", &["say", "{raw}", "GET", "/public/..\\admin"]),
    outside("a parameter after the dots", &["say", "{raw}", "GET", "/public/..;/admin"]),
    outside("a parameter with a value", &["say", "{raw}", "GET", "/public/..;x=1/admin"]),
    outside("dots that are encoded twice", &["say", "{raw}", "GET", "/public/%252e%252e/admin"]),
    outside("slashes that are encoded twice", &["say", "{raw}", "GET", "/public/..%252f%61dmin"]),
    outside("dots that are encoded three times", &["say", "{raw}", "GET", "/public/%25252e%25252e/admin"]),
    outside("overlong UTF-8 for dots", &["say", "{raw}", "GET", "/public/%c0%ae%c0%ae/admin"]),
    outside("dots by Unicode escapes", &["say", "{raw}", "GET", "/public/%u002e%u002e/admin"]),
    outside("an encoded NUL", &["say", "{raw}", "GET", "/public/%00/../../admin"]),
    outside("an encoded question mark", &["say", "{raw}", "GET", "/public/%3f/../../admin"]),
    outside("two slashes", &["say", "{raw}", "GET", "//admin/public/"]),
    outside("out and in again", &["say", "{raw}", "GET", "/public/../admin/../../public/../admin"]),
];

#[rustfmt::skip] // one row a line
pub const INSIDE: &[Row] = &[
    inside("the path itself", &["say", "{raw}", "GET", "/admin/x"]),
    inside("the path by http.client", &["client", "{raw}", "GET", "/admin/x"]),
    inside("without its last slash", &["say", "{raw}", "GET", "/admin"]),
    inside("with its last slash", &["say", "{raw}", "GET", "/admin/"]),
    inside("in other letters", &["say", "{raw}", "GET", "/Admin/x"]),
    inside("two slashes", &["say", "{raw}", "GET", "//admin/x"]),
    inside("a dot", &["say", "{raw}", "GET", "/./admin/x"]),
    inside("dots", &["say", "{raw}", "GET", "/x/../admin/x"]),
    inside("an encoded letter", &["say", "{raw}", "GET", "/%61dmin/x"]),
    inside("a letter that is encoded twice", &["say", "{raw}", "GET", "/%2561dmin/x"]),
    inside("a parameter", &["say", "{raw}", "GET", "/admin;a=b/x"]),
    inside("a parameter after dots", &["say", "{raw}", "GET", "/x/..;/admin/x"]),
    inside("encoded slashes", &["say", "{raw}", "GET", "/x%2f..%2fadmin/x"]),
    inside("backslashes", &["say", "{raw}", "GET", "/x\\..\\admin\\x"]),
    inside("a query after it", &["say", "{raw}", "GET", "/admin/x?/../../public"]),
    inside("a path that nobody can read", &["say", "{raw}", "GET", "/%zz/admin/x"]),
    // A redirect of the same server leads into it.
    Row::new("a redirect into it", &["url", "http://{good}/redirect/302?to=/attack"])
        .under(&["!{good}/attack"]).denied(DenyRule).seen(Request("/attack")).but_under(&[]),
];

#[rustfmt::skip] // one row a line
pub const METHODS: &[Row] = &[
    method("POST", &["say", "{raw}", "POST", "/attack"]),
    method("PUT, by http.client", &["client", "{raw}", "PUT", "/attack"]),
    method("DELETE", &["say", "{raw}", "DELETE", "/attack"]),
    method("a method of nobody's", &["say", "{raw}", "FETCH", "/attack"]),
    method("a method that begins alike", &["say", "{raw}", "GETX", "/attack"]),
    method("an allowed method in small letters", &["say", "{raw}", "get", "/attack"])
        .denied(Method).but_as(&["say", "{raw}", "GET", "/attack"]),
    method("a method in mixed letters", &["client", "{raw}", "Get", "/attack"])
        .denied(Method).but_as(&["client", "{raw}", "GET", "/attack"]),
    method("a method that a rule denies", &["say", "{raw}", "DELETE", "/attack"])
        .under(&["http://{raw}", "!DELETE {raw}"]).denied(DenyRule),
    method("a method that a rule denies, in small letters", &["say", "{raw}", "delete", "/attack"])
        .under(&["http://{raw}", "!DELETE {raw}"]).denied(Method)
        .but_as(&["say", "{raw}", "DELETE", "/attack"]),
    method("the right method for another path", &["say", "{raw}", "POST", "/attack"])
        .under(&["GET http://{raw}", "POST http://{raw}/in/**"]),
    method("plain text where a rule denies it", &["say", "{raw}", "GET", "/attack"])
        .under(&["{raw}", "!http://{raw}"]).denied(DenyRule),
];

#[rustfmt::skip] // one row a line
pub const NETWORKS: &[Row] = &[
    server("an address beside a network", &["url", "http://127.0.0.1:{port}/"])
        .under(&["127.0.0.4/30:{port}"]).but_under(&["127.0.0.0/30:{port}"]),
    server("a port beside a range", &["url", "http://127.0.0.1:{port}/"])
        .under(&["127.0.0.1:1-2"]).but_under(&["127.0.0.1:1-65535"]),
    server("an address of this machine under any", &["url", "http://127.0.0.1:{port}/"])
        .under(&["any:{port}"]).but_under(&["127.0.0.1:{port}"]),
    server("an address of this machine in IPv6 under any", &["url", "http://[::1]:{port}/"])
        .under(&["any:{port}"]).but_under(&["[::1]:{port}"]),
    server("localhost under any", &["url", "http://localhost:{port}/"])
        .under(&["any:{port}"]).but_under(&["localhost:{port}"]),
    server("a name that leads to this machine under any", &["url", "http://one.test:{port}/"])
        .under(&["any:{port}"]).asking(&["one.test"]).denied(Address).but_under(&["any:{port} to 127.0.0.1"]),
    server("a name whose address another rule names", &["url", "http://one.test:{port}/"])
        .under(&["one.test:{port}", "127.0.0.1:{port}"]).asking(&["one.test"]).denied(Address)
        .but_under(&["one.test:{port} to 127.0.0.1"]),
    server("a name that leads elsewhere than its rule says", &["url", "http://one.test:{port}/"])
        .under(&["one.test:{port} to 127.0.0.2,public"]).asking(&["one.test"]).denied(Address)
        .but_under(&["one.test:{port} to 127.0.0.1,public"]),
    server("a name that leads out of its rule's network", &["url", "http://one.test:{port}/"])
        .under(&["one.test:{port} to 127.0.0.4/30"]).asking(&["one.test"]).denied(Address)
        .but_under(&["one.test:{port} to 127.0.0.0/30"]),
    server("an address that a rule for its network denies", &["url", "http://127.0.0.1:{port}/"])
        .under(&["127.0.0.1:{port}", "!127.0.0.0/8:{port}"]).denied(DenyRule).but_under(&["127.0.0.1:{port}"]),
    server("a name that leads into a denied network", &["url", "http://one.test:{port}/"])
        .under(&["one.test:{port} to 127.0.0.1", "!127.0.0.0/8:{port}"]).asking(&["one.test"]).denied(Address)
        .but_under(&["one.test:{port} to 127.0.0.1"]),
    server("localhost in a denied network", &["url", "http://localhost:{port}/"])
        .under(&["localhost:{port}", "!127.0.0.0/8:{port}", "![::1]:{port}"]).denied(Address)
        .but_under(&["localhost:{port}"]),
    server("a denied address inside IPv6", &["url", "http://[::ffff:127.0.0.1]:{port}/"])
        .under(&["[::ffff:127.0.0.1]:{port}", "!127.0.0.1:{port}"]).denied(DenyRule)
        .but_under(&["[::ffff:127.0.0.1]:{port}"]),
    server("a denied subdomain of an allowed domain", &["url", "http://a.b.good.test:{port}/"])
        .under(&["*.good.test:{port} to 127.0.0.1", "!*.b.good.test"]).denied(DenyRule)
        .but_under(&["*.good.test:{port} to 127.0.0.1"]),
    server("a denied name with a dot and in capitals", &["frames", "A.Good.Test.", "{port}"])
        .under(&["*.good.test:{port} to 127.0.0.1", "!a.good.test"]).denied(DenyRule)
        .but_under(&["*.good.test:{port} to 127.0.0.1"]),
    server("a redirect to a denied port", &["url", "http://{good}/redirect/302?to=http%3A//127.0.0.1:{port}/"])
        .under(&["127.0.0.1:1-65535", "!127.0.0.1:{port}"]).denied(DenyRule).but_under(&["127.0.0.1:{port}"]),
    server("what a rule asks about, where nobody answers", &["url", "http://127.0.0.1:{port}/"])
        .under(&["?127.0.0.1:{port}"]).denied(Hook).but_under(&["127.0.0.1:{port}"]),
    server("what the mode asks about, where nobody answers", &["url", "http://127.0.0.1:{port}/"])
        .under(&["ask"]).denied(Hook).but_under(&["127.0.0.1:{port}"]),
    server("a name that is asked about is not looked up before", &["url", "http://one.test:{port}/"])
        .under(&["?one.test:{port} to 127.0.0.1"]).denied(Hook).but_under(&["one.test:{port} to 127.0.0.1"]),
    server("what a rule denies, where the mode asks", &["url", "http://127.0.0.1:{port}/"])
        .under(&["ask", "!127.0.0.1:{port}"]).denied(DenyRule).but_under(&["report"]),
];

/// How many rows this group has.
pub const COUNT: usize = OUTSIDE.len() + INSIDE.len() + METHODS.len() + NETWORKS.len();

/// Adds the tests of this group.
pub fn add_to(trials: &mut Trials) {
    add_rows(
        trials,
        "rules::a_path_outside_the_allowed_one_is_denied_in_every_spelling",
        OUTSIDE,
    );
    add_rows(
        trials,
        "rules::a_path_inside_the_denied_one_is_denied_in_every_spelling",
        INSIDE,
    );
    add_rows(
        trials,
        "rules::a_method_that_no_rule_allows_is_denied_in_every_spelling",
        METHODS,
    );
    add_rows(
        trials,
        "rules::networks_ports_and_lists_of_addresses_mean_what_they_say",
        NETWORKS,
    );
}
