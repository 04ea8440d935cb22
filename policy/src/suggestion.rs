//! Makes the rule that a denial proposes.

use crate::path::PathPattern;
use crate::query::Head;
use crate::target::{Endpoint, Scheme};

/// The longest proposed method and path.
const LONGEST_METHOD: usize = 64;
const LONGEST_PATH: usize = 256;

/// The narrowest rule that allows this request, to propose in a denial. Without a scheme, it is
/// guessed from a default port.
pub(crate) fn suggestion(scheme: Option<Scheme>, endpoint: &Endpoint) -> String {
    let by_port = || {
        Scheme::ALL
            .into_iter()
            .find(|s| s.default_port() == endpoint.port)
    };
    let host = endpoint.host.in_authority();
    match scheme.or_else(by_port) {
        Some(scheme) if scheme.default_port() == endpoint.port => format!("{scheme}://{host}"),
        Some(scheme) => format!("{scheme}://{endpoint}"),
        None => endpoint.to_string(),
    }
}

/// The rule for one method and path. It contains what a guest chose only if that cannot be mistaken
/// for more than a rule; otherwise the rule is for the directory above, or for every path. No rule
/// is for `/` alone, so that one gets the next larger rule, `/*`.
pub(crate) fn with_path(rule: &str, head: Head<'_>) -> String {
    let rule = with_method(rule, head);
    let path = head.path.split(|b| *b == b'?').next().unwrap_or_default();
    let length = path.iter().take_while(|b| is_plain_in_path(**b)).count();
    let plain = str::from_utf8(&path[..length.min(LONGEST_PATH)]).unwrap_or_default();
    let permits = |pattern: &str| {
        PathPattern::parse(pattern).is_ok_and(|pattern| pattern.permits(head.readings))
    };
    if plain.len() == path.len() && permits(plain) {
        let star = if plain == "/" { "*" } else { "" };
        return format!("{rule}{plain}{star}");
    }
    let directory = plain.rfind('/').map_or("/", |slash| &plain[..=slash]);
    let below = format!("{directory}**");
    match permits(&below) {
        true => format!("{rule}{below}"),
        false => format!("{rule}/**"),
    }
}

/// The rule for one method and every path, also one that no pattern of paths allows. If the method
/// is not a plain word, whoever adds the rule has to fill it in.
pub(crate) fn with_method(rule: &str, head: Head<'_>) -> String {
    let is_plain = |b: &u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b"-_".contains(b);
    let method = str::from_utf8(head.method).ok();
    let method = method
        .filter(|method| method.len() <= LONGEST_METHOD && method.bytes().all(|b| is_plain(&b)));
    format!("{} {rule}", method.unwrap_or("METHOD"))
}

/// Slashes and the unreserved characters of RFC 3986: no quotes, no stars, nothing special to a
/// shell or TOML.
fn is_plain_in_path(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"-._~/".contains(&b)
}

