//! A second reading of a response, of all of its bytes at once and line by line.

use crate::{Body, End, Head, Outcome, fields};

/// The longest status line, and the longest line with a chunk's size.
const STATUS_LINE: usize = 65_536;
const SIZE_LINE: usize = 4096;

/// Fields that a trailer section must not have.
const NOT_BEHIND: &str = " connection content-encoding content-length content-range content-type host \
    keep-alive proxy-connection te trailer transfer-encoding upgrade ";

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

pub(crate) fn read(bytes: &[u8], max: usize, answers_head: bool) -> Outcome {
    if bytes.is_empty() {
        return Outcome::NoHead(End::More);
    }
    match head(bytes, max) {
        Err(end) => Outcome::NoHead(end),
        Ok(head) => {
            let rest = &bytes[head.length..];
            let (body, ends) = body(&head, rest, max, answers_head);
            let persistent = (body != Body::Unknown).then(|| persists(&head, ends));
            Outcome::Head {
                head,
                persistent,
                body,
            }
        }
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 12 | b'\r')
}

fn trimmed(mut bytes: &[u8]) -> &[u8] {
    while bytes.first().is_some_and(|byte| is_space(*byte)) {
        bytes = &bytes[1..];
    }
    while bytes.last().is_some_and(|byte| is_space(*byte)) {
        bytes = &bytes[..bytes.len() - 1];
    }
    bytes
}

/// A line without its end, and what follows it.
fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|byte| *byte == b'\n')?;
    Some((&bytes[..at], &bytes[at + 1..]))
}

fn without_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn head(bytes: &[u8], max: usize) -> Result<Head, End> {
    let most = max.min(STATUS_LINE + 1);
    let first = match line(bytes) {
        Some((first, _)) if first.len() < most => first,
        _ if bytes.len() < most => return Err(End::More),
        _ if most >= 5 && bytes.starts_with(b"HTTP/") => return Err(End::Limit),
        _ => return Err(End::NotHttp),
    };
    let (mut head, is_strict) = status_line(without_cr(first)).ok_or(End::NotHttp)?;
    let mut at = first.len() + 1;
    let mut lines: Vec<&[u8]> = Vec::new();
    loop {
        match line(&bytes[at..]) {
            None if bytes.len() >= max => return Err(End::Limit),
            None => return Err(End::More),
            Some((found, _)) => {
                at += found.len() + 1;
                if without_cr(found).is_empty() {
                    break;
                }
                lines.push(without_cr(found));
            }
        }
    }
    if at > max {
        return Err(End::Limit);
    }
    if !is_strict {
        return Err(End::Fault);
    }
    (head.fields, head.length) = (fields(&lines)?, at);
    Ok(head)
}

/// The parts of a status line, and whether all its bytes are allowed.
fn status_line(line: &[u8]) -> Option<(Head, bool)> {
    let is_http10 = line.starts_with(b"HTTP/1.0 ");
    if !is_http10 && !line.starts_with(b"HTTP/1.1 ") {
        return None;
    }
    let blanks = line[9..].iter().take_while(|byte| is_space(**byte)).count();
    let (before, rest) = line[9..].split_at(blanks);
    let digits = rest.get(..3)?;
    if !digits.iter().all(u8::is_ascii_digit) || digits[0] == b'0' {
        return None;
    }
    let status = str::from_utf8(digits).ok()?.parse().ok()?;
    let reason = &rest[3..];
    if !reason.is_empty() && !matches!(reason[0], b' ' | b'\t') {
        return None;
    }
    let is_text = |byte: &u8| *byte == b'\t' || (*byte >= b' ' && *byte != 127);
    let is_strict = before.iter().all(|byte| *byte == b' ')
        && reason.first() != Some(&b'\t')
        && reason.iter().all(is_text);
    let head = Head {
        status,
        is_http10,
        reason: trimmed(reason).to_vec(),
        fields: Fields::new(),
        length: 0,
    };
    Some((head, is_strict))
}

/// The fields on these lines, without the CR of their ends: another CR is a fault.
fn fields(lines: &[&[u8]]) -> Result<Fields, End> {
    let mut folded: Vec<(&[u8], Vec<&[u8]>)> = Vec::new();
    for line in lines.iter().copied() {
        let value = if matches!(line.first(), Some(b' ' | b'\t')) {
            let (_, values) = folded.last_mut().ok_or(End::Fault)?;
            values.push(line);
            line
        } else {
            // The first field too many is read to its end, and nothing after it.
            if folded.len() > fields::MAX_FIELDS {
                return Err(End::Limit);
            }
            let colon = line
                .iter()
                .position(|byte| *byte == b':')
                .ok_or(End::Fault)?;
            let (name, value) = (&line[..colon], &line[colon + 1..]);
            let is_name =
                |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
            if name.is_empty() || !name.iter().all(is_name) {
                return Err(End::Fault);
            }
            folded.push((name, vec![value]));
            value
        };
        if !value
            .iter()
            .all(|byte| matches!(byte, b'\t' | b' '..=126 | 128..))
        {
            return Err(End::Fault);
        }
    }
    if folded.len() > fields::MAX_FIELDS {
        return Err(End::Limit);
    }
    let unfold = |(name, lines): (&[u8], Vec<&[u8]>)| {
        let lines: Vec<&[u8]> = lines.into_iter().map(trimmed).collect();
        let value = lines.join(&b' ');
        let is_empty = lines.iter().all(|line| line.is_empty());
        let value = if is_empty {
            Vec::new()
        } else {
            within(&lines, value)
        };
        (name.to_vec(), value)
    };
    Ok(folded.into_iter().map(unfold).collect())
}

