//! Patterns of paths, and paths.
//!
//! The input is text with line breaks between its parts: a path, and then patterns. A number at the
//! start of a path, up to a colon, says how often to repeat the rest.

#![no_main]

#[allow(dead_code)]
#[path = "../../../policy/src/path/naive.rs"]
mod naive;

use libfuzzer_sys::fuzz_target;
use sandbox_net_policy::{
    Decision, Denial, DenyReason, Document, Endpoint, Operation, Origin, PathPattern, Policy, Rule,
    Scheme, decide, path_steps,
};

/// The longest path, with its repetitions: a little longer than paths that are compared.
const LONGEST: usize = 9_000;

/// The longest path for which the slow reading is fast enough.
const SHORT: usize = 300;

/// The most patterns.
const MOST: usize = 200;

fuzz_target!(|data: &[u8]| {
    let mut parts = data.split(|b| *b == b'\n');
    let path = path(parts.next().unwrap_or_default());
    let patterns =
        parts.filter_map(|part| PathPattern::parse(std::str::from_utf8(part).ok()?).ok());
    let patterns: Vec<_> = patterns.take(16).collect();
    if path.len() <= SHORT {
        for pattern in &patterns {
            check(pattern, &path);
        }
    }
    check_work(&patterns, &path);
});

/// The path of an input, with its repetitions.
fn path(part: &[u8]) -> Vec<u8> {
    let mut split = part.splitn(2, |b| *b == b':');
    let number = split
        .next()
        .and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
    let mut path = match (number, split.next()) {
        (Some(number), Some(rest)) if !rest.is_empty() => [
            b"/",
            &*rest.repeat(usize::min(number, LONGEST / rest.len())),
        ]
        .concat(),
        _ => part.to_vec(),
    };
    path.truncate(LONGEST);
    path
}

/// Checks that the slow reading of a path and a pattern agrees.
fn check(pattern: &PathPattern, path: &[u8]) {
    let rule = |text: String| Rule::parse_deny(&text).ok();
    // A rule cannot have '/' alone.
    let Some(rule) = rule(format!("a.test{pattern}")) else {
        return;
    };
    let allow = policy(vec![rule.clone()], Vec::new());
    let any = Rule::parse_deny("a.test").expect("a rule");
    let deny = policy(vec![any], vec![rule]);
    let Some(permitted) = is_allowed(&allow, path) else {
        return;
    };
    let forbidden = !is_allowed(&deny, path).expect("a path");
    assert_eq!(
        permitted,
        naive::permits(pattern.as_str(), path),
        "{pattern}"
    );
    assert_eq!(
        forbidden,
        naive::forbids(pattern.as_str(), path),
        "{pattern}"
    );
}

/// Checks that many patterns like these take no more steps than a decision may.
fn check_work(patterns: &[PathPattern], path: &[u8]) {
    let variants = (0..MOST).filter_map(|n| {
        let pattern = patterns.get(n % patterns.len().max(1))?;
        PathPattern::parse(&variant(pattern.as_str(), n)).ok()
    });
    let (taken, bound) = path_steps(&variants.collect::<Vec<_>>(), path);
    assert!(taken <= bound, "{taken} steps, {bound} at most");
}

/// The pattern with a number in it.
fn variant(pattern: &str, number: usize) -> String {
    match pattern.rfind('/') {
        Some(at) if number > 0 => format!("{}/{number}{}", &pattern[..at], &pattern[at + 1..]),
        _ => pattern.to_owned(),
    }
}

fn policy(allow: Vec<Rule>, deny: Vec<Rule>) -> Policy {
    Document {
        allow,
        deny,
        ..Document::default()
    }
    .into()
}

/// Whether a request is allowed; `None` if it is invalid.
fn is_allowed(policy: &Policy, path: &[u8]) -> Option<bool> {
    let endpoint = Endpoint::new("a.test", 443).expect("a host");
    let origin = Origin {
        scheme: Scheme::Https,
        endpoint,
    };
    let request = Operation::Request {
        origin: &origin,
        method: b"GET",
        path,
        fields: &[],
    };
    match decide(&request, policy) {
        Decision::Allow { .. } => Some(true),
        Decision::Deny(Denial {
            reason: DenyReason::Malformed,
            ..
        }) => None,
        Decision::Deny(denial) => {
            assert!(!denial.message.contains(char::is_control));
            Some(false)
        }
        other => panic!("{other:?}"),
    }
}
