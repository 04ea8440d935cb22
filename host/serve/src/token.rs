//! Tokens by which tenants are known, kept as digests.

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// The shortest token that is accepted from a file or a variable, in bytes.
pub(crate) const SHORTEST: usize = 16;

/// The SHA-256 of a token.
#[derive(Clone)]
pub(crate) struct Digest([u8; 32]);

impl Digest {
    pub(crate) fn of(token: &[u8]) -> Self {
        Self(Sha256::digest(token).into())
    }

    pub(crate) fn from_hex(text: &str) -> Option<Self> {
        let text = text.as_bytes();
        if text.len() != 64 || !text.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(bytes))
    }

    pub(crate) fn bytes(&self) -> [u8; 32] {
        self.0
    }

    /// Compares without telling by the time how much is equal.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Digest")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_in_hex_is_that_of_its_token_and_of_no_other() {
        let hex = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
        let digest = Digest::from_hex(hex).unwrap();
        assert!(digest.is(&Digest::of(b"test")));
        assert!(!digest.is(&Digest::of(b"tesT")));
        for wrong in ["", "9f", &hex[1..], &hex.replace('9', "g")] {
            assert!(Digest::from_hex(wrong).is_none(), "{wrong}");
        }
    }
}
