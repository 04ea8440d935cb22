//! Makes foreign text safe for a terminal.

use bytesize::ByteSize;

/// The text with its control characters, terminal escapes and invisible characters (including those
/// that change the direction of writing) written out, as in `\u{1b}`.
pub(crate) fn printable(text: &str) -> String {
    text.chars().flat_map(written_out).collect()
}

/// The beginning of a text in the same form, of at most this many characters.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    let mut chars = text.chars().flat_map(written_out);
    let mut start: String = chars.by_ref().take(most).collect();
    if chars.next().is_some() {
        start.pop();
        start.push('…');
    }
    start
}

/// A number of bytes, short: `512 B`, `1.5 KiB`.
pub(crate) fn bytes(count: u64) -> String {
    ByteSize::b(count).display().iec().to_string()
}

/// A number of things, with the plural unless it is one.
pub(crate) fn count(number: usize, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

/// Keeps quotes and backslashes, because the output is for people.
fn written_out(c: char) -> impl Iterator<Item = char> {
    let plain = matches!(c, '\'' | '"' | '\\').then_some(c);
    let escaped = plain.is_none().then(|| c.escape_debug());
    plain.into_iter().chain(escaped.into_iter().flatten())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_steers_a_terminal_stays() {
        for (text, shown) in [
            ("https://a.test/\"x'\\", "https://a.test/\"x'\\"),
            ("bücher 日本", "bücher 日本"),
            ("\u{1b}[31m", "\\u{1b}[31m"),
            ("a\r\n\tb\0\u{7f}", "a\\r\\n\\tb\\0\\u{7f}"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("\u{202e}\u{2066}\u{200f}", "\\u{202e}\\u{2066}\\u{200f}"),
            ("\u{2028}\u{feff}\u{ad}", "\\u{2028}\\u{feff}\\u{ad}"),
            ("e\u{301}", "e\\u{301}"),
        ] {
            assert_eq!(printable(text), shown);
        }
    }

    #[test]
    fn a_long_text_is_cut_to_the_character() {
        assert_eq!(shortened("abcde", 5), "abcde");
        assert_eq!(shortened("abcdef", 5), "abcd…");
        assert_eq!(shortened("\u{1b}bcdef", 5), "\\u{1…");
        assert_eq!(shortened("", 5), "");
    }

    #[test]
    fn bytes_are_shown_in_the_largest_unit_that_fits() {
        for (count, shown) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            ((1 << 20) - 1, "1024.0 KiB"),
            (1 << 20, "1.0 MiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(bytes(count), shown);
        }
    }
}
