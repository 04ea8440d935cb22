//! A second implementation of comparing paths with patterns, for tests and fuzzing: slow, unbounded,
//! and working on the texts themselves. It makes all readings one after the other, and a table says
//! which ends of a pattern match which ends of a reading.

/// The most readings of one path.
const MAX_READINGS: usize = 32;

/// How often a path may be decoded until nothing changes.
const MAX_DECODINGS: usize = 4;

/// The path has no meaning on which servers could agree.
struct Unclear;

/// Whether a rule that allows this valid pattern allows the path.
pub(super) fn permits(pattern: &str, path: &[u8]) -> bool {
    let pattern = tokens(pattern.as_bytes());
    readings(path).is_some_and(|all| all.iter().all(|text| fits(&pattern, &tokens_of_text(text))))
}

/// Whether a rule that denies this valid pattern denies the path.
pub(super) fn forbids(pattern: &str, path: &[u8]) -> bool {
    let pattern = tokens(pattern.to_ascii_lowercase().as_bytes());
    let Some(all) = readings(path) else {
        return true;
    };
    all.iter().any(|text| {
        let text = text.to_ascii_lowercase();
        let shorter = text.strip_suffix(b"/").unwrap_or(&text);
        let longer = [&text[..], b"/"].concat();
        [&text, shorter, &longer]
            .iter()
            .any(|text| fits(&pattern, &tokens_of_text(text)))
    })
}

/// All readings of a path, if it has a meaning.
fn readings(path: &[u8]) -> Option<Vec<Vec<u8>>> {
    let path = path.split(|b| *b == b'?').next().unwrap_or_default();
    explore(path).ok()
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// A byte, or the three of a percent triplet.
    Literal(Vec<u8>),
    Star,
    DoubleStar,
}

fn tokens(pattern: &[u8]) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = pattern;
    while let Some(first) = rest.first() {
        let (token, length) = match (first, rest.get(1)) {
            (b'*', Some(b'*')) => (Token::DoubleStar, 2),
            (b'*', _) => (Token::Star, 1),
            _ => (Token::Literal(vec![*first]), 1),
        };
        tokens.push(token);
        rest = &rest[length..];
    }
    literal(tokens)
}

fn tokens_of_text(text: &[u8]) -> Vec<Token> {
    literal(
        text.iter()
            .map(|byte| Token::Literal(vec![*byte]))
            .collect(),
    )
}

/// Joins triplets: those of structural bytes stay, others become the byte itself.
fn literal(tokens: Vec<Token>) -> Vec<Token> {
    let byte = |token: Option<&Token>| match token {
        Some(Token::Literal(bytes)) => bytes[0],
        _ => 0,
    };
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let after = [byte(tokens.get(at + 1)), byte(tokens.get(at + 2))];
        match triplet(&byte(Some(token)), &after) {
            Some(value) => {
                let mut bytes = vec![value];
                if is_structural(value) {
                    bytes.clear();
                    push_triplet(&mut bytes, value);
                }
                out.push(Token::Literal(bytes));
                at += 3;
            }
            None => {
                out.push(token.clone());
                at += 1;
            }
        }
    }
    out
}

/// Row by row, whether the tokens from here on match each end of the text.
fn fits(pattern: &[Token], text: &[Token]) -> bool {
    let end = text.len();
    let slash = Token::Literal(vec![b'/']);
    let mut next: Vec<_> = (0..=end).map(|at| at == end).collect();
    for token in pattern.iter().rev() {
        let mut row = vec![false; end + 1];
        for at in (0..=end).rev() {
            let symbol = text.get(at);
            row[at] = match token {
                Token::Literal(_) => symbol == Some(token) && next[at + 1],
                _ if next[at] => true,
                Token::Star => symbol.is_some_and(|s| *s != slash) && row[at + 1],
                Token::DoubleStar => symbol.is_some() && row[at + 1],
            };
        }
        next = row;
    }
    next[0]
}

/// Whether a byte may be more than data to servers.
fn is_structural(byte: u8) -> bool {
    b"/\\%;?#".contains(&byte)
}

/// The value of a percent triplet (RFC 3986 section 2.1), if a text begins with one.
fn triplet(first: &u8, after: &[u8]) -> Option<u8> {
    let digit = |b: &u8| char::from(*b).to_digit(16);
    match (first, after) {
        (b'%', [high, low, ..]) => u8::try_from(digit(high)? * 16 + digit(low)?).ok(),
        _ => None,
    }
}

fn push_triplet(out: &mut Vec<u8>, value: u8) {
    out.extend_from_slice(format!("%{value:02X}").as_bytes());
}

/// Finds every result of the steps on a path, in any combination.
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
    /// It was decoded before, so a `%` may be one that was encoded.
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
                // Some decoders accept even '%4' or '%u0041'.
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

/// Decodes again what was encoded twice.
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
