use super::*;

const MAX: usize = 4096;

/// Parses bytes that arrive in the given pieces; `None` if they are not a complete head.
fn parse_pieces(pieces: &[&[u8]], max: usize) -> Result<Option<(ResponseHead, usize)>, HeadError> {
    let mut parser = HeadParser::new(max);
    let mut buffer = Vec::new();
    for piece in pieces {
        buffer.extend_from_slice(piece);
        if let Some(found) = parser.parse(&buffer)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn parse(bytes: &[u8]) -> Result<Option<(ResponseHead, usize)>, HeadError> {
    parse_pieces(&[bytes], MAX)
}

fn head(text: &str) -> ResponseHead {
    parse(text.as_bytes()).unwrap().unwrap().0
}

#[test]
fn a_head_parses_the_same_however_it_arrives() {
    for text in [
        "HTTP/1.1 200 OK\r\nA: 1\r\nb:\t2 \r\nA: 3\r\n\r\nrest",
        "HTTP/1.0 404 Not Found\nA: 1\n\nrest",
        "HTTP/1.1 204\r\n\r\nrest",
        "HTTP/1.1 200 \r\nFolded: a\r\n  b\r\nC: d\r\n\r\nrest",
    ] {
        let bytes = text.as_bytes();
        let whole = parse(bytes).unwrap().unwrap();
        assert_eq!(&bytes[whole.1..], b"rest", "{text:?}");
        for first in 0..=whole.1 {
            for second in first..=whole.1 {
                let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                let found = parse_pieces(&pieces, MAX).unwrap().unwrap();
                assert_eq!(found, whole, "{text:?} cut at {first} and {second}");
            }
        }
        for end in 0..whole.1 {
            assert_eq!(parse(&bytes[..end]), Ok(None), "{text:?} up to {end}");
        }
    }
}

#[test]
fn status_lines_are_read_as_http_client_reads_them() {
    for (line, status, reason) in [
        ("HTTP/1.1 200 OK", 200, "OK"),
        ("HTTP/1.1 200", 200, ""),
        ("HTTP/1.1 200 ", 200, ""),
        ("HTTP/1.1  200  Spaced  out ", 200, "Spaced  out"),
        ("HTTP/1.0 999 x", 999, "x"),
        ("HTTP/1.1 500 caf\u{e9}", 500, "caf\u{e9}"),
    ] {
        let head = head(&format!("{line}\r\n\r\n"));
        assert_eq!(
            (head.status, head.reason.as_slice()),
            (status, reason.as_bytes()),
            "{line:?}"
        );
    }
}

#[test]
fn what_is_no_status_line_is_found_out_with_its_line_end() {
    for line in [
        "",
        "SSH-2.0-OpenSSH_9.9",
        "<html>",
        "HTTP/2 200",
        "HTTP/0.9 200 OK",
        "http/1.1 200 OK",
        "HTTP/1.1",
        "HTTP/1.1 ",
        "HTTP/1.1200 OK",
        "HTTP/1.1 20 OK",
        "HTTP/1.1 2000 OK",
        "HTTP/1.1 -20 OK",
        "HTTP/1.1 099 Low",
        "HTTP/1.1 abc OK",
    ] {
        assert_eq!(parse(line.as_bytes()), Ok(None), "{line:?} without its end");
        let expected = Err(HeadError::Fault(ProtocolFault::NotHttp));
        assert_eq!(parse(format!("{line}\n").as_bytes()), expected, "{line:?}");
    }
}

#[test]
fn field_lines_that_are_none_are_refused() {
    for line in [
        "no colon",
        ": no name",
        "Name : x",
        "Na me: x",
        "Nul: \0",
        "Control: \u{1}",
        "Return: a\rb",
    ] {
        let text = format!("HTTP/1.1 200 OK\r\nA: b\r\n{line}\r\n\r\n");
        let result = parse(text.as_bytes());
        assert!(
            matches!(result, Err(HeadError::Fault(ProtocolFault::Head(_)))),
            "{line:?}: {result:?}"
        );
    }
}

#[test]
fn values_keep_their_bytes() {
    let bytes = b"HTTP/1.1 200 OK\r\nLatin: caf\xe9\r\nInner:  a \t b  \r\nFold: a\r\n\tb\r\n\r\n";
    let fields = parse(bytes).unwrap().unwrap().0.fields;
    let values: Vec<&[u8]> = fields.iter().map(|(_, value)| value.as_slice()).collect();
    assert_eq!(values, [&b"caf\xe9"[..], b"a \t b", b"a b"]);
}

#[test]
fn a_folded_value_is_one_line_with_a_blank_where_each_fold_was() {
    for (value, expected) in [
        ("a\r\n  b", "a b"),
        ("a \t\r\n\t b\t \r\n c", "a b c"),
        ("a\t b", "a\t b"),
    ] {
        let head = head(&format!("HTTP/1.1 200 OK\r\nX: {value}\r\n\r\n"));
        assert_eq!(head.fields[0].1, expected.as_bytes(), "{value:?}");
    }
}

#[test]
fn the_size_limit_holds_to_the_byte() {
    let text = "HTTP/1.1 200 OK\r\nA: 1\r\n\r\nbody";
    let length = text.len() - "body".len();
    assert!(parse_pieces(&[text.as_bytes()], length).unwrap().is_some());
    assert_eq!(
        parse_pieces(&[text.as_bytes()], length - 1),
        Err(HeadError::Limit)
    );
    let endless = format!("HTTP/1.1 200 OK\r\nA: {}", "x".repeat(MAX));
    assert_eq!(parse(endless.as_bytes()), Err(HeadError::Limit));
    let first_line = format!("HTTP/1.1 200 {}", "x".repeat(MAX));
    assert_eq!(parse(first_line.as_bytes()), Err(HeadError::Limit));
    let garbage = Err(HeadError::Fault(ProtocolFault::NotHttp));
    assert_eq!(parse("x".repeat(MAX).as_bytes()), garbage);
}

#[test]
fn a_status_line_beyond_its_bound_is_refused_however_it_arrives() {
    let limit = Err(HeadError::Limit);
    let not_http = Err(HeadError::Fault(ProtocolFault::NotHttp));
    for (start, max, excess, expected) in [
        ("HTTP/1.1 200 ", 1 << 20, 0, None),
        ("HTTP/1.1 200 ", 1 << 20, 1, Some(&limit)),
        ("HTTP/9.9 200 ", 1 << 20, 1, Some(&limit)),
        ("220 ready ", 1 << 20, 1, Some(&not_http)),
        ("HTTP/1.1 200 ", 100, 1, Some(&limit)),
        ("HTTP/9.9 200 ", 100, 1, Some(&limit)),
        ("220 ready ", 100, 1, Some(&not_http)),
    ] {
        let most = MAX_STATUS_LINE.min(max - 1);
        let reason = "x".repeat(most + excess - start.len());
        let head = format!("{start}{reason}\n\n");
        let whole = parse_pieces(&[head.as_bytes()], max);
        let (first, second) = head.as_bytes().split_at(most);
        assert_eq!(parse_pieces(&[first, second], max), whole, "{start} {max}");
        let (first, second) = head.as_bytes().split_at(most + 1);
        assert_eq!(parse_pieces(&[first, second], max), whole, "{start} {max}");
        match expected {
            Some(expected) => assert_eq!(&whole, expected, "{start} {max}"),
            None => assert!(matches!(whole, Ok(Some(_))), "{start} {max}"),
        }
    }
}

#[test]
fn many_fields_are_read_and_too_many_are_refused() {
    for (count, is_accepted) in [(1000, true), (10_000, false)] {
        let text = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a:b\r\n".repeat(count));
        let result = parse_pieces(&[text.as_bytes()], usize::MAX);
        let fields = result.map(|found| found.map(|(head, _)| head.fields.len()));
        let expected = if is_accepted {
            Ok(Some(count))
        } else {
            Err(HeadError::Limit)
        };
        assert_eq!(fields, expected);
    }
}

#[test]
fn framing_follows_rfc_9112_section_6_3() {
    use Framing::{Chunked, Close, Length};
    const BAD: Option<Framing> = None;
    for (status, fields, expected) in [
        (200, "", Some(Close)),
        (200, "Content-Length: 5\r\n", Some(Length(5))),
        (200, "Content-Length: 0\r\n", Some(Length(0))),
        (
            200,
            "content-length: 5\r\nCONTENT-LENGTH: 5\r\n",
            Some(Length(5)),
        ),
        (200, "Content-Length: 5, 5\r\n", Some(Length(5))),
        (
            200,
            "Content-Length: 18446744073709551615\r\n",
            Some(Length(u64::MAX)),
        ),
        (200, "Content-Length: 18446744073709551616\r\n", BAD),
        (200, "Content-Length: 5\r\nContent-Length: 6\r\n", BAD),
        (200, "Content-Length: 5, 6\r\n", BAD),
        (200, "Content-Length: +5\r\n", BAD),
        (200, "Content-Length: -1\r\n", BAD),
        (200, "Content-Length: 0x5\r\n", BAD),
        (200, "Content-Length: five\r\n", BAD),
        (200, "Transfer-Encoding: chunked\r\n", Some(Chunked)),
        (
            200,
            "Transfer-Encoding: Chunked\r\nContent-Length: 5\r\n",
            Some(Chunked),
        ),
        (200, "Transfer-Encoding: identity\r\n", Some(Close)),
        (200, "Transfer-Encoding: gzip, chunked\r\n", BAD),
        (200, "Transfer-Encoding: chunked, chunked\r\n", BAD),
        (200, "Transfer-Encoding: xchunked\r\n", BAD),
        (204, "Content-Length: 5\r\n", Some(Length(0))),
        (304, "Content-Length: 5\r\n", Some(Length(0))),
        (304, "Transfer-Encoding: chunked\r\n", Some(Length(0))),
        (404, "Content-Length: 5\r\n", Some(Length(5))),
    ] {
        let head = head(&format!("HTTP/1.1 {status} X\r\n{fields}\r\n"));
        assert_eq!(framing(&head, false).ok(), expected, "{status} {fields:?}");
        assert_eq!(
            framing(&head, true),
            Ok(Length(0)),
            "HEAD: {status} {fields:?}"
        );
    }
}

#[test]
fn a_connection_persists_only_where_both_sides_know_where_the_message_ends() {
    for (version, fields, expected) in [
        ("1.1", "Content-Length: 5\r\n", true),
        ("1.1", "Transfer-Encoding: chunked\r\n", true),
        ("1.1", "", false),
        ("1.1", "Content-Length: 5\r\nConnection: close\r\n", false),
        (
            "1.1",
            "Content-Length: 5\r\nConnection: x, Close\r\n",
            false,
        ),
        (
            "1.1",
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            false,
        ),
        ("1.0", "Content-Length: 5\r\n", false),
        (
            "1.0",
            "Content-Length: 5\r\nConnection: Keep-Alive\r\n",
            true,
        ),
        (
            "1.0",
            "Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n",
            false,
        ),
    ] {
        let head = head(&format!("HTTP/{version} 200 OK\r\n{fields}\r\n"));
        let framing = framing(&head, false).unwrap();
        assert_eq!(
            is_persistent(&head, framing),
            expected,
            "{version} {fields:?}"
        );
    }
}
