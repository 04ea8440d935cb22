//! Arbitrary text as a rule and as a policy file.
//!
//! Every refusal is one plain line. An accepted rule keeps its text, means what a second reading of
//! that text says, and allows no metadata address that it does not spell out.

#![no_main]

mod message;
mod metadata;
mod reading;
mod tunnel;

use libfuzzer_sys::fuzz_target;
use sandbox_net_policy::{
    Decision, DenyReason, Document, DocumentError, DocumentFault, Endpoint, Operation, Origin,
    Policy, Rule, Scheme, decide,
};

use crate::reading::Reading;

fuzz_target!(|text: &str| {
    if let Err(error) = Document::parse(text) {
        message::check(&error.to_string());
    }
    check_in_a_document(text);
    let denying = Rule::parse_deny(text);
    match &denying {
        Ok(rule) => check_denying(rule, text),
        Err(error) => message::check(&error.to_string()),
    }
    match text.parse::<Rule>() {
        Ok(rule) => {
            assert_eq!(Ok(&rule), denying.as_ref(), "a rule that only grants");
            check_granting(&rule, text);
        }
        Err(error) => message::check(&error.to_string()),
    }
});

/// Checks that a rule in a policy file is the same rule, or is refused with the same text.
fn check_in_a_document(text: &str) {
    let escaped: String = (text.chars().map(u32::from))
        .map(|code| format!("\\U{code:08x}"))
        .collect();
    let parse = |key: &str| {
        let text = format!("version = 1\n{key} = [\"{escaped}\"]\n[end]\n");
        Document::parse(&text)
    };
    tunnel::check(text, parse("tunnel"));
    type Rules = fn(Document) -> Vec<Rule>;
    let lists: [(&str, Rules, _); 3] = [
        ("allow", |document| document.allow, text.parse()),
        ("ask", |document| document.ask, text.parse()),
        ("deny", |document| document.deny, Rule::parse_deny(text)),
    ];
    for (key, rules, expected) in lists {
        match (parse(key), expected) {
            (Ok(document), Ok(rule)) => assert_eq!(rules(document), [rule]),
            (Err(error), Err(expected)) => {
                message::check(&error.to_string());
                let DocumentError { fault, .. } = error;
                assert!(
                    matches!(&fault, DocumentFault::Rule { error, .. } if *error == expected),
                    "{fault:?} is not {expected:?}"
                );
            }
            (in_document, alone) => panic!("{in_document:?} but {alone:?}"),
        }
    }
}

fn check_granting(rule: &Rule, text: &str) {
    assert_eq!((rule.as_str(), rule.to_string()), (text, text.to_owned()));
    message::check(text);
    assert_eq!(text.parse().as_ref(), Ok(rule));
    let policy = Policy::allow([rule.clone()]);
    assert!(policy.covers(&policy), "{text} does not cover itself");
    metadata::check(&policy, text);
    let reading = Reading::of(text);
    for scheme in Scheme::ALL {
        for port in reading.ports_around(scheme) {
            check_requests(&policy, &reading, text, scheme, port);
        }
    }
}

/// Checks that the rule grants a matching request, and none that differs in one part.
fn check_requests(policy: &Policy, reading: &Reading<'_>, text: &str, scheme: Scheme, port: u16) {
    let Some(endpoint) = reading.host().and_then(|h| Endpoint::new(&h, port).ok()) else {
        return;
    };
    let origin = Origin { scheme, endpoint };
    let is_target = reading.means_scheme(scheme) && reading.means_port(scheme, port);
    let method = reading.method();
    let verdict = |origin: &Origin, method: &str, path: &str| {
        let (method, path) = (method.as_bytes(), path.as_bytes());
        let fields = &[];
        let request = Operation::Request {
            origin,
            method,
            path,
            fields,
        };
        match decide(&request, policy) {
            Decision::Allow { rule } => {
                assert_eq!(rule, text);
                true
            }
            Decision::Deny(denial) => {
                message::check(&denial.message);
                assert_eq!(denial.reason, DenyReason::NoRule, "{text}: {denial}");
                false
            }
            other => panic!("{text}: {other:?}"),
        }
    };
    if let Some(path) = reading.path() {
        let granted = verdict(&origin, method, &path);
        assert_eq!(granted, is_target, "{text}: {method} {origin} {path}");
        if let Some(other) = reading.other_method() {
            assert!(!verdict(&origin, &other, &path), "{text}: {other}");
        }
        if let Some(host) = reading.other_host()
            && let Ok(endpoint) = Endpoint::new(&host, port)
        {
            let origin = Origin { scheme, endpoint };
            assert!(!verdict(&origin, method, &path), "{text}: {host}");
        }
    }
    for path in reading.other_paths() {
        assert!(!verdict(&origin, method, &path), "{text}: {path}");
    }
}

/// Checks that a rule that denies is stronger than one that allows the same.
fn check_denying(rule: &Rule, text: &str) {
    assert_eq!(rule.to_string(), text);
    assert_eq!(Rule::parse_deny(text).as_ref(), Ok(rule));
    let reading = Reading::of(text);
    let (Some(host), Some(path)) = (reading.host(), reading.path()) else {
        return;
    };
    for scheme in Scheme::ALL {
        let port = reading.denied_port();
        let Ok(endpoint) = Endpoint::new(&host, port) else {
            return;
        };
        let document = Document {
            allow: vec![own_rule(&endpoint)],
            deny: vec![rule.clone()],
            ..Document::default()
        };
        let origin = Origin { scheme, endpoint };
        let request = Operation::Request {
            origin: &origin,
            method: reading.method().as_bytes(),
            path: path.as_bytes(),
            fields: &[],
        };
        match decide(&request, &document.into()) {
            Decision::Deny(denial) => {
                message::check(&denial.message);
                let by_rule = denial.reason == DenyReason::DenyRule && denial.rule == text;
                assert_eq!(by_rule, reading.means_scheme(scheme), "{text}: {denial}");
            }
            other => assert!(!reading.means_scheme(scheme), "{text}: {other:?}"),
        }
    }
}

/// A rule for exactly this endpoint.
fn own_rule(endpoint: &Endpoint) -> Rule {
    let text = endpoint.to_string();
    text.parse()
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}
