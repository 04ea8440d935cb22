//! What a denial proposes.

use crate::path::PathPattern;
use crate::query::Head;
use crate::target::{Endpoint, Scheme};

/// The longest method that is proposed.
const LONGEST_METHOD: usize = 64;

/// The narrowest rule that allows this request: what a denial proposes. Without a scheme, it is
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

/// The same for one method and path. A path with several readings is not proposed itself.
pub(crate) fn with_path(rule: &str, head: Head<'_>) -> String {
    let path = head.path.split(|b| *b == b'?').next().unwrap_or_default();
    let path = std::str::from_utf8(path).unwrap_or_default();
    let is_plain = !path.contains('*')
        && path.len() <= 256
        && PathPattern::parse(path).is_ok_and(|pattern| pattern.permits(head.readings));
    let rule = with_method(rule, head);
    match (is_plain, path) {
        (true, path) if path != "/" => format!("{rule}{path}"),
        _ => format!("{rule}/**"),
    }
}

/// The same for one method and every path, also one that no pattern of paths allows.
pub(crate) fn with_method(rule: &str, head: Head<'_>) -> String {
    match head.method.len() <= LONGEST_METHOD {
        true => format!("{} {rule}", head.method.escape_ascii()),
        false => rule.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
}