/// Whether a proposed rule is only that rule to wherever it is pasted: a shell, between single
/// quotes, or TOML, between double ones.
///
/// Rules that contain what a guest chose are proposed only if this holds.
#[must_use]
pub fn is_pastable(rule: &str) -> bool {
    rule.bytes()
        .all(|b| is_plain_in_path(b) || b" :*,[]".contains(&b))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample;

    use super::*;
    use crate::document::Document;
    use crate::path::Readings;
    use crate::rule::Rule;

    #[test]
    fn a_suggestion_is_a_rule_that_allows_what_was_asked() {
        for (scheme, host, port, text) in [
            (Some(Scheme::Http), "a.test", 8080, "http://a.test:8080"),
            (Some(Scheme::Http), "a.test", 443, "http://a.test:443"),
            (Some(Scheme::Https), "a.test", 443, "https://a.test"),
            (None, "a.test", 443, "https://a.test"),
            (None, "a.test", 80, "http://a.test"),
            (None, "a.test", 8080, "a.test:8080"),
            (None, "::1", 8080, "[::1]:8080"),
        ] {
            let endpoint = Endpoint::new(host, port).unwrap();
            assert_eq!(suggestion(scheme, &endpoint), text);
            let rule: Rule = text.parse().unwrap();
            let schemes = scheme.map_or(Scheme::ALL.to_vec(), |scheme| vec![scheme]);
            assert!(
                schemes
                    .into_iter()
                    .any(|scheme| rule.allows(scheme, &endpoint)),
                "{text}"
            );
        }
    }

    /// Parts of a path or a method that could turn a rule into more than a rule.
    const HOSTILE: [&str; 14] = [
        "'$(echo${IFS}pwned>&2)'",
        "x\",\"any\",\"y",
        "`id`",
        "$HOME",
        "a;b",
        "a&b",
        "a|b",
        "(a)",
        "a'b",
        "a\\b",
        "a!b",
        "a*b",
        "\u{202e}",
        "%27",
    ];

    fn proposed(method: &str, path: &str) -> String {
        let readings = Readings::of(path.as_bytes());
        let head = Head {
            method: method.as_bytes(),
            readings: &readings,
            path: path.as_bytes(),
        };
        with_path("https://a.test", head)
    }

    #[test]
    fn what_a_guest_chose_is_proposed_only_where_it_is_plain() {
        for (method, path, rule) in [
            ("GET", "/v1/x", "GET https://a.test/v1/x"),
            (
                "GET",
                "/v1/x~y_z-1.2?q='",
                "GET https://a.test/v1/x~y_z-1.2",
            ),
            ("GET", "/", "GET https://a.test/*"),
            ("GET", "/?q", "GET https://a.test/*"),
            ("M-SEARCH", "/x", "M-SEARCH https://a.test/x"),
            ("GET", "/v1/a'b", "GET https://a.test/v1/**"),
            ("GET", "/v1/a'b/c", "GET https://a.test/v1/**"),
            ("GET", "/x\",\"any\",\"y", "GET https://a.test/**"),
            ("GET", "/'$(echo${IFS}pwned>&2)'", "GET https://a.test/**"),
            ("GET", "/v1/%27", "GET https://a.test/v1/**"),
            // Servers disagree where these lead.
            ("GET", "/v1/..%2fx", "GET https://a.test/**"),
            ("GET", "/v1//x'", "GET https://a.test/**"),
            ("A'B", "/x", "METHOD https://a.test/x"),
            ("'|SH|'", "/x", "METHOD https://a.test/x"),
        ] {
            assert_eq!(proposed(method, path), rule, "{method} {path}");
        }
        let long = format!("/v1/{}", "x".repeat(LONGEST_PATH));
        assert_eq!(proposed("GET", &long), "GET https://a.test/v1/**");
    }

    /// The words into which POSIX's shell splits a text in which nothing is expanded.
    fn shell_words(text: &str) -> Vec<String> {
        let (mut words, mut is_quoted, mut word) = (Vec::new(), false, String::new());
        for c in text.chars() {
            match c {
                '\'' => is_quoted = !is_quoted,
                ' ' if !is_quoted => words.push(std::mem::take(&mut word)),
                c => {
                    assert!(
                        is_quoted || c.is_ascii_alphanumeric() || "-/".contains(c),
                        "{text}"
                    );
                    word.push(c);
                }
            }
        }
        assert!(!is_quoted, "{text}");
        words.push(word);
        words
    }

    proptest! {
        #[test]
        fn a_proposed_rule_is_one_word_one_string_and_no_broader_than_the_directory(
            pieces in vec(prop_oneof![
                "[a-z.~_-]{1,4}".prop_map(String::from),
                Just("/".to_owned()),
                sample::select(HOSTILE.to_vec()).prop_map(str::to_owned),
            ], 0..8),
            method in prop_oneof![
                "[A-Z]{1,8}",
                "[!#$%&'*+.^_`|~A-Z-]{1,8}",
            ],
        ) {
            let path = format!("/{}", pieces.concat());
            let text = proposed(&method, &path);
            prop_assert!(is_pastable(&text), "{}", text);
            let command = shell_words(&format!("run --allow '{text}'"));
            prop_assert_eq!(&command[2..], std::slice::from_ref(&text));
            let document = format!("version = 1\nallow = [\"{text}\"]\n[end]\n");
            let document = Document::parse(&document).unwrap();
            prop_assert_eq!(document.allow.len(), 1);
            prop_assert_eq!(document.allow[0].to_string(), text.clone());
            // The paths that it covers begin as this path does.
            let pattern = text.split_once("a.test").unwrap().1;
            let prefix = pattern.trim_end_matches('*');
            prop_assert!(path.starts_with(prefix), "{} for {}", text, path);
        }
    }
}
