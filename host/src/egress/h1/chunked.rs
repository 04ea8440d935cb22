//! The chunked transfer coding (RFC 9112 section 7.1): a decoder, and the marks that an encoder
//! puts around each chunk.

use bytes::{Buf, Bytes, BytesMut};

use crate::egress::ProtocolFault;

/// The longest line with a chunk's size and its extensions, which are skipped.
const MAX_SIZE_LINE: usize = 4096;

/// The most bytes of trailer fields, which are skipped.
const MAX_TRAILERS: usize = 64 * 1024;

/// What the decoder made of the bytes it has.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decoded {
    /// A piece of the body; never empty.
    Data(Bytes),
    /// More bytes are needed.
    More,
    /// The body is complete; bytes after it are left in the buffer.
    End,
}

/// Takes the chunked coding off. It accepts what the grammar says and nothing else.
#[derive(Debug, Default)]
pub(super) struct ChunkedDecoder {
    state: State,
    /// Bytes of the line under way that are known to hold no line end.
    scanned: usize,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Size,
    Data(u64),
    DataEnd,
    Trailers(usize),
    Done,
}

impl ChunkedDecoder {
    /// Decodes from the front of `buffer`, and takes from it what was used.
    pub(super) fn decode(&mut self, buffer: &mut BytesMut) -> Result<Decoded, ProtocolFault> {
        loop {
            match self.state {
                State::Size => {
                    let Some(line) = self.line(buffer, MAX_SIZE_LINE)? else {
                        return Ok(Decoded::More);
                    };
                    self.state = match parse_size(&line)? {
                        0 => State::Trailers(0),
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
                    _ => return Err(ProtocolFault::Chunk("no line end after a chunk")),
                },
                State::Trailers(so_far) => {
                    let Some(line) = self.line(buffer, MAX_TRAILERS - so_far)? else {
                        return Ok(Decoded::More);
                    };
                    self.state = match line.len() {
                        0 => State::Done,
                        length => State::Trailers(so_far + length),
                    };
                }
                State::Done => return Ok(Decoded::End),
            }
        }
    }

    /// Whether what is in the buffer ends the body. No byte of the body is taken.
    pub(super) fn is_at_end(&mut self, buffer: &mut BytesMut) -> bool {
        let next_is_last = match self.state {
            State::Data(_) => false,
            State::DataEnd => buffer.starts_with(b"\r\n0\r\n"),
            State::Size => buffer.starts_with(b"0\r\n"),
            State::Trailers(_) | State::Done => true,
        };
        next_is_last && matches!(self.decode(buffer), Ok(Decoded::End))
    }

    /// The next line without its CRLF.
    fn line(&mut self, buffer: &mut BytesMut, max: usize) -> Result<Option<Bytes>, ProtocolFault> {
        let Some(at) = buffer[self.scanned..]
            .iter()
            .position(|byte| *byte == b'\n')
        else {
            self.scanned = buffer.len();
            return match buffer.len() {
                length if length > max => Err(ProtocolFault::Chunk("a line is too long")),
                _ => Ok(None),
            };
        };
        let end = self.scanned + at;
        self.scanned = 0;
        if end > max {
            return Err(ProtocolFault::Chunk("a line is too long"));
        }
        let mut line = buffer.split_to(end + 1);
        if !line.ends_with(b"\r\n") {
            return Err(ProtocolFault::Chunk("a line end without CR"));
        }
        line.truncate(end - 1);
        Ok(Some(line.freeze()))
    }
}

/// `chunk-size [BWS] [";" …]`. Blanks after the size are common, and mean nothing else.
fn parse_size(line: &[u8]) -> Result<u64, ProtocolFault> {
    const INVALID: ProtocolFault = ProtocolFault::Chunk("a chunk size is not a number");
    let digits = line
        .iter()
        .take_while(|byte| byte.is_ascii_hexdigit())
        .count();
    if !matches!(line[digits..].trim_ascii_start(), [] | [b';', ..]) {
        return Err(INVALID);
    }
    let digits = std::str::from_utf8(&line[..digits]).map_err(|_| INVALID)?;
    u64::from_str_radix(digits, 16).map_err(|_| INVALID)
}

/// The line before a chunk of `size` bytes, which is not 0.
pub(super) fn chunk_start(size: usize) -> String {
    format!("{size:x}\r\n")
}

/// What follows the bytes of a chunk.
pub(super) const CHUNK_END: &[u8] = b"\r\n";

/// What follows the last chunk: the chunk of size 0, and no trailer fields.
pub(super) const LAST_CHUNK: &[u8] = b"0\r\n\r\n";
