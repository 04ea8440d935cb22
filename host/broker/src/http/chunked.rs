//! Removes the chunked coding of a request's body (RFC 9112 section 7.1), and accepts nothing but
//! its grammar.

use bytes::{Buf, Bytes, BytesMut};
use sandbox_net_egress::Fields;

/// The longest line with a chunk's size and its extensions, which are skipped.
const MAX_LINE: usize = 1024;

/// Bytes of extensions that one body may have in all.
const MAX_EXTENSIONS: usize = 16 << 10;

/// The result of decoding the bytes so far.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decoded {
    /// A piece of the body; never empty.
    Data(Bytes),
    /// More bytes are needed.
    More,
    /// The body is complete; bytes after it stay in the buffer.
    End,
}

/// Decodes one body.
#[derive(Debug)]
pub(super) struct ChunkedDecoder {
    state: State,
    /// Bytes of the current line that are known to have no line end.
    scanned: usize,
    extensions: usize,
    trailer_lines: Vec<u8>,
    max_trailers: usize,
    max_fields: usize,
    trailers: Fields,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Size,
    Data(u64),
    DataEnd,
    Trailers,
    Done,
}

impl ChunkedDecoder {
    /// A decoder for bodies with at most this many bytes and fields of trailers.
    pub(super) fn new(max_trailers: usize, max_fields: usize) -> Self {
        Self {
            state: State::Size,
            scanned: 0,
            extensions: 0,
            trailer_lines: Vec::new(),
            max_trailers,
            max_fields,
            trailers: Fields::new(),
        }
    }

    /// The trailer fields, once, after the end.
    pub(super) fn take_trailers(&mut self) -> Fields {
        std::mem::take(&mut self.trailers)
    }

    /// Decodes from the front of `buffer`, and removes what was used.
    pub(super) fn decode(&mut self, buffer: &mut BytesMut) -> Result<Decoded, &'static str> {
        loop {
            match self.state {
                State::Size => {
                    let Some(line) = self.line(buffer, MAX_LINE)? else {
                        return Ok(Decoded::More);
                    };
                    self.state = match self.size(&line)? {
                        0 => State::Trailers,
                        size => State::Data(size),
                    };
                }
                State::Data(_) if buffer.is_empty() => return Ok(Decoded::More),
                State::Data(left) => {
                    let whole = usize::try_from(left).unwrap_or(usize::MAX);
                    let take = whole.min(buffer.len());
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
                    _ => return Err("a chunk is longer than its size"),
                },
                State::Trailers => {
                    let left = self.max_trailers.saturating_sub(self.trailer_lines.len());
                    let Some(line) = self.line(buffer, left)? else {
                        return Ok(Decoded::More);
                    };
                    self.trailer(&line)?;
                }
                State::Done => return Ok(Decoded::End),
            }
        }
    }

    /// `chunk-size [ BWS ";" … ]`.
    fn size(&mut self, line: &[u8]) -> Result<u64, &'static str> {
        const NO_NUMBER: &str = "a chunk size is not a number";
        let digits = line
            .iter()
            .take_while(|byte| byte.is_ascii_hexdigit())
            .count();
        let (digits, rest) = line.split_at(digits);
        if !matches!(rest.trim_ascii_start(), [b';', ..]) && !rest.is_empty() {
            return Err(NO_NUMBER);
        }
        if rest
            .iter()
            .any(|byte| byte.is_ascii_control() && *byte != b'\t')
        {
            return Err("a chunk extension has a control character");
        }
        self.extensions += rest.len();
        if self.extensions > MAX_EXTENSIONS {
            return Err("the chunk extensions are too long");
        }
        let digits = std::str::from_utf8(digits).map_err(|_| NO_NUMBER)?;
        u64::from_str_radix(digits, 16).map_err(|_| NO_NUMBER)
    }

    /// Takes a line of the trailers; the blank one ends the body.
    fn trailer(&mut self, line: &[u8]) -> Result<(), &'static str> {
        self.trailer_lines.extend_from_slice(line);
        self.trailer_lines.extend_from_slice(b"\r\n");
        if !line.is_empty() {
            return Ok(());
        }
        let lines = std::mem::take(&mut self.trailer_lines);
        let mut fields = vec![httparse::EMPTY_HEADER; self.max_fields];
        match httparse::parse_headers(&lines, &mut fields) {
            Ok(httparse::Status::Complete((length, found))) if length == lines.len() => {
                let field = |one: &httparse::Header<'_>| (one.name.into(), one.value.to_vec());
                self.trailers = found.iter().map(field).collect();
            }
            _ => return Err("a trailer field is invalid"),
        }
        self.state = State::Done;
        Ok(())
    }

    /// The next line without its CRLF.
    fn line(&mut self, buffer: &mut BytesMut, max: usize) -> Result<Option<Bytes>, &'static str> {
        const TOO_LONG: &str = "a line of the chunked coding is too long";
        let mut unseen = buffer[self.scanned..].iter();
        let Some(at) = unseen.position(|byte| *byte == b'\n') else {
            self.scanned = buffer.len();
            // The CR and the LF are not counted.
            return match buffer.len() > max + 1 {
                true => Err(TOO_LONG),
                false => Ok(None),
            };
        };
        let end = self.scanned + at;
        self.scanned = 0;
        if end > max + 1 {
            return Err(TOO_LONG);
        }
        let mut line = buffer.split_to(end + 1);
        if !line.ends_with(b"\r\n") {
            return Err("a line of the chunked coding ends without CR");
        }
        line.truncate(end - 1);
        Ok(Some(line.freeze()))
    }
}

#[cfg(test)]
mod tests;
