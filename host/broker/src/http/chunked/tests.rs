use proptest::prelude::*;

use super::*;

const MAX_TRAILERS: usize = 256;

type Whole = (Vec<u8>, Vec<u8>, Fields);

/// Decodes bytes that arrive in these pieces: the body, what was left after it, and the trailers.
fn decode(pieces: &[&[u8]]) -> Result<Option<Whole>, &'static str> {
    let mut decoder = ChunkedDecoder::new(MAX_TRAILERS, 4);
    let (mut buffer, mut body, mut is_over) = (BytesMut::new(), Vec::new(), false);
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match decoder.decode(&mut buffer)? {
                Decoded::Data(data) => body.extend_from_slice(&data),
                Decoded::More => break,
                Decoded::End => {
                    is_over = true;
                    break;
                }
            }
        }
    }
    let trailers = decoder.take_trailers();
    Ok(is_over.then(|| (body, buffer.to_vec(), trailers)))
}

#[test]
fn a_body_decodes_the_same_however_it_arrives() {
    for (coded, body, trailers) in [
        ("0\r\n\r\n", "", 0),
        ("5\r\nhello\r\n0\r\n\r\n", "hello", 0),
        ("5;name=\"v\"\r\nhello\r\n000\r\n\r\n", "hello", 0),
        (
            "5 ; a\r\nhello\r\n0\r\nTrailer: x\r\nB: c\r\n\r\n",
            "hello",
            2,
        ),
        ("A\r\n0\r\n\r\n01234\r\n0\r\n\r\n", "0\r\n\r\n01234", 0),
    ] {
        let bytes = [coded.as_bytes(), b"next"].concat();
        for at in 0..=coded.len() {
            let found = decode(&[&bytes[..at], &bytes[at..]]).unwrap().unwrap();
            assert_eq!(found.0, body.as_bytes(), "{coded:?} at {at}");
            assert_eq!(found.1, b"next", "{coded:?} at {at}");
            assert_eq!(found.2.len(), trailers, "{coded:?} at {at}");
        }
        for end in 0..coded.len() {
            assert_eq!(decode(&[&bytes[..end]]), Ok(None), "{coded:?} up to {end}");
        }
    }
}

#[test]
fn coding_that_breaks_the_grammar_is_refused() {
    let long_line = format!("1;{}\r\n", "x".repeat(MAX_LINE));
    let endless_line = "1".repeat(MAX_LINE + 2);
    let extensions = format!("1;{}\r\na\r\n", "x".repeat(MAX_LINE - 2)).repeat(17);
    for coded in [
        "\r\n",
        "x\r\n",
        "-1\r\n",
        "+1\r\n",
        "0x1\r\n",
        " 1\r\n",
        "1 \r\n",
        "1 2\r\n",
        "1\n",
        "1\na\r\n0\r\n\r\n",
        "1;\r\u{1}\r\n",
        "1;a\rb\r\n",
        "10000000000000000\r\n",
        "2\r\nabc\r\n",
        "2\r\nab\n\n",
        "2\r\nab\r\r",
        "0\r\n\n",
        "0\r\nA: b\n\r\n",
        "0\r\nA b: c\r\n\r\n",
        "0\r\nA: b\r\n c\r\n\r\n",
        "0\r\nA: \0\r\n\r\n",
        "0\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\n\r\n",
        &long_line,
        &endless_line,
        &extensions,
        &format!("0\r\n{}", "A: b\r\n".repeat(MAX_TRAILERS)),
        &format!("0\r\nA: {}", "b".repeat(MAX_TRAILERS)),
    ] {
        assert!(decode(&[coded.as_bytes()]).is_err(), "{coded:?}");
    }
}

proptest! {
    /// What is coded decodes to itself, whatever the chunks and wherever it is cut.
    #[test]
    fn chunks_decode_to_what_was_coded(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..6),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let mut coded = Vec::new();
        for chunk in &chunks {
            coded.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            coded.extend_from_slice(chunk);
            coded.extend_from_slice(b"\r\n");
        }
        coded.extend_from_slice(b"0\r\n\r\n");
        let mut places: Vec<_> = cuts.iter().map(|cut| cut.index(coded.len())).collect();
        places.extend([0, coded.len()]);
        places.sort_unstable();
        let pieces: Vec<_> = places.windows(2).map(|pair| &coded[pair[0]..pair[1]]).collect();
        let found = decode(&pieces).unwrap().unwrap();
        prop_assert_eq!(found.0, chunks.concat());
        prop_assert!(found.1.is_empty());
    }

    /// No bytes make the decoder panic, or give more than there was.
    #[test]
    fn no_bytes_decode_to_more_than_they_are(bytes in prop::collection::vec(
        prop::sample::select(&b"019afF;\r\n A:\0x"[..]), 0..60)) {
        if let Ok(Some((body, rest, _))) = decode(&[&bytes]) {
            prop_assert!(body.len() + rest.len() <= bytes.len());
        }
    }
}
