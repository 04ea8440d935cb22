//! Computes how servers may read a path.
//!
//! Between the bytes of a request target and the resource there may be proxies and frameworks, and
//! each of them decodes, normalises and cuts paths in its own way. Instead of following one of
//! them, [`Readings::of`] applies every such step to the path in any order and collects all
//! results.

use super::reading::Reading;
use super::steps::Steps;
use super::symbol::{encoded, hex, is_structural, triplet};

/// The most readings of one path; ordinary paths have one or two.
const MAX_READINGS: usize = 32;

/// The most bytes of all readings of one path together.
pub(super) const MAX_BYTES: usize = 32 << 10;

/// How often a path may be decoded until nothing changes. Double encoding needs two.
const MAX_DECODINGS: usize = 4;

/// The most bytes of a path, without its query, that are compared with patterns.
pub(crate) const MAX_PATH: usize = 8 << 10;

/// All readings of one path, or why they cannot be determined; and what may be spent on comparing
/// them.
///
/// A reading begins with `/`. Its bytes stand for themselves, or for bytes that have a meaning in
/// paths but are meant as data: see [`encoded`].
#[derive(Debug, Clone)]
pub(crate) struct Readings {
    /// At least one, all different.
    readings: Result<Vec<Reading>, Unread>,
    pub(super) steps: Steps,
}

/// Why patterns of paths cannot be compared with a path. A rule with one never allows it, and
/// always denies it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It has more than [`MAX_PATH`] bytes.
    Long,
    /// It has no meaning on which servers could agree: it is malformed or too deeply encoded, has
    /// control characters or overlong UTF-8, or too many readings.
    Unclear,
    /// Comparing it took too many steps, because it is unlike what patterns are for.
    Costly,
}

/// The path has no meaning on which servers could agree.
struct Unclear;

impl Readings {
    /// Reads the path of a request target in origin form; the query does not count.
    pub(crate) fn of(path: &[u8]) -> Self {
        let path = path.split(|b| *b == b'?').next().unwrap_or_default();
        let texts = if path.len() > MAX_PATH {
            Err(Unread::Long)
        } else if is_plain(path) {
            Ok(vec![path.to_vec()])
        } else {
            explore(path).map_err(|Unclear| Unread::Unclear)
        };
        Self {
            readings: texts.map(|texts| texts.into_iter().map(Reading::new).collect()),
            steps: Steps::new(),
        }
    }

    /// The readings, unless patterns cannot be compared with them.
    pub(super) fn all(&self) -> Option<&[Reading]> {
        self.readings.as_deref().ok()
    }

    /// Why some or all patterns were not compared with the path.
    pub(crate) fn unread(&self) -> Option<Unread> {
        match &self.readings {
            Err(unread) => Some(*unread),
            Ok(_) => self.steps.are_exhausted().then_some(Unread::Costly),
        }
    }
}

/// Whether a path obviously is its own only reading. In doubt, no.
fn is_plain(path: &[u8]) -> bool {
    let is_plain_byte = |b: &u8| matches!(b, b' '..=b'~') && !is_structural_but_slash(*b);
    path.starts_with(b"/")
        && path.iter().all(is_plain_byte)
        && !path.windows(2).any(|pair| matches!(pair, b"//" | b"/."))
}

fn is_structural_but_slash(byte: u8) -> bool {
    byte != b'/' && is_structural(byte)
}

/// Finds every result of the steps on a path, in any combination.
fn explore(path: &[u8]) -> Result<Vec<Vec<u8>>, Unclear> {
    let first = canonical(path)?;
    let mut bytes = first.len();
    let mut found = vec![(first, 0)];
    let mut next = 0;
    while let Some((text, decodings)) = found.get(next) {
        let changed = STEPS.iter().filter_map(|step| step(text));
        let mut results: Vec<_> = changed
            .chain(decode_structural(text))
            .map(|text| (text, *decodings))
            .collect();
        if let Some(decoded) = decode_percent(text)? {
            if *decodings == MAX_DECODINGS {
                return Err(Unclear);
            }
            results.push((decoded, decodings + 1));
        }
        for (text, decodings) in results {
            if found.iter().all(|(known, _)| *known != text) {
                bytes += text.len();
                if found.len() == MAX_READINGS || bytes > MAX_BYTES {
                    return Err(Unclear);
                }
                found.push((text, decodings));
            }
        }
        next += 1;
    }
    Ok(found.into_iter().map(|(text, _)| text).collect())
}

