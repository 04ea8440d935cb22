//! What servers may take a path for.
//!
//! Between the bytes of a request target and the resource there may be proxies and frameworks, and
//! each of them decodes, normalises and cuts paths in its own way. Instead of following one of
//! them, [`Readings::of`] applies every such step to the path in any order and collects all that
//! can come out.

use super::symbol::{is_structural, push_triplet, triplet};

/// The most readings of one path; ordinary paths have one or two.
const MAX_READINGS: usize = 32;

/// How often a path may be decoded until nothing changes. Double encoding needs two.
const MAX_DECODINGS: usize = 4;

/// All readings of one path, or the fact that they cannot be told.
///
/// A reading begins with `/`. Bytes stand for themselves; a percent triplet stands for a byte that
/// has a meaning in paths (`/ \ % ; ? #`) but is meant as data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Readings {
    /// At least one, all different; none at all if the path is unclear.
    texts: Option<Vec<Vec<u8>>>,
}

/// The path has no meaning that servers could agree on.
struct Unclear;

impl Readings {
    /// Reads the path of a request target in origin form; the query does not count.
    pub(crate) fn of(path: &[u8]) -> Self {
        let path = path.split(|b| *b == b'?').next().unwrap_or_default();
        let texts = if is_plain(path) {
            Some(vec![path.to_vec()])
        } else {
            explore(path).ok()
        };
        Self { texts }
    }

    /// The readings, or nothing if the path is unclear: malformed or too deeply encoded, with
    /// control characters or overlong UTF-8, or with too many readings.
    pub(crate) fn texts(&self) -> Option<&[Vec<u8>]> {
        self.texts.as_deref()
    }

    /// Whether it cannot be told what servers take the path for.
    #[cfg(test)]
    pub(crate) fn is_unclear(&self) -> bool {
        self.texts.is_none()
    }
}

/// Whether a path obviously is its own only reading. Says no too often rather than too rarely.
fn is_plain(path: &[u8]) -> bool {
    let is_plain_byte = |b: &u8| matches!(b, b' '..=b'~') && !b"\\%;?#".contains(b);
    path.starts_with(b"/")
        && path.iter().all(is_plain_byte)
        && !path.windows(2).any(|pair| matches!(pair, b"//" | b"/."))
}

/// Finds everything that the steps make of a path, however they are combined.
fn explore(path: &[u8]) -> Result<Vec<Vec<u8>>, Unclear> {
    let mut found = vec![(canonical(path, Origin::Sent)?, 0)];
    let mut next = 0;
    while let Some((text, decodings)) = found.get(next) {
        let mut results: Vec<_> = STEPS
            .iter()
            .map(|step| (step(text), *decodings))
            .chain(decode_structural(text).map(|text| (text, *decodings)))
            .collect();
        let decoded = decode_percent(text)?;
        if decoded != *text {
            if *decodings == MAX_DECODINGS {
                return Err(Unclear);
            }
            results.push((decoded, decodings + 1));
        }
        for (text, decodings) in results {
            if found.iter().all(|(known, _)| *known != text) {
                if found.len() == MAX_READINGS {
                    return Err(Unclear);
                }
                found.push((text, decodings));
            }
        }
        next += 1;
    }
    Ok(found.into_iter().map(|(text, _)| text).collect())
}

/// Where a text with percent triplets comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// It is what the client sends.
    Sent,
    /// It was decoded before, so that a `%` may be one that was encoded.
    Decoded,
}

/// Decodes all triplets but those of structural bytes (more than RFC 3986 section 6.2.2.2 does,
/// but servers do not tell `%20` from a space), which become upper case (section 6.2.2.1).
fn canonical(text: &[u8], origin: Origin) -> Result<Vec<u8>, Unclear> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match triplet(byte, after) {
            Some(value) => {
                rest = &after[2..];
                if is_structural(value) {
                    push_triplet(&mut out, value);
                } else {
                    out.push(value);
                }
            }
            None if *byte == b'%' => {
                // Some decoders make something even of '%4' or '%u0041'.
                let is_like_triplet =
                    |b: &u8| b.is_ascii_hexdigit() || b.eq_ignore_ascii_case(&b'u');
                if origin == Origin::Sent || after.first().is_some_and(is_like_triplet) {
                    return Err(Unclear);
                }
                push_triplet(&mut out, b'%');
            }
            None => out.push(*byte),
        }
    }
    let has_control = out.iter().any(u8::is_ascii_control);
    if !out.starts_with(b"/") || has_control || has_overlong(&out) {
        return Err(Unclear);
    }
    Ok(out)
}

