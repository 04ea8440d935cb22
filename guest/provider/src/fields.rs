//! The fields of a request: those that frame it are the host's to send, and have to say what is so.

use crate::bindings::types::{BodyKind, DenyReason, ErrorCode, Field};
use crate::decision::refused;
use crate::host;

/// The most fields, and the most bytes of a head: as those of our own host.
const MOST_FIELDS: usize = 1000;
const MOST_BYTES: usize = 256 * 1024;

/// A request's fields, taken apart.
pub(crate) struct Split {
    /// What the policy judges and the host is given, in order; with `Host` only for the policy.
    pub(crate) judged: Vec<Field>,
    /// Where among these `Content-Length` was.
    pub(crate) length_at: Option<usize>,
    /// Whether the guest waits for `100 Continue`.
    pub(crate) expects: bool,
}

/// Takes the fields apart, and checks those that frame the message.
///
/// # Errors
///
/// `invalid` where they contradict the body's kind or each other; `limit`; `denied` for another `Host`.
pub(crate) fn split(
    fields: Vec<Field>,
    kind: &BodyKind,
    to: &(String, u16),
) -> Result<Split, ErrorCode> {
    let size = fields
        .iter()
        .map(|(name, value)| name.len() + value.len() + 4);
    if fields.len() > MOST_FIELDS || size.sum::<usize>() > MOST_BYTES {
        return Err(ErrorCode::Invalid(format!(
            "the request has more than {MOST_FIELDS} fields, or more than {MOST_BYTES} bytes of them"
        )));
    }
    let mut split = Split {
        judged: Vec::with_capacity(fields.len()),
        length_at: None,
        expects: false,
    };
    let (mut codings, mut options) = (0, 0);
    for (name, value) in fields {
        match name.to_ascii_lowercase().as_slice() {
            b"content-length" => {
                if split.length_at.is_some() || !says_length(&value, kind) {
                    return Err(contradiction("Content-Length"));
                }
                split.length_at = Some(split.judged.len());
            }
            b"transfer-encoding" => {
                codings += 1;
                let is_right = matches!(kind, BodyKind::Chunked) && is(&value, "chunked");
                if codings > 1 || !is_right {
                    return Err(contradiction("Transfer-Encoding"));
                }
            }
            b"connection" => {
                options += 1;
                if options > 1 || !(is(&value, "close") || is(&value, "keep-alive")) {
                    let why = "the field Connection may only say close or keep-alive, once";
                    return Err(refused(DenyReason::Field, why));
                }
            }
            b"expect" => {
                if split.expects || !is(&value, "100-continue") {
                    let why = "the field Expect may only say 100-continue, once";
                    return Err(refused(DenyReason::Field, why));
                }
                split.expects = true;
            }
            b"host" if !names(&value, to) => {
                let why = "the field Host is not the connection's host";
                return Err(refused(DenyReason::HostMismatch, why));
            }
            _ => split.judged.push((name, value)),
        }
    }
    Ok(split)
}

fn is(value: &[u8], word: &str) -> bool {
    value.trim_ascii().eq_ignore_ascii_case(word.as_bytes())
}

fn says_length(value: &[u8], kind: &BodyKind) -> bool {
    let expected = match kind {
        BodyKind::None => 0,
        BodyKind::Sized(size) => *size,
        BodyKind::Chunked => return false,
    };
    let digits = value.trim_ascii();
    digits.iter().all(u8::is_ascii_digit)
        && std::str::from_utf8(digits).is_ok_and(|text| text.parse() == Ok(expected))
}

/// Whether the value of a `Host` field names this host and port; the port may be left out.
fn names(value: &[u8], (host, port): &(String, u16)) -> bool {
    let value = String::from_utf8_lossy(value.trim_ascii()).to_ascii_lowercase();
    value == host::authority(host, *port, *port) || value == host::authority(host, *port, 0)
}

fn contradiction(name: &str) -> ErrorCode {
    ErrorCode::Invalid(format!(
        "the field {name} does not say what the body's kind says"
    ))
}
