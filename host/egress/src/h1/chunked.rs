//! The chunked transfer coding (RFC 9112 section 7.1): a decoder, and the marks that an encoder
//! puts around each chunk.

use bytes::{Buf, Bytes, BytesMut};

use crate::error::EgressError;
use crate::fields::Fields;
use crate::h1::response::parse_trailers;
use crate::limit::Limit;
use crate::protocol_failure::{ProtocolFailure, ProtocolFault};

/// The longest line with a chunk's size and its extensions, which are skipped.
const MAX_SIZE_LINE: usize = 4096;

/// How much is kept of what is not a chunk.
const MAX_RECEIVED: usize = 64;

/// The result of decoding the bytes so far.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decoded {
    /// A piece of the body; never empty.
    Data(Bytes),
    /// More bytes are needed.
    More,
    /// The body is complete; bytes after it are left in the buffer.
    End,
}

/// Removes the chunked coding. It accepts exactly the grammar.
#[derive(Debug)]
pub(super) struct ChunkedDecoder {
    state: State,
    /// Bytes of the current line that are known to have no line end.
    scanned: usize,
    /// The lines of the trailer section so far, and their most bytes.
    trailer_lines: Vec<u8>,
    max_trailers: usize,
    trailers: Fields,
    /// The first failure, which is permanent.
    failure: Option<EgressError>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Size,
    Data(u64),
    DataEnd,
    Trailers,
    Done,
}

impl ChunkedDecoder {
    /// A decoder for bodies with at most `max_trailers` bytes of trailer section.
    pub(super) fn new(max_trailers: usize) -> Self {
        Self {
            state: State::default(),
            scanned: 0,
            trailer_lines: Vec::new(),
            max_trailers,
            trailers: Fields::new(),
            failure: None,
        }
    }

    /// Bytes of the trailer section so far.
    pub(super) fn kept(&self) -> usize {
        self.trailer_lines.len()
    }

    /// The trailer fields, once, after the end.
    pub(super) fn take_trailers(&mut self) -> Fields {
        std::mem::take(&mut self.trailers)
    }

