//! What a text for people must not contain.

/// Checks that a message is one line that is shown as it is: no control characters, no line breaks
/// of Unicode, and nothing that changes the direction of the text.
pub(crate) fn check(message: &str) {
    let breaks = |c: char| {
        let turns = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        c.is_control() || turns || matches!(c, '\u{2028}' | '\u{2029}')
    };
    assert!(!message.is_empty(), "an empty message");
    assert!(!message.contains(breaks), "{message:?}");
}
