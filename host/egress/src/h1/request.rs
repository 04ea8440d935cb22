//! Writes the head of a request (RFC 9112 section 3).

use crate::body_kind::BodyKind;
use crate::error::EgressError;
use crate::layout::Line;
use crate::limit::Limit;
use crate::send_options::SendOptions;
use sandbox_net_policy::RequestLine;

/// Fields that this module sends itself, or that would change where a message ends.
const RESERVED: [&str; 4] = ["host", "content-length", "transfer-encoding", "connection"];

/// Writes the head: the request line, then the guest's fields unchanged and the host's own, in the
/// order of the layout. Without a layout, `Host` comes first, and framing fields last.
///
/// The policy has checked the head; what could split it into two is refused here again.
///
/// # Errors
///
/// `Invalid` for a head that would have another meaning on the wire; `Limit` above `max` bytes.
pub(crate) fn encode_head(
    request: &RequestLine,
    kind: BodyKind,
    options: &SendOptions,
    max: usize,
) -> Result<Vec<u8>, EgressError> {
    check(request)?;
    let mut head = Vec::with_capacity(256);
    put(
        &mut head,
        &[&request.method, b" ", &request.path, b" HTTP/1.1\r\n"],
    );
    for line in options.layout.arrange(lines(request, kind, options)) {
        put(&mut head, &[line.name, b": ", &line.value, b"\r\n"]);
    }
    head.extend_from_slice(b"\r\n");
    if head.len() > max {
        return Err(EgressError::Limit(Limit::RequestHeadSize));
    }
    Ok(head)
}

/// The bytes of the head as HTTP/1.1 text, for any version that carries it.
pub fn head_size(request: &RequestLine, kind: BodyKind, options: &SendOptions) -> u64 {
    let first = request.method.len() + request.path.len() + "  HTTP/1.1\r\n".len();
    let lines = lines(request, kind, options);
    let rest: usize = lines.iter().map(Line::size).sum();
    (first + rest + "\r\n".len()) as u64
}

