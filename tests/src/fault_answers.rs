//! The answers of [`FaultServer`](crate::FaultServer): a valid one, and ten kinds of broken ones,
//! each in three variants.

use std::fmt::Write as _;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

/// The reaction to one request.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The bytes to send, each piece in a write of its own, with a short pause between two.
    pub(crate) pieces: Vec<Vec<u8>>,
    /// What follows the bytes.
    pub(crate) after: After,
}

/// What follows an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// The connection waits for the next request.
    KeepAlive,
    /// An orderly end: over TLS with `close_notify`.
    Finish,
    /// RST.
    Reset,
    /// Nothing, until the client disconnects.
    Silence,
    /// A fatal alert of TLS.
    Alert,
    /// A TLS record that cannot be decrypted.
    BadRecord,
}

/// Far more than any client reads of a head: CPython accepts 64 KiB a line, httpcore 100 KiB.
const HUGE: usize = 300 * 1024;

/// The body of the valid answer to request `number`, before the posted bytes.
fn right_body(number: usize) -> String {
    format!("answer {number}\n").repeat(1 + number % 50)
}

/// The answer to a request for `/KIND/VARIANT/NUMBER`, at `host`, that posted `posted`; `None` for
/// any other path.
pub(crate) fn answer(path: &str, host: &str, posted: &[u8]) -> Option<Answer> {
    let mut words = path.strip_prefix('/')?.split('/');
    let (kind, variant, number) = (words.next()?, words.next()?, words.next()?);
    let (variant, number) = (variant.parse().ok()?, number.parse().ok()?);
    let rest = words.next().is_some();
    Some(match kind {
        "right" => right(variant, number, posted),
        "reset" => reset(variant),
        "early-end" => early_end(variant),
        "wrong-length" => wrong_length(variant),
        "slow" => slow(variant, number),
        "huge-head" => huge_head(variant),
        "redirect-loop" => redirect_loop(variant, number, rest, host),
        "bad-chunk" => bad_chunk(variant),
        "bad-gzip" => bad_gzip(variant),
        "tls-alert" => tls_alert(variant),
        "stall" => stall(variant),
        _ => return None,
    })
}

fn once(bytes: impl Into<Vec<u8>>, after: After) -> Answer {
    Answer {
        pieces: vec![bytes.into()],
        after,
    }
}

