//! Validates UTF-8 without tables.
//!
//! The host traps on a string that is not UTF-8, and `core::str::from_utf8` brings a table, which
//! would be a data segment.

use crate::errors::Fault;

/// `bytes` as a string, if they are UTF-8 (RFC 3629 section 4).
pub(crate) fn parse(bytes: &[u8]) -> Result<&str, Fault> {
    let mut rest = bytes;
    while let Some((&lead, tail)) = rest.split_first() {
        rest = match lead {
            0..0x80 => Some(tail),
            0xC2..0xE0 => strip::<1>(tail, 0x80, 0xBF),
            0xE0 => strip::<2>(tail, 0xA0, 0xBF),
            // No surrogates.
            0xED => strip::<2>(tail, 0x80, 0x9F),
            0xE1..0xF0 => strip::<2>(tail, 0x80, 0xBF),
            0xF0 => strip::<3>(tail, 0x90, 0xBF),
            0xF1..0xF4 => strip::<3>(tail, 0x80, 0xBF),
            // Nothing above U+10FFFF.
            0xF4 => strip::<3>(tail, 0x80, 0x8F),
            _ => None,
        }
        .ok_or(Fault::Frame)?;
    }
    // SAFETY: every sequence was one that RFC 3629 allows.
    Ok(unsafe { core::str::from_utf8_unchecked(bytes) })
}

/// The rest after `N` bytes that continue a sequence, the first of them from `low` to `high`.
fn strip<const N: usize>(bytes: &[u8], low: u8, high: u8) -> Option<&[u8]> {
    let (tail, rest) = bytes.split_first_chunk::<N>()?;
    let (first, others) = tail.split_first()?;
    let valid = (low..=high).contains(first) && others.iter().all(|byte| byte & 0xC0 == 0x80);
    valid.then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::parse;

    /// The bytes at which the rules change, with their neighbours.
    const LIMITS: [u8; 10] = [0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF];

    #[test]
    fn every_sequence_at_the_limits_is_judged_as_the_standard_library_does() {
        for lead in 0..=u8::MAX {
            for number in 0..LIMITS.len().pow(4) {
                let limit = |place: u32| LIMITS[number / LIMITS.len().pow(place) % LIMITS.len()];
                let bytes = [lead, limit(0), limit(1), limit(2), limit(3)];
                for end in 0..=bytes.len() {
                    let bytes = &bytes[..end];
                    assert_eq!(parse(bytes).ok(), str::from_utf8(bytes).ok(), "{bytes:x?}");
                }
            }
        }
    }
}
