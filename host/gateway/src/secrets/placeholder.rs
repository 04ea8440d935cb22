//! The text that the guest has instead of a secret.

use std::fmt::Write as _;

/// How every placeholder begins.
const PREFIX: &str = "sandbox-net-secret-";
/// Random bytes of a placeholder.
const RANDOM: usize = 16;

/// A text that stands for a secret: `sandbox-net-secret-` and 32 lower-case hexadecimal digits.
/// Worthless outside the sandbox it was made for.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Placeholder(String);

/// The operating system returned no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gave no random bytes: {0}")]
pub struct PlaceholderError(#[from] getrandom::Error);

impl Placeholder {
    /// Makes a placeholder from the operating system's random source.
    ///
    /// # Errors
    ///
    /// [`PlaceholderError`], if that source fails.
    pub(crate) fn random() -> Result<Self, PlaceholderError> {
        let mut random = [0; RANDOM];
        getrandom::fill(&mut random)?;
        let mut text = String::from(PREFIX);
        for byte in random {
            write!(text, "{byte:02x}").expect("a string can be written to");
        }
        Ok(Self(text))
    }

    /// Its text.
    #[must_use]
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placeholder_is_the_prefix_and_32_lower_case_hex_digits() {
        let placeholder = Placeholder::random().unwrap();
        let digits = placeholder.as_str().strip_prefix(PREFIX).unwrap();
        assert_eq!(digits.len(), 32);
        assert!(
            digits
                .bytes()
                .all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
        );
    }

    #[test]
    fn no_two_placeholders_are_equal() {
        assert_ne!(
            Placeholder::random().unwrap(),
            Placeholder::random().unwrap()
        );
    }
}