/// The guest's fields and the host's own, in the default order.
fn lines<'a>(request: &'a RequestLine, kind: BodyKind, options: &'a SendOptions) -> Vec<Line<'a>> {
    let host = options.layout.host(&request.origin);
    let expects = options.continued.is_some();
    let framing = match kind {
        BodyKind::None => None,
        BodyKind::Sized(length) => {
            let length = length.to_string().into_bytes();
            Some(Line::own(b"Content-Length", length))
        }
        BodyKind::Chunked => Some(Line::own(b"Transfer-Encoding", &b"chunked"[..])),
    };
    let mut lines = vec![Line::own(b"Host", host)];
    let fields = request.fields.iter();
    lines.extend(fields.map(|(name, value)| Line::of_guest(name, value)));
    lines.extend(expects.then(|| Line::own(b"Expect", &b"100-continue"[..])));
    lines.extend(framing);
    let connection = options.layout.connection();
    lines.extend(connection.map(|option| Line::own(b"Connection", option)));
    lines
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::layout::Layout;
    use crate::send_options::Continued;
    use sandbox_net_policy::{Endpoint, Origin, Scheme};

    fn request(method: &[u8], path: &[u8], name: &[u8], value: &[u8]) -> RequestLine {
        let endpoint = Endpoint::new("api.test", 80).unwrap();
        RequestLine {
            origin: Origin {
                scheme: Scheme::Http,
                endpoint,
            },
            method: method.to_vec(),
            path: path.to_vec(),
            fields: vec![(name.to_vec(), value.to_vec())],
        }
    }

    #[test]
    fn a_head_ends_with_its_framing() {
        let request = request(b"GET", b"/", b"a", b"\xff");
        for (kind, framing) in [
            (BodyKind::None, &b""[..]),
            (BodyKind::Sized(0), b"Content-Length: 0\r\n"),
            (
                BodyKind::Sized(u64::MAX),
                b"Content-Length: 18446744073709551615\r\n",
            ),
            (BodyKind::Chunked, b"Transfer-Encoding: chunked\r\n"),
        ] {
            let start = b"GET / HTTP/1.1\r\nHost: api.test\r\na: \xff\r\n";
            let expected = [start, framing, b"\r\n"].concat();
            let length = expected.len();
            let plain = SendOptions::default();
            assert_eq!(encode_head(&request, kind, &plain, length), Ok(expected));
            let error = encode_head(&request, kind, &plain, length - 1);
            assert_eq!(error, Err(EgressError::Limit(Limit::RequestHeadSize)));
            let expect = &b"Expect: 100-continue\r\n"[..];
            let expected = [start, expect, framing, b"\r\n"].concat();
            let expecting = SendOptions {
                continued: Some(Continued::default()),
                ..SendOptions::default()
            };
            assert_eq!(encode_head(&request, kind, &expecting, 9999), Ok(expected));
        }
    }

    #[test]
    fn a_head_has_the_order_and_the_spelling_that_the_guest_gave_it() {
        let mut fields: Vec<(Vec<u8>, Vec<u8>)> = vec![
            (b"Accept".into(), b"*/*".into()),
            (b"HOST".into(), b"api.test:80".into()),
            (b"content-Length".into(), b"005".into()),
            (b"CONNECTION".into(), b"Keep-Alive".into()),
            (b"a".into(), b"b".into()),
        ];
        let kind = BodyKind::Sized(5);
        let layout = Layout::take(&mut fields, kind);
        fields.retain(|(name, _)| name != b"HOST");
        let options = SendOptions {
            layout,
            ..SendOptions::default()
        };
        let request = RequestLine {
            fields,
            ..request(b"PUT", b"/", b"", b"")
        };
        let expected = b"PUT / HTTP/1.1\r\nAccept: */*\r\nHOST: api.test\r\ncontent-Length: 5\r\n\
            CONNECTION: Keep-Alive\r\na: b\r\n\r\n";
        let head = encode_head(&request, kind, &options, 9999).unwrap();
        assert_eq!(
            head.escape_ascii().to_string(),
            expected.escape_ascii().to_string()
        );
    }

    #[test]
    fn what_could_split_a_head_is_refused_whatever_the_policy_says() {
        for (method, path, name, value) in [
            (&b""[..], &b"/"[..], &b"a"[..], &b"b"[..]),
            (b"GET /", b"/", b"a", b"b"),
            (b"GET", b"", b"a", b"b"),
            (b"GET", b"/ HTTP/1.1\r\nx: y", b"a", b"b"),
            (b"GET", b"/\n", b"a", b"b"),
            (b"GET", b"/", b"", b"b"),
            (b"GET", b"/", b"a:", b"b"),
            (b"GET", b"/", b"a", b"b\r\nc: d"),
            (b"GET", b"/", b"a", b"b\n"),
            (b"GET", b"/", b"a", b"\0"),
            (b"GET", b"/", b"hOST", b"other.test"),
            (b"GET", b"/", b"Content-length", b"5"),
            (b"GET", b"/", b"transfer-encoding", b"chunked"),
            (b"GET", b"/", b"Connection", b"close"),
        ] {
            let result = encode_head(
                &request(method, path, name, value),
                BodyKind::None,
                &SendOptions::default(),
                9999,
            );
            assert!(matches!(result, Err(EgressError::Invalid(_))), "{result:?}");
        }
    }

    const NAMES: &[&str] = &[
        "Host",
        "Content-Length",
        "transfer-Encoding",
        "Connection",
        "A",
    ];
    const VALUES: &[&str] = &[
        "5",
        "05",
        "6",
        "chunked",
        "close",
        "Keep-Alive",
        "api.test",
        "",
    ];
    const KINDS: &[BodyKind] = &[
        BodyKind::None,
        BodyKind::Sized(0),
        BodyKind::Sized(5),
        BodyKind::Chunked,
    ];

    proptest! {
        /// With any fields of the guest, the head has the host's framing once.
        #[test]
        fn a_head_is_framed_by_its_kind_alone(
            lines in prop::collection::vec(
                (prop::sample::select(NAMES), prop::sample::select(VALUES)), 0..8),
            kind in prop::sample::select(KINDS),
        ) {
            let line = |(name, value): (&str, &str)| (name.into(), value.into());
            let mut fields: Vec<(Vec<u8>, Vec<u8>)> = lines.into_iter().map(line).collect();
            let layout = Layout::take(&mut fields, kind);
            // The policy removes the one that names the origin, too.
            fields.retain(|(name, _)| name != b"Host");
            let options = SendOptions { layout, ..SendOptions::default() };
            let request = RequestLine { fields, ..request(b"PUT", b"/", b"", b"") };
            let Ok(head) = encode_head(&request, kind, &options, 9999) else {
                return Ok(());
            };
            prop_assert_eq!(head_size(&request, kind, &options), head.len() as u64);
            let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
            let values = |name: &str| -> Vec<String> {
                let fields = head.lines().filter_map(|line| line.split_once(": "));
                let of_name = fields.filter(|(own, _)| *own == name);
                of_name.map(|(_, value)| value.to_owned()).collect()
            };
            prop_assert_eq!(values("host"), ["api.test"]);
            let (length, coding) = match kind {
                BodyKind::None => (None, None),
                BodyKind::Sized(length) => (Some(length.to_string()), None),
                BodyKind::Chunked => (None, Some("chunked".to_owned())),
            };
            prop_assert_eq!(values("content-length"), Vec::from_iter(length));
            prop_assert_eq!(values("transfer-encoding"), Vec::from_iter(coding));
            let connection = values("connection");
            prop_assert!(matches!(
                connection.iter().map(String::as_str).collect::<Vec<_>>()[..],
                [] | ["close" | "keep-alive"]
            ));
            prop_assert!(head.ends_with("\r\n\r\n") && !head[..head.len() - 4].contains("\r\n\r\n"));
        }
    }
}
