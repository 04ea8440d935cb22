//! HTML's names for characters of ASCII.

/// Each name with its character, sorted: those of the HTML standard's table that stand for one
/// character of ASCII, and three that look like one (`dash`, `hyphen`, `nbsp`).
pub(super) const NAMES: &[(&[u8], u8)] = &[
    (b"AMP", b'&'),
    (b"DiacriticalGrave", b'`'),
    (b"GT", b'>'),
    (b"Hat", b'^'),
    (b"LT", b'<'),
    (b"NewLine", b'\n'),
    (b"QUOT", b'"'),
    (b"Tab", b'\t'),
    (b"UnderBar", b'_'),
    (b"VerticalLine", b'|'),
    (b"amp", b'&'),
    (b"apos", b'\''),
    (b"ast", b'*'),
    (b"bsol", b'\\'),
    (b"colon", b':'),
    (b"comma", b','),
    (b"commat", b'@'),
    (b"dash", b'-'),
    (b"dollar", b'$'),
    (b"equals", b'='),
    (b"excl", b'!'),
    (b"grave", b'`'),
    (b"gt", b'>'),
    (b"hyphen", b'-'),
    (b"lbrace", b'{'),
    (b"lbrack", b'['),
    (b"lcub", b'{'),
    (b"lowbar", b'_'),
    (b"lpar", b'('),
    (b"lsqb", b'['),
    (b"lt", b'<'),
    (b"midast", b'*'),
    (b"nbsp", b' '),
    (b"num", b'#'),
    (b"percnt", b'%'),
    (b"period", b'.'),
    (b"plus", b'+'),
    (b"quest", b'?'),
    (b"quot", b'"'),
    (b"rbrace", b'}'),
    (b"rbrack", b']'),
    (b"rcub", b'}'),
    (b"rpar", b')'),
    (b"rsqb", b']'),
    (b"semi", b';'),
    (b"sol", b'/'),
    (b"verbar", b'|'),
    (b"vert", b'|'),
];

/// Whether HTML reads this name without a semicolon too.
pub(super) fn is_read_unended(name: &[u8]) -> bool {
    matches!(
        name,
        b"amp" | b"AMP" | b"gt" | b"GT" | b"lt" | b"LT" | b"quot" | b"QUOT" | b"nbsp"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_sorted_and_few_enough_for_a_byte() {
        assert!(NAMES.is_sorted() && NAMES.len() < 256);
    }

    #[test]
    fn a_name_is_read_without_its_semicolon_where_html_says_so() {
        for (name, expected) in [
            ("amp", true),
            ("QUOT", true),
            ("nbsp", true),
            ("plus", false),
        ] {
            assert_eq!(is_read_unended(name.as_bytes()), expected, "{name}");
        }
    }
}
