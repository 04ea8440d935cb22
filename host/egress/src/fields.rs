//! The fields of a head or of a trailer section.

/// Field lines in order, names and values as the bytes that were or will be sent, without the
/// whitespace around values.
pub type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// The most fields that one head, or one trailer section, may have: many tiny ones would cost far
/// more memory than their bytes.
pub const MAX_FIELDS: usize = 1000;
