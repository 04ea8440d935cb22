//! Names that resemble an allowed one, and names of this machine.

use sandbox_net::policy::DenyReason::{Address, NoRule};
use sandbox_net_tests::Trials;

use crate::row::Refusal::{Invalid, Raised};
use crate::row::{Name, Row, add_rows};

/// Every name that leads to the forbidden server, if it is ever queried.
const NAMES: &[Name] = &[
    ("good.test", &["127.0.0.1"]),
    ("a.good.test", &["127.0.0.1"]),
    ("evilgood.test", &["127.0.0.1"]),
    ("good.test.evil.test", &["127.0.0.1"]),
    ("agood.test", &["127.0.0.1"]),
    ("_good.test", &["127.0.0.1"]),
    ("good_test", &["127.0.0.1"]),
    ("localhost.localdomain", &["127.0.0.1"]),
    ("a.localhost", &["127.0.0.1"]),
    ("localhost.test", &["127.0.0.1"]),
    ("ip6-localhost", &["127.0.0.1"]),
    ("xn--good-.test", &["127.0.0.1"]),
    ("kelvin.test", &["127.0.0.1"]),
    ("test", &["127.0.0.1"]),
];

/// Rules for other names than the attacked one, which resembles them.
const ALIKE: &[&str] = &[
    "*.good.test:{port}",
    "a.b.good.test:{port}",
    "kelvin.test:81",
    "localhost:1",
];

