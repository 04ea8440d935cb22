//! The token of a run, which every call on a TCP port carries.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq as _;

/// The user of Basic authentication; the token is the password.
const USER: &[u8] = b"sandbox-net:";

/// The fewest characters of a token that an operator chooses.
const LEAST: usize = 16;

/// The token of a broker. Whoever has it can use the broker's network.
///
/// ```
/// use sandbox_net_broker::Token;
///
/// let token = Token::random()?;
/// assert_eq!(token.as_str().len(), 64);
/// assert!(Token::new("too short").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// A text that is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a token has at least 16 characters, each a letter, a digit, '-' or '_'")]
pub struct TokenError;

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

impl Token {
    /// Makes a token of 32 random bytes, in hexadecimal digits.
    ///
    /// # Errors
    ///
    /// If the system has no random numbers.
    pub fn random() -> Result<Self, std::io::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
        Ok(Self(
            bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        ))
    }

    /// Takes a token that the operator chose.
    ///
    /// # Errors
    ///
    /// A text that is short, or has a character that URLs and header fields quote.
    pub fn new(text: impl Into<String>) -> Result<Self, TokenError> {
        let text = text.into();
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        match text.len() >= LEAST && text.bytes().all(is_plain) {
            true => Ok(Self(text)),
            false => Err(TokenError),
        }
    }

    /// The token itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the value of an authorization field has it. The time that this takes tells nothing
    /// but the value's length.
    pub(crate) fn is_in(&self, value: &[u8]) -> bool {
        let value = value.trim_ascii();
        let Some(blank) = value.iter().position(|byte| *byte == b' ') else {
            return false;
        };
        let (scheme, given) = (&value[..blank], value[blank..].trim_ascii());
        if scheme.eq_ignore_ascii_case(b"bearer") {
            return self.is(given);
        }
        if !scheme.eq_ignore_ascii_case(b"basic") {
            return false;
        }
        let decoded = STANDARD.decode(given).unwrap_or_default();
        decoded
            .strip_prefix(USER)
            .is_some_and(|password| self.is(password))
    }

    fn is(&self, given: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(given).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_token_is_accepted_in_either_form() {
        let token = Token::new("0123456789abcdef").unwrap();
        let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
        for (value, expected) in [
            ("Bearer 0123456789abcdef".to_owned(), true),
            ("bearer  0123456789abcdef ".to_owned(), true),
            (basic("sandbox-net:0123456789abcdef"), true),
            (basic("sandbox-net:0123456789abcdef").to_lowercase(), false),
            (basic("sandbox-net:0123456789abcdeF"), false),
            (basic("somebody:0123456789abcdef"), false),
            (basic("0123456789abcdef"), false),
            ("Bearer 0123456789abcde".to_owned(), false),
            ("Bearer 0123456789abcdef0".to_owned(), false),
            ("Bearer ".to_owned(), false),
            ("Bearer".to_owned(), false),
            ("0123456789abcdef".to_owned(), false),
            ("Digest 0123456789abcdef".to_owned(), false),
            ("Basic !!!!".to_owned(), false),
            (String::new(), false),
        ] {
            assert_eq!(token.is_in(value.as_bytes()), expected, "{value:?}");
        }
    }

    #[test]
    fn tokens_differ_and_are_not_shown() {
        let [one, other] = [Token::random().unwrap(), Token::random().unwrap()];
        assert_ne!(one, other);
        assert_eq!(format!("{one:?}"), "Token");
        for weak in ["", "short", "0123456789abcde:", "0123456789 abcdef"] {
            assert_eq!(Token::new(weak), Err(TokenError), "{weak}");
        }
    }
}
