//! Parses the head of a response, and what it says about the body (RFC 9112 sections 4 to 6).

use crate::error::EgressError;
use crate::fields::{Fields, MAX_FIELDS};
use crate::limit::Limit;
use crate::protocol_failure::ProtocolFault;
use crate::response::{HttpVersion, ResponseHead};
use crate::trailers::permitted;

/// The longest status line; the same bound as in CPython's `http.client`.
const MAX_STATUS_LINE: usize = 65_536;

/// Why a head is not accepted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HeadError {
    /// It is malformed.
    Fault(ProtocolFault),
    /// It is too large.
    Limit,
}

/// Finds and parses one head at the beginning of a growing buffer. No byte is scanned twice, so a
/// head that arrives byte by byte costs no more than one in one piece.
#[derive(Debug)]
pub(super) struct HeadParser {
    max: usize,
    scanned: usize,
    status_line: Option<(u16, HttpVersion, Vec<u8>)>,
}

impl HeadParser {
    /// A parser for heads of at most `max` bytes.
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            scanned: 0,
            status_line: None,
        }
    }

    /// The head and its length in bytes; `None` while it is incomplete. Every call must pass the
    /// same bytes as the last one, or more.
    pub(super) fn parse(
        &mut self,
        buffer: &[u8],
    ) -> Result<Option<(ResponseHead, usize)>, HeadError> {
        if self.status_line.is_none() {
            self.status_line = self.first_line(buffer)?;
            if self.status_line.is_none() {
                return Ok(None);
            }
        }
        let Some(length) = self.find_end(buffer) else {
            return if buffer.len() >= self.max {
                Err(HeadError::Limit)
            } else {
                Ok(None)
            };
        };
        if length > self.max {
            return Err(HeadError::Limit);
        }
        let fields = parse_fields(&buffer[..length])?;
        let (status, version, reason) = self.status_line.take().expect("parsed above");
        self.scanned = 0;
        Ok(Some((
            ResponseHead {
                status,
                version,
                reason,
                fields,
            },
            length,
        )))
    }

    /// The status line, as soon as it is complete: a peer that speaks another protocol is detected
    /// after its first line, and not only when it hangs up.
    fn first_line(
        &mut self,
        buffer: &[u8],
    ) -> Result<Option<(u16, HttpVersion, Vec<u8>)>, HeadError> {
        // The line's end has to be within the bound, even if more bytes came with it.
        let bound = (MAX_STATUS_LINE + 1).min(self.max);
        let seen = &buffer[..buffer.len().min(bound)];
        let Some(end) = newline_from(seen, self.scanned) else {
            self.scanned = seen.len();
            return match seen.len() {
                length if length < bound => Ok(None),
                _ if seen.starts_with(b"HTTP/") => Err(HeadError::Limit),
                _ => Err(HeadError::Fault(ProtocolFault::NotHttp)),
            };
        };
        self.scanned = end;
        let line = &buffer[..end];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        parse_status_line(line)
            .map(Some)
            .ok_or(HeadError::Fault(ProtocolFault::NotHttp))
    }

    /// The length including the blank line.
    fn find_end(&mut self, buffer: &[u8]) -> Option<usize> {
        while let Some(at) = newline_from(buffer, self.scanned) {
            match &buffer[at + 1..] {
                [b'\n', ..] => return Some(at + 2),
                [b'\r', b'\n', ..] => return Some(at + 3),
                [] | [b'\r'] => {
                    self.scanned = at;
                    return None;
                }
                _ => self.scanned = at + 1,
            }
        }
        self.scanned = buffer.len();
        None
    }
}

fn newline_from(buffer: &[u8], from: usize) -> Option<usize> {
    buffer[from..]
        .iter()
        .position(|byte| *byte == b'\n')
        .map(|at| from + at)
}

/// `HTTP/1.x SP status [SP reason]`; more than one blank is accepted, as in `http.client`.
fn parse_status_line(line: &[u8]) -> Option<(u16, HttpVersion, Vec<u8>)> {
    let version = match line.get(..8)? {
        b"HTTP/1.0" => HttpVersion::Http10,
        b"HTTP/1.1" => HttpVersion::Http11,
        _ => return None,
    };
    let rest = line[8..].strip_prefix(b" ")?.trim_ascii_start();
    let (digits, reason) = rest.split_at_checked(3)?;
    let status = digits.iter().try_fold(0, |sum, byte| {
        byte.is_ascii_digit()
            .then(|| sum * 10 + u16::from(byte - b'0'))
    })?;
    let reason = match reason {
        [] => reason,
        [b' ' | b'\t', ..] => reason.trim_ascii(),
        _ => return None,
    };
    (status >= 100).then(|| (status, version, reason.to_vec()))
}

