//! Makes bytes that both sides of a test can compute, of any length.

use bytes::Bytes;
use sha2::{Digest, Sha256};

/// The pattern repeats after this many bytes: a prime, so that no buffer's size divides it and a
/// lost, repeated or moved piece changes the digest.
const PERIOD: usize = 8191;

/// One period of the pattern. `programs/report.py` makes the same.
fn period() -> Vec<u8> {
    (0..PERIOD)
        .map(|i| ((i * 7 + (i >> 8) * 13) & 0xff) as u8)
        .collect()
}

/// `length` bytes of the pattern from its start.
pub fn pattern(length: usize) -> Vec<u8> {
    period().into_iter().cycle().take(length).collect()
}

/// The pattern up to `length` bytes in pieces of at most 64 KiB, made on demand.
pub fn pattern_pieces(length: u64) -> impl Iterator<Item = Bytes> + Send + 'static {
    let whole = Bytes::from(period().repeat(8));
    let mut left = length;
    std::iter::from_fn(move || {
        let take = left.min(whole.len() as u64) as usize;
        left -= take as u64;
        (take > 0).then(|| whole.slice(..take))
    })
}

/// The SHA-256 of `length` bytes of the pattern, in hexadecimal.
pub fn pattern_sha256(length: u64) -> String {
    let mut digest = Sha256::new();
    for piece in pattern_pieces(length) {
        digest.update(&piece);
    }
    hex(&digest.finalize())
}

/// The SHA-256 of `bytes` in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// `bytes` as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_join_to_the_pattern() {
        for length in [0, 1, PERIOD - 1, PERIOD, PERIOD * 8 + 1, 200_000] {
            let joined: Vec<u8> = pattern_pieces(length as u64).flatten().collect();
            assert_eq!(joined, pattern(length), "{length} bytes");
            assert_eq!(
                pattern_sha256(length as u64),
                sha256(&joined),
                "{length} bytes"
            );
        }
    }

    #[test]
    fn the_digest_of_nothing_is_the_known_one() {
        let known = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(sha256(b""), known);
    }
}
