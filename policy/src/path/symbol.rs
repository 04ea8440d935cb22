//! The symbols by which paths are compared, one byte each.
//!
//! A reading has no control characters, so a few of them can stand for percent triplets: bytes with
//! a meaning in paths (`/ \ % ; ? #`) that are meant as data.

/// The bytes with a meaning in paths. The code of a triplet is the position of its byte here, from
/// 1.
const STRUCTURAL: [u8; 6] = *b"/\\%;?#";

/// Whether a byte may be more than data to servers.
pub(super) fn is_structural(byte: u8) -> bool {
    STRUCTURAL.contains(&byte)
}

/// The symbol for a structural byte that is percent-encoded; for any other byte, itself.
pub(super) fn encoded(byte: u8) -> u8 {
    match STRUCTURAL.iter().position(|own| *own == byte) {
        Some(place) => 1 + place as u8,
        None => byte,
    }
}

/// The value of a percent triplet (RFC 3986 section 2.1), if a text begins with one.
pub(super) fn triplet(first: u8, after: &[u8]) -> Option<u8> {
    match (first, after) {
        (b'%', [high, low, ..]) => hex(*high, *low),
        _ => None,
    }
}

/// The value of two hexadecimal digits.
pub(super) fn hex(high: u8, low: u8) -> Option<u8> {
    let digit = |b: u8| char::from(b).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}