fn sized(fields: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

fn chunked(body: &[u8]) -> Vec<u8> {
    let mut bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for chunk in body.chunks(100) {
        bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    // A vector accepts everything.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

fn right(variant: u8, number: usize, posted: &[u8]) -> Answer {
    let body = [right_body(number).as_bytes(), posted].concat();
    let bytes = match variant {
        0 => sized("", &body),
        1 => chunked(&body),
        _ => sized("Content-Encoding: gzip\r\n", &gzip(&body)),
    };
    once(bytes, After::KeepAlive)
}

/// Resets before the head, in it, and in the body.
fn reset(variant: u8) -> Answer {
    Answer {
        pieces: beginnings(variant),
        after: After::Reset,
    }
}

/// Ends in a sized body, in a chunked one, and before the head.
fn early_end(variant: u8) -> Answer {
    let beginning: &[u8] = match variant {
        0 => b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this",
        1 => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\n",
        _ => b"",
    };
    once(beginning, After::Finish)
}

/// A length shorter than the body, two different ones, and one that is not a number. If the
/// connection continued, some clients would take the surplus for the next answer.
fn wrong_length(variant: u8) -> Answer {
    let (lengths, body) = match variant {
        0 => ("4", "this and a surplus"),
        1 => ("4\r\nContent-Length: 5", "which"),
        _ => ("four", "this"),
    };
    let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {lengths}\r\n\r\n");
    once(head + body, After::Finish)
}

/// Sends the body, the head, and the chunks in small pieces; nothing is missing.
fn slow(variant: u8, number: usize) -> Answer {
    let body = right_body(number);
    let (bytes, size) = match variant {
        0 => (sized("", body.as_bytes()), body.len() / 4 + 1),
        1 => (sized("", body.as_bytes()), 11),
        _ => (chunked(body.as_bytes()), body.len() / 4 + 1),
    };
    let pieces = match variant {
        // The head byte by byte would be the worst; its first 33 bytes in three show the same.
        1 => {
            let (head, rest) = bytes.split_at(3 * size);
            let mut pieces: Vec<_> = head.chunks(size).map(<[u8]>::to_vec).collect();
            pieces.push(rest.to_vec());
            pieces
        }
        _ => bytes.chunks(size).map(<[u8]>::to_vec).collect(),
    };
    Answer {
        pieces,
        after: After::KeepAlive,
    }
}

/// One long line, too many fields, and both too many and too long in total.
fn huge_head(variant: u8) -> Answer {
    let mut head = "HTTP/1.1 200 OK\r\n".to_owned();
    match variant {
        0 => {
            let _ = write!(head, "X-Long: {}\r\n", "0123456789abcdef".repeat(HUGE / 16));
        }
        1 => fields(&mut head, 150),
        _ => fields(&mut head, HUGE / 20),
    }
    head.push_str("Content-Length: 5\r\n\r\nfine\n");
    once(head, After::KeepAlive)
}

fn fields(head: &mut String, count: usize) {
    for number in 0..count {
        let _ = write!(head, "X-Field-{number:05}: x\r\n");
    }
}

/// Redirects to itself, to and fro between two, and with the whole URL.
fn redirect_loop(variant: u8, number: usize, is_second: bool, host: &str) -> Answer {
    let own = format!("/redirect-loop/{variant}/{number}");
    let (status, target) = match variant {
        0 => ("302 Found", own),
        1 if is_second => ("301 Moved Permanently", own),
        1 => ("301 Moved Permanently", format!("{own}/second")),
        // Without a scheme it leads to the same server by TLS or without, as requested.
        _ => ("307 Temporary Redirect", format!("//{host}{own}")),
    };
    let head = format!("HTTP/1.1 {status}\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n");
    once(head, After::KeepAlive)
}

/// A size that is not a number, a chunk longer than its size, and an extension in place of the
/// second size. Each follows valid data: some clients drop that if both come in one read.
fn bad_chunk(variant: u8) -> Answer {
    let parts: &[&[u8]] = match variant {
        0 => &[b"zz\r\nonly this\r\n0\r\n\r\n"],
        1 => &[b"4\r\nonly", b" this\r\n0\r\n\r\n"],
        _ => &[b"9\r\nonly this\r\n", b";9\r\nonly this\r\n0\r\n\r\n"],
    };
    let head: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let pieces = std::iter::once(&head).chain(parts);
    Answer {
        pieces: pieces.map(|piece| piece.to_vec()).collect(),
        after: After::Finish,
    }
}

/// Not gzip at all, a truncated end, and a wrong checksum.
fn bad_gzip(variant: u8) -> Answer {
    let mut coded = gzip(right_body(49).as_bytes());
    match variant {
        0 => coded = b"not gzip!".to_vec(),
        1 => coded.truncate(coded.len() / 2),
        _ => {
            // The last eight bytes are checksum and length (RFC 1952 section 2.3.1).
            if let Some(byte) = coded.iter_mut().nth_back(7) {
                *byte ^= 0xff;
            }
        }
    }
    once(
        sized("Content-Encoding: gzip\r\n", &coded),
        After::KeepAlive,
    )
}

/// Alerts before the head, in the body, and a record that cannot be decrypted.
fn tls_alert(variant: u8) -> Answer {
    let (beginning, after) = match variant {
        0 => (0, After::Alert),
        1 => (2, After::Alert),
        _ => (2, After::BadRecord),
    };
    Answer {
        pieces: beginnings(beginning),
        after,
    }
}

/// Stalls before the head, in it, and in the body.
fn stall(variant: u8) -> Answer {
    Answer {
        pieces: beginnings(variant),
        after: After::Silence,
    }
}

/// Nothing, half a head, and a head with the beginning of its body.
fn beginnings(variant: u8) -> Vec<Vec<u8>> {
    match variant {
        0 => Vec::new(),
        1 => vec![b"HTTP/1.1 200 OK\r\nContent-Le".to_vec()],
        _ => vec![b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this".to_vec()],
    }
}
