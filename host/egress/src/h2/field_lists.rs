//! Bounds lists of fields that the library has decoded.

use http::HeaderMap;

use crate::error::EgressError;
use crate::fields::{Fields, MAX_FIELDS};
use crate::limit::Limit;

/// What a field costs besides its name and value (RFC 9113 section 6.5.2).
const FIELD_OVERHEAD: usize = 32;

/// The bytes of a list as RFC 9113 section 6.5.2 counts them.
pub(super) fn size(map: &HeaderMap) -> usize {
    let sizes = map
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + FIELD_OVERHEAD);
    sizes.sum()
}

/// The fields of a list, if it has at most `max` bytes, and no more fields than a head may have.
pub(super) fn bounded_fields(map: &HeaderMap, max: usize) -> Result<Fields, EgressError> {
    if map.len() > MAX_FIELDS || size(map) > max {
        return Err(EgressError::Limit(Limit::ResponseHeadSize));
    }
    let fields = map.iter();
    Ok(fields
        .map(|(name, value)| (name.as_str().into(), value.as_bytes().into()))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_fields_is_bounded_in_bytes_and_in_number() {
        for (fields, max, fits) in [
            (1000, usize::MAX, true),
            (1001, usize::MAX, false),
            (10_000, usize::MAX, false),
            (10, 10 * (2 + FIELD_OVERHEAD), true),
            (10, 10 * (2 + FIELD_OVERHEAD) - 1, false),
        ] {
            let mut map = HeaderMap::new();
            for _ in 0..fields {
                map.append("a", http::HeaderValue::from_static("b"));
            }
            let bounded = bounded_fields(&map, max);
            let expected = Err(EgressError::Limit(Limit::ResponseHeadSize));
            assert!(if fits {
                bounded.is_ok()
            } else {
                bounded == expected
            });
        }
    }
}