    /// Decodes from the front of `buffer`, and removes what was used.
    pub(super) fn decode(&mut self, buffer: &mut BytesMut) -> Result<Decoded, EgressError> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let decoded = self.decode_next(buffer);
        self.failure = decoded.as_ref().err().cloned();
        decoded
    }

    fn decode_next(&mut self, buffer: &mut BytesMut) -> Result<Decoded, EgressError> {
        loop {
            match self.state {
                State::Size => {
                    let too_long = |line: &[u8]| fault("a line is too long", line);
                    let Some(line) = self.line(buffer, MAX_SIZE_LINE, too_long)? else {
                        return Ok(Decoded::More);
                    };
                    self.state = match parse_size(&line)? {
                        0 => State::Trailers,
                        size => State::Data(size),
                    };
                }
                State::Data(_) if buffer.is_empty() => return Ok(Decoded::More),
                State::Data(left) => {
                    let take = usize::try_from(left)
                        .unwrap_or(usize::MAX)
                        .min(buffer.len());
                    self.state = match left - take as u64 {
                        0 => State::DataEnd,
                        left => State::Data(left),
                    };
                    return Ok(Decoded::Data(buffer.split_to(take).freeze()));
                }
                State::DataEnd => match buffer.as_ref() {
                    [b'\r', b'\n', ..] => {
                        buffer.advance(2);
                        self.state = State::Size;
                    }
                    [] | [b'\r'] => return Ok(Decoded::More),
                    bytes => return Err(fault("no line end after a chunk", bytes)),
                },
                State::Trailers => {
                    if !self.read_trailer(buffer)? {
                        return Ok(Decoded::More);
                    }
                }
                State::Done => return Ok(Decoded::End),
            }
        }
    }

    /// Whether the content of the buffer ends the body. Takes no byte of the body.
    pub(super) fn is_at_end(&mut self, buffer: &mut BytesMut) -> bool {
        let next_is_last = match self.state {
            State::Data(_) => false,
            State::DataEnd => buffer.starts_with(b"\r\n0\r\n"),
            State::Size => buffer.starts_with(b"0\r\n"),
            State::Trailers | State::Done => true,
        };
        next_is_last && matches!(self.decode(buffer), Ok(Decoded::End))
    }

    /// Takes a line of the trailer section; returns false if there is none yet.
    fn read_trailer(&mut self, buffer: &mut BytesMut) -> Result<bool, EgressError> {
        let left = self.max_trailers.saturating_sub(self.trailer_lines.len());
        // The CR counts, so that there is always room for the final blank line.
        let too_long = |_: &[u8]| EgressError::Limit(Limit::ResponseHeadSize);
        let Some(line) = self.line(buffer, left.saturating_add(1), too_long)? else {
            return Ok(false);
        };
        if line.is_empty() {
            self.trailers = parse_trailers(&std::mem::take(&mut self.trailer_lines))?;
            self.state = State::Done;
        } else {
            self.trailer_lines.extend_from_slice(&line);
            self.trailer_lines.extend_from_slice(b"\r\n");
        }
        Ok(true)
    }

    /// The next line without its CRLF. A line without an end within `max` bytes is `too_long`.
    fn line(
        &mut self,
        buffer: &mut BytesMut,
        max: usize,
        too_long: fn(&[u8]) -> EgressError,
    ) -> Result<Option<Bytes>, EgressError> {
        let Some(at) = buffer[self.scanned..]
            .iter()
            .position(|byte| *byte == b'\n')
        else {
            self.scanned = buffer.len();
            return match buffer.len() {
                length if length > max => Err(too_long(buffer)),
                _ => Ok(None),
            };
        };
        let end = self.scanned + at;
        self.scanned = 0;
        if end > max {
            return Err(too_long(buffer));
        }
        let mut line = buffer.split_to(end + 1);
        if !line.ends_with(b"\r\n") {
            return Err(fault("a line end without CR", &line));
        }
        line.truncate(end - 1);
        Ok(Some(line.freeze()))
    }
}

/// The fault, and the beginning of what came in place of a chunk.
fn fault(what: &'static str, bytes: &[u8]) -> EgressError {
    EgressError::Protocol(ProtocolFailure {
        fault: ProtocolFault::Chunk(what),
        received: Bytes::copy_from_slice(&bytes[..bytes.len().min(MAX_RECEIVED)]),
    })
}

/// `chunk-size [BWS] [";" …]`. Blanks after the size are common, and mean nothing else.
fn parse_size(line: &[u8]) -> Result<u64, EgressError> {
    let invalid = || fault("a chunk size is not a number", line);
    let digits = line
        .iter()
        .take_while(|byte| byte.is_ascii_hexdigit())
        .count();
    if !matches!(line[digits..].trim_ascii_start(), [] | [b';', ..]) {
        return Err(invalid());
    }
    let digits = std::str::from_utf8(&line[..digits]).map_err(|_| invalid())?;
    u64::from_str_radix(digits, 16).map_err(|_| invalid())
}

/// The line before a chunk of `size` bytes, which is not 0.
pub(super) fn chunk_start(size: usize) -> String {
    format!("{size:x}\r\n")
}

/// What follows the bytes of a chunk.
pub(super) const CHUNK_END: &[u8] = b"\r\n";

