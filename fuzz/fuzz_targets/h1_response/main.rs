//! Responses in HTTP/1.1, with their bytes cut at random.
//!
//! The reader's own sources are compiled here, over replacements of the transport's types (`egress`).
//! The result must be the same however the bytes are cut, and must agree with a second reading of the
//! whole response (`reading`).
//!
//! The first byte of the input chooses the bound of the head, and whether a HEAD is answered; the
//! next three seed the cuts.

#![no_main]

mod egress;
mod reading;

// The reader's sources use the names of their own crate.
pub(crate) use egress::{error, fields, h1, limit, protocol_failure, response, trailers};
use libfuzzer_sys::fuzz_target;

/// The bounds of heads and of trailer sections.
const BOUNDS: [usize; 8] = [0, 1, 16, 40, 100, 300, 1500, 200_000];

/// The result of reading a response.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    NoHead(End),
    Head {
        head: Head,
        /// Whether the connection may be reused; `None` for a body without framing.
        persistent: Option<bool>,
        body: Body,
    },
}

#[derive(Debug, PartialEq, Eq)]
enum End {
    Complete,
    /// Bytes are missing.
    More,
    NotHttp,
    Fault,
    Limit,
}

#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    is_http10: bool,
    reason: Vec<u8>,
    fields: Vec<(Vec<u8>, Vec<u8>)>,
    length: usize,
}

#[derive(Debug, PartialEq, Eq)]
enum Body {
    /// The head contradicts itself.
    Unknown,
    Length(u64),
    Close,
    Chunked {
        bytes: Vec<u8>,
        end: End,
        trailers: Vec<(Vec<u8>, Vec<u8>)>,
        /// The bytes after a complete body.
        rest: Option<Vec<u8>>,
    },
}

fuzz_target!(|data: &[u8]| {
    let Some((&[choice, a, b, c], bytes)) = data.split_first_chunk() else {
        return;
    };
    let max = BOUNDS[usize::from(choice & 7)];
    let answers_head = choice & 8 != 0;
    let expected = reading::read(bytes, max, answers_head);
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    let cut = cut(bytes, u32::from_le_bytes([a, b, c, choice]));
    for (pieces, probes) in [
        (&[bytes][..], false),
        (&single, false),
        (&single, true),
        (&cut, true),
    ] {
        let outcome = egress::h1::read(pieces, max, answers_head, probes);
        assert_eq!(outcome, expected, "in {} pieces", pieces.len());
    }
});

/// Cuts the bytes into pieces of random lengths.
fn cut(mut bytes: &[u8], mut seed: u32) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    while !bytes.is_empty() {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // Mostly short ones, and sometimes a long one.
        let length = match seed >> 28 {
            0..8 => 1 + (seed >> 16 & 3),
            8..14 => 1 + (seed >> 16 & 31),
            _ => 1 + (seed >> 16 & 1023),
        };
        let length = bytes.len().min(length as usize);
        pieces.push(&bytes[..length]);
        bytes = &bytes[length..];
    }
    pieces
}
