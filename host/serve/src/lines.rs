//! What a program prints, as lines of JSON.

use bytes::BufMut as _;
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt as _};
use sandbox_net::OutputReader;
use serde::Serialize;
use serde_json::json;
use tokio::io::AsyncReadExt as _;

/// The most bytes of a piece. They wait for room, and are up to six times as many as JSON.
const PIECE: usize = 16 << 10;

/// A line of the response, and how many bytes of the program's are in it.
pub(crate) struct Piece {
    pub(crate) line: Vec<u8>,
    pub(crate) length: u64,
}

/// The lines of both streams, as they come.
pub(crate) fn printed(
    stdout: Option<OutputReader>,
    stderr: Option<OutputReader>,
) -> impl Stream<Item = Piece> + Send {
    stream::select(pieces("stdout", stdout), pieces("stderr", stderr))
}

/// A value as one line.
pub(crate) fn line(value: &impl Serialize) -> Vec<u8> {
    // What is written as lines has nothing that cannot be.
    let mut line = serde_json::to_vec(value).unwrap_or_default();
    line.push(b'\n');
    line
}

/// The pieces of a stream as values such as `{"stdout": "text"}`.
fn pieces(name: &'static str, reader: Option<OutputReader>) -> BoxStream<'static, Piece> {
    let next = move |(reader, mut begun): (Option<OutputReader>, Vec<u8>)| async move {
        let mut reader = reader?;
        begun.reserve(PIECE);
        match reader.read_buf(&mut (&mut begun).limit(PIECE)).await {
            Ok(count @ 1..) => {
                let text = whole_characters(&mut begun);
                Some((piece(name, &text, count), (Some(reader), begun)))
            }
            _ if begun.is_empty() => None,
            _ => {
                let text = String::from_utf8_lossy(&begun);
                Some((piece(name, &text, 0), (None, Vec::new())))
            }
        }
    };
    stream::unfold((reader, Vec::new()), next).boxed()
}

fn piece(name: &str, text: &str, length: usize) -> Piece {
    Piece {
        line: line(&json!({ name: text })),
        length: length as u64,
    }
}

/// Takes what can be decoded. A character at the end of which a part is missing waits for the next piece.
fn whole_characters(bytes: &mut Vec<u8>) -> String {
    let whole = match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        _ => bytes.len(),
    };
    let rest = bytes.split_off(whole);
    let text = String::from_utf8_lossy(bytes).into_owned();
    *bytes = rest;
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_that_is_cut_waits_for_its_rest() {
        let mut bytes = "aä".as_bytes()[..2].to_vec();
        assert_eq!(whole_characters(&mut bytes), "a");
        bytes.extend_from_slice(&"ä".as_bytes()[1..]);
        assert_eq!(whole_characters(&mut bytes), "ä");
        let mut wrong = b"a\xffb".to_vec();
        assert_eq!(whole_characters(&mut wrong), "a\u{fffd}b");
    }
}
