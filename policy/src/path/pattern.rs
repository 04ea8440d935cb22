//! Patterns of paths: how they are parsed, and how two of them relate.

use std::fmt;

use super::Readings;
use super::glob::{Glob, Token};
use super::reading::{Reading, View};
use super::steps::{Exhausted, Steps};
use super::symbol::{encoded, is_structural, triplet};

/// The most bytes of a pattern.
const MAX_TEXT: usize = 2048;

/// A pattern of paths. `*` matches any run of characters other than `/`, also an empty one, and
/// `**` any run of any characters; everything else is literal, in the canonical form of RFC 3986
/// section 6.2.2.
///
/// `/v1/**` matches `/v1/` and everything below it, but not `/v1`. Queries do not count.
///
/// Servers disagree about paths such as `/v1/..%2fadmin`. Therefore a pattern that allows has to
/// match every reading that servers may have of the path, and for a pattern that denies one of them
/// is enough, in upper or lower case, with or without a slash at the end.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PathPattern {
    text: String,
    glob: Glob,
    /// For case-insensitive comparison.
    folded: Glob,
}

/// Why a text is not a pattern of paths. Every message is one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathPatternError {
    /// It does not begin with `/`.
    #[error("a path begins with '/'{}", instead(.0.as_deref()))]
    Start(Option<String>),
    /// It has more than 2048 bytes.
    #[error("the path has more than 2048 bytes: write '**' for the end of it")]
    TooLong,
    /// It has a query or a fragment.
    #[error("the path of a rule cannot contain a query or a fragment{}", instead(.0.as_deref()))]
    Query(Option<String>),
    /// It has a character that requests percent-encode.
    #[error("'{}' is sent percent-encoded: write '{}'", .0.escape_debug(), percent_encoded(*.0))]
    Character(char),
    /// It has a control character, literal or percent-encoded.
    #[error("the path has a control character, which no request may contain: remove it")]
    Control,
    /// It has a backslash, literal or percent-encoded.
    #[error("some servers take a backslash for a slash: write '/'")]
    Backslash,
    /// It has an empty segment.
    #[error("servers differ about '//': write '/'")]
    EmptySegment,
    /// It has a segment `.` or `..`.
    #[error("servers remove the segments '.' and '..': write the path without them")]
    DotSegment,
    /// It has more than two stars in a row.
    #[error("'***' means nothing: write '**' for all characters, or '*' for all but '/'")]
    Stars,
    /// It has a percent sign without two hexadecimal digits.
    #[error("'%' needs two hexadecimal digits: write '%25' for the character itself")]
    Percent,
    /// It has a percent triplet that is not in canonical form.
    #[error("'{found}' is not in canonical form: write '{canonical}'")]
    Triplet {
        /// The triplet.
        found: String,
        /// The canonical form of the same character.
        canonical: String,
    },
    /// It has something that only some servers read literally, so requests with it never match.
    #[error("servers differ about '{0}': write '**' from there on")]
    Ambiguous(String),
    /// Its meaning is ambiguous in every request, so it never matches.
    #[error(
        "servers disagree about what this path means, so no request matches it: write '**' there"
    )]
    Unclear,
}

/// The second half of a message: what to write instead.
fn instead(suggestion: Option<&str>) -> String {
    suggestion.map_or_else(String::new, |text| format!(": write '{text}'"))
}

fn percent_encoded(c: char) -> String {
    let mut bytes = [0; 4];
    let bytes = c.encode_utf8(&mut bytes).bytes();
    bytes.map(|b| format!("%{b:02X}")).collect()
}