fn parse_fields(head: &[u8]) -> Result<Fields, HeadError> {
    let mut config = httparse::ParserConfig::default();
    config
        .allow_multiple_spaces_in_response_status_delimiters(true)
        .allow_obsolete_multiline_headers_in_responses(true);
    let mut room = MAX_FIELDS / 8;
    loop {
        let mut lines = vec![httparse::EMPTY_HEADER; room];
        let mut response = httparse::Response::new(&mut lines);
        match config.parse_response(&mut response, head) {
            Ok(httparse::Status::Complete(length)) if length == head.len() => {
                return Ok(response
                    .headers
                    .iter()
                    .map(|line| (line.name.as_bytes().to_vec(), unfold(line.value)))
                    .collect());
            }
            Err(httparse::Error::TooManyHeaders) if room < MAX_FIELDS => room *= 2,
            Err(httparse::Error::TooManyHeaders) => return Err(HeadError::Limit),
            Ok(_) => return Err(malformed("a line in it has no end")),
            Err(httparse::Error::HeaderName) => return Err(malformed("a field name is invalid")),
            Err(httparse::Error::HeaderValue) => return Err(malformed("a field value is invalid")),
            Err(_) => return Err(malformed("a line in it is invalid")),
        }
    }
}

/// The trailer fields in these lines, by the rules for the fields of a head; those that would change
/// the message are dropped.
pub(super) fn parse_trailers(lines: &[u8]) -> Result<Fields, EgressError> {
    if lines.is_empty() {
        return Ok(Fields::new());
    }
    let head = [b"HTTP/1.1 200 \r\n", lines, b"\r\n"].concat();
    let fields = parse_fields(&head).map_err(|error| match error {
        HeadError::Fault(ProtocolFault::Head(what)) => {
            EgressError::protocol(ProtocolFault::Trailers(what))
        }
        HeadError::Fault(fault) => EgressError::protocol(fault),
        HeadError::Limit => EgressError::Limit(Limit::ResponseHeadSize),
    })?;
    Ok(permitted(fields))
}

const fn malformed(what: &'static str) -> HeadError {
    HeadError::Fault(ProtocolFault::Head(what))
}

/// Replaces each obsolete folding, with the blanks around it, by one blank (RFC 9112 section 5.2).
fn unfold(value: &[u8]) -> Vec<u8> {
    if !value.contains(&b'\n') {
        return value.to_vec();
    }
    let lines = value.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    lines.collect::<Vec<_>>().join(&b' ')
}

/// How the end of a body is determined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// After this many bytes; 0 if there is no body.
    Length(u64),
    /// By the chunked coding.
    Chunked,
    /// By the end of the connection.
    Close,
}

/// Applies the rules of RFC 9112 section 6.3, in order.
pub(super) fn framing(head: &ResponseHead, answers_head: bool) -> Result<Framing, ProtocolFault> {
    if answers_head || matches!(head.status, 100..=199 | 204 | 304) {
        return Ok(Framing::Length(0));
    }
    let mut codings = list(head, "transfer-encoding").peekable();
    if codings.peek().is_some() {
        let codings: Vec<_> = codings
            .filter(|coding| !coding.eq_ignore_ascii_case(b"identity"))
            .collect();
        return match codings.as_slice() {
            [] => Ok(Framing::Close),
            [only] if only.eq_ignore_ascii_case(b"chunked") => Ok(Framing::Chunked),
            _ => Err(ProtocolFault::Head(
                "a transfer coding that was not asked for",
            )),
        };
    }
    let mut lengths = list(head, "content-length");
    let Some(first) = lengths.next() else {
        return Ok(Framing::Close);
    };
    if !lengths.all(|other| other == first) {
        return Err(ProtocolFault::Head(
            "several Content-Length fields that differ",
        ));
    }
    parse_length(first)
        .map(Framing::Length)
        .ok_or(ProtocolFault::Head("a Content-Length that is no number"))
}

fn parse_length(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |sum, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

/// Whether the connection may carry another request (RFC 9112 section 9.3).
pub(super) fn is_persistent(head: &ResponseHead, framing: Framing) -> bool {
    let says = |option: &[u8]| list(head, "connection").any(|it| it.eq_ignore_ascii_case(option));
    let contradicts_itself = list(head, "transfer-encoding").next().is_some()
        && (head.version == HttpVersion::Http10 || list(head, "content-length").next().is_some());
    let offered = match head.version {
        HttpVersion::Http10 => says(b"keep-alive"),
        _ => true,
    };
    offered && framing != Framing::Close && !says(b"close") && !contradicts_itself
}

/// The members of a comma-separated list over all lines of a field (RFC 9110 section 5.6.1).
fn list<'a>(head: &'a ResponseHead, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    head.fields
        .iter()
        .filter(move |(field, _)| field.eq_ignore_ascii_case(name.as_bytes()))
        .flat_map(|(_, value)| value.split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|member| !member.is_empty())
}

#[cfg(test)]
mod tests;
