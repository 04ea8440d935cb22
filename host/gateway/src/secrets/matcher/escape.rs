//! Escapes: the ways in which encoders write one character as several.
//!
//! They are read a character at a time, so that one may be cut anywhere, and hold as many leading
//! zeros as it likes.

use super::names::{NAMES, is_read_unended};

/// Stands for nothing: what a soft line break of quoted-printable is read as, and what UTF-16 has
/// between the characters of ASCII.
pub(super) const NOTHING: u8 = 0;

/// An escape that has begun.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Escape {
    /// `%`: `%2B`, and `%u002B` as JavaScript's `escape` writes it.
    Percent,
    /// `\`: of JSON, JavaScript, C, CSS and their kin.
    Backslash,
    /// As many more hexadecimal digits as are `left`.
    Digits { left: u8, value: u8 },
    /// `\u` or `\x`, which a brace may follow.
    BeforeBrace,
    /// `\u{`: any number of digits, and a closing brace.
    Braced { value: u8 },
    /// `\053`: up to three octal digits.
    Octal { left: u8, value: u8 },
    /// `\2b` of CSS: up to six digits and a space.
    Css { left: u8, value: u8 },
    /// `&`: of HTML and XML.
    Reference,
    /// `&#`.
    Number,
    /// `&#43`: any number of digits, with or without a semicolon.
    Decimal { value: u8 },
    /// `&#x2B`, likewise.
    Hexadecimal { value: u8 },
    /// `&pl`: the names from `first` up to `end`, of which `length` characters have come.
    Name { first: u8, end: u8, length: u8 },
    /// `=`: of quoted-printable, `=2B` or a soft line break.
    Equals,
    /// `=` and a carriage return.
    SoftBreak,
}

/// What one more character makes of an escape.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Step {
    /// It goes on.
    More(Escape),
    /// It may end here, and is this character.
    Is(u8),
}

use Step::{Is, More};

impl Escape {
    /// The escape that a character begins.
    pub(super) const fn begun_by(character: u8) -> Option<Self> {
        match character {
            b'%' => Some(Self::Percent),
            b'\\' => Some(Self::Backslash),
            b'&' => Some(Self::Reference),
            b'=' => Some(Self::Equals),
            _ => None,
        }
    }

    /// Reads one more character, and tells all that it can mean; nothing, where it ends no escape.
    pub(super) fn step(self, next: u8, mut tell: impl FnMut(Step)) {
        let digit = hexadecimal(next);
        match (self, next) {
            (Self::Percent, b'u' | b'U') => tell(More(Self::Digits { left: 4, value: 0 })),
            (Self::Percent | Self::Equals, _) if digit.is_some() => {
                let value = digit.unwrap_or_default();
                tell(More(Self::Digits { left: 1, value }));
            }
            (Self::Equals, b'\r') => tell(More(Self::SoftBreak)),
            (Self::Equals | Self::SoftBreak, b'\n') => tell(Is(NOTHING)),
            (Self::Backslash, _) => after_backslash(next, tell),
            (Self::BeforeBrace, b'{') => tell(More(Self::Braced { value: 0 })),
            (Self::Braced { value }, b'}') => is(value, tell),
            (Self::Css { value, .. }, b' ' | b'\t') => is(value, tell),
            (Self::Reference, b'#') => tell(More(Self::Number)),
            (Self::Reference, _) => {
                let end = NAMES.len() as u8;
                name((0, end, 0), next, tell);
            }
            (Self::Name { first, end, length }, _) => name((first, end, length), next, tell),
            (Self::Number, b'x' | b'X') => tell(More(Self::Hexadecimal { value: 0 })),
            (Self::Decimal { value } | Self::Hexadecimal { value }, b';') => is(value, tell),
            (Self::Number, b'0'..=b'9') => decimal(0, next, tell),
            (Self::Decimal { value }, b'0'..=b'9') => decimal(value, next, tell),
            _ => {
                if let Some(digit) = digit {
                    self.digit(digit, tell);
                }
            }
        }
    }

    /// Reads one more digit of a number to the base 16, or 8.
    fn digit(self, digit: u8, mut tell: impl FnMut(Step)) {
        let longer = |value: u8, base: u8| {
            let value = value.checked_mul(base)?.checked_add(digit)?;
            (value <= b'~').then_some(value)
        };
        match self {
            Self::Digits { left, value } => match (longer(value, 16), left) {
                (Some(value), 1) => is(value, tell),
                (Some(value), _) => tell(More(Self::Digits {
                    left: left - 1,
                    value,
                })),
                (None, _) => {}
            },
            Self::Braced { value } => {
                if let Some(value) = longer(value, 16) {
                    tell(More(Self::Braced { value }));
                }
            }
            Self::Hexadecimal { value } => {
                if let Some(value) = longer(value, 16) {
                    tell(More(Self::Hexadecimal { value }));
                    is(value, tell);
                }
            }
            Self::Octal { left, value } if digit < 8 => {
                if let Some(value) = longer(value, 8) {
                    if left > 1 {
                        tell(More(Self::Octal {
                            left: left - 1,
                            value,
                        }));
                    }
                    is(value, tell);
                }
            }
            // A space may end it after the last digit, too.
            Self::Css { left, value } if left > 0 => {
                if let Some(value) = longer(value, 16) {
                    tell(More(Self::Css {
                        left: left - 1,
                        value,
                    }));
                    is(value, tell);
                }
            }
            _ => {}
        }
    }
}

