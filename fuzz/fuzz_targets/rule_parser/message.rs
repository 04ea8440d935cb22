//! What a text for people may not have in it.

/// Checks that a message is one line that shows as it is: no control characters, none of Unicode's
/// line breaks, and nothing that turns the direction of what follows.
pub(crate) fn check(message: &str) {
    let breaks = |c: char| {
        let turns = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        c.is_control() || turns || matches!(c, '\u{2028}' | '\u{2029}')
    };
    assert!(!message.is_empty(), "an empty message");
    assert!(!message.contains(breaks), "{message:?}");
}
