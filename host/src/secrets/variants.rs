//! The spellings in which a value comes back.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use super::percent;

/// Replacements of characters, by an escaping.
type Escapes = &'static [(u8, &'static str)];

/// Bytes that common percent-encoders keep besides the unreserved ones: none, those that
/// Python's `quote` keeps, those that JavaScript's `encodeURIComponent` keeps.
const KEPT: &[&[u8]] = &[b"", b"/", b"!'()*"];

/// JSON (RFC 8259, section 7): what must be escaped, what some encoders escape too so that the
/// text can stand in HTML.
const JSON: &[Escapes] = &[
    &[(b'"', "\\\""), (b'\\', "\\\\")],
    &[(b'"', "\\\""), (b'\\', "\\\\"), (b'/', "\\/")],
    &[
        (b'"', "\\\""),
        (b'\\', "\\\\"),
        (b'<', "\\u003c"),
        (b'>', "\\u003e"),
        (b'&', "\\u0026"),
    ],
];

/// HTML: text, and attribute values in the usual spellings of the apostrophe.
const HTML: &[Escapes] = &[
    &[(b'&', "&amp;"), (b'<', "&lt;"), (b'>', "&gt;")],
    &[
        (b'&', "&amp;"),
        (b'<', "&lt;"),
        (b'>', "&gt;"),
        (b'"', "&quot;"),
    ],
    &[
        (b'&', "&amp;"),
        (b'<', "&lt;"),
        (b'>', "&gt;"),
        (b'"', "&quot;"),
        (b'\'', "&#39;"),
    ],
    &[
        (b'&', "&amp;"),
        (b'<', "&lt;"),
        (b'>', "&gt;"),
        (b'"', "&quot;"),
        (b'\'', "&#x27;"),
    ],
    &[
        (b'&', "&amp;"),
        (b'<', "&lt;"),
        (b'>', "&gt;"),
        (b'"', "&#34;"),
        (b'\'', "&#39;"),
    ],
];

/// The value and its usual encodings, each once. None contains a newline, if the value does
/// not.
pub(super) fn variants(value: &[u8]) -> BTreeSet<Vec<u8>> {
    let mut variants = BTreeSet::from([value.to_vec(), value.iter().rev().copied().collect()]);
    for kept in KEPT {
        add_percent(&mut variants, &percent::encode(value, kept));
    }
    for offset in 0..3 {
        variants.insert(base64_at(&STANDARD_NO_PAD, value, offset));
        variants.insert(base64_at(&URL_SAFE_NO_PAD, value, offset));
    }
    variants.insert(
        value
            .iter()
            .flat_map(|byte| format!("{byte:02x}").into_bytes())
            .collect(),
    );
    variants.insert(
        value
            .iter()
            .flat_map(|byte| format!("{byte:02X}").into_bytes())
            .collect(),
    );
    variants.extend(
        JSON.iter()
            .chain(HTML)
            .map(|escapes| escaped(value, escapes)),
    );
    variants
}

/// Adds a percent-encoded text, with upper-case and lower-case digits, and with `%20` and the
/// form encoding's `+` for a space.
fn add_percent(variants: &mut BTreeSet<Vec<u8>>, encoded: &[u8]) {
    for lower in [false, true] {
        let (mut text, mut form) = (Vec::new(), Vec::new());
        let mut at = 0;
        while at < encoded.len() {
            let length = if encoded[at] == b'%' { 3 } else { 1 };
            let mut unit = encoded[at..at + length].to_vec();
            if lower && length == 3 {
                unit.make_ascii_lowercase();
            }
            form.extend_from_slice(if unit == b"%20" { b"+" } else { &unit });
            text.append(&mut unit);
            at += length;
        }
        variants.extend([text, form]);
    }
}

/// The characters that the value alone decides in the base64 text of anything that holds it
/// `offset` bytes (modulo 3) from the start. Up to four bits of its first and of its last byte
/// share a character with a neighbour, and are left out.
fn base64_at(engine: &impl Engine, value: &[u8], offset: usize) -> Vec<u8> {
    let mut bytes = vec![0; offset];
    bytes.extend_from_slice(value);
    let first = (offset * 8).div_ceil(6);
    let end = bytes.len() * 8 / 6;
    engine.encode(&bytes).into_bytes()[first..end].to_vec()
}

/// The value with some characters escaped.
fn escaped(value: &[u8], escapes: Escapes) -> Vec<u8> {
    let mut text = Vec::with_capacity(value.len());
    for byte in value {
        match escapes.iter().find(|(escaped, _)| escaped == byte) {
            Some((_, escape)) => text.extend_from_slice(escape.as_bytes()),
            None => text.push(*byte),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};
    use proptest::prelude::*;

    #[test]
    fn every_usual_spelling_is_known() {
        let variants = variants(br#"a/b+ "c"\<'&'>"#);
        for spelling in [
            r#"a/b+ "c"\<'&'>"#,
            r#">'&'<\"c" +b/a"#,
            "a%2Fb%2B%20%22c%22%5C%3C%27%26%27%3E",
            "a%2fb%2b%20%22c%22%5c%3c%27%26%27%3e",
            "a%2Fb%2B+%22c%22%5C%3C%27%26%27%3E",
            "a/b%2B%20%22c%22%5C%3C%27%26%27%3E",
            "a%2Fb%2B%20%22c%22%5C%3C'%26'%3E",
            "612f622b202263225c3c2726273e",
            "612F622B202263225C3C2726273E",
            r#"a/b+ \"c\"\\<'&'>"#,
            r#"a\/b+ \"c\"\\<'&'>"#,
            r#"a/b+ \"c\"\\\u003c'\u0026'\u003e"#,
            r#"a/b+ "c"\&lt;'&amp;'&gt;"#,
            r"a/b+ &quot;c&quot;\&lt;&#39;&amp;&#39;&gt;",
            r"a/b+ &quot;c&quot;\&lt;&#x27;&amp;&#x27;&gt;",
        ] {
            assert!(variants.contains(spelling.as_bytes()), "{spelling}");
        }
    }

    #[test]
    fn a_plain_value_has_few_variants() {
        // Itself, reversed, twice hexadecimal, and base64 in three alignments.
        assert_eq!(variants(b"jkjkjkjk-0").len(), 7);
    }

    proptest! {
        #[test]
        fn base64_of_any_surroundings_holds_one_of_the_variants(
            before: Vec<u8>, value in "[!-~]{8,40}", after: Vec<u8>,
        ) {
            let variants = variants(value.as_bytes());
            let whole = [&before, value.as_bytes(), &after].concat();
            for text in [STANDARD.encode(&whole), URL_SAFE.encode(&whole)] {
                let expected = variants.iter().any(|variant| {
                    variant.len() >= value.len()
                        && text.as_bytes().windows(variant.len()).any(|window| window == variant)
                });
                prop_assert!(expected);
            }
        }

        #[test]
        fn no_variant_is_shorter_than_a_value_or_holds_a_newline(value in "[!-~]{8,40}") {
            for variant in variants(value.as_bytes()) {
                prop_assert!(variant.len() >= value.len());
                prop_assert!(!variant.contains(&b'\n'));
            }
        }
    }
}