/// The value from its first non-empty line to its last one.
fn within(lines: &[&[u8]], value: Vec<u8>) -> Vec<u8> {
    let leading = lines.iter().take_while(|line| line.is_empty()).count();
    let trailing = lines
        .iter()
        .rev()
        .take_while(|line| line.is_empty())
        .count();
    value[leading..value.len() - trailing].to_vec()
}

fn members<'a>(head: &'a Head, name: &str) -> Vec<&'a [u8]> {
    let mut members = Vec::new();
    for (field, value) in &head.fields {
        if field.eq_ignore_ascii_case(name.as_bytes()) {
            members.extend(value.split(|byte| *byte == b',').map(trimmed));
        }
    }
    members.retain(|member| !member.is_empty());
    members
}

/// The body, and whether it ends with the connection.
fn body(head: &Head, rest: &[u8], max: usize, answers_head: bool) -> (Body, bool) {
    if answers_head || head.status < 200 || head.status == 204 || head.status == 304 {
        return (Body::Length(0), false);
    }
    let codings = members(head, "transfer-encoding");
    if !codings.is_empty() {
        let is = |coding: &&[u8], name: &str| coding.eq_ignore_ascii_case(name.as_bytes());
        let real: Vec<_> = codings.iter().filter(|it| !is(it, "identity")).collect();
        return match &real[..] {
            [] => (Body::Close, true),
            [one] if is(one, "chunked") => (chunks(rest, max), false),
            _ => (Body::Unknown, false),
        };
    }
    let lengths = members(head, "content-length");
    let Some(length) = lengths.first() else {
        return (Body::Close, true);
    };
    let number = str::from_utf8(length)
        .ok()
        .filter(|text| !text.starts_with('+'));
    match number.and_then(|text| text.parse().ok()) {
        Some(number) if lengths.iter().all(|other| other == length) => {
            (Body::Length(number), false)
        }
        _ => (Body::Unknown, false),
    }
}

fn persists(head: &Head, ends: bool) -> bool {
    let says = |word: &str| {
        let words = members(head, "connection");
        words
            .iter()
            .any(|it| it.eq_ignore_ascii_case(word.as_bytes()))
    };
    let is_coded = !members(head, "transfer-encoding").is_empty();
    let is_sized = !members(head, "content-length").is_empty();
    if ends || says("close") || is_coded && (is_sized || head.is_http10) {
        return false;
    }
    !head.is_http10 || says("keep-alive")
}

/// The result of searching a line within a bound.
fn bounded(bytes: &[u8], most: usize, beyond: End) -> Result<(&[u8], &[u8]), End> {
    match line(bytes) {
        Some((found, rest)) if found.len() <= most => match found.strip_suffix(b"\r") {
            Some(found) => Ok((found, rest)),
            None => Err(End::Fault),
        },
        None if bytes.len() <= most => Err(End::More),
        _ => Err(beyond),
    }
}

fn chunks(mut rest: &[u8], max: usize) -> Body {
    let mut bytes = Vec::new();
    let end = loop {
        match chunk(&mut rest, &mut bytes) {
            Ok(true) => {}
            Ok(false) => match trailers(rest, max) {
                Ok((trailers, rest)) => {
                    return Body::Chunked {
                        bytes,
                        end: End::Complete,
                        trailers,
                        rest: Some(rest.to_vec()),
                    };
                }
                Err(end) => break end,
            },
            Err(end) => break end,
        }
    };
    Body::Chunked {
        bytes,
        end,
        trailers: Fields::new(),
        rest: None,
    }
}

/// Reads a chunk; returns false for the last one.
fn chunk(rest: &mut &[u8], bytes: &mut Vec<u8>) -> Result<bool, End> {
    let (size, after) = bounded(rest, SIZE_LINE, End::Fault)?;
    let digits = size
        .iter()
        .take_while(|byte| byte.is_ascii_hexdigit())
        .count();
    let behind = size[digits..].iter().find(|byte| !is_space(**byte));
    if digits == 0 || behind.is_some_and(|byte| *byte != b';') {
        return Err(End::Fault);
    }
    let mut number: u128 = 0;
    for digit in &size[..digits] {
        let value = char::from(*digit).to_digit(16).ok_or(End::Fault)?;
        number = (number * 16 + u128::from(value)).min(1 << 100);
    }
    if number > u128::from(u64::MAX) {
        return Err(End::Fault);
    }
    *rest = after;
    if number == 0 {
        return Ok(false);
    }
    let taken = usize::try_from(number)
        .unwrap_or(usize::MAX)
        .min(rest.len());
    bytes.extend_from_slice(&rest[..taken]);
    *rest = &rest[taken..];
    match **rest {
        _ if (taken as u128) < number => Err(End::More),
        [] | [b'\r'] => Err(End::More),
        [b'\r', b'\n', ..] => {
            *rest = &rest[2..];
            Ok(true)
        }
        _ => Err(End::Fault),
    }
}

fn trailers(mut rest: &[u8], max: usize) -> Result<(Fields, &[u8]), End> {
    let (mut lines, mut left) = (Vec::new(), max);
    loop {
        let (line, after) = bounded(rest, left + 1, End::Limit)?;
        rest = after;
        if line.is_empty() {
            break;
        }
        lines.push(line);
        left = left.saturating_sub(line.len() + 2);
    }
    let mut fields = fields(&lines)?;
    fields.retain(|(name, _)| {
        let name = format!(" {} ", String::from_utf8_lossy(name).to_ascii_lowercase());
        !NOT_BEHIND.contains(&name)
    });
    Ok((fields, rest))
}