/// The path as the client sends it, with all triplets decoded except those of structural bytes
/// (more than RFC 3986 section 6.2.2.2 does, but servers do not distinguish `%20` from a space).
fn canonical(text: &[u8]) -> Result<Vec<u8>, Unclear> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        let symbol = match triplet(*byte, after) {
            Some(value) => {
                rest = &after[2..];
                data(value)?
            }
            None if *byte == b'%' || byte.is_ascii_control() => return Err(Unclear),
            None => *byte,
        };
        out.push(symbol);
    }
    match out.starts_with(b"/") && !has_overlong(&out) {
        true => Ok(out),
        false => Err(Unclear),
    }
}

/// The symbol for an encoded byte.
fn data(value: u8) -> Result<u8, Unclear> {
    match value.is_ascii_control() {
        true => Err(Unclear),
        false => Ok(encoded(value)),
    }
}

/// Whether there is overlong UTF-8, which lax decoders read as `/` or `.` (RFC 3629 section 10).
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

/// Decodes again what was encoded twice, if anything was.
fn decode_percent(text: &[u8]) -> Result<Option<Vec<u8>>, Unclear> {
    let percent = encoded(b'%');
    if !text.contains(&percent) {
        return Ok(None);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        let value = match after {
            [high, low, ..] if *byte == percent => hex(*high, *low),
            _ => None,
        };
        // Some decoders accept even '%4' or '%u0041'.
        let is_like_triplet = |b: &u8| b.is_ascii_hexdigit() || b.eq_ignore_ascii_case(&b'u');
        out.push(match value {
            Some(value) => {
                rest = &after[2..];
                data(value)?
            }
            None if *byte == percent && after.first().is_some_and(is_like_triplet) => {
                return Err(Unclear);
            }
            None => *byte,
        });
    }
    if has_overlong(&out) {
        return Err(Unclear);
    }
    Ok((out.len() < text.len()).then_some(out))
}

/// Decodes the structural bytes, each kind on its own: some servers decode `%5C` but not `%2F`.
fn decode_structural(text: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    b"/\\;?#"
        .iter()
        .filter_map(|byte| replace(text, encoded(*byte), *byte))
}

/// The text with one byte replaced by another; `None` if it does not occur.
fn replace(text: &[u8], old: u8, new: u8) -> Option<Vec<u8>> {
    let replaced = |b: &u8| if *b == old { new } else { *b };
    text.contains(&old)
        .then(|| text.iter().map(replaced).collect())
}

/// The changed text, or `None` if it stays the same.
type Step = fn(&[u8]) -> Option<Vec<u8>>;

/// What servers do with a path, apart from decoding it.
const STEPS: [Step; 5] = [
    backslashes_to_slashes,
    cut_parameters,
    cut_query,
    merge_slashes,
    remove_dot_segments,
];

fn backslashes_to_slashes(text: &[u8]) -> Option<Vec<u8>> {
    replace(text, b'\\', b'/')
}

/// Cuts each segment at its first `;`, as servlet containers do.
fn cut_parameters(text: &[u8]) -> Option<Vec<u8>> {
    if !text.contains(&b';') {
        return None;
    }
    let mut is_parameter = false;
    let mut is_kept = |b: &u8| {
        is_parameter = *b == b';' || (is_parameter && *b != b'/');
        !is_parameter
    };
    Some(text.iter().copied().filter(|b| is_kept(b)).collect())
}

/// Cuts the path where a decoded `?` or `#` would end it, if it were parsed once more.
fn cut_query(text: &[u8]) -> Option<Vec<u8>> {
    let end = text.iter().position(|b| matches!(b, b'?' | b'#'))?;
    Some(text[..end].to_vec())
}

fn merge_slashes(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = text.to_vec();
    out.dedup_by(|b, previous| *b == b'/' && *previous == b'/');
    (out.len() < text.len()).then_some(out)
}

