//! Replaces the placeholders in a request by the values of their secrets.

use std::collections::BTreeSet;
use std::ops::Range;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::SecretValue;
use super::percent;

/// Standard base64 (RFC 4648, section 4), padded; decoding does not require padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Where a secret may stand in a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Places<'a> {
    /// Names of header fields, in lower case: anywhere in their values.
    pub headers: &'a [String],
    /// Names of query parameters, decoded: anywhere in their values.
    pub query: &'a [String],
    /// In the user name or password of `Authorization: Basic` (RFC 7617).
    pub basic: bool,
}

/// A secret, as far as one request is concerned.
#[derive(Clone, Debug)]
pub(crate) struct Use<'a> {
    /// What the guest writes; an empty one occurs nowhere.
    pub placeholder: &'a str,
    /// What the server receives.
    pub value: SecretValue,
    /// Where the value may stand.
    pub places: Places<'a>,
    /// Whether this request may carry the secret.
    pub granted: bool,
}

/// Uses, each with its index.
type Uses<'a> = Vec<(usize, &'a Use<'a>)>;

/// Bytes of a text to replace.
struct Edit {
    range: Range<usize>,
    with: Vec<u8>,
    /// Index of the use that replaces them.
    index: usize,
}

/// Replaces each placeholder in one of its secret's places by the secret's value: in the header
/// fields (name and value), and in the query of the path. Everything else stays byte for byte,
/// including a placeholder in any other place. A value is never searched for placeholders.
///
/// Returns the indexes of the uses that were inserted, in increasing order. The request may grow by
/// the length of a value (three times that, in the query) for every placeholder.
///
/// # Errors
///
/// The index of the first use that is not granted and whose placeholder stands in one of its
/// places. Nothing is changed then.
pub(crate) fn insert(
    path: &mut Vec<u8>,
    fields: &mut [(Vec<u8>, Vec<u8>)],
    uses: &[Use<'_>],
) -> Result<Vec<usize>, usize> {
    // The same search finds refused and granted uses, so that both agree on places.
    for (index, one) in uses.iter().enumerate().filter(|(_, one)| !one.granted) {
        let one = vec![(index, one)];
        if !edits_of_path(path, &one).is_empty()
            || fields
                .iter()
                .any(|(name, value)| rewrite_field(name, value, &one).is_some())
        {
            return Err(index);
        }
    }
    let granted: Uses<'_> = uses
        .iter()
        .enumerate()
        .filter(|(_, one)| one.granted)
        .collect();
    let mut inserted = BTreeSet::new();
    let edits = edits_of_path(path, &granted);
    if !edits.is_empty() {
        *path = apply(path, edits, &mut inserted);
    }
    for (name, value) in fields {
        if let Some((text, indexes)) = rewrite_field(name, value, &granted) {
            *value = text;
            inserted.extend(indexes);
        }
    }
    Ok(inserted.into_iter().collect())
}

/// The value of a field with secrets inserted, and the indexes of their uses; `None` if there
/// is nothing to insert.
fn rewrite_field(name: &[u8], value: &[u8], uses: &Uses<'_>) -> Option<(Vec<u8>, BTreeSet<usize>)> {
    let mut indexes = BTreeSet::new();
    if name.eq_ignore_ascii_case(b"authorization")
        && let Some((start, credentials)) = basic_credentials(value)
    {
        let edits = edits_of_text(&credentials, &filtered(uses, |places| places.basic));
        if !edits.is_empty() {
            let credentials = apply(&credentials, edits, &mut indexes);
            let text = [&value[..start], BASE64.encode(credentials).as_bytes()].concat();
            return Some((text, indexes));
        }
    }
    let named = |header: &String| name.eq_ignore_ascii_case(header.as_bytes());
    let edits = edits_of_text(
        value,
        &filtered(uses, |places| places.headers.iter().any(named)),
    );
    (!edits.is_empty()).then(|| (apply(value, edits, &mut indexes), indexes))
}

/// The decoded credentials of a `Basic` field value, and where they start in it.
fn basic_credentials(value: &[u8]) -> Option<(usize, Vec<u8>)> {
    let (scheme, rest) = value.split_at_checked(b"Basic".len())?;
    let encoded = rest.trim_ascii_start();
    if !scheme.eq_ignore_ascii_case(b"Basic") || encoded.len() == rest.len() {
        return None;
    }
    let credentials = BASE64.decode(encoded.trim_ascii_end()).ok()?;
    Some((value.len() - encoded.len(), credentials))
}

/// What to replace in the query of a path.
fn edits_of_path(path: &[u8], uses: &Uses<'_>) -> Vec<Edit> {
    // What follows a `#` is not part of the query, and a conforming client never sends it.
    let end = path
        .iter()
        .position(|byte| *byte == b'#')
        .unwrap_or(path.len());
    let Some(mark) = path[..end].iter().position(|byte| *byte == b'?') else {
        return Vec::new();
    };
    let mut edits = Vec::new();
    let mut next = mark + 1;
    for pair in path[next..end].split(|byte| *byte == b'&') {
        let start = next;
        next += pair.len() + 1;
        let Some(equals) = pair.iter().position(|byte| *byte == b'=') else {
            continue;
        };
        let name = percent::decode_query(&pair[..equals]).bytes;
        let named = |parameter: &String| parameter.as_bytes() == name;
        let uses = filtered(uses, |places| places.query.iter().any(named));
        if uses.is_empty() {
            continue;
        }
        let value = percent::decode_query(&pair[equals + 1..]);
        let place = |at: usize| start + equals + 1 + value.starts[at];
        edits.extend(
            edits_of_text(&value.bytes, &uses)
                .into_iter()
                .map(|edit| Edit {
                    range: place(edit.range.start)..place(edit.range.end),
                    with: percent::encode(&edit.with),
                    index: edit.index,
                }),
        );
    }
    edits
}

/// The uses that may stand in a place.
fn filtered<'a>(uses: &Uses<'a>, place: impl Fn(&Places<'a>) -> bool) -> Uses<'a> {
    uses.iter()
        .copied()
        .filter(|(_, one)| place(&one.places))
        .collect()
}

/// Each placeholder in a text, from left to right; of two at the same place, the longer.
fn edits_of_text(text: &[u8], uses: &Uses<'_>) -> Vec<Edit> {
    let mut edits = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let found = uses
            .iter()
            .filter(|(_, one)| !one.placeholder.is_empty())
            .filter(|(_, one)| text[at..].starts_with(one.placeholder.as_bytes()))
            .max_by_key(|(_, one)| one.placeholder.len());
        let Some((index, one)) = found else {
            at += 1;
            continue;
        };
        let range = at..at + one.placeholder.len();
        at = range.end;
        edits.push(Edit {
            range,
            with: one.value.expose().to_vec(),
            index: *index,
        });
    }
    edits
}

/// Applies the edits, and adds the indexes of the uses.
fn apply(text: &[u8], edits: Vec<Edit>, indexes: &mut BTreeSet<usize>) -> Vec<u8> {
    let mut result = Vec::new();
    let mut at = 0;
    for edit in edits {
        result.extend_from_slice(&text[at..edit.range.start]);
        result.extend_from_slice(&edit.with);
        at = edit.range.end;
        indexes.insert(edit.index);
    }
    result.extend_from_slice(&text[at..]);
    result
}

#[cfg(test)]
mod tests;
