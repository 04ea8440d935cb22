//! Where a request's body ends (RFC 9112 section 6): in one place, or the request is refused.

use sandbox_net_egress::{BodyKind, Fields};

use super::version::Version;

/// How the body ends. Unlike RFC 9112 section 6.3 this accepts no request that has to be repaired:
/// what stands before or after the broker could repair it otherwise.
///
/// # Errors
///
/// Both framing fields, one of them twice, and values that are not exactly of the grammar.
pub(super) fn body_kind(version: Version, fields: &Fields) -> Result<BodyKind, &'static str> {
    let lengths = values(fields, "content-length");
    let codings = values(fields, "transfer-encoding");
    match (lengths.as_slice(), codings.as_slice()) {
        ([], []) => Ok(BodyKind::None),
        ([_, ..], [_, ..]) => Err("it has both Content-Length and Transfer-Encoding"),
        ([length], []) => parse_length(length)
            .map(BodyKind::Sized)
            .ok_or("its Content-Length is not a number"),
        ([], [coding]) => match version {
            _ if !coding.eq_ignore_ascii_case(b"chunked") => {
                Err("its Transfer-Encoding is not 'chunked'")
            }
            Version::Http10 => Err("HTTP/1.0 has no Transfer-Encoding"),
            Version::Http11 => Ok(BodyKind::Chunked),
        },
        ([_, _, ..], []) => Err("it has several Content-Length fields"),
        ([], [_, _, ..]) => Err("it has several Transfer-Encoding fields"),
    }
}

/// Digits, and nothing else.
fn parse_length(value: &[u8]) -> Option<u64> {
    let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(value).ok().filter(|_| is_number)?;
    text.parse().ok()
}

/// Whether another request may follow (RFC 9112 section 9.3).
pub(super) fn keeps_alive(version: Version, fields: &Fields) -> bool {
    let says = |option: &[u8]| options(fields).any(|one| one.eq_ignore_ascii_case(option));
    match version {
        Version::Http10 => says(b"keep-alive") && !says(b"close"),
        Version::Http11 => !says(b"close"),
    }
}

/// The options of `Connection`.
pub(crate) fn options(fields: &Fields) -> impl Iterator<Item = &[u8]> {
    let lines = fields
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case(b"connection"));
    let options = lines.flat_map(|(_, value)| value.split(|byte| *byte == b','));
    options
        .map(<[u8]>::trim_ascii)
        .filter(|one| !one.is_empty())
}

/// Whether the client waits for a `100 Continue` (RFC 9110 section 10.1.1).
pub(super) fn asks_to_continue(version: Version, fields: &Fields, kind: BodyKind) -> bool {
    let expected = values(fields, "expect");
    let is_known = |value: &&[u8]| value.eq_ignore_ascii_case(b"100-continue");
    version == Version::Http11 && !kind.is_empty() && expected.iter().any(is_known)
}

fn values<'a>(fields: &'a Fields, name: &str) -> Vec<&'a [u8]> {
    let is_it = |(own, _): &&(Vec<u8>, Vec<u8>)| own.eq_ignore_ascii_case(name.as_bytes());
    let of_name = fields.iter().filter(is_it);
    of_name.map(|(_, value)| value.as_slice()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(lines: &[(&str, &str)]) -> Fields {
        let line = |(name, value): &(&str, &str)| ((*name).into(), (*value).into());
        lines.iter().map(line).collect()
    }

    #[test]
    fn a_body_ends_where_every_reader_sees_its_end() {
        use Version::{Http10, Http11};
        let sized = |length| Some(BodyKind::Sized(length));
        for (version, lines, expected) in [
            (Http11, &[][..], Some(BodyKind::None)),
            (Http11, &[("content-LENGTH", "0")], sized(0)),
            (Http10, &[("Content-Length", "005")], sized(5)),
            (
                Http11,
                &[("Content-Length", "18446744073709551615")],
                sized(u64::MAX),
            ),
            (Http11, &[("Content-Length", "18446744073709551616")], None),
            (Http11, &[("Content-Length", "")], None),
            (Http11, &[("Content-Length", "+5")], None),
            (Http11, &[("Content-Length", "-5")], None),
            (Http11, &[("Content-Length", "5 5")], None),
            (Http11, &[("Content-Length", "5, 5")], None),
            (Http11, &[("Content-Length", "0x5")], None),
            (
                Http11,
                &[("Content-Length", "5"), ("Content-Length", "5")],
                None,
            ),
            (
                Http11,
                &[("Transfer-Encoding", "Chunked")],
                Some(BodyKind::Chunked),
            ),
            (Http10, &[("Transfer-Encoding", "chunked")], None),
            (Http11, &[("Transfer-Encoding", "gzip, chunked")], None),
            (Http11, &[("Transfer-Encoding", "chunked, chunked")], None),
            (Http11, &[("Transfer-Encoding", "\u{b}chunked")], None),
            (Http11, &[("Transfer-Encoding", "identity")], None),
            (Http11, &[("Transfer-Encoding", "")], None),
            (
                Http11,
                &[("Transfer-Encoding", "chunked"), ("transfer-encoding", "x")],
                None,
            ),
            (
                Http11,
                &[("Content-Length", "5"), ("Transfer-Encoding", "chunked")],
                None,
            ),
        ] {
            let found = body_kind(version, &fields(lines));
            assert_eq!(found.ok(), expected, "{version:?} {lines:?}");
        }
    }

    #[test]
    fn a_connection_persists_as_its_version_and_its_options_say() {
        use Version::{Http10, Http11};
        for (version, options, expected) in [
            (Http11, &[][..], true),
            (Http10, &[], false),
            (Http11, &["keep-alive, Close"], false),
            (Http11, &["x", "close"], false),
            (Http10, &["Keep-Alive"], true),
            (Http10, &["keep-alive", "close"], false),
        ] {
            let lines: Vec<_> = options.iter().map(|value| ("Connection", *value)).collect();
            assert_eq!(keeps_alive(version, &fields(&lines)), expected);
        }
    }

    #[test]
    fn only_a_client_of_http11_with_a_body_waits_to_continue() {
        use Version::{Http10, Http11};
        let sized = BodyKind::Sized(1);
        for (version, value, kind, expected) in [
            (Http11, "100-Continue", sized, true),
            (Http11, "100-continue", BodyKind::Chunked, true),
            (Http10, "100-continue", sized, false),
            (Http11, "100-continue", BodyKind::None, false),
            (Http11, "200-ok", sized, false),
        ] {
            let lines = fields(&[("Expect", value)]);
            assert_eq!(asks_to_continue(version, &lines, kind), expected);
        }
    }
}
