//! What may stand between two characters of a value, and where a line ends for good.

use super::escape::NOTHING;

/// The texts in which a value is looked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// The value's own characters.
    Plain,
    /// Base64.
    Sixes,
    /// Hexadecimal.
    Pairs,
}

impl Kind {
    /// The most characters in a gap.
    pub(super) const fn longest_gap(self) -> u8 {
        match self {
            Self::Plain => 3,
            Self::Sixes => 20,
            Self::Pairs => 4,
        }
    }

    /// Whether a character may stand in a gap: as its first one, or further on.
    pub(super) const fn is_gap(self, character: u8, is_first: bool) -> bool {
        match (self, character) {
            (_, NOTHING) => true,
            (Self::Plain, _) => false,
            (Self::Sixes, b'\n' | b'\r') => true,
            (Self::Sixes, b' ' | b'\t') => !is_first,
            (Self::Sixes, _) => false,
            (Self::Pairs, _) => matches!(
                character,
                b' ' | b':' | b'-' | b',' | b'_' | b'.' | b'\n' | b'\r' | b'\t'
            ),
        }
    }
}

/// How many characters before a newline have to be of one kind, for more of them to follow.
const WRAPPED: usize = 16;

/// Whether what stands before a newline may go on behind it: base64 or hexadecimal that is cut
/// into lines, or quoted-printable. All else ends with its line.
///
/// It looks at the text alone, never at a value: what is given out of a stream at a newline depends
/// on this.
pub(super) fn goes_on(before: &[u8]) -> bool {
    let line = before.strip_suffix(b"\r").unwrap_or(before);
    let is_run = |allowed: fn(u8) -> bool| {
        let end = line.iter().rev().take(WRAPPED);
        line.len() >= WRAPPED && end.copied().all(allowed)
    };
    line.ends_with(b"=") || is_run(is_base64) || is_run(is_dump)
}

/// Base64, also where some of it is escaped.
fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/-_=%&#;\\".contains(&byte)
}

/// Hexadecimal, with separators.
fn is_dump(byte: u8) -> bool {
    byte.is_ascii_hexdigit() || b"xX:,-_. \t".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_wrapped_encodings_go_on_behind_a_newline() {
        for (line, expected) in [
            ("", false),
            ("data: {\"text\": \"abcdefghijklmnopqrstuvwxyz\"}", false),
            ("a line of plain text", false),
            ("abcdefghijklmno", false),
            ("abcdefghijklmnop", true),
            ("abcdefghijklmnop\r", true),
            ("key: QUJDREVGR0hJSktMTU5PUFFS", true),
            ("61:62:63:64:65:66:", true),
            ("quoted=", true),
            ("quoted=\r", true),
        ] {
            assert_eq!(goes_on(line.as_bytes()), expected, "{line}");
        }
    }
}
