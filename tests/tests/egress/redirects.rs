//! Redirects from an allowed server: the policy decides on every hop.

use sandbox_net::policy::DenyReason::{Address, NoRule};
use sandbox_net_tests::Trials;

use crate::row::Refusal::{Denied, Raised};
use crate::row::Trace::Head;
use crate::row::{Row, add_rows};

/// A redirect to the forbidden server; with a rule for that server it works.
const fn to_port(name: &'static str, attack: &'static [&'static str]) -> Row {
    Row::new(name, attack).but_under(&["127.0.0.1:{port}"])
}

#[rustfmt::skip] // one row a line
pub const ROWS: &[Row] = &[
    to_port("301 by urllib", &["url", "http://{good}/redirect/301?to=http%3A//127.0.0.1:{port}/"]),
    to_port("302 by urllib", &["url", "http://{good}/redirect/302?to=http%3A//127.0.0.1:{port}/"]),
    to_port("303 by urllib", &["url", "http://{good}/redirect/303?to=http%3A//127.0.0.1:{port}/"]),
    to_port("307 by urllib", &["url", "http://{good}/redirect/307?to=http%3A//127.0.0.1:{port}/"]),
    to_port("308 by urllib", &["url", "http://{good}/redirect/308?to=http%3A//127.0.0.1:{port}/"]),
    to_port("301 by requests", &["requests", "http://{good}/redirect/301?to=http%3A//127.0.0.1:{port}/"]),
    to_port("302 by requests", &["requests", "http://{good}/redirect/302?to=http%3A//127.0.0.1:{port}/"]),
    to_port("303 of a POST by requests", &["requests", "http://{good}/redirect/303?to=http%3A//127.0.0.1:{port}/", "POST"]),
    to_port("307 of a POST by requests", &["requests", "http://{good}/redirect/307?to=http%3A//127.0.0.1:{port}/", "POST"]),
    to_port("308 of a PUT by requests", &["requests", "http://{good}/redirect/308?to=http%3A//127.0.0.1:{port}/", "PUT"]),
    to_port("a reference without a scheme", &["url", "http://{good}/redirect/302?to=//127.0.0.1:{port}/"]),
    to_port("a reference without a scheme, by requests", &["requests", "http://{good}/redirect/302?to=//127.0.0.1:{port}/"]),
    to_port("the second of two hops",
        &["url", "http://{good}/redirect/302?to=/redirect/302%3Fto%3Dhttp%253A//127.0.0.1:{port}/"]),
    to_port("another spelling of the address", &["url", "http://{good}/redirect/302?to=http%3A//2130706433:{port}/"]),
    to_port("credentials in the target, by requests",
        &["requests", "http://{good}/redirect/302?to=http%3A//user:secret@127.0.0.1:{port}/"]),
    to_port("the allowed host as the user of the target, by requests",
        &["requests", "http://{good}/redirect/302?to=http%3A//{good}@127.0.0.1:{port}/"]),
    to_port("a target that the program follows itself",
        &["refresh", "http://{good}/redirect/200?to=http%3A//127.0.0.1:{port}/"]),
    to_port("https to the forbidden server", &["url", "http://{good}/redirect/302?to=https%3A//127.0.0.1:{port}/"]),
    to_port("another address of the same machine", &["url", "http://{good}/redirect/302?to=http%3A//127.0.0.2:{port}/"])
        .but_under(&["127.0.0.2:{port}"]),
    to_port("localhost, of which another port is allowed", &["url", "http://{good}/redirect/302?to=http%3A//localhost:{port}/"])
        .under(&["localhost:{good_port}"]).but_under(&["localhost:{port}"]),
    to_port("another name", &["url", "http://{good}/redirect/302?to=http%3A//evil.test:{port}/"])
        .resolving(&[("evil.test", &["127.0.0.1"])]).but_under(&["evil.test:{port} to 127.0.0.1"]),
    to_port("an allowed name that leads to this machine", &["url", "http://{good}/redirect/302?to=http%3A//evil.test:{port}/"])
        .under(&["evil.test:{port}"]).refused(Denied(Address)).asking(&["evil.test"])
        .resolving(&[("evil.test", &["127.0.0.1"])]).but_under(&["evil.test:{port} to 127.0.0.1"]),
    // The same server, by a scheme that its rule does not allow.
    Row::new("http where https is allowed", &["url", "https://{tls}/redirect/302?to=http%3A//{raw}/attack"])
        .under(&["https://{tls}", "https://{raw}"]).denied(NoRule).seen(Head("GET /attack"))
        .but_under(&["https://{tls}", "http://{raw}"]),
    to_port("a file", &["url", "http://{good}/redirect/302?to=file%3A///etc/passwd"])
        .refused(Raised("urllib.error.HTTPError"))
        .but_as(&["url", "http://{good}/redirect/302?to=http%3A//127.0.0.1:{port}/"]),
];

/// How many rows this group has.
pub const COUNT: usize = ROWS.len();

/// Adds the tests of this group.
pub fn add_to(trials: &mut Trials) {
    add_rows(
        trials,
        "redirects::a_redirect_leads_nowhere_that_no_rule_allows",
        ROWS,
    );
}
