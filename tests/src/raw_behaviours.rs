//! The table of answers that [`RawServer`](crate::RawServer) gives.

/// The answer to requests for one path.
#[derive(Debug)]
pub struct Behaviour {
    /// The path that chooses it.
    pub path: &'static str,
    /// The bytes to send, in order, each piece in a write of its own.
    pub answer: &'static [Piece],
    /// What follows the bytes.
    pub end: End,
}

/// Bytes to send.
#[derive(Debug)]
pub enum Piece {
    /// These bytes.
    Once(&'static [u8]),
    /// These bytes over and over until the peer disconnects.
    Forever(&'static [u8]),
}

/// How a connection ends after its answer.
#[derive(Clone, Copy, Debug)]
pub enum End {
    /// The server sends FIN, and reads on until the peer ends too.
    Finish,
    /// The server sends RST.
    Reset,
    /// The server sends nothing more and waits for the peer to end.
    Hold,
}

const fn on(path: &'static str, answer: &'static [Piece], end: End) -> Behaviour {
    Behaviour { path, answer, end }
}

/// Every behaviour, by path.
pub const BEHAVIOURS: &[Behaviour] = &[
    on("/ok", &[Piece::Once(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfine\n")], End::Finish),
    // Not a fault: names in mixed case, separate duplicates, values that are not ASCII, an unusual
    // reason, after two informational responses.
    on(
        "/spelling",
        &[
            Piece::Once(b"HTTP/1.1 100 Continue\r\n\r\n"),
            Piece::Once(b"HTTP/1.1 100 Continue\r\nX-Hint: none\r\n\r\n"),
            Piece::Once(
                b"HTTP/1.1 200 Sch\xf6n gut\r\nX-MiXed: 1\r\nx-latin: caf\xe9\r\nX-Mixed: 2\r\n\
                  Content-Length: 5\r\nx-empty:\r\n\r\nfine\n",
            ),
        ],
        End::Finish,
    ),
    on(
        "/http10",
        &[Piece::Once(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the close\n")],
        End::Finish,
    ),
    on(
        "/close-delimited",
        &[Piece::Once(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the close\n")],
        End::Finish,
    ),
    // One byte at a time would be the worst; three writes show the same.
    on(
        "/in-pieces",
        &[
            Piece::Once(b"HTTP/1.1 200 OK\r\nContent-Le"),
            Piece::Once(b"ngth: 10\r\n\r"),
            Piece::Once(b"\n01234"),
            Piece::Once(b"56789"),
        ],
        End::Finish,
    ),
    on(
        "/early-413",
        &[Piece::Once(
            b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbig\n",
        )],
        End::Finish,
    ),
    on("/garbage", &[Piece::Once(b"\x00\xff\x16\x03 no HTTP at all\r\n\r\n")], End::Finish),
    on("/other-protocol", &[Piece::Once(b"SSH-2.0-Example\r\n")], End::Finish),
    on("/bad-status", &[Piece::Once(b"HTTP/1.1 abc Odd\r\n\r\n")], End::Finish),
    on("/half-head", &[Piece::Once(b"HTTP/1.1 200 OK\r\nContent-Le")], End::Finish),
    on("/close", &[], End::Finish),
    on("/silent", &[], End::Hold),
    on("/reset", &[], End::Reset),
    on(
        "/many-fields",
        &[Piece::Once(b"HTTP/1.1 200 OK\r\n"), Piece::Forever(b"X-Filler: 0123456789\r\n")],
        End::Hold,
    ),
    on(
        "/long-field",
        &[Piece::Once(b"HTTP/1.1 200 OK\r\nX-Long: "), Piece::Forever(b"0123456789abcdef")],
        End::Hold,
    ),
    on("/endless-informational", &[Piece::Forever(b"HTTP/1.1 100 Continue\r\n\r\n")], End::Hold),
    on(
        "/short-body",
        &[Piece::Once(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")],
        End::Finish,
    ),
    on(
        "/short-chunked",
        &[Piece::Once(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\n")],
        End::Finish,
    ),
    on(
        "/short-chunk",
        &[Piece::Once(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nonly this")],
        End::Finish,
    ),
    on(
        "/bad-chunk",
        &[Piece::Once(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nonly this\r\n")],
        End::Finish,
    ),
    on(
        "/reset-in-body",
        &[Piece::Once(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")],
        End::Reset,
    ),
    on(
        "/silent-in-body",
        &[Piece::Once(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")],
        End::Hold,
    ),
    on(
        "/bad-gzip",
        &[Piece::Once(
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\nnot gzip!",
        )],
        End::Finish,
    ),
];
