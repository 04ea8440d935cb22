//! Checks the syntax of a request head, independent of any policy.
//!
//! What fails here is not valid HTTP, whoever sends it and wherever it goes; the bindings answer it
//! with `invalid`. [`decide`](crate::decide) refuses such heads as well, so that a caller who
//! forgets this check cannot send them.

/// Methods that are never sent: a tunnel leads elsewhere (RFC 9110 section 9.3.6), and TRACE shows
/// the fields that the host added (section 9.3.8).
pub const NEVER_SENT: [&str; 2] = ["CONNECT", "TRACE"];

/// Why a request head is not HTTP.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeadError {
    /// The method is not a token (RFC 9110 section 9.1).
    #[error("the method is not a token")]
    Method,
    /// The path is not in origin form (RFC 9112 section 3.2.1).
    #[error("the path does not begin with '/'")]
    PathStart,
    /// The path has a byte that a request target cannot have.
    #[error("the path has the byte 0x{0:02x}, which must be percent-encoded")]
    PathByte(u8),
    /// A field name is not a token (RFC 9110 section 5.1).
    #[error("the name of field number {0} is not a token")]
    FieldName(usize),
    /// A field value has a control character other than HTAB (RFC 9110 section 5.5). The name has
    /// its first 64 bytes here.
    #[error("the value of the field '{0}' has a control character")]
    FieldValue(String),
}

/// Checks method, path and fields.
///
/// The path is in origin form: it begins with `/` and has no space, no control character and no
/// `#`. Bytes from 0x80 on are accepted there and in field values (obs-text), because servers and
/// clients in use have them.
///
/// # Errors
///
/// The first fault, in the order of the arguments; fields count from 1.
pub fn check_head(
    method: &[u8],
    path: &[u8],
    fields: &[(Vec<u8>, Vec<u8>)],
) -> Result<(), HeadError> {
    if !is_token(method) {
        return Err(HeadError::Method);
    }
    if !path.starts_with(b"/") {
        return Err(HeadError::PathStart);
    }
    if let Some(byte) = path
        .iter()
        .find(|b| !matches!(b, 0x21..=0x7e | 0x80..) || **b == b'#')
    {
        return Err(HeadError::PathByte(*byte));
    }
    for (index, (name, value)) in fields.iter().enumerate() {
        if !is_token(name) {
            return Err(HeadError::FieldName(index + 1));
        }
        if value.iter().any(|b| b.is_ascii_control() && *b != b'\t') {
            let start = &name[..name.len().min(64)];
            return Err(HeadError::FieldValue(
                String::from_utf8_lossy(start).into_owned(),
            ));
        }
    }
    Ok(())
}

/// Whether this is a token (RFC 9110 section 5.6.2).
#[must_use]
pub fn is_token(bytes: &[u8]) -> bool {
    let is_tchar = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
    !bytes.is_empty() && bytes.iter().all(is_tchar)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: &[u8], path: &[u8], name: &[u8], value: &[u8]) -> Result<(), HeadError> {
        check_head(method, path, &[(name.to_vec(), value.to_vec())])
    }

    #[test]
    fn heads_that_clients_send_are_accepted() {
        for (method, path, name, value) in [
            (&b"GET"[..], &b"/"[..], &b"Accept"[..], &b"*/*"[..]),
            (b"PROPFIND", b"/a/b?c=d&e[]=%20", b"x-y_z.1", b"tab\tinside"),
            (b"M-SEARCH", b"//double//slash", b"X-Empty", b""),
            (b"get", b"/back\\slash", b"X-Trailing", b" both ends "),
            (b"GET", b"/caf\xc3\xa9", b"X-Latin", b"caf\xe9"),
        ] {
            assert_eq!(check(method, path, name, value), Ok(()), "{path:?}");
        }
    }

    #[test]
    fn heads_that_could_be_read_as_something_else_are_refused() {
        use HeadError::*;
        let value_fault = || FieldValue("A".to_owned());
        for (method, path, name, value, error) in [
            (&b""[..], &b"/"[..], &b"A"[..], &b"b"[..], Method),
            (b"GET ", b"/", b"A", b"b", Method),
            (b"GET / HTTP/1.1\r\n", b"/", b"A", b"b", Method),
            (b"G\xc9T", b"/", b"A", b"b", Method),
            (b"GET", b"", b"A", b"b", PathStart),
            (b"OPTIONS", b"*", b"A", b"b", PathStart),
            (b"GET", b"http://other.test/", b"A", b"b", PathStart),
            (b"GET", b"other.test:443", b"A", b"b", PathStart),
            (b"GET", b"/a b", b"A", b"b", PathByte(b' ')),
            (b"GET", b"/ HTTP/1.1\r\nX: y", b"A", b"b", PathByte(b' ')),
            (b"GET", b"/a\r", b"A", b"b", PathByte(b'\r')),
            (b"GET", b"/a\0", b"A", b"b", PathByte(0)),
            (b"GET", b"/a\x7f", b"A", b"b", PathByte(0x7f)),
            (b"GET", b"/a#b", b"A", b"b", PathByte(b'#')),
            (b"GET", b"/", b"", b"b", FieldName(1)),
            (b"GET", b"/", b":authority", b"b", FieldName(1)),
            (b"GET", b"/", b"A ", b"b", FieldName(1)),
            (b"GET", b"/", b"A:", b"b", FieldName(1)),
            (b"GET", b"/", b"A\r\nB", b"b", FieldName(1)),
            (b"GET", b"/", b"A\xe9", b"b", FieldName(1)),
            (b"GET", b"/", b"A", b"b\r\nC: d", value_fault()),
            (b"GET", b"/", b"A", b"b\rc", value_fault()),
            (b"GET", b"/", b"A", b"b\n c", value_fault()),
            (b"GET", b"/", b"A", b"b\0", value_fault()),
            (b"GET", b"/", b"A", b"\x1b[31m", value_fault()),
            (b"GET", b"/", b"A", b"\x7f", value_fault()),
        ] {
            assert_eq!(
                check(method, path, name, value),
                Err(error),
                "{method:?} {path:?}"
            );
        }
    }
}