/// Whether there is UTF-8 that is longer than it need be, which lax decoders take for `/` or `.`
/// (RFC 3629 section 10).
fn has_overlong(text: &[u8]) -> bool {
    text.windows(2).any(|pair| {
        matches!(
            pair,
            [0xc0 | 0xc1, _]
                | [0xe0, 0x80..=0x9f]
                | [0xf0, 0x80..=0x8f]
                | [0xf8, 0x80..=0x87]
                | [0xfc, 0x80..=0x83]
        )
    })
}

/// Decodes once more what was encoded twice.
fn decode_percent(text: &[u8]) -> Result<Vec<u8>, Unclear> {
    canonical(&decode(text, b'%'), Origin::Decoded)
}

/// Decodes the structural bytes, each kind on its own: some servers decode `%5C` but not `%2F`.
fn decode_structural(text: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    b"/\\;?#".iter().map(|byte| decode(text, *byte))
}

/// Replaces the triplets of one byte by the byte.
fn decode(text: &[u8], wanted: u8) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        if triplet(byte, after) == Some(wanted) {
            out.push(wanted);
            rest = &after[2..];
        } else {
            out.push(*byte);
            rest = after;
        }
    }
    out
}

type Step = fn(&[u8]) -> Vec<u8>;

/// What servers do with a path, apart from decoding it.
const STEPS: [Step; 5] = [
    backslashes_to_slashes,
    cut_parameters,
    cut_query,
    merge_slashes,
    remove_dot_segments,
];

fn backslashes_to_slashes(text: &[u8]) -> Vec<u8> {
    let replace = |b: &u8| if *b == b'\\' { b'/' } else { *b };
    text.iter().map(replace).collect()
}

/// Cuts each segment at its first `;`, as servlet containers do.
fn cut_parameters(text: &[u8]) -> Vec<u8> {
    let mut is_parameter = false;
    let mut is_kept = |b: &u8| {
        is_parameter = *b == b';' || (is_parameter && *b != b'/');
        !is_parameter
    };
    text.iter().copied().filter(|b| is_kept(b)).collect()
}

/// Cuts the path where a decoded `?` or `#` would end it, if it were parsed once more.
fn cut_query(text: &[u8]) -> Vec<u8> {
    let is_inside = |b: &u8| !matches!(b, b'?' | b'#');
    text.iter().copied().take_while(is_inside).collect()
}

fn merge_slashes(text: &[u8]) -> Vec<u8> {
    let mut out = text.to_vec();
    out.dedup_by(|b, previous| *b == b'/' && *previous == b'/');
    out
}