impl PathPattern {
    /// Parses a pattern.
    ///
    /// # Errors
    ///
    /// A [`PathPatternError`] that says what to write instead.
    pub fn parse(text: &str) -> Result<Self, PathPatternError> {
        use PathPatternError as E;
        let suggest = |text: &str| Self::parse(text).is_ok().then(|| text.to_owned());
        if text.len() > MAX_TEXT {
            return Err(E::TooLong);
        }
        if !text.starts_with('/') {
            return Err(E::Start(suggest(&format!("/{text}"))));
        }
        if let Some(end) = text.find(['?', '#']) {
            return Err(E::Query(suggest(&text[..end])));
        }
        if text.chars().any(|c| c.is_ascii_control()) {
            return Err(E::Control);
        }
        if let Some(c) = text.chars().find(|c| !c.is_ascii_graphic()) {
            return Err(E::Character(c));
        }
        if text.contains("//") {
            return Err(E::EmptySegment);
        }
        if text.split('/').any(|s| matches!(s, "." | "..")) {
            return Err(E::DotSegment);
        }
        let tokens = tokenize(text.as_bytes())?;
        // Such as overlong UTF-8: a rule that allows it could never match.
        let sample = text.replace('*', "z");
        if Readings::of(sample.as_bytes()).all().is_none() {
            return Err(E::Unclear);
        }
        Ok(Self {
            text: text.to_owned(),
            glob: Glob::new(&tokens),
            folded: Glob::folded(&tokens),
        })
    }

    /// The pattern as the operator wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a rule that allows this pattern allows the path.
    pub(crate) fn permits(&self, readings: &Readings) -> bool {
        let steps = &readings.steps;
        readings.all().is_some_and(|readings| {
            let mut readings = readings.iter();
            readings.all(|reading| matches(&self.glob, &reading.exactly(steps), steps) == Ok(true))
        })
    }

    /// Whether a rule that denies this pattern denies the path.
    pub(crate) fn forbids(&self, readings: &Readings) -> bool {
        let steps = &readings.steps;
        readings.all().is_none_or(|readings| {
            let mut readings = readings.iter();
            readings.any(|reading| self.matches_loosely(reading, steps))
        })
    }

    /// Whether this matches the reading in upper or lower case, with or without a slash at the end;
    /// in doubt, yes.
    fn matches_loosely(&self, reading: &Reading, steps: &Steps) -> bool {
        let matches = |view: View<'_>| matches(&self.folded, &view, steps) != Ok(false);
        let mut views = reading.loosely(steps);
        match self.folded.is_open() {
            // What matches without the slash also matches with it.
            true => views.last().is_some_and(matches),
            false => views.any(matches),
        }
    }

    /// Whether this certainly matches every path that `inner` matches. In doubt, no.
    pub(crate) fn contains(&self, inner: &Self) -> bool {
        let is_equal = self.glob == inner.glob;
        is_equal || (self.glob.is_subtree() && inner.glob.prefix().starts_with(self.glob.prefix()))
    }

    /// Whether a path may exist that this forbids and `other` permits, or the other way round. In
    /// doubt, yes.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        let (prefix, other_prefix) = (self.glob.prefix(), other.glob.prefix());
        let steps = Steps::new();
        if self.glob.is_literal() {
            return other.matches_loosely(&Reading::new(prefix.to_vec()), &steps);
        }
        if other.glob.is_literal() {
            return self.matches_loosely(&Reading::new(other_prefix.to_vec()), &steps);
        }
        let mut pairs = prefix.iter().zip(other_prefix);
        pairs.all(|(a, b)| a.eq_ignore_ascii_case(b))
    }
}

fn matches(glob: &Glob, view: &View<'_>, steps: &Steps) -> Result<bool, Exhausted> {
    steps.begin();
    glob.matches(view)
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Splits visible ASCII into stars and literals.
fn tokenize(text: &[u8]) -> Result<Vec<Token>, PathPatternError> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        tokens.push(match byte {
            b'*' => {
                let more = rest.iter().take_while(|b| **b == b'*').count();
                rest = &rest[more..];
                match more {
                    0 => Token::Star,
                    1 => Token::DoubleStar,
                    _ => return Err(PathPatternError::Stars),
                }
            }
            b'%' => {
                let value = triplet(*byte, after).ok_or(PathPatternError::Percent)?;
                rest = &after[2..];
                Token::Literal(encoded_literal(value, &after[..2], rest)?)
            }
            b'\\' => return Err(PathPatternError::Backslash),
            b';' => return Err(PathPatternError::Ambiguous(";".to_owned())),
            _ => Token::Literal(*byte),
        });
    }
    Ok(tokens)
}

