//! What paths are compared by.

/// What paths are compared by: one byte and how it is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Symbol {
    /// A byte with its own meaning: `/` separates segments.
    Byte(u8),
    /// A structural byte that is meant as data, since it is percent-encoded.
    Triplet(u8),
}

pub(super) const SLASH: Symbol = Symbol::Byte(b'/');

impl Symbol {
    pub(super) fn map(self, change: impl Fn(&u8) -> u8) -> Self {
        match self {
            Self::Byte(byte) => Self::Byte(change(&byte)),
            Self::Triplet(_) => self,
        }
    }

    pub(super) fn eq_ignore_case(self, other: Self) -> bool {
        self.map(u8::to_ascii_lowercase) == other.map(u8::to_ascii_lowercase)
    }
}

/// The symbols of a reading.
pub(super) fn symbols(text: &[u8]) -> impl Iterator<Item = Symbol> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (byte, after) = rest.split_first()?;
        let triplet = triplet(byte, after);
        rest = if triplet.is_some() {
            &after[2..]
        } else {
            after
        };
        Some(triplet.map_or(Symbol::Byte(*byte), Symbol::Triplet))
    })
}

/// Whether servers may see more in a byte than data.
pub(super) fn is_structural(byte: u8) -> bool {
    b"/\\%;?#".contains(&byte)
}

/// The value of a percent triplet (RFC 3986 section 2.1), if a text begins with one.
pub(super) fn triplet(first: &u8, after: &[u8]) -> Option<u8> {
    let digit = |b: &u8| char::from(*b).to_digit(16);
    match (first, after) {
        (b'%', [high, low, ..]) => u8::try_from(digit(high)? * 16 + digit(low)?).ok(),
        _ => None,
    }
}

pub(super) fn push_triplet(out: &mut Vec<u8>, value: u8) {
    out.extend_from_slice(format!("%{value:02X}").as_bytes());
}