/// What follows a backslash.
fn after_backslash(next: u8, mut tell: impl FnMut(Step)) {
    match next {
        b'u' => tell(More(Escape::Digits { left: 4, value: 0 })),
        b'U' => tell(More(Escape::Digits { left: 8, value: 0 })),
        b'x' | b'X' => tell(More(Escape::Digits { left: 2, value: 0 })),
        b'n' => tell(Is(b'\n')),
        b'r' => tell(Is(b'\r')),
        b't' => tell(Is(b'\t')),
        b' '..=b'~' if !next.is_ascii_alphanumeric() => tell(Is(next)),
        _ => {}
    }
    if matches!(next, b'u' | b'x') {
        tell(More(Escape::BeforeBrace));
    }
    if let value @ 0..8 = next.wrapping_sub(b'0') {
        tell(More(Escape::Octal { left: 2, value }));
    }
    if let Some(value) = hexadecimal(next) {
        tell(More(Escape::Css { left: 5, value }));
        is(value, tell);
    }
}

/// One more digit of a decimal reference.
fn decimal(value: u8, next: u8, mut tell: impl FnMut(Step)) {
    let longer = value.checked_mul(10);
    let longer = longer.and_then(|value| value.checked_add(next - b'0'));
    if let Some(value) = longer.filter(|value| *value <= b'~') {
        tell(More(Escape::Decimal { value }));
        is(value, tell);
    }
}

/// One more character of a name.
fn name((first, end, length): (u8, u8, u8), next: u8, mut tell: impl FnMut(Step)) {
    let at = usize::from(length);
    let names = &NAMES[usize::from(first)..usize::from(end)];
    if next == b';' {
        // A name comes before those that it begins.
        if let Some((_, character)) = names.first().filter(|(name, _)| name.len() == at) {
            tell(Is(*character));
        }
        return;
    }
    let is_next = |(name, _): &(&[u8], u8)| name.get(at) == Some(&next);
    let Some(skipped) = names.iter().position(is_next) else {
        return;
    };
    let count = names[skipped..]
        .iter()
        .take_while(|one| is_next(one))
        .count();
    let (name, character) = names[skipped];
    if name.len() == at + 1 && is_read_unended(name) {
        tell(Is(character));
    }
    let first = first + skipped as u8;
    tell(More(Escape::Name {
        first,
        end: first + count as u8,
        length: length + 1,
    }));
}

/// Tells a character, where it can be one of a value or stand between two.
fn is(value: u8, mut tell: impl FnMut(Step)) {
    if matches!(value, b' '..=b'~' | b'\n' | b'\r' | b'\t') {
        tell(Is(value));
    }
}

/// The number that a hexadecimal digit stands for.
pub(super) const fn hexadecimal(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a whole text can be as one escape.
    fn readings(text: &str) -> Vec<u8> {
        let (first, rest) = text.as_bytes().split_first().expect("a text");
        let mut alive: Vec<Escape> = Escape::begun_by(*first).into_iter().collect();
        let mut read = Vec::new();
        for byte in rest {
            read.clear();
            let mut next = Vec::new();
            for escape in alive {
                escape.step(*byte, |step| match step {
                    More(escape) => next.push(escape),
                    Is(character) => read.push(character),
                });
            }
            alive = next;
        }
        read
    }

    #[test]
    fn digits_behind_a_backslash_are_octal_and_hexadecimal() {
        assert_eq!(readings("\\053"), b"+S");
        assert_eq!(readings("\\53"), b"+S");
        assert_eq!(readings("\\400"), b"");
    }

    #[test]
    fn every_kind_of_escape_is_read() {
        for text in [
            "%2B",
            "%2b",
            "%u002b",
            "\\u002B",
            "\\U0000002b",
            "\\x2b",
            "\\x{2b}",
            "\\u{0000000002b}",
            "\\2b",
            "\\00002b",
            "\\2b ",
            "\\+",
            "&#43;",
            "&#43",
            "&#0000000000043;",
            "&#x2B;",
            "&#X2b",
            "&#x00000000002b;",
            "&plus;",
            "=2B",
        ] {
            assert_eq!(readings(text), b"+", "{text}");
        }
        for (text, expected) in [
            ("&lt", b"<"),
            ("&QUOT", b"\""),
            ("&quot;", b"\""),
            ("&comma;", b","),
            ("&commat;", b"@"),
            ("\\/", b"/"),
            ("\\\"", b"\""),
            ("\\\\", b"\\"),
            ("\\n", b"\n"),
            ("\\a", b"\n"),
            ("\\9", b"\t"),
            ("&#10;", b"\n"),
            ("&sol;", b"/"),
            ("&equals;", b"="),
            ("&lowbar;", b"_"),
            ("=\n", b"\0"),
            ("=\r\n", b"\0"),
        ] {
            assert_eq!(readings(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_escape_is_nothing() {
        for text in [
            "%2", "%zz", "%g0", "\\u2b", "\\u002", "\\q", "\\x2", "\\x{}", "&plus", "&plusx;",
            "&;", "&#;", "&#x;", "&#x80;", "&#127;", "&#4a", "=2", "=\r", "= \n", "%00", "\\u0000",
            "%ff", "&#300;", "&comm;",
        ] {
            assert_eq!(readings(text), b"", "{text}");
        }
    }
}
