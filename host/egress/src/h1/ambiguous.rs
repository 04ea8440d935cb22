//! Detects heads that the reader accepts but HTTP clients read in different ways.
//!
//! A guest's client gets a response as the reader's values, written anew. That equals the peer's
//! own bytes only if every client reads these as the reader does.

use crate::response::{HttpVersion, ResponseHead};

/// What clients disagree about in the head in these bytes; `None` if they agree.
pub(super) fn ambiguity(bytes: &[u8], head: &ResponseHead) -> Option<&'static str> {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let status_line = lines.next().unwrap_or_default();
    if !is_plain(status_line.strip_suffix(b"\r").unwrap_or(status_line), head) {
        return Some("blanks in its status line");
    }
    if lines.any(|line| matches!(line.first(), Some(b' ' | b'\t'))) {
        return Some("a folded line");
    }
    let mut codings = bytes.split(|byte| *byte == b'\n').filter_map(coding);
    let is_plain = match (codings.next(), codings.next()) {
        (None, _) => true,
        (Some(coding), None) => {
            coding.eq_ignore_ascii_case(b"chunked") && head.version != HttpVersion::Http10
        }
        (Some(_), Some(_)) => false,
    };
    (!is_plain).then_some("its transfer coding")
}

/// Whether exactly one blank separates the parts of the status line.
fn is_plain(line: &[u8], head: &ResponseHead) -> bool {
    // The version and a blank were checked already.
    let rest = line.get(9..).unwrap_or_default();
    match rest.split_at_checked(3) {
        Some((status, reason)) if status.iter().all(u8::is_ascii_digit) => {
            reason.strip_prefix(b" ").unwrap_or(reason) == head.reason
        }
        _ => false,
    }
}

/// The value of a `Transfer-Encoding` line: some clients keep the blanks after it.
fn coding(line: &[u8]) -> Option<&[u8]> {
    const NAME: &[u8] = b"transfer-encoding";
    let (name, value) = line.split_at_checked(NAME.len())?;
    let value = value.strip_prefix(b":")?;
    let value = value.strip_suffix(b"\r").unwrap_or(value);
    name.eq_ignore_ascii_case(NAME)
        .then(|| value.trim_ascii_start())
}

#[cfg(test)]
mod tests;
