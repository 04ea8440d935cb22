//! Filters trailers, the fields after a body (RFC 9110 section 6.5).

use crate::fields::Fields;

/// Fields that say how a message is framed or coded, or where it goes (RFC 9110 section 6.5.1):
/// after the body they come too late, and a reader that believed them would be deceived.
const NEVER_TRAILERS: [&str; 12] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The fields without those that are invalid as trailers.
pub(crate) fn permitted(mut fields: Fields) -> Fields {
    fields.retain(|(name, _)| {
        let is_it = |never: &&str| name.eq_ignore_ascii_case(never.as_bytes());
        !NEVER_TRAILERS.iter().any(is_it)
    });
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_would_change_the_message_are_left_out() {
        let names = ["Digest", "CONTENT-length", "x", "Host", "x"];
        let field = |name: &str| (name.as_bytes().to_vec(), b"1".to_vec());
        let left = permitted(names.map(field).to_vec());
        assert_eq!(left, ["Digest", "x", "x"].map(field));
    }
}