/// What follows the last chunk: the chunk of size 0, and no trailer fields.
pub(super) const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAX_TRAILERS: usize = 1024;

    /// A body, and what was left after it.
    type Complete = (Vec<u8>, Vec<u8>);

    /// A failure outside the coding.
    fn head(what: &'static str) -> EgressError {
        EgressError::protocol(ProtocolFault::Trailers(what))
    }

    /// Decodes bytes that arrive in the given pieces.
    fn decode(pieces: &[&[u8]]) -> Result<Option<Complete>, EgressError> {
        let mut decoder = ChunkedDecoder::new(MAX_TRAILERS);
        decode_with(&mut decoder, pieces)
    }

    fn decode_with(
        decoder: &mut ChunkedDecoder,
        pieces: &[&[u8]],
    ) -> Result<Option<Complete>, EgressError> {
        let mut buffer = BytesMut::new();
        let (mut body, mut is_over) = (Vec::new(), false);
        for piece in pieces {
            buffer.extend_from_slice(piece);
            loop {
                match decoder.decode(&mut buffer)? {
                    Decoded::Data(data) => body.extend_from_slice(&data),
                    Decoded::More => break,
                    Decoded::End => {
                        is_over = true;
                        break;
                    }
                }
            }
        }
        Ok(is_over.then(|| (body, buffer.to_vec())))
    }

    #[test]
    fn a_body_decodes_the_same_however_it_arrives() {
        for (coded, body) in [
            ("0\r\n\r\n", ""),
            ("5\r\nhello\r\n0\r\n\r\n", "hello"),
            ("5;name=value\r\nhello\r\n000\r\n\r\n", "hello"),
            (
                "2  \r\nhi\r\n1 ;x\r\n!\r\n0\r\nTrailer: x\r\nB: c\r\n\r\n",
                "hi!",
            ),
            (
                "A\r\n0\r\n\r\n01234\r\na\r\n0123456789\r\n0;\r\n\r\n",
                "0\r\n\r\n012340123456789",
            ),
        ] {
            let bytes = [coded.as_bytes(), b"next"].concat();
            let expected = Ok(Some((body.as_bytes().to_vec(), b"next".to_vec())));
            for first in 0..=coded.len() {
                for second in first..=coded.len() {
                    let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                    assert_eq!(decode(&pieces), expected, "{coded:?} at {first}, {second}");
                }
            }
            for end in 0..coded.len() {
                assert_eq!(decode(&[&bytes[..end]]), Ok(None), "{coded:?} up to {end}");
            }
        }
    }

    #[test]
    fn coding_that_breaks_the_grammar_is_refused() {
        let long_line = format!("1;{}\r\n", "x".repeat(MAX_SIZE_LINE));
        let endless_line = "x".repeat(MAX_SIZE_LINE + 1);
        for coded in [
            "\r\n",
            "x\r\n",
            "-1\r\n",
            "+1\r\n",
            "0x1\r\n",
            " 1\r\n",
            "1 2\r\n",
            "1\n",
            "10000000000000000\r\n",
            "2\r\nabc\r\n",
            "2\r\nab\n\n",
            "0\r\n\n",
            &long_line,
            &endless_line,
        ] {
            let result = decode(&[coded.as_bytes()]);
            let Err(EgressError::Protocol(failure)) = &result else {
                panic!("{coded:?}: {result:?}");
            };
            assert!(
                matches!(failure.fault, ProtocolFault::Chunk(_)),
                "{coded:?}"
            );
        }
    }

    #[test]
    fn the_beginning_of_what_is_no_chunk_is_kept() {
        let endless_line = "x".repeat(MAX_SIZE_LINE + 1);
        for (coded, expected) in [
            ("zz\r\nhello", "zz"),
            ("2\r\nabc\r\n", "c\r\n"),
            ("1\n", "1\n"),
            (&endless_line, &endless_line[..MAX_RECEIVED]),
        ] {
            let result = decode(&[coded.as_bytes()]);
            let Err(EgressError::Protocol(failure)) = &result else {
                panic!("{coded:?}: {result:?}");
            };
            assert_eq!(failure.received, expected, "{coded:?}");
        }
    }

    #[test]
    fn trailers_are_told_as_they_were_sent_but_for_those_that_would_change_the_message() {
        for (section, expected) in [
            ("", vec![]),
            (
                "Digest: x\r\ndigest:y \r\n",
                vec![("Digest", "x"), ("digest", "y")],
            ),
            ("A:\r\nB: \u{e9}\r\n", vec![("A", ""), ("B", "\u{e9}")]),
            (
                "Content-Length: 9\r\nA: b\r\nHOST: x\r\nConnection: A\r\n",
                vec![("A", "b")],
            ),
        ] {
            let coded = format!("1\r\nx\r\n0\r\n{section}\r\n");
            for at in 0..=coded.len() {
                let (first, second) = coded.as_bytes().split_at(at);
                let mut decoder = ChunkedDecoder::new(MAX_TRAILERS);
                let decoded = decode_with(&mut decoder, &[first, second]).unwrap();
                assert_eq!(decoded, Some((b"x".to_vec(), Vec::new())));
                let trailers = decoder.take_trailers();
                let bytes = |text: &str| text.as_bytes().to_vec();
                let expected: Fields = (expected.iter())
                    .map(|(name, value)| (bytes(name), bytes(value)))
                    .collect();
                assert_eq!(trailers, expected, "{section:?} at {at}");
            }
        }
    }

    #[test]
    fn trailers_that_are_no_fields_or_too_many_are_refused_for_good() {
        let too_large = EgressError::Limit(Limit::ResponseHeadSize);
        let name = head("a field name is invalid");
        for (section, expected) in [
            ("a b: c\r\n\r\n".to_owned(), name.clone()),
            (": c\r\n\r\n".to_owned(), name.clone()),
            ("abc\r\n\r\n".to_owned(), name),
            ("a: \0\r\n\r\n".to_owned(), head("a field value is invalid")),
            (
                "a: b\n\r\n".to_owned(),
                fault("a line end without CR", b"a: b\n"),
            ),
            ("a: b\r\n".repeat(MAX_TRAILERS), too_large.clone()),
            (
                format!("a: {}", "b".repeat(MAX_TRAILERS)),
                too_large.clone(),
            ),
            (
                format!("a: {}\r\n\r\n", "b".repeat(MAX_TRAILERS)),
                too_large,
            ),
        ] {
            let mut decoder = ChunkedDecoder::new(MAX_TRAILERS);
            let coded = format!("0\r\n{section}");
            let result = decode_with(&mut decoder, &[coded.as_bytes()]);
            assert_eq!(result, Err(expected.clone()), "{section:?}");
            let again = decode_with(&mut decoder, &[b"\r\n\r\n"]);
            assert_eq!(again, Err(expected), "{section:?}");
        }
    }

    #[test]
    fn the_end_is_seen_only_where_no_byte_of_the_body_is_left() {
        for (coded, expected) in [
            ("\r\n0\r\n\r\n", true),
            ("\r\n0\r\nA: b\r\n\r\n", true),
            ("\r\n0\r\n", false),
            ("\r\n1\r\nx\r\n0\r\n\r\n", false),
            ("", false),
        ] {
            let mut decoder = ChunkedDecoder::new(MAX_TRAILERS);
            let mut buffer = BytesMut::from(format!("1\r\nx{coded}").as_bytes());
            assert_eq!(decoder.decode(&mut buffer), Ok(Decoded::Data("x".into())));
            assert_eq!(decoder.is_at_end(&mut buffer), expected, "{coded:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_itself(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..200), 0..8),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let mut coded = Vec::new();
            for chunk in &chunks {
                coded.extend_from_slice(chunk_start(chunk.len()).as_bytes());
                coded.extend_from_slice(chunk);
                coded.extend_from_slice(CHUNK_END);
            }
            coded.extend_from_slice(LAST_CHUNK);
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(coded.len() + 1)).collect();
            cuts.extend([0, coded.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &coded[cut[0]..cut[1]]).collect();
            prop_assert_eq!(decode(&pieces), Ok(Some((chunks.concat(), Vec::new()))));
        }

        #[test]
        fn any_bytes_are_decoded_or_refused(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 0..8),
        ) {
            let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            let _ = decode(&pieces);
        }
    }
}
