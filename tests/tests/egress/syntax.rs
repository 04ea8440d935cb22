//! Request heads with more than one meaning.

use sandbox_net::policy::DenyReason::{Field, Method};
use sandbox_net_tests::Trials;

use crate::row::Refusal::{Denied, Harmless, Invalid, NotCarried};
use crate::row::Trace::{Head, Request};
use crate::row::{Row, add_rows};

/// A head on an allowed connection to the raw server, which receives it natively.
const fn head(name: &'static str, attack: &'static [&'static str], seen: &'static str) -> Row {
    Row::new(name, attack)
        .under(&["http://{raw}"])
        .refused(Invalid)
        .seen(Head(seen))
}

/// A field that is passed to the host itself.
const fn own(name: &'static str, attack: &'static [&'static str], seen: &'static str) -> Row {
    head(name, attack, seen).denied(Field)
}

#[rustfmt::skip] // one row a line
pub const FIELDS: &[Row] = &[
    head("a line break in a value", &["say", "{raw}", "GET", "/ok", "X-A", "1\r\nX-Evil: 1"], "\r\nX-Evil: 1")
        .but_as(&["raw", "{raw}", "GET /ok HTTP/1.1\r\nX-A: 1\r\nX-Evil: 1\r\n\r\n"]),
    head("a line feed in a value", &["say", "{raw}", "GET", "/ok", "X-A", "1\nX-Evil: 1"], "\nX-Evil: 1")
        .but_as(&["raw", "{raw}", "GET /ok HTTP/1.1\r\nX-A: 1\nX-Evil: 1\r\n\r\n"]),
    head("a carriage return in a value", &["say", "{raw}", "GET", "/ok", "X-A", "1\rX-Evil: 1"], "\rX-Evil: 1")
        .but_as(&["raw", "{raw}", "GET /ok HTTP/1.1\r\nX-A: 1\rX-Evil: 1\r\n\r\n"]),
    head("a folded value", &["say", "{raw}", "GET", "/ok", "X-A", "1\r\n X-Evil: 1"], "\n X-Evil: 1")
        .but_as(&["raw", "{raw}", "GET /ok HTTP/1.1\r\nX-A: 1\r\n X-Evil: 1\r\n\r\n"]),
    head("NUL in a value", &["say", "{raw}", "GET", "/ok", "X-A", "1\0X-Evil"], "1\0X-Evil")
        .but_as(&["raw", "{raw}", "GET /ok HTTP/1.1\r\nX-A: 1\0X-Evil\r\n\r\n"]),
    head("DEL in a value", &["say", "{raw}", "GET", "/ok", "X-A", "1\x7f"], "1\x7f")
        .but_as(&["raw", "{raw}", "GET /ok HTTP/1.1\r\nX-A: 1\x7f\r\n\r\n"]),
    head("the end of the head in a value", &["say", "{raw}", "GET", "/ok", "X-A", "1\r\n\r\nGET /evil"], "X-A: 1\r\n\r\n")
        .but_as(&["raw", "{raw}", "GET /ok HTTP/1.1\r\nX-A: 1\r\n\r\nGET /evil"]),
    head("a line break in a name", &["say", "{raw}", "GET", "/ok", "X-A: 1\r\nX-Evil", "1"], "\r\nX-Evil: 1")
        .but_as(&["raw", "{raw}", "GET /ok HTTP/1.1\r\nX-A: 1\r\nX-Evil: 1\r\n\r\n"]),
    head("NUL in a name", &["say", "{raw}", "GET", "/ok", "X-A\0", "1"], "X-A\0: 1")
        .but_as(&["raw", "{raw}", "GET /ok HTTP/1.1\r\nX-A\0: 1\r\n\r\n"]),
    head("a space at the end of a name", &["say", "{raw}", "GET", "/ok", "Content-Length ", "9"], "Content-Length : 9")
        .but_as(&["raw", "{raw}", "GET /ok HTTP/1.1\r\nContent-Length : 9\r\n\r\n"]),
    head("a space at the start of a name", &["say", "{raw}", "GET", "/ok", " X-Evil", "1"], " X-Evil: 1")
        .but_as(&["raw", "{raw}", "GET /ok HTTP/1.1\r\n X-Evil: 1\r\n\r\n"]),
    head("a colon in a name", &["say", "{raw}", "GET", "/ok", "Host:", "evil.test"], "Host:: evil.test")
        .but_as(&["raw", "{raw}", "GET /ok HTTP/1.1\r\nHost:: evil.test\r\n\r\n"]),
    head("no name", &["say", "{raw}", "GET", "/ok", "", "evil"], "\r\n: evil")
        .but_as(&["raw", "{raw}", "GET /ok HTTP/1.1\r\n: evil\r\n\r\n"]),
    head("a pseudo-header field", &["say", "{raw}", "GET", "/ok", ":authority", "evil.test"], ":authority: evil.test")
        .but_as(&["raw", "{raw}", "GET /ok HTTP/1.1\r\n:authority: evil.test\r\n\r\n"]),
    head("a letter beyond ASCII in a name", &["say", "{raw}", "GET", "/ok", "H\u{f6}st", "evil.test"], "H\u{f6}st: evil.test")
        .but_as(&["raw", "{raw}", "GET /ok HTTP/1.1\r\nH\u{f6}st: evil.test\r\n\r\n"]),
];

#[rustfmt::skip] // one row a line
pub const OWN_FIELDS: &[Row] = &[
    own("Connection", &["say", "{raw}", "GET", "/ok", "Connection", "X-Evil"], "Connection: X-Evil")
        .but_as(&["client", "{raw}", "GET", "/ok", "Connection", "X-Evil"]),
    own("Upgrade", &["say", "{raw}", "GET", "/ok", "Upgrade", "websocket"], "Upgrade: websocket")
        .but_as(&["client", "{raw}", "GET", "/ok", "Upgrade", "websocket"]),
    own("Upgrade to HTTP/2", &["say", "{raw}", "GET", "/ok", "uPGRADE", "h2c"], "uPGRADE: h2c")
        .but_as(&["client", "{raw}", "GET", "/ok", "uPGRADE", "h2c"]),
    own("HTTP2-Settings", &["say", "{raw}", "GET", "/ok", "HTTP2-Settings", "AAMAAABk"], "HTTP2-Settings")
        .but_as(&["client", "{raw}", "GET", "/ok", "HTTP2-Settings", "AAMAAABk"]),
    own("TE", &["say", "{raw}", "GET", "/ok", "TE", "gzip"], "TE: gzip")
        .but_as(&["client", "{raw}", "GET", "/ok", "TE", "gzip"]),
    own("Trailer", &["say", "{raw}", "GET", "/ok", "Trailer", "Host"], "Trailer: Host")
        .but_as(&["client", "{raw}", "GET", "/ok", "Trailer", "Host"]),
    own("Keep-Alive", &["say", "{raw}", "GET", "/ok", "Keep-Alive", "timeout=999"], "Keep-Alive: ")
        .but_as(&["client", "{raw}", "GET", "/ok", "Keep-Alive", "timeout=999"]),
    own("Proxy-Connection", &["say", "{raw}", "GET", "/ok", "Proxy-Connection", "keep-alive"], "Proxy-Connection")
        .but_as(&["client", "{raw}", "GET", "/ok", "Proxy-Connection", "keep-alive"]),
    own("Proxy-Authorization", &["say", "{raw}", "GET", "/ok", "Proxy-Authorization", "Basic eA=="], "Proxy-Authorization")
        .but_as(&["client", "{raw}", "GET", "/ok", "Proxy-Authorization", "Basic eA=="]),
    own("Proxy-Authenticate", &["say", "{raw}", "GET", "/ok", "Proxy-Authenticate", "Basic"], "Proxy-Authenticate")
        .but_as(&["client", "{raw}", "GET", "/ok", "Proxy-Authenticate", "Basic"]),
    own("Expect", &["say", "{raw}", "GET", "/ok", "Expect", "100-continue"], "Expect: ")
        .but_as(&["client", "{raw}", "GET", "/ok", "Expect", "100-continue"]),
    own("Content-Length", &["say", "{raw}", "GET", "/ok", "Content-Length", "5"], "Content-Length: 5")
        .but_as(&["client", "{raw}", "GET", "/ok", "Content-Length", "5"]),
    own("Transfer-Encoding", &["say", "{raw}", "GET", "/ok", "transfer-encoding", "chunked"], "transfer-encoding")
        .but_as(&["client", "{raw}", "GET", "/ok", "transfer-encoding", "chunked"]),
    // The same through the stand-ins, by a program that writes its own requests.
    own("Upgrade, by http.client", &["client", "{raw}", "GET", "/ok", "Upgrade", "websocket"], "Upgrade: websocket"),
    own("TE, by urllib", &["url", "http://{raw}/ok", "TE", "gzip"], "gzip"),
    own("Proxy-Authorization, by urllib", &["url", "http://{raw}/ok", "Proxy-Authorization", "Basic eA=="], "Basic eA=="),
    own("Trailer, by requests' way of http.client", &["client", "{raw}", "GET", "/ok", "Trailer", "Host"], "Trailer: Host"),
];

/// A method or a path on an allowed connection; `seen` is the request line.
#[rustfmt::skip] // one row a line
pub const LINES: &[Row] = &[
    head("CONNECT", &["say", "{raw}", "CONNECT", "/ok"], "CONNECT /ok").denied(Method)
        .but_as(&["client", "{raw}", "CONNECT", "/ok"]),
    head("CONNECT in lower case", &["say", "{raw}", "connect", "/ok"], "connect /ok").denied(Method)
        .but_as(&["client", "{raw}", "connect", "/ok"]),
    head("CONNECT in lower case, by http.client", &["client", "{raw}", "connect", "/ok"], "connect /ok").denied(Method),
    head("TRACE", &["client", "{raw}", "TRACE", "/ok"], "TRACE /ok").denied(Method),
    head("TRACE in mixed case", &["client", "{raw}", "TrAcE", "/ok"], "TrAcE /ok").denied(Method),
    head("a method with a space", &["say", "{raw}", "GET /evil", "/ok"], "GET /evil")
        .but_as(&["raw", "{raw}", "GET /evil /ok HTTP/1.1\r\n\r\n"]),
    head("a method with a line break", &["say", "{raw}", "GET /evil HTTP/1.1\r\nX-A: 1\r\n\r\nGET", "/ok"], "GET /evil")
        .but_as(&["raw", "{raw}", "GET /evil HTTP/1.1\r\n\r\n"]),
    head("an empty method", &["say", "{raw}", "", "/ok"], " /ok").but_as(&["raw", "{raw}", " /ok HTTP/1.1\r\n\r\n"]),
    head("a method beyond ASCII", &["say", "{raw}", "G\u{c9}T", "/ok"], "G\u{c9}T")
        .but_as(&["raw", "{raw}", "G\u{c9}T /ok HTTP/1.1\r\n\r\n"]),
    head("a method with NUL", &["say", "{raw}", "GET\0", "/ok"], "GET\0").but_as(&["raw", "{raw}", "GET\0 /ok HTTP/1.1\r\n\r\n"]),
    head("a path with a line break", &["say", "{raw}", "GET", "/ok HTTP/1.1\r\nX-Evil: 1\r\nX-A:"], "X-Evil: 1")
        .but_as(&["raw", "{raw}", "GET /ok HTTP/1.1\r\nX-Evil: 1\r\n\r\n"]),
    head("a path with a request behind it", &["say", "{raw}", "GET", "/ok HTTP/1.1\r\n\r\nGET /evil"], "\r\n\r\n")
        .but_as(&["raw", "{raw}", "GET /ok HTTP/1.1\r\n\r\nGET /evil"]),
    head("a path with a space", &["say", "{raw}", "GET", "/ok evil"], "/ok evil").but_as(&["client", "{raw}", "GET", "/ok evil"]),
    head("a path with a tabulator", &["say", "{raw}", "GET", "/ok\tevil"], "/ok\tevil").but_as(&["client", "{raw}", "GET", "/ok\tevil"]),
    head("a path with NUL", &["say", "{raw}", "GET", "/ok\0evil"], "/ok\0evil").but_as(&["client", "{raw}", "GET", "/ok\0evil"]),
    head("a path with a fragment", &["say", "{raw}", "GET", "/ok#evil"], "/ok#evil").but_as(&["client", "{raw}", "GET", "/ok#evil"]),
    head("an empty path", &["say", "{raw}", "GET", ""], "GET  HTTP").but_as(&["raw", "{raw}", "GET  HTTP/1.1\r\n\r\n"]),
    head("a path that begins with a backslash", &["say", "{raw}", "GET", "\\\\evil.test/ok"], "GET \\")
        .but_as(&["client", "{raw}", "GET", "\\\\evil.test/ok"]),
    head("a path with a space, by http.client", &["client", "{raw}", "GET", "/ok evil"], "/ok evil").refused(NotCarried),
    head("a path with a line break, by http.client",
        &["client", "{raw}", "GET", "/ok HTTP/1.1\r\nX-Evil: 1\r\nHost: evil.test\r\n\r\n"], "X-Evil: 1")
        .refused(Denied(sandbox_net::policy::DenyReason::HostMismatch)),
];

/// Bytes on a socket whose framing is ambiguous.
const fn bytes(name: &'static str, attack: &'static [&'static str], seen: &'static str) -> Row {
    head(name, attack, seen).refused(NotCarried)
}

#[rustfmt::skip] // one row a line
pub const BYTES: &[Row] = &[
    bytes("two lengths", &["raw", "{raw}", "POST /ok HTTP/1.1\r\nHost: {raw}\r\nContent-Length: 0\r\nContent-Length: 9\r\n\r\n"],
        "POST /ok"),
    bytes("a length and a coding", &["raw", "{raw}",
        "POST /ok HTTP/1.1\r\nHost: {raw}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"], "POST /ok"),
    bytes("a coding that is not chunked", &["raw", "{raw}",
        "POST /ok HTTP/1.1\r\nHost: {raw}\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"], "POST /ok"),
    bytes("a coding in another spelling", &["raw", "{raw}",
        "POST /ok HTTP/1.1\r\nHost: {raw}\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"], "POST /ok"),
    bytes("a length with a sign", &["raw", "{raw}", "POST /ok HTTP/1.1\r\nHost: {raw}\r\nContent-Length: +5\r\n\r\n12345"],
        "POST /ok"),
    bytes("a length in a list", &["raw", "{raw}", "POST /ok HTTP/1.1\r\nHost: {raw}\r\nContent-Length: 5, 5\r\n\r\n12345"],
        "POST /ok"),
    bytes("a space before the colon", &["raw", "{raw}", "POST /ok HTTP/1.1\r\nHost: {raw}\r\nContent-Length : 5\r\n\r\n12345"],
        "POST /ok"),
    bytes("a folded line", &["raw", "{raw}", "GET /ok HTTP/1.1\r\nHost: {raw}\r\nX-A: 1\r\n X-Evil: 1\r\n\r\n"], "X-Evil: 1"),
    bytes("a line without a colon", &["raw", "{raw}", "GET /ok HTTP/1.1\r\nHost: {raw}\r\nX-Evil\r\n\r\n"], "X-Evil"),
    bytes("a carriage return in a line", &["raw", "{raw}", "GET /ok HTTP/1.1\r\nHost: {raw}\r\nX-A: 1\rX-Evil: 1\r\n\r\n"],
        "X-Evil: 1"),
    bytes("NUL in a line", &["raw", "{raw}", "GET /ok HTTP/1.1\r\nHost: {raw}\r\nX-A: 1\0X-Evil\r\n\r\n"], "X-Evil"),
    bytes("HTTP/0.9", &["raw", "{raw}", "GET /ok\r\n\r\n"], "GET /ok"),
    bytes("HTTP/3.7", &["raw", "{raw}", "GET /ok HTTP/3.7\r\nHost: {raw}\r\n\r\n"], "GET /ok"),
    bytes("two spaces in the request line", &["raw", "{raw}", "GET  /ok HTTP/1.1\r\nHost: {raw}\r\n\r\n"], "GET  /ok"),
    bytes("the preface of HTTP/2", &["raw", "{raw}", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"], "PRI * HTTP/2.0"),
    bytes("another protocol", &["raw", "{raw}", "EHLO evil.test\r\n\r\n"], "EHLO"),
    bytes("commands of Redis", &["raw", "{raw}", "FLUSHALL\r\n\r\n"], "FLUSHALL"),
    bytes("the start of TLS written by hand", &["raw", "{raw}", "\x16\x03\x01\0\x05hello\r\n\r\n"], "hello"),
    // The host frames a coded body again: the server sees only the host's framing.
    bytes("a size with an extension", &["raw", "{raw}",
        "POST /ok HTTP/1.1\r\nHost: {raw}\r\nTransfer-Encoding: \tchunked\r\nConnection: close\r\n\r\n0;evil\r\n\r\n"], "\tchunked")
        .refused(Harmless),
];

/// A second request after the first one. A lenient parser on the server sees it natively.
const fn smuggled(name: &'static str, attack: &'static [&'static str]) -> Row {
    Row::new(name, attack)
        .refused(NotCarried)
        .seen(Request("/smuggled"))
        .but_as(TWO_REQUESTS)
}

const TWO_REQUESTS: &[&str] = &[
    "raw",
    "{good}",
    "GET /get HTTP/1.1\r\nHost: {good}\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: evil.test\r\nConnection: close\r\n\r\n",
];

#[rustfmt::skip] // one row a line
pub const SMUGGLED: &[Row] = &[
    smuggled("behind a whole request", TWO_REQUESTS),
    smuggled("behind a length of 0 and a chunked body", &["raw", "{good}",
        "POST /upload HTTP/1.1\r\nHost: {good}\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n\
         0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: {good}\r\n\r\n"]),
    smuggled("behind the last chunk", &["raw", "{good}",
        "POST /upload HTTP/1.1\r\nHost: {good}\r\nTransfer-Encoding: chunked\r\n\r\n\
         0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: evil.test\r\n\r\n"]),
    smuggled("in the trailer", &["raw", "{good}",
        "POST /upload HTTP/1.1\r\nHost: {good}\r\nTransfer-Encoding: chunked\r\n\r\n\
         0\r\nX-A: 1\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: {good}\r\n\r\n"]),
    smuggled("in a chunk that is longer than it says", &["raw", "{good}",
        "POST /upload HTTP/1.1\r\nHost: {good}\r\nTransfer-Encoding: chunked\r\n\r\n\
         1\r\nxGET /smuggled HTTP/1.1\r\nHost: {good}\r\n\r\n0\r\n\r\n"]),
    smuggled("in a size that overflows", &["raw", "{good}",
        "POST /upload HTTP/1.1\r\nHost: {good}\r\nTransfer-Encoding: chunked\r\n\r\n\
         10000000000000000\r\nGET /smuggled HTTP/1.1\r\nHost: {good}\r\n\r\n"]),
    smuggled("in a body", &["post", "http://{good}/upload", "GET /smuggled HTTP/1.1\r\nHost: {good}\r\n\r\n"]).refused(Harmless),
    smuggled("in a body behind a chunk's end", &["post", "http://{good}/upload",
        "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: {good}\r\n\r\n"]).refused(Harmless),
];

/// How many rows this group has.
pub const COUNT: usize =
    FIELDS.len() + OWN_FIELDS.len() + LINES.len() + BYTES.len() + SMUGGLED.len();

/// Adds the tests of this group.
pub fn add_to(trials: &mut Trials) {
    add_rows(trials, "syntax::no_field_smuggles_another", FIELDS);
    add_rows(
        trials,
        "syntax::no_field_of_the_hosts_own_is_sent_for_the_guest",
        OWN_FIELDS,
    );
    add_rows(trials, "syntax::a_request_line_says_one_thing", LINES);
    add_rows(
        trials,
        "syntax::ambiguous_bytes_on_a_socket_are_not_passed_on",
        BYTES,
    );
    add_rows(trials, "syntax::no_second_request_is_smuggled", SMUGGLED);
}
