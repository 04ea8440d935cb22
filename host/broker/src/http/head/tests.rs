use proptest::prelude::*;

use super::*;

fn read(text: &[u8]) -> Result<Option<Head>, HeadFault> {
    let mut scanned = 0;
    match find_end(text, &mut scanned)? {
        Some(end) if end == text.len() => parse(text, 8).map(Some),
        Some(end) => panic!("the head ends at {end}"),
        None => Ok(None),
    }
}

#[test]
fn a_head_is_read_with_its_spelling_its_order_and_its_bytes() {
    let text = b"pOST /a?b=\xc3\xa9 HTTP/1.1\r\nhOST: x\r\nA:\r\na: \t b \xff \r\nContent-Length: 3\r\n\r\n";
    let head = read(text).unwrap().unwrap();
    assert_eq!(head.method, b"pOST");
    assert_eq!(head.target, b"/a?b=\xc3\xa9");
    let expected: [(&[u8], &[u8]); 4] = [
        (b"hOST", b"x"),
        (b"A", b""),
        (b"a", b"b \xff"),
        (b"Content-Length", b"3"),
    ];
    let found: Vec<_> = (head.fields.iter())
        .map(|(name, value)| (name.as_slice(), value.as_slice()))
        .collect();
    assert_eq!(found, expected);
    assert_eq!(head.kind, BodyKind::Sized(3));
    assert_eq!(head.version, Version::Http11);
    assert!(head.keeps_alive);
}

#[test]
fn what_two_readers_could_read_in_two_ways_is_refused() {
    for text in [
        "GET / HTTP/1.1\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\n\n",
        "\nGET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
        "GET / HTTP/1.1\r\n A: b\r\n\r\n",
        "GET / HTTP/1.1\r\nA : b\r\n\r\n",
        "GET / HTTP/1.1\r\nA\r\n\r\n",
        "GET / HTTP/1.1\r\n: b\r\n\r\n",
        "GET / HTTP/1.1\r\nA: b\rc\r\n\r\n",
        "GET / HTTP/1.1\r\nA: \0\r\n\r\n",
        "GET / HTTP/1.1\r\nTransfer-Encoding : chunked\r\n\r\n",
        "GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET / HTTP/1.2\r\n\r\n",
        "GET / HTTP/2.0\r\n\r\n",
        "GET / http/1.1\r\n\r\n",
        "GET /\r\n\r\n",
        "GET  HTTP/1.1\r\n\r\n",
        "GET / x HTTP/1.1\r\n\r\n",
        "G(T / HTTP/1.1\r\n\r\n",
        " / HTTP/1.1\r\n\r\n",
        "GET /\u{1} HTTP/1.1\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\n",
    ] {
        let found = read(text.as_bytes());
        assert!(
            matches!(found, Err(HeadFault::Malformed(_))),
            "{text:?}: {found:?}"
        );
    }
}

#[test]
fn the_number_of_fields_is_bounded() {
    let with = |count: usize| format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(count));
    assert!(read(with(8).as_bytes()).is_ok());
    assert_eq!(read(with(9).as_bytes()), Err(HeadFault::TooManyFields(8)));
}

proptest! {
    /// However the bytes arrive, the same end is found, and the head is parsed the same or refused.
    #[test]
    fn a_head_ends_in_the_same_place_however_it_arrives(
        lines in prop::collection::vec("[A-Za-z-]{1,9}: ?[ -~]{0,9}", 0..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let text = format!("GET / HTTP/1.1\r\n{}\r\n", lines.iter().map(|l| format!("{l}\r\n")).collect::<String>());
        let bytes = text.as_bytes();
        let at = cut.index(bytes.len());
        let mut scanned = 0;
        prop_assert_eq!(find_end(&bytes[..at], &mut scanned), Ok(None));
        prop_assert_eq!(find_end(bytes, &mut scanned), Ok(Some(bytes.len())));
        if let Ok(head) = parse(bytes, 8) {
            prop_assert_eq!(head.fields.len(), lines.len());
        }
    }

    /// No bytes make the parser panic, or find a field with a line break.
    #[test]
    fn no_bytes_smuggle_a_line(bytes in prop::collection::vec(prop::sample::select(
        &b"GET / HTTP/1.1\r\n:\n\rAc\0 \t,\xff"[..]), 0..80)) {
        let text = [b"GET / HTTP/1.1\r\n".as_slice(), &bytes, b"\r\n\r\n"].concat();
        let mut scanned = 0;
        if let Ok(Some(end)) = find_end(&text, &mut scanned)
            && let Ok(head) = parse(&text[..end], 64)
        {
            for (name, value) in &head.fields {
                let is_line = |byte: &u8| matches!(byte, b'\r' | b'\n' | 0);
                prop_assert!(!name.is_empty() && !name.iter().any(|b| b.is_ascii_whitespace()));
                prop_assert!(!value.iter().any(is_line));
            }
        }
    }
}