/// A name in a URL that is denied; it works under the rule that the control gives.
const fn name(name: &'static str, attack: &'static [&'static str]) -> Row {
    Row::new(name, attack)
        .under(ALIKE)
        .resolving(NAMES)
        .denied(NoRule)
}

/// An invalid name, passed to the host itself; its target works in plain spelling.
const fn text(name: &'static str, attack: &'static [&'static str]) -> Row {
    Row::new(name, attack)
        .under(&[
            "*.good.test:{port}",
            "kelvin.test:{port}",
            "good.test:{port}",
        ])
        .resolving(NAMES)
        .refused(Invalid)
        .but_as(&["frames", "good.test", "{port}"])
        .but_under(&["good.test:{port} to 127.0.0.1"])
}

#[rustfmt::skip] // one row a line
pub const ALIKE_NAMES: &[Row] = &[
    name("the domain itself is no subdomain", &["url", "http://good.test:{port}/"])
        .but_under(&["good.test:{port} to 127.0.0.1"]),
    name("a name that ends alike", &["url", "http://evilgood.test:{port}/"])
        .but_under(&["evilgood.test:{port} to 127.0.0.1"]),
    name("a name that begins alike", &["url", "http://good.test.evil.test:{port}/"])
        .but_under(&["good.test.evil.test:{port} to 127.0.0.1"]),
    name("a label without its dot", &["url", "http://agood.test:{port}/"])
        .but_under(&["agood.test:{port} to 127.0.0.1"]),
    name("an underscore before it", &["url", "http://_good.test:{port}/"])
        .but_under(&["_good.test:{port} to 127.0.0.1"]),
    name("an underscore for a dot", &["url", "http://good_test:{port}/"])
        .but_under(&["good_test:{port} to 127.0.0.1"]),
    name("the top-level domain alone", &["url", "http://test:{port}/"])
        .but_under(&["test:{port} to 127.0.0.1"]),
    name("a name in its final form with a dot", &["url", "http://good.test.:{port}/"])
        .but_under(&["good.test:{port} to 127.0.0.1"]),
    name("upper case is the same name, and denied like it", &["url", "http://GOOD.TEST:{port}/"])
        .but_under(&["good.test:{port} to 127.0.0.1"]),
    name("upper case and a dot, past the parsers", &["frames", "Good.Test.", "{port}"])
        .but_under(&["good.test:{port} to 127.0.0.1"]),
    // A name that a rule allows at some port may be looked up.
    name("another port of an allowed name", &["url", "http://kelvin.test:{port}/"])
        .asking(&["kelvin.test"])
        .but_under(&["kelvin.test:{port} to 127.0.0.1"]),
    // A subdomain whose name is allowed, but not at this machine's addresses.
    name("a subdomain that leads to this machine", &["url", "http://a.good.test:{port}/"])
        .asking(&["a.good.test"]).denied(Address)
        .but_under(&["*.good.test:{port}", "a.good.test:{port} to 127.0.0.1"]),
];

#[rustfmt::skip] // one row a line
pub const THIS_MACHINE: &[Row] = &[
    name("localhost, of which another port is allowed", &["url", "http://localhost:{port}/"])
        .but_under(&["localhost:{port}"]),
    name("localhost in upper case", &["url", "http://LOCALHOST:{port}/"]).but_under(&["localhost:{port}"]),
    name("localhost with a dot", &["url", "http://localhost.:{port}/"]).but_under(&["localhost:{port}"]),
    name("localhost, percent-encoded", &["url", "http://%6cocalhost:{port}/"]).but_under(&["localhost:{port}"]),
    name("localhost in full-width letters", &["client", "ｌｏｃａｌｈｏｓｔ:{port}", "GET", "/attack"])
        .but_under(&["localhost:{port}"]),
    name("localhost with a soft hyphen", &["client", "local\u{ad}host:{port}", "GET", "/attack"])
        .but_under(&["localhost:{port}"]),
    name("localhost with a space of no width", &["client", "local\u{200b}host:{port}", "GET", "/attack"])
        .but_under(&["localhost:{port}"]),
    name("localhost.localdomain", &["url", "http://localhost.localdomain:{port}/"])
        .but_under(&["localhost.localdomain:{port} to 127.0.0.1"]),
    name("a name below localhost", &["url", "http://a.localhost:{port}/"])
        .but_under(&["a.localhost:{port} to 127.0.0.1"]),
    name("a name below localhost that is allowed by itself", &["url", "http://a.localhost:{port}/"])
        .under(&["a.localhost:{port}", "localhost:{port}"]).asking(&["a.localhost"]).denied(Address)
        .but_under(&["a.localhost:{port} to 127.0.0.1"]),
    name("a name that begins like localhost", &["url", "http://localhost.test:{port}/"])
        .under(&["localhost:{port}"]).but_under(&["localhost.test:{port} to 127.0.0.1"]),
    name("a name of the machine's hosts file", &["url", "http://ip6-localhost:{port}/"])
        .under(&["localhost:{port}"]).but_under(&["ip6-localhost:{port} to 127.0.0.1"]),
];

#[rustfmt::skip] // one row a line
pub const NO_NAMES: &[Row] = &[
    text("an empty label inside", &["frames", "a..good.test", "{port}"]),
    text("an empty label first", &["frames", ".good.test", "{port}"]),
    text("two dots at the end", &["frames", "good.test..", "{port}"]),
    text("nothing but a dot", &["frames", ".", "{port}"]),
    text("a star", &["frames", "*.good.test", "{port}"]),
    text("a hyphen first", &["frames", "-a.good.test", "{port}"]),
    text("full-width letters", &["frames", "ｇｏｏｄ.test", "{port}"]),
    text("the Kelvin sign", &["frames", "\u{212a}elvin.test", "{port}"]),
    text("a soft hyphen", &["frames", "go\u{ad}od.test", "{port}"]),
    text("a space of no width", &["frames", "go\u{200b}od.test", "{port}"]),
    text("a joiner of no width", &["frames", "go\u{200d}od.test", "{port}"]),
    text("an ideographic full stop", &["frames", "a。good.test", "{port}"]),
    text("a text that turns around", &["frames", "\u{202e}tset.doog", "{port}"]),
    text("an A-label of plain letters", &["frames", "xn--good-.test", "{port}"]),
    text("an A-label that is none", &["frames", "xn--zzzzzzzzz99999.test", "{port}"]),
    text("an A-label of full-width letters", &["frames", "xn--ood-c86s.good.test", "{port}"])
        .refused(Invalid),
    text("a character that maps to a slash", &["frames", "evil.test\u{2100}.good.test", "{port}"]),
    text("a name with a line break", &["frames", "good.test\r\nX: y", "{port}"]),
    text("a name with NUL", &["frames", "a.good.test\0.evil.test", "{port}"]),
    text("a label of 64 characters",
        &["frames", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.good.test", "{port}"]),
    text("a name of 260 characters", &["frames", concat!(
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.good.test"), "{port}"]),
    text("a name that ends as a number", &["frames", "good.test.127", "{port}"]),
    text("a name that ends as a hexadecimal number", &["frames", "good.test.0x7f", "{port}"]),
    // Python's own parsers refuse these before the host is asked.
    text("an empty label in a URL", &["url", "http://a..good.test:{port}/"]).refused(Raised("UnicodeEncodeError")),
    text("a URL without a host", &["url", "http://:{port}/"]).refused(Raised("urllib.error.URLError")),
];

/// How many rows this group has.
pub const COUNT: usize = ALIKE_NAMES.len() + THIS_MACHINE.len() + NO_NAMES.len();

/// Adds the tests of this group.
pub fn add_to(trials: &mut Trials) {
    add_rows(
        trials,
        "names::a_name_that_is_like_an_allowed_one_is_another",
        ALIKE_NAMES,
    );
    add_rows(
        trials,
        "names::a_name_of_this_machine_is_denied_like_its_address",
        THIS_MACHINE,
    );
    add_rows(
        trials,
        "names::what_is_no_name_is_neither_asked_for_nor_dialled",
        NO_NAMES,
    );
}