/// RFC 3986 section 5.2.4.
fn remove_dot_segments(text: &[u8]) -> Option<Vec<u8>> {
    let is_dots = |segment: &[u8]| matches!(segment, b"." | b"..");
    if !text.split(|b| *b == b'/').any(is_dots) {
        return None;
    }
    let mut kept: Vec<&[u8]> = Vec::new();
    let mut segments = text.split(|b| *b == b'/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        if segment == b".." {
            kept.pop();
        }
        // A dot segment at the end stands for a directory.
        if !is_dots(segment) {
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
    Some(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The readings with percent triplets in place of their codes.
    fn texts(readings: &Readings) -> Option<Vec<Vec<u8>>> {
        let shown = |byte: &u8| {
            let own = b"/\\%;?#".iter().find(|own| encoded(**own) == *byte);
            own.map_or(vec![*byte], |own| format!("%{own:02X}").into_bytes())
        };
        let all = readings.all()?.iter();
        Some(
            all.map(|one| one.text().iter().flat_map(shown).collect())
                .collect(),
        )
    }

    fn sorted(path: &[u8]) -> Vec<String> {
        let texts = texts(&Readings::of(path)).unwrap_or_default().into_iter();
        let mut texts: Vec<_> = texts
            .map(|text| String::from_utf8_lossy(&text).into_owned())
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
            assert_eq!(
                Readings::of(path).unread(),
                Some(Unread::Unclear),
                "{shown}"
            );
        }
    }

    #[test]
    fn deep_encoding_is_followed_up_to_a_bound() {
        for depth in 0..8 {
            let path = format!("/a/%{}2e", "25".repeat(depth));
            let readings = Readings::of(path.as_bytes());
            assert_eq!(readings.unread().is_some(), depth > MAX_DECODINGS, "{path}");
        }
    }

    #[test]
    fn a_path_with_more_readings_than_servers_need_is_unclear() {
        let path = b"/a//b/../c;d/%2e%2e/e%2f%5c%3b%3f%23/%252f%255c";
        assert_eq!(Readings::of(path).unread(), Some(Unread::Unclear));
    }

    #[test]
    fn a_long_path_is_read_up_to_its_bound_and_its_query_does_not_count() {
        for path in ["a", "%20", "/a", "a%2Fb"] {
            let mut longest = format!("/{}", path.repeat(MAX_PATH / path.len() - 1)).into_bytes();
            longest.resize(MAX_PATH, b'x');
            assert_eq!(Readings::of(&longest).unread(), None, "{path}");
            let with_query = [&longest[..], b"?q=", &[b'x'; 100_000]].concat();
            assert_eq!(Readings::of(&with_query).unread(), None, "{path}");
            let longer = [&longest[..], b"x"].concat();
            assert_eq!(Readings::of(&longer).unread(), Some(Unread::Long), "{path}");
        }
    }

    #[test]
    fn the_readings_of_a_long_path_have_a_bound_together() {
        let mut most = 0;
        for piece in [
            "/..;/%2e",
            "%252f",
            "//",
            "/a/%2e%2e",
            "%25",
            "\\%5c;",
            "/;%2f%5c%3b%23/.",
        ] {
            for length in [100, 1000, 2000, 4000, MAX_PATH - 100] {
                let path = format!("/{}", piece.repeat(length / piece.len()));
                let readings = Readings::of(path.as_bytes());
                let texts = texts(&readings).unwrap_or_default();
                assert!(texts.len() <= MAX_READINGS, "{piece}");
                most = most.max(
                    readings
                        .all()
                        .unwrap_or_default()
                        .iter()
                        .map(|one| one.text().len())
                        .sum(),
                );
            }
        }
        assert!((MAX_BYTES / 8..=MAX_BYTES).contains(&most), "{most}");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_reading_with_nothing_to_interpret_is_its_own_only_reading(
            path in "/([/a]|\\.\\.?/?|[;?\\\\é]|%(25)?(2[05ef]|61|5c|3[bf]|c3%a9)){0,8}",
        ) {
            for text in texts(&Readings::of(path.as_bytes())).unwrap_or_default() {
                let is_dots = |segment: &[u8]| matches!(segment, b"." | b"..");
                let is_plain = !text.iter().any(|b| is_structural(*b) && *b != b'/')
                    && !text.windows(2).any(|pair| pair == b"//")
                    && !text.split(|b| *b == b'/').any(is_dots);
                if is_plain {
                    prop_assert_eq!(texts(&Readings::of(&text)), Some(vec![text.clone()]));
                }
            }
        }
    }
}