/// The literal for a percent triplet with these digits.
fn encoded_literal(value: u8, digits: &[u8], rest: &[u8]) -> Result<u8, PathPatternError> {
    use PathPatternError as E;
    let found = || format!("%{}", String::from_utf8_lossy(digits));
    if value.is_ascii_alphanumeric() || b"-._~".contains(&value) {
        let canonical = char::from(value).to_string();
        let found = found();
        return Err(E::Triplet { found, canonical });
    }
    let is_encoded_twice = |next: &u8| next.is_ascii_hexdigit() || b"uU".contains(next);
    match value {
        b'\\' => Err(E::Backslash),
        b'%' if !rest.first().is_some_and(is_encoded_twice) => Ok(encoded(value)),
        _ if is_structural(value) => Err(E::Ambiguous(found())),
        _ if value.is_ascii_control() => Err(E::Control),
        _ if digits.iter().any(u8::is_ascii_lowercase) => {
            let canonical = found().to_ascii_uppercase();
            let found = found();
            Err(E::Triplet { found, canonical })
        }
        _ => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> PathPattern {
        PathPattern::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn a_pattern_keeps_its_text() {
        for text in [
            "/",
            "/**",
            "/v1/*/x-~._",
            "/files/**.txt",
            "/a%20%C3%A9%25*",
            "/.a/...",
        ] {
            assert_eq!(pattern(text).as_str(), text);
            assert_eq!(pattern(text).to_string(), text);
        }
        assert_eq!(
            pattern(&format!("/{}", "a".repeat(2047))).as_str().len(),
            2048
        );
    }

    #[test]
    fn what_is_no_pattern_is_refused_with_what_to_write_instead() {
        for (text, message) in [
            ("", "a path begins with '/': write '/'"),
            ("v1/**", "a path begins with '/': write '/v1/**'"),
            ("a b\n", "a path begins with '/'"),
            (
                "/a?b=**",
                "the path of a rule cannot contain a query or a fragment: write '/a'",
            ),
            (
                "/a#b",
                "the path of a rule cannot contain a query or a fragment: write '/a'",
            ),
            (
                "/a;#",
                "the path of a rule cannot contain a query or a fragment",
            ),
            ("/a b", "' ' is sent percent-encoded: write '%20'"),
            ("/é", "'é' is sent percent-encoded: write '%C3%A9'"),
            (
                "/a\n",
                "the path has a control character, which no request may contain: remove it",
            ),
            (
                "/%00",
                "the path has a control character, which no request may contain: remove it",
            ),
            (
                "/%7f",
                "the path has a control character, which no request may contain: remove it",
            ),
            (
                "/a\\b",
                "some servers take a backslash for a slash: write '/'",
            ),
            (
                "/a%5cb",
                "some servers take a backslash for a slash: write '/'",
            ),
            ("/a//b", "servers differ about '//': write '/'"),
            (
                "/a/%C0%AE/**",
                "servers disagree about what this path means, so no request matches it: write '**' \
                 there",
            ),
            (
                "/a/../b",
                "servers remove the segments '.' and '..': write the path without them",
            ),
            (
                "/a/.",
                "servers remove the segments '.' and '..': write the path without them",
            ),
            ("/%2E%2E", "'%2E' is not in canonical form: write '.'"),
            ("/%61", "'%61' is not in canonical form: write 'a'"),
            ("/%c3%A9", "'%c3' is not in canonical form: write '%C3'"),
            (
                "/100%",
                "'%' needs two hexadecimal digits: write '%25' for the character itself",
            ),
            (
                "/%4g",
                "'%' needs two hexadecimal digits: write '%25' for the character itself",
            ),
            (
                "/%+1",
                "'%' needs two hexadecimal digits: write '%25' for the character itself",
            ),
            (
                "/%2",
                "'%' needs two hexadecimal digits: write '%25' for the character itself",
            ),
            ("/a;b", "servers differ about ';': write '**' from there on"),
            (
                "/a%3Bb",
                "servers differ about '%3B': write '**' from there on",
            ),
            (
                "/a%2fb",
                "servers differ about '%2f': write '**' from there on",
            ),
            (
                "/a%3Fb",
                "servers differ about '%3F': write '**' from there on",
            ),
            (
                "/a%23b",
                "servers differ about '%23': write '**' from there on",
            ),
            (
                "/a%2541",
                "servers differ about '%25': write '**' from there on",
            ),
            (
                "/a/***",
                "'***' means nothing: write '**' for all characters, or '*' for all but '/'",
            ),
        ] {
            let error = PathPattern::parse(text).expect_err(text);
            assert_eq!(error.to_string(), message, "{text}");
        }
        let long = format!("/{}", "a".repeat(2048));
        assert_eq!(PathPattern::parse(&long), Err(PathPatternError::TooLong));
    }

    #[test]
    fn stars_match_runs_of_characters_and_only_two_of_them_match_slashes() {
        for (text, path, expected) in [
            ("/", "/", true),
            ("/", "/a", false),
            ("/v1/**", "/v1/", true),
            ("/v1/**", "/v1/a/b", true),
            ("/v1/**", "/v1", false),
            ("/v1/*", "/v1/", true),
            ("/v1/*", "/v1/a", true),
            ("/v1/*", "/v1/a/", false),
            ("/repos/*/issues", "/repos/a/issues", true),
            ("/repos/*/issues", "/repos/a/b/issues", false),
            ("/repos/**/issues", "/repos/a/b/issues", true),
            ("/repos/**/issues", "/repos/issues", false),
            ("/files/**.txt", "/files/a/b.txt.txt", true),
            ("/files/**.txt", "/files/a.txt/b", false),
            ("/**/b/*c", "/a/b/b/xc", true),
            ("/**/b/*c", "/a/b/b/x/d", false),
            ("/*a*b", "/xaayb", true),
            ("/*a*b", "/xaay", false),
            ("/a%20b", "/a%20b", true),
            ("/a%20b", "/%61%20b", true),
            ("/a%C3%A9", "/a%c3%a9", true),
            ("/a%C3%A9", "/aé", true),
            ("/a%2Ab", "/a*b", true),
            ("/a%2Ab", "/aab", false),
            ("/100%25*", "/100%25", true),
            ("/a*5x", "/a%25x", false),
        ] {
            let readings = Readings::of(path.as_bytes());
            assert_eq!(pattern(text).permits(&readings), expected, "{text} {path}");
        }
    }

    #[test]
    fn a_pattern_contains_another_only_if_that_is_certain() {
        for (outer, inner, expected) in [
            ("/**", "/", true),
            ("/**", "/a*b/**", true),
            ("/a/**", "/a/b", true),
            ("/a/**", "/a/", true),
            ("/a/**", "/a/*/b", true),
            ("/a/**", "/a", false),
            ("/a/**", "/a*", false),
            ("/a**", "/ab/*", true),
            ("/a/*/b", "/a/*/b", true),
            ("/a/*/b", "/a/c/b", false),
            ("/a/*", "/a/**", false),
            ("/A/**", "/a/b", false),
            ("/a%21", "/a!", true),
        ] {
            let contains = pattern(outer).contains(&pattern(inner));
            assert_eq!(contains, expected, "{outer} {inner}");
        }
    }

    #[test]
    fn patterns_overlap_unless_that_is_certainly_not_so() {
        for (a, b, expected) in [
            ("/a/**", "/a/b", true),
            ("/a/**", "/A/b", true),
            ("/a/**", "/A/*", true),
            ("/a/**", "/a", true),
            ("/a/**", "/b/**", false),
            ("/a/*x", "/a/*y", true),
            ("/a", "/a/", true),
            ("/a", "/ab", false),
            ("/a", "/a/b", false),
            ("/a", "/a/**", true),
            ("/a", "/a/*/b/**", false),
            ("/**", "/", true),
        ] {
            assert_eq!(pattern(a).overlaps(&pattern(b)), expected, "{a} {b}");
            assert_eq!(pattern(b).overlaps(&pattern(a)), expected, "{b} {a}");
        }
    }
}
