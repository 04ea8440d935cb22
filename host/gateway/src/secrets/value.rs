//! The value of a secret.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

/// Fewest bytes of a value: a shorter one occurs by chance, and masking it would destroy responses.
const SHORTEST: usize = 8;
/// Most bytes of a value.
pub(super) const LONGEST: usize = 16 << 10;

/// The value of a secret: printable ASCII. Never shown by `Debug`; zeroed when its last clone
/// is dropped.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SecretValue(Arc<Zeroizing<Vec<u8>>>);

/// Why bytes cannot be the value of a secret. Never contains them.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ValueError {
    /// Fewer than 8 bytes.
    #[error(
        "the value has fewer than {SHORTEST} bytes: too short to be masked in responses without \
         destroying them"
    )]
    TooShort,
    /// More than 16 KiB.
    #[error("the value is longer than {} KiB", LONGEST >> 10)]
    TooLong,
    /// A control character, such as a newline or a tab, or a byte outside ASCII.
    #[error("the value must be printable ASCII")]
    NotPrintable,
    /// A space is its first or last character.
    #[error("the value begins or ends with a space")]
    SpaceAtEnd,
}

impl SecretValue {
    /// Checks a value. One newline (LF or CRLF) at its end is removed, as files and commands end in
    /// one.
    ///
    /// # Errors
    ///
    /// A [`ValueError`], if the value could not be masked, or could not be sent in a header.
    pub(crate) fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, ValueError> {
        let mut bytes = Zeroizing::new(bytes.into());
        if bytes.ends_with(b"\n") {
            bytes.pop();
            if bytes.ends_with(b"\r") {
                bytes.pop();
            }
        }
        if bytes.len() > LONGEST {
            return Err(ValueError::TooLong);
        }
        if !bytes.iter().all(|byte| matches!(byte, b' '..=b'~')) {
            return Err(ValueError::NotPrintable);
        }
        if bytes.starts_with(b" ") || bytes.ends_with(b" ") {
            return Err(ValueError::SpaceAtEnd);
        }
        if bytes.len() < SHORTEST {
            return Err(ValueError::TooShort);
        }
        Ok(Self(Arc::new(bytes)))
    }

    /// No value, for a search that inserts nothing.
    pub(crate) fn none() -> Self {
        Self(Arc::default())
    }

    /// The value itself, for a request or a masker only.
    #[must_use]
    pub(crate) fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_printable_ascii_of_a_maskable_length_is_a_value() {
        let longest = "x".repeat(LONGEST);
        let cases: &[(&str, Result<&str, ValueError>)] = &[
            ("12345678", Ok("12345678")),
            ("with a space!", Ok("with a space!")),
            ("12345678\n", Ok("12345678")),
            ("12345678\r\n", Ok("12345678")),
            (&longest, Ok(&longest)),
            (&format!("{longest}\r\n"), Ok(&longest)),
            ("", Err(ValueError::TooShort)),
            ("\n", Err(ValueError::TooShort)),
            ("1234567", Err(ValueError::TooShort)),
            ("1234567\n", Err(ValueError::TooShort)),
            (&format!("{longest}x"), Err(ValueError::TooLong)),
            ("12345678\n\n", Err(ValueError::NotPrintable)),
            ("12345678\r", Err(ValueError::NotPrintable)),
            ("1234\r\n5678", Err(ValueError::NotPrintable)),
            ("1234\t5678", Err(ValueError::NotPrintable)),
            ("1234\0\x35678", Err(ValueError::NotPrintable)),
            ("1234\x7f5678", Err(ValueError::NotPrintable)),
            ("pässword", Err(ValueError::NotPrintable)),
            (" 12345678", Err(ValueError::SpaceAtEnd)),
            ("12345678 \n", Err(ValueError::SpaceAtEnd)),
        ];
        for (text, expected) in cases {
            let value = SecretValue::new(*text);
            let value = value.as_ref().map(SecretValue::expose);
            assert_eq!(value, expected.as_ref().map(|text| text.as_bytes()));
        }
    }

    proptest! {
        #[test]
        fn neither_debug_nor_an_error_shows_the_value(text in "[ -~\t]{6,40}") {
            let shown = match SecretValue::new(text.clone()) {
                Ok(value) => format!("{value:?} {value:#?}"),
                Err(error) => format!("{error} {error:?}"),
            };
            prop_assert!(!shown.contains(text.as_str()));
        }
    }
}
