//! Answers that no HTTP library would send, and some that real servers send.

/// One answer, and the path that requests it.
#[derive(Debug)]
pub struct OddAnswer {
    /// The path.
    pub path: &'static str,
    /// All bytes that are sent.
    pub bytes: &'static [u8],
    /// Whether the connection stays open, for another request.
    pub stays: bool,
}

const fn ends(path: &'static str, bytes: &'static [u8]) -> OddAnswer {
    OddAnswer {
        path,
        bytes,
        stays: false,
    }
}

const fn stays(path: &'static str, bytes: &'static [u8]) -> OddAnswer {
    OddAnswer {
        path,
        bytes,
        stays: true,
    }
}

/// `head`, a long line and `tail`.
const fn long<const N: usize>(head: &[u8], tail: &[u8]) -> [u8; N] {
    let mut bytes = [b'a'; N];
    let mut at = 0;
    while at < head.len() {
        bytes[at] = head[at];
        at += 1;
    }
    let mut at = 0;
    while at < tail.len() {
        bytes[N - tail.len() + at] = tail[at];
        at += 1;
    }
    bytes
}

static LONG_FIELD: [u8; 70_000] = long(b"HTTP/1.1 200 OK\r\nX-A: ", b"\r\n\r\nbody");
static LONG_REASON: [u8; 70_000] = long(b"HTTP/1.1 200 ", b"\r\n\r\nbody");
static LONG_BAD_LINE: [u8; 40_000] = long(b"HTTP/1.1 200 OK\r\n", b"\r\n\r\nbody");

/// A head with many fields.
const fn fields<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let (start, field) = (b"HTTP/1.1 200 OK\r\n", b"X-A: 1\r\n");
    let mut at = 0;
    while at < N {
        bytes[at] = match at {
            0..17 => start[at],
            _ if at >= N - 2 => field[8 + at - N],
            _ => field[(at - 17) % 8],
        };
        at += 1;
    }
    bytes
}

static MANY_FIELDS: [u8; 17 + 150 * 8 + 2] = fields();
static VERY_MANY_FIELDS: [u8; 17 + 3000 * 8 + 2] = fields();

