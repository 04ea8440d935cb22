use proptest::prelude::*;

use super::*;
use crate::h1::response::HeadParser;

/// The judgement of a head that the reader accepts; `None` if it accepts none.
fn judge(bytes: &[u8]) -> Option<(ResponseHead, Option<&'static str>)> {
    let (head, length) = HeadParser::new(usize::MAX).parse(bytes).ok()??;
    let found = ambiguity(&bytes[..length], &head);
    Some((head, found))
}

#[test]
fn a_head_is_ambiguous_where_clients_are_known_to_differ_over_it() {
    const STATUS: Option<&str> = Some("blanks in its status line");
    const FOLD: Option<&str> = Some("a folded line");
    const CODING: Option<&str> = Some("its transfer coding");
    for (head, expected) in [
        ("HTTP/1.1 200 OK\r\n\r\n", None),
        ("HTTP/1.0 200 Found it\n\n", None),
        ("HTTP/1.1 200\r\n\r\n", None),
        ("HTTP/1.1 200 \r\n\r\n", None),
        ("HTTP/1.1  200 OK\r\n\r\n", STATUS),
        ("HTTP/1.1 200  OK\r\n\r\n", STATUS),
        ("HTTP/1.1 200 OK \r\n\r\n", STATUS),
        ("HTTP/1.1 200  \r\n\r\n", STATUS),
        ("HTTP/1.1 200 OK\r\nA:  1 \r\nB:\t2\t\r\n\r\n 1", None),
        ("HTTP/1.1 200 OK\r\nA: 1\r\n 2\r\n\r\n", FOLD),
        ("HTTP/1.1 200 OK\nA: 1\n\t2\n\n", FOLD),
        ("HTTP/1.1 200 OK\r\nA: 1\r\n \r\nB: 2\r\n\r\n", FOLD),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            None,
        ),
        (
            "HTTP/1.1 200 OK\nTRANSFER-encoding:\t ChunKed\nContent-Length: 4\n\n",
            None,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked \r\n\r\n",
            CODING,
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding:chunked\t\r\n\r\n",
            CODING,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n",
            CODING,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity, chunked\r\n\r\n",
            CODING,
        ),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n\r\n", CODING),
        (
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            CODING,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n",
            CODING,
        ),
    ] {
        let (_, found) = judge(head.as_bytes()).expect("an accepted head");
        assert_eq!(found, expected, "{head:?}");
    }
}

/// A line with the blanks around its value as they are written anew.
fn normal(line: &[u8]) -> Vec<u8> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    match line.iter().position(|byte| *byte == b':') {
        Some(at) => [&line[..at], b": ", line[at + 1..].trim_ascii()].concat(),
        None => line.to_vec(),
    }
}

/// A head as a guest's client gets it, line by line.
fn rewritten(head: &ResponseHead) -> Vec<Vec<u8>> {
    let version: &[u8] = match head.version {
        HttpVersion::Http10 => b"HTTP/1.0 ",
        _ => b"HTTP/1.1 ",
    };
    let status = format!("{:03} ", head.status);
    let mut lines = vec![[version, status.as_bytes(), &head.reason].concat()];
    let line = |(name, value): &(Vec<u8>, Vec<u8>)| [name, &b": "[..], value].concat();
    lines.extend(head.fields.iter().map(line));
    lines
}

/// Pieces of heads, valid and invalid.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    const KNOWN: &[&str] = &[
        "HTTP/1.1 200 OK",
        "HTTP/1.0 404",
        "\r\n",
        "\r\n",
        "\n",
        " ",
        "\t",
        "A: b",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding:",
        "identity",
        "Content-Length: 4",
        ":",
        ",",
        "\r",
    ];
    prop_oneof![
        9 => prop::sample::select(KNOWN).prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_head_that_is_not_ambiguous_says_the_same_when_it_is_written_anew(
        pieces in prop::collection::vec(piece(), 0..16),
    ) {
        let bytes = [b"HTTP/1.1 200 OK", &pieces.concat()[..], b"\r\n\r\n"].concat();
        let Some((head, None)) = judge(&bytes) else {
            return Ok(());
        };
        let mut lines = bytes.split(|byte| *byte == b'\n');
        let first = lines.next().unwrap_or_default();
        let first = first.strip_suffix(b"\r").unwrap_or(first);
        let blank: &[u8] = if first.len() == 12 { b" " } else { b"" };
        let fields = lines.map(normal).take_while(|line| !line.is_empty());
        let expected: Vec<_> = std::iter::once([first, blank].concat()).chain(fields).collect();
        prop_assert_eq!(rewritten(&head), expected);
    }
}
