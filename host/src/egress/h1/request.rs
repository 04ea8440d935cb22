//! The head of a request on the wire (RFC 9112 section 3).

use crate::egress::{BodyKind, EgressError, Limit};
use crate::policy::RequestLine;

/// Fields that this module sends itself, or that would change where a message ends.
const RESERVED: [&str; 4] = ["host", "content-length", "transfer-encoding", "connection"];

/// Writes the head: the request line, `Host` first, the guest's fields as they are, and the
/// framing field last.
///
/// The policy has checked the head; what could split it into two is refused here once more.
///
/// # Errors
///
/// `Invalid` for a head that would not mean what it says; `Limit` above `max` bytes.
pub(crate) fn encode_head(
    request: &RequestLine,
    kind: BodyKind,
    max: usize,
) -> Result<Vec<u8>, EgressError> {
    check(request)?;
    let mut head = Vec::with_capacity(256);
    put(
        &mut head,
        &[&request.method, b" ", &request.path, b" HTTP/1.1\r\n"],
    );
    put(
        &mut head,
        &[b"Host: ", request.origin.authority().as_bytes(), b"\r\n"],
    );
    for (name, value) in &request.fields {
        put(&mut head, &[name, b": ", value, b"\r\n"]);
    }
    match kind {
        BodyKind::None => {}
        BodyKind::Sized(length) => {
            put(
                &mut head,
                &[b"Content-Length: ", length.to_string().as_bytes(), b"\r\n"],
            );
        }
        BodyKind::Chunked => put(&mut head, &[b"Transfer-Encoding: chunked\r\n"]),
    }
    head.extend_from_slice(b"\r\n");
    if head.len() > max {
        return Err(EgressError::Limit(Limit::RequestHeadSize));
    }
    Ok(head)
}

fn put(head: &mut Vec<u8>, parts: &[&[u8]]) {
    parts.iter().for_each(|part| head.extend_from_slice(part));
}

fn check(request: &RequestLine) -> Result<(), EgressError> {
    if request.method.is_empty() || !request.method.iter().all(|byte| is_token(*byte)) {
        return Err(EgressError::Invalid("the method is not a token".into()));
    }
    if request.path.is_empty()
        || request
            .path
            .iter()
            .any(|byte| *byte <= b' ' || *byte == 0x7f)
    {
        return Err(EgressError::Invalid(
            "the path has blanks or control characters".into(),
        ));
    }
    for (name, value) in &request.fields {
        if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
            return Err(EgressError::Invalid("a field name is not a token".into()));
        }
        if RESERVED
            .iter()
            .any(|reserved| name.eq_ignore_ascii_case(reserved.as_bytes()))
        {
            let name = String::from_utf8_lossy(name);
            return Err(EgressError::Invalid(format!(
                "the field {name} is the host's to send"
            )));
        }
        if value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
            return Err(EgressError::Invalid(
                "a field value has a line break or NUL in it".into(),
            ));
        }
    }
    Ok(())
}

/// Characters of a token (RFC 9110 section 5.6.2).
const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}