/// Every answer.
pub static ODD_ANSWERS: &[OddAnswer] = &[
    // Ordinary answers.
    stays("/fine", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine"),
    ends("/closed", b"HTTP/1.0 200 OK\r\n\r\nfine"),
    // Heads that end too early.
    ends("/cut-after-field", b"HTTP/1.1 200 OK\r\nX-A: 1\r\n"),
    ends(
        "/cut-after-length",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n",
    ),
    ends("/cut-after-status-line", b"HTTP/1.1 200 OK\r\n"),
    ends("/cut-in-reason", b"HTTP/1.1 200 O"),
    ends("/cut-in-status", b"HTTP/1.1 20"),
    ends("/cut-in-version", b"HTTP/1"),
    ends("/cut-in-name", b"HTTP/1.1 200 OK\r\nX-A"),
    ends("/cut-in-value", b"HTTP/1.1 200 OK\r\nX-A: 1"),
    // Lines that are not fields.
    ends(
        "/no-colon",
        b"HTTP/1.1 200 OK\r\nX-A: 1\r\nno colon\r\nX-B: 2\r\n\r\nbody",
    ),
    ends(
        "/no-colon-last",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nno colon\r\n\r\nbody",
    ),
    ends(
        "/no-colon-first",
        b"HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 4\r\n\r\nbody",
    ),
    ends("/long-no-colon", &LONG_BAD_LINE),
    ends(
        "/space-before-colon",
        b"HTTP/1.1 200 OK\r\nX-A : 1\r\nContent-Length: 4\r\n\r\nbody",
    ),
    ends(
        "/space-in-name",
        b"HTTP/1.1 200 OK\r\nX A: 1\r\nContent-Length: 4\r\n\r\nbody",
    ),
    ends(
        "/space-first",
        b"HTTP/1.1 200 OK\r\n X-A: 1\r\nContent-Length: 4\r\n\r\nbody",
    ),
    ends(
        "/no-name",
        b"HTTP/1.1 200 OK\r\n: 1\r\nContent-Length: 4\r\n\r\nbody",
    ),
    ends(
        "/folded",
        b"HTTP/1.1 200 OK\r\nX-A: 1\r\n 2\r\nContent-Length: 4\r\n\r\nbody",
    ),
    ends(
        "/folded-empty",
        b"HTTP/1.1 200 OK\r\nX-A: 1\r\n \r\nX-B: 2\r\n\t\r\n 3\r\nContent-Length: 4\r\n\r\nbody",
    ),
    ends(
        "/folded-length",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n \r\n\r\nbody and more",
    ),
    ends(
        "/folded-coding",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n \r\n\r\n4\r\nbody\r\n0\r\n\r\n",
    ),
    ends(
        "/nul-in-value",
        b"HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 4\r\n\r\nbody",
    ),
    ends(
        "/nul-in-name",
        b"HTTP/1.1 200 OK\r\nX\0A: 1\r\nContent-Length: 4\r\n\r\nbody",
    ),
    ends(
        "/control-in-value",
        b"HTTP/1.1 200 OK\r\nX-A: a\x01b\r\nContent-Length: 4\r\n\r\nbody",
    ),
    ends(
        "/return-in-value",
        b"HTTP/1.1 200 OK\r\nX-A: a\rX-B: 2\r\nContent-Length: 4\r\n\r\nbody",
    ),
    ends(
        "/latin-name",
        b"HTTP/1.1 200 OK\r\nX-\xe9: 1\r\nContent-Length: 4\r\n\r\nbody",
    ),
    ends("/long-field", &LONG_FIELD),
    ends("/many-fields", &MANY_FIELDS),
    ends("/very-many-fields", &VERY_MANY_FIELDS),
    ends(
        "/line-feeds",
        b"HTTP/1.1 200 OK\nX-A: 1\nContent-Length: 4\n\nbody",
    ),
    ends(
        "/line-feeds-bad",
        b"HTTP/1.1 200 OK\nno colon\nContent-Length: 4\n\nbody",
    ),
    // Lengths.
    ends(
        "/length-two",
        b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nbody",
    ),
    ends(
        "/length-plus",
        b"HTTP/1.1 200 OK\r\nContent-Length: +4\r\n\r\nbody",
    ),
    ends(
        "/length-minus",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nbody",
    ),
    ends(
        "/length-hex",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0x4\r\n\r\nbody",
    ),
    ends(
        "/length-underscore",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0_4\r\n\r\nbody",
    ),
    ends(
        "/length-empty",
        b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nbody",
    ),
    ends(
        "/length-huge",
        b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551617\r\n\r\nbody",
    ),
    ends(
        "/length-spaced",
        b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nbody",
    ),
    ends(
        "/lengths-equal",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4, 4\r\n\r\nbody",
    ),
    ends(
        "/lengths-differ",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 3\r\n\r\nbody",
    ),
    ends(
        "/length-list",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4, 3\r\n\r\nbody",
    ),
    ends(
        "/length-short",
        b"HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 9\r\n\r\nbody",
    ),
    ends(
        "/length-long",
        b"HTTP/1.1 200 OK\r\nX-A : 1\r\nContent-Length: 2\r\n\r\nbody",
    ),
    // Codings.
    ends(
        "/coding-unknown",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
    ),
    ends(
        "/coding-twice",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
    ),
    ends(
        "/coding-identity",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nbody",
    ),
    ends(
        "/coding-spelled",
        b"HTTP/1.1 200 OK\r\nTRANSFER-encoding: \tChunKed\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
    ),
    ends(
        "/coding-trailing-blank",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked \r\n\r\n4\r\nbody\r\n0\r\n\r\n",
    ),
    ends(
        "/coding-empty",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\nContent-Length: 4\r\n\r\nbody and more",
    ),
    ends(
        "/coding-identity-with-length",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 4\r\n\r\nbody and more",
    ),
    ends(
        "/coding-behind-identity",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity, chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
    ),
    ends(
        "/coding-and-length",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
    ),
    ends(
        "/coding-in-http10",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
    ),
    ends(
        "/chunk-extension",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4;a=b\r\nbody\r\n0\r\n\r\n",
    ),
    ends(
        "/coding-behind-bad-line",
        b"HTTP/1.1 200 OK\r\nX-A : 1\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
    ),
    ends(
        "/gzip-behind-bad-line",
        b"HTTP/1.1 200 OK\r\nX-A : 1\r\nContent-Encoding: gzip\r\n\r\nnot gzip!",
    ),
    // Status lines.
    ends(
        "/status-99",
        b"HTTP/1.1 99 Odd\r\nContent-Length: 4\r\n\r\nbody",
    ),
    ends(
        "/status-099",
        b"HTTP/1.1 099 Odd\r\nContent-Length: 4\r\n\r\nbody",
    ),
    ends(
        "/status-1000",
        b"HTTP/1.1 1000 Odd\r\nContent-Length: 4\r\n\r\nbody",
    ),
    ends(
        "/status-999",
        b"HTTP/1.1 999 Odd\r\nContent-Length: 4\r\n\r\nbody",
    ),
    ends(
        "/status-plus",
        b"HTTP/1.1 +200 OK\r\nContent-Length: 4\r\n\r\nbody",
    ),
    ends(
        "/status-words",
        b"HTTP/1.1 OK 200\r\nContent-Length: 4\r\n\r\nbody",
    ),
    ends(
        "/status-spaced",
        b"HTTP/1.1   200   OK\r\nContent-Length: 4\r\n\r\nbody",
    ),
    ends(
        "/reason-spaced",
        b"HTTP/1.1 200  Quite  OK \r\nContent-Length: 4\r\n\r\nbody",
    ),
    ends(
        "/status-tabs",
        b"HTTP/1.1\t200\tOK\r\nContent-Length: 4\r\n\r\nbody",
    ),
    ends(
        "/no-reason",
        b"HTTP/1.1 200\r\nContent-Length: 4\r\n\r\nbody",
    ),
    ends(
        "/empty-reason",
        b"HTTP/1.1 200 \r\nContent-Length: 4\r\n\r\nbody",
    ),
    ends("/long-reason", &LONG_REASON),
    ends(
        "/http12",
        b"HTTP/1.2 200 OK\r\nContent-Length: 4\r\n\r\nbody",
    ),
    ends(
        "/http2",
        b"HTTP/2.0 200 OK\r\nContent-Length: 4\r\n\r\nbody",
    ),
    ends(
        "/http09",
        b"HTTP/0.9 200 OK\r\nContent-Length: 4\r\n\r\nbody",
    ),
    ends("/icy", b"ICY 200 OK\r\nContent-Length: 4\r\n\r\nbody"),
    ends(
        "/small-letters",
        b"http/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody",
    ),
    ends("/no-head", b"<html>body</html>\r\n"),
    ends(
        "/empty-line-first",
        b"\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody",
    ),
    ends(
        "/empty-lines-first",
        b"\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody",
    ),
    ends("/status-line-alone", b"HTTP/1.1 200 OK\r\n\r\n"),
    // Informational responses, and responses without a body.
    ends(
        "/odd-behind-continue",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nX-A : 1\r\nContent-Length: 4\r\n\r\nbody",
    ),
    ends(
        "/odd-continue",
        b"HTTP/1.1 100 Continue\r\nX-A : 1\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody",
    ),
    ends(
        "/switched",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    ),
    ends(
        "/odd-204",
        b"HTTP/1.1 204 No Content\r\nX-A : 1\r\nContent-Length: 4\r\n\r\nbody",
    ),
    ends(
        "/odd-304",
        b"HTTP/1.1 304 Not Modified\r\nno colon\r\n\r\nbody",
    ),
    ends(
        "/204-with-body",
        b"HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nbody",
    ),
    ends(
        "/odd-404",
        b"HTTP/1.1 404 Not Found\r\nno colon\r\nContent-Length: 4\r\n\r\nbody",
    ),
    // Connections that stay open, so that the program has to find the end.
    stays(
        "/kept-no-colon",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nno colon\r\n\r\nbody",
    ),
    stays(
        "/kept-space",
        b"HTTP/1.1 200 OK\r\nX-A : 1\r\nContent-Length: 4\r\n\r\nbody",
    ),
    stays(
        "/kept-control",
        b"HTTP/1.1 200 OK\r\nX-A: \x01\r\nContent-Length: 4\r\n\r\nbody",
    ),
    stays(
        "/kept-status",
        b"HTTP/1.2 200 OK\r\nContent-Length: 4\r\n\r\nbody",
    ),
    stays(
        "/kept-folded",
        b"HTTP/1.1 200 OK\r\nX-A: 1\r\n 2\r\nContent-Length: 4\r\n\r\nbody",
    ),
    stays(
        "/kept-spaced",
        b"HTTP/1.1  200 OK\r\nContent-Length: 4\r\n\r\nbody",
    ),
    stays(
        "/kept-identity",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 4\r\n\r\nbody",
    ),
    stays("/kept-204", b"HTTP/1.1 204 No Content\r\nX-A : 1\r\n\r\n"),
    stays(
        "/kept-chunked",
        b"HTTP/1.1 200 OK\r\nX-A : 1\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
    ),
];
