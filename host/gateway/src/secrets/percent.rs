//! Percent-encoding (RFC 3986, section 2.1), and the form encoding's `+`.
//!
//! The crate `percent-encoding` encodes. It decodes to bytes alone, but to replace a part of a value one has
//! to know which piece of the encoded text that part is. So decoding is done here.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

/// All but the unreserved characters (RFC 3986, section 2.3), which never need encoding.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Encodes every byte that is not unreserved, with upper-case digits.
pub(super) fn encode(bytes: &[u8]) -> Vec<u8> {
    percent_encode(bytes, RESERVED)
        .collect::<String>()
        .into_bytes()
}

/// A decoded text that knows where each of its bytes came from.
pub(super) struct Decoded {
    /// The decoded bytes.
    pub(super) bytes: Vec<u8>,
    /// For each decoded byte its start in the encoded text, and last that text's length.
    pub(super) starts: Vec<usize>,
}

/// Decodes a name or value of a query: `+` is a space, and a `%` without two digits stands for
/// itself.
pub(super) fn decode_query(encoded: &[u8]) -> Decoded {
    let mut decoded = Decoded {
        bytes: Vec::new(),
        starts: Vec::new(),
    };
    let mut at = 0;
    while at < encoded.len() {
        let (byte, length) = match &encoded[at..] {
            [b'+', ..] => (b' ', 1),
            [b'%', high, low, ..] => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, 3),
                _ => (b'%', 1),
            },
            _ => (encoded[at], 1),
        };
        decoded.bytes.push(byte);
        decoded.starts.push(at);
        at += length;
    }
    decoded.starts.push(at);
    decoded
}

/// The number that a hexadecimal digit stands for.
fn digit(byte: u8) -> Option<u8> {
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
    use proptest::prelude::*;

    #[test]
    fn only_unreserved_bytes_are_not_encoded() {
        assert_eq!(encode(b"aZ09-._~ /+&=%"), b"aZ09-._~%20%2F%2B%26%3D%25");
    }

    #[test]
    fn each_decoded_byte_knows_where_it_came_from() {
        let decoded = decode_query(b"a%2fb+c%zz%4");
        assert_eq!(decoded.bytes, b"a/b c%zz%4");
        assert_eq!(decoded.starts, [0, 1, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded_again(bytes: Vec<u8>) {
            prop_assert_eq!(decode_query(&encode(&bytes)).bytes, bytes);
        }
    }
}
