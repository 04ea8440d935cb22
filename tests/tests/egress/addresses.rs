//! Other spellings of an address that no rule allows.

use sandbox_net_tests::Trials;

use crate::row::Refusal::{Invalid, Raised};
use crate::row::{Row, add_rows};

/// A spelling that urllib, or the machine's resolver, understands. The stand-ins read it as the
/// same address, and the host decides on that.
const fn url(name: &'static str, attack: &'static [&'static str]) -> Row {
    Row::new(name, attack).beside_others()
}

/// A spelling that perhaps nothing on this machine understands; its target is reached natively.
const fn odd_url(name: &'static str, attack: &'static [&'static str]) -> Row {
    url(name, attack).but_as(PLAIN_URL)
}

/// A text that the host itself gets, past Python's own parsers.
const fn text(name: &'static str, attack: &'static [&'static str]) -> Row {
    Row::new(name, attack)
        .beside_others()
        .refused(Invalid)
        .but_as(&["frames", "127.0.0.1", "{port}"])
        .but_under(&["127.0.0.1:{port}"])
}

const PLAIN_URL: &[&str] = &["url", "http://127.0.0.1:{port}/"];

#[rustfmt::skip] // one row a line
pub const BY_URL: &[Row] = &[
    url("the plain address", PLAIN_URL),
    url("one decimal number", &["url", "http://2130706433:{port}/"]),
    url("one hexadecimal number", &["url", "http://0x7f000001:{port}/"]),
    url("one octal number", &["url", "http://017700000001:{port}/"]),
    url("an octal first number", &["url", "http://0177.0.0.1:{port}/"]),
    url("a hexadecimal first number", &["url", "http://0x7f.0.0.1:{port}/"]),
    url("two numbers", &["url", "http://127.1:{port}/"]),
    url("three numbers", &["url", "http://127.0.1:{port}/"]),
    url("a leading zero", &["url", "http://127.0.0.01:{port}/"]),
    url("another loopback address", &["url", "http://127.0.0.2:{port}/"]),
    url("zero", &["url", "http://0:{port}/"]),
    url("the unspecified address", &["url", "http://0.0.0.0:{port}/"]),
    url("the IPv6 loopback address", &["url", "http://[::1]:{port}/"]),
    url("all digits of the IPv6 loopback address", &["url", "http://[0:0:0:0:0:0:0:1]:{port}/"]),
    url("the IPv6 unspecified address", &["url", "http://[::]:{port}/"]),
    url("a mapped address with dots", &["url", "http://[::ffff:127.0.0.1]:{port}/"]),
    url("a mapped address in hexadecimal", &["url", "http://[::ffff:7f00:1]:{port}/"]),
    url("a mapped unspecified address", &["url", "http://[::ffff:0.0.0.0]:{port}/"]),
    url("full-width digits", &["client", "１２７.０.０.１:{port}", "GET", "/attack"]),
    url("ideographic full stops", &["client", "127。0。0。1:{port}", "GET", "/attack"]),
    url("circled digits", &["client", "①②⑦.⓪.⓪.①:{port}", "GET", "/attack"]),
    url("percent-encoded digits", &["url", "http://%31%32%37.0.0.1:{port}/"]),
    url("a percent-encoded full stop", &["url", "http://127%2e0%2e0%2e1:{port}/"]),
    odd_url("a compatible address", &["url", "http://[::127.0.0.1]:{port}/"]),
    odd_url("a NAT64 address", &["url", "http://[64:ff9b::7f00:1]:{port}/"]),
    odd_url("a 6to4 address", &["url", "http://[2002:7f00:1::]:{port}/"]),
    odd_url("a Teredo address", &["url", "http://[2001:0:7f00:1::80ff:fffe]:{port}/"]),
    odd_url("a full stop after the address", &["url", "http://127.0.0.1.:{port}/"]).refused(Invalid),
    odd_url("an IPv6 address with a zone", &["url", "http://[::1%25lo]:{port}/"]).refused(Raised("socket.gaierror")),
    odd_url("Arabic digits", &["client", "١٢٧.٠.٠.١:{port}", "GET", "/attack"]).refused(Invalid),
    odd_url("a space before the host", &["url", "http:// 127.0.0.1:{port}/"]).refused(Raised("http.client.InvalidURL")),
    odd_url("a space after the host", &["url", "http://127.0.0.1 :{port}/"]).refused(Raised("http.client.InvalidURL")),
    url("an address that is no text but a socket's own", &["socket", "127.0.0.1", "{port}"]),
    url("a socket's own short address", &["socket", "127.1", "{port}"]),
    url("a socket's own mapped address", &["socket", "::ffff:127.0.0.1", "{port}"]),
    url("a socket's own empty address", &["socket", "", "{port}"]),
];

#[rustfmt::skip] // one row a line
pub const BY_TEXT: &[Row] = &[
    text("decimal number, past the parsers", &["frames", "2130706433", "{port}"]),
    text("hexadecimal number, past the parsers", &["frames", "0x7f000001", "{port}"]),
    text("octal first number, past the parsers", &["frames", "0177.0.0.1", "{port}"]),
    text("hexadecimal first number, past the parsers", &["frames", "0x7f.0.0.1", "{port}"]),
    text("two numbers, past the parsers", &["frames", "127.1", "{port}"]),
    text("three numbers, past the parsers", &["frames", "127.0.1", "{port}"]),
    text("a leading zero, past the parsers", &["frames", "127.0.0.01", "{port}"]),
    text("zero, past the parsers", &["frames", "0", "{port}"]),
    text("five numbers", &["frames", "127.0.0.1.1", "{port}"]),
    text("a full stop after it, past the parsers", &["frames", "127.0.0.1.", "{port}"]),
    text("full-width digits, past the parsers", &["frames", "１２７.０.０.１", "{port}"]),
    text("ideographic full stops, past the parsers", &["frames", "127。0。0。1", "{port}"]),
    text("half-width full stops", &["frames", "127｡0｡0｡1", "{port}"]),
    text("circled digits, past the parsers", &["frames", "①②⑦.0.0.1", "{port}"]),
    text("Arabic digits, past the parsers", &["frames", "١٢٧.0.0.1", "{port}"]),
    text("percent-encoded, past the parsers", &["frames", "127%2e0%2e0%2e1", "{port}"]),
    text("in brackets", &["frames", "[127.0.0.1]", "{port}"]),
    text("IPv6 in brackets", &["frames", "[::1]", "{port}"]),
    text("a zone", &["frames", "::1%lo", "{port}"]),
    text("an encoded zone", &["frames", "::1%25lo", "{port}"]),
    text("octal inside IPv6", &["frames", "::ffff:0177.0.0.1", "{port}"]),
    text("a space before it", &["frames", " 127.0.0.1", "{port}"]),
    text("a space after it", &["frames", "127.0.0.1 ", "{port}"]),
    text("a tabulator after it", &["frames", "127.0.0.1\t", "{port}"]),
    text("NUL after it", &["frames", "127.0.0.1\0", "{port}"]),
    text("NUL and a name after it", &["frames", "127.0.0.1\0.elsewhere.test", "{port}"]),
    text("a line break after it", &["frames", "127.0.0.1\r\n", "{port}"]),
    text("a line feed before it", &["frames", "\n127.0.0.1", "{port}"]),
    text("a port inside it", &["frames", "127.0.0.1:{port}", "{port}"]),
    text("a user before it", &["frames", "elsewhere.test@127.0.0.1", "{port}"]),
    text("a path after it", &["frames", "127.0.0.1/elsewhere.test", "{port}"]),
    text("a comma after it", &["frames", "127.0.0.1,elsewhere.test", "{port}"]),
];

/// Texts that have only one meaning: they are decided on with that meaning.
const fn plain(name: &'static str, attack: &'static [&'static str]) -> Row {
    Row::new(name, attack)
        .beside_others()
        .but_as(&["frames", "127.0.0.1", "{port}"])
        .but_under(&["127.0.0.1:{port}"])
}

#[rustfmt::skip] // one row a line
pub const PLAIN: &[Row] = &[
    plain("the unspecified address is not loopback", &["frames", "0.0.0.0", "{port}"]),
    plain("IPv6 loopback is not IPv4's", &["frames", "::1", "{port}"]),
    plain("a mapped address is an address of its own", &["frames", "::ffff:127.0.0.1", "{port}"]),
    plain("a compatible address is an address of its own", &["frames", "::127.0.0.1", "{port}"]),
    plain("a NAT64 address is an address of its own", &["frames", "64:ff9b::127.0.0.1", "{port}"]),
    plain("another address of the network is another", &["frames", "127.0.0.2", "{port}"]),
    // A rule for one literal address allows no other, not even of the same machine.
    plain("a rule for another loopback address", &["frames", "127.0.0.1", "{port}"])
        .under(&["127.0.0.2:{port}", "[::1]:{port}"]),
    plain("a rule for the mapped address", &["frames", "127.0.0.1", "{port}"])
        .under(&["[::ffff:127.0.0.1]:{port}"]),
    plain("a rule for localhost", &["frames", "127.0.0.1", "{port}"]).under(&["localhost:{port}"]),
    plain("a rule for localhost, from IPv6", &["frames", "::1", "{port}"]).under(&["localhost:{port}"]),
    plain("a rule for every subdomain", &["frames", "127.0.0.1", "{port}"]).under(&["*.0.0.test:{port}"]),
];

/// How many rows this group has.
pub const COUNT: usize = BY_URL.len() + BY_TEXT.len() + PLAIN.len();

/// Adds the tests of this group.
pub fn add_to(trials: &mut Trials) {
    add_rows(
        trials,
        "addresses::a_spelling_of_an_address_in_a_url_does_not_reach_it",
        BY_URL,
    );
    add_rows(
        trials,
        "addresses::a_spelling_of_an_address_past_the_parsers_does_not_reach_it",
        BY_TEXT,
    );
    add_rows(trials, "addresses::an_address_is_no_other_address", PLAIN);
}