/// RFC 3986 section 5.2.4.
fn remove_dot_segments(text: &[u8]) -> Vec<u8> {
    let mut kept: Vec<&[u8]> = Vec::new();
    let mut segments = text.split(|b| *b == b'/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_dots = matches!(segment, b"." | b"..");
        if segment == b".." {
            kept.pop();
        }
        // A dot segment at the end stands for a directory.
        if !is_dots {
            kept.push(segment);
        } else if segments.peek().is_none() {
            kept.push(b"");
        }
    }
    let mut out = Vec::with_capacity(text.len());
    for segment in kept {
        out.push(b'/');
        out.extend_from_slice(segment);
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sorted(path: &[u8]) -> Vec<String> {
        let readings = Readings::of(path);
        let texts = readings.texts().unwrap_or_default().iter();
        let mut texts: Vec<_> = texts
            .map(|text| String::from_utf8_lossy(text).into_owned())
            .collect();
        texts.sort_unstable();
        texts
    }

    #[test]
    fn an_ordinary_path_has_one_reading() {
        for (path, reading) in [
            ("/", "/"),
            ("/v1/items/42", "/v1/items/42"),
            ("/v1/items/", "/v1/items/"),
            ("/a?x=/../%2e%2e/%zz;b#\\", "/a"),
            ("/.well-known/a..b/...", "/.well-known/a..b/..."),
            ("/a%20b/%7Ec%2dd", "/a b/~c-d"),
            ("/caf%c3%A9", "/café"),
            ("/café", "/café"),
            ("/a*b:@!$&'()+,=", "/a*b:@!$&'()+,="),
            ("/100%25", "/100%25"),
            ("/100%25off/100%25", "/100%25off/100%25"),
        ] {
            assert_eq!(sorted(path.as_bytes()), [reading], "{path}");
        }
    }

    #[test]
    fn a_path_that_servers_disagree_about_has_all_of_their_readings() {
        for (path, readings) in [
            ("/a//b", &["/a//b", "/a/b"][..]),
            ("/a/./b", &["/a/./b", "/a/b"]),
            ("/a/%2E", &["/a/", "/a/."]),
            ("/a/b/..", &["/a/", "/a/b/.."]),
            ("/..", &["/", "/.."]),
            ("/a//../b", &["/a//../b", "/a/../b", "/a/b", "/b"]),
            ("/a%2fb", &["/a%2Fb", "/a/b"]),
            ("/a\\b", &["/a/b", "/a\\b"]),
            ("/a%5cb", &["/a%5Cb", "/a/b", "/a\\b"]),
            ("/a;x=1/b;y", &["/a/b", "/a;x=1/b;y"]),
            ("/a/..;/b", &["/a/../b", "/a/..;/b", "/b"]),
            ("/a%3bx", &["/a", "/a%3Bx", "/a;x"]),
            ("/a%3Fb", &["/a", "/a%3Fb", "/a?b"]),
            ("/%2541", &["/%2541", "/A"]),
            ("/%25%34%31", &["/%2541", "/A"]),
            ("/%2525/a", &["/%25/a", "/%2525/a"]),
            ("/%252F", &["/%252F", "/%2F", "/", "//"]),
        ] {
            let mut readings = readings.to_vec();
            readings.sort_unstable();
            assert_eq!(sorted(path.as_bytes()), readings, "{path}");
        }
    }

    #[test]
    fn a_path_without_a_meaning_is_unclear() {
        for path in [
            &b""[..],
            b"*",
            b"?a",
            b"a/b",
            b"%2Fa",
            b"/%",
            b"/%4",
            b"/%zz/a",
            b"/%u002e",
            b"/%%34%31",
            b"/%25u002e",
            b"/%254",
            b"/a\0",
            b"/%00",
            b"/%2500",
            b"/%0d%0A",
            b"/%7f",
            b"/%c0%ae%c0%ae/a",
            b"/\xc0\xafa",
            b"/%e0%80%af",
            b"/%2525252525252e",
        ] {
            let shown = String::from_utf8_lossy(path);
            assert!(Readings::of(path).is_unclear(), "{shown}");
            assert_eq!(Readings::of(path).texts(), None, "{shown}");
        }
    }

    #[test]
    fn deep_encoding_is_followed_up_to_a_bound() {
        for depth in 0..8 {
            let path = format!("/a/%{}2e", "25".repeat(depth));
            let readings = Readings::of(path.as_bytes());
            assert_eq!(readings.is_unclear(), depth > MAX_DECODINGS, "{path}");
        }
    }

    #[test]
    fn a_path_with_more_readings_than_servers_need_is_unclear() {
        let path = b"/a//b/../c;d/%2e%2e/e%2f%5c%3b%3f%23/%252f%255c";
        assert!(Readings::of(path).is_unclear());
    }

    #[test]
    fn long_paths_are_read() {
        for piece in ["/..;/%2e", "%252f", "//", "/a/%2e%2e", "%25", "\\%5c;"] {
            let path = format!("/{}", piece.repeat(65536 / piece.len()));
            let readings = Readings::of(path.as_bytes());
            let texts = readings.texts().unwrap_or_default();
            assert!(texts.len() <= MAX_READINGS, "{piece}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_reading_with_nothing_to_interpret_is_its_own_only_reading(
            path in "/([/a]|\\.\\.?/?|[;?\\\\é]|%(25)?(2[05ef]|61|5c|3[bf]|c3%a9)){0,8}",
        ) {
            for text in Readings::of(path.as_bytes()).texts().unwrap_or_default() {
                let is_dots = |segment: &[u8]| matches!(segment, b"." | b"..");
                let is_plain = !text.iter().any(|b| is_structural(*b) && *b != b'/')
                    && !text.windows(2).any(|pair| pair == b"//")
                    && !text.split(|b| *b == b'/').any(is_dots);
                if is_plain {
                    let readings = Readings::of(text);
                    prop_assert_eq!(readings.texts(), Some(&[text.clone()][..]));
                }
            }
        }
    }
}
