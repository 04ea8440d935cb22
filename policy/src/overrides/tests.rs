use super::*;
use crate::decide::{Decision, decide};
use crate::denial::{Denial, DenyReason};
use crate::operation::Operation;
use crate::policy::Policy;
use crate::target::Scheme;
use crate::testing::{origin, policy};

fn fields(names: &[&str]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let field = |name: &&str| (name.as_bytes().to_vec(), b"/admin".to_vec());
    names.iter().map(field).collect()
}

fn decision(policy: &Policy, host: &str, names: &[&str]) -> Decision {
    let request = Operation::Request {
        origin: &origin(Scheme::Https, host, 443),
        method: b"GET",
        path: b"/v1/x",
        fields: &fields(names),
    };
    decide(&request, policy)
}

fn refused(policy: &Policy, host: &str, names: &[&str]) -> Option<Denial> {
    match decision(policy, host, names) {
        Decision::Allow { .. } => None,
        Decision::Deny(denial) => Some(denial),
        other => panic!("{other:?}"),
    }
}

/// Every spelling of a name that servers may take for it.
fn spellings(name: &str) -> Vec<String> {
    let every_other = |c: char, new: char| {
        let mut count = 0;
        name.chars().map(move |own| {
            count += usize::from(own == c);
            if own == c && count % 2 == 0 { new } else { own }
        })
    };
    vec![
        name.to_owned(),
        name.to_ascii_uppercase(),
        name.replace('-', "_"),
        every_other('-', '_').collect(),
        name.replace('-', "_").to_ascii_uppercase(),
    ]
}

#[test]
fn a_field_that_overrides_is_refused_in_every_spelling_where_a_rule_names_a_method_or_a_path() {
    for rules in [
        "https://a.test/v1/**",
        "GET https://a.test",
        "a.test; !a.test/admin/**",
        "any; !DELETE any",
    ] {
        let policy = policy(rules);
        for name in NAMES.iter().flat_map(|name| spellings(name)) {
            let denial = refused(&policy, "a.test", &["accept", &name, "x-other"]);
            let denial = denial.unwrap_or_else(|| panic!("{rules}: {name}"));
            assert_eq!(denial.reason, DenyReason::Field, "{rules}: {name}");
            assert!(rules.contains(&denial.rule), "{rules}: {}", denial.rule);
        }
    }
}

#[test]
fn names_are_known_sorted_and_in_their_plain_form() {
    assert!(NAMES.is_sorted());
    for name in NAMES {
        assert_eq!(known(name.as_bytes()), Some(name));
        assert!(!name.contains('_') && name == name.to_ascii_lowercase());
        assert!(!fields::is_host_owned(name), "{name}");
    }
}

#[test]
fn what_overrides_nothing_passes_and_so_does_everything_where_no_rule_names_a_method_or_a_path() {
    let with_path = policy("https://a.test/v1/**; b.test; !b.other/x; !POST b.other");
    for name in [
        "x-forwarded-for",
        "x-forwarded-client-cert",
        "x-http-methods",
        "x-original-urls",
        "xforwarded-host",
        "x-forwarded",
        "x-request-id",
        "via",
        "origin",
        "referer",
        "accept",
        "x",
        "x-forwarded-host-x",
        "host-x",
    ] {
        assert_eq!(refused(&with_path, "a.test", &[name]), None, "{name}");
    }
    for name in NAMES {
        assert_eq!(refused(&with_path, "b.test", &[name]), None, "{name}");
        assert!(refused(&with_path, "a.test", &[name]).is_some(), "{name}");
    }
}

#[test]
#[rustfmt::skip] // one row a line
fn a_grant_is_for_its_fields_and_its_hosts_and_every_author_has_to_give_it() {
    for (rules, names, denied) in [
        ("a.test/v1/**; ^x-http-method-override https://a.test", &["X-HTTP-Method-Override"][..], None),
        ("a.test/v1/**; ^x-http-method-override https://a.test", &["X_HTTP_Method_override"], None),
        ("a.test/v1/**; ^X_HTTP_METHOD_OVERRIDE any", &["x-http-method-override"], None),
        ("a.test/v1/**; ^x-http-method-override,x-original-url any", &["x-original-url", "x-http-method-override"], None),
        ("a.test/v1/**; ^x-http-method-override any", &["x-original-url", "x-http-method-override"], Some("x-original-url")),
        ("a.test/v1/**; ^x-http-method-override http://a.test", &["x-http-method-override"], Some("x-http-method-override")),
        ("a.test/v1/**; ^x-http-method-override a.test:8443", &["x-http-method-override"], Some("x-http-method-override")),
        ("a.test/v1/**; ^x-http-method-override b.test", &["x-http-method-override"], Some("x-http-method-override")),
        ("a.test/v1/**; ^x-method-override any; ^forwarded a.test", &["forwarded", "x-method-override"], None),
        // One author's rules have no path there, so nothing of that author is overridden.
        ("a.test/v1/**; ^x-host a.test | a.test", &["x-host"], None),
        ("a.test | a.test/v1/**; ^x-host a.test", &["x-host"], None),
        ("a.test/v1/**; ^x-host a.test | GET a.test", &["x-host"], Some("x-host")),
        ("a.test/v1/**; ^x-host a.test | GET a.test; ^x-host a.test", &["x-host"], None),
    ] {
        let layers = rules.split('|').map(policy);
        let policy = layers.reduce(|a, b| a.intersect(&b)).unwrap();
        let denial = refused(&policy, "a.test", names);
        match (denial, denied) {
            (None, None) => {}
            (Some(denial), Some(name)) => assert!(denial.message.contains(&format!("'{name}'")), "{}", denial.message),
            (other, _) => panic!("{rules}: {other:?}"),
        }
    }
}

#[test]
fn a_refusal_says_what_to_do_and_that_does_it() {
    let denial = refused(
        &policy("GET https://a.test/v1/**"),
        "a.test",
        &["X_Original_URL"],
    )
    .unwrap();
    assert_eq!(
        denial.message,
        "sandbox-net denied https://a.test:443: the field 'x-original-url' can make the server use \
         another method, path or host than the policy checked (reason field, rule GET \
         https://a.test/v1/**); to allow it, use a [[field]] table of the policy or --field \
         'x-original-url https://a.test' to grant it"
    );
    for name in NAMES {
        let rules = "GET https://a.test/v1/**";
        let denial = refused(&policy(rules), "a.test", &[name]).unwrap();
        let grant = denial.message.rsplit('\'').nth(1).unwrap();
        let granting = policy(&format!("{rules}; ^{grant}"));
        assert_eq!(refused(&granting, "a.test", &[name]), None, "{grant}");
    }
}

#[test]
fn modes_and_rules_that_ask_count_as_elsewhere() {
    for (rules, is_wanted) in [
        (
            "report; a.test/v1/**",
            (|it| matches!(it, Decision::Report(_))) as fn(&Decision) -> bool,
        ),
        ("?a.test/v1/**", |it| matches!(it, Decision::Deny(_))),
        ("ask; a.test/v1/**", |it| matches!(it, Decision::Deny(_))),
        ("ask", |it| matches!(it, Decision::Ask { .. })),
        ("?a.test/v1/**; ^x-host a.test", |it| {
            matches!(it, Decision::Ask { .. })
        }),
    ] {
        let decision = decision(&policy(rules), "a.test", &["x-host"]);
        assert!(is_wanted(&decision), "{rules}: {decision:?}");
    }
}

#[test]
fn the_hosts_own_fields_are_not_refused() {
    let policy = policy("https://a.test/v1/**");
    let origin = origin(Scheme::Https, "a.test", 443);
    let mut line = policy
        .check_request(&origin, b"GET", b"/v1/x", &[])
        .unwrap();
    let added = line.amend(|_, own| own.extend(fields(&["X-Forwarded-Host"])));
    assert_eq!(added, Ok(()));
    assert_eq!(line.fields.len(), 1);
}

#[test]
fn a_grant_that_cannot_bind_is_refused_with_what_to_write() {
    for (text, message) in [
        (
            "x-host",
            "write the fields with commas between them, a space and a rule, such as 'x-http-method-override https://api.example.com'",
        ),
        (
            "accept a.test",
            "names: 'accept' needs no grant: only fields that override method, path or host do, such as 'x-http-method-override'",
        ),
        (
            "x-http-method-overide a.test",
            "names: 'x-http-method-overide' needs no grant: only fields that override method, path or host do, such as 'x-http-method-override'; did you mean 'x-http-method-override'?",
        ),
        (
            "Connection a.test",
            "names: 'connection' is set by the host and cannot be granted",
        ),
        (
            "x-host, a.test",
            "names: '' needs no grant: only fields that override method, path or host do, such as 'x-http-method-override'",
        ),
        (
            "x-host GET a.test",
            "hosts: 'GET a.test' names methods, but a field is granted for whole hosts: remove them",
        ),
        (
            "x-host a.test/v1",
            "hosts: 'a.test/v1' has a path, but a field is granted for whole hosts: remove it",
        ),
        (
            "x-host a.test to 10.0.0.1",
            "hosts: 'a.test to 10.0.0.1' has a 'to' list: move it to the rule that allows the host",
        ),
    ] {
        let error = text.parse::<FieldGrants>().expect_err(text);
        assert_eq!(error.to_string(), message, "{text}");
    }
    let none = FieldGrants::default();
    assert_eq!(none.check(), Err(FieldGrantsError::NoNames));
    let nowhere = FieldGrants {
        names: vec!["x-host".to_owned()],
        ..none
    };
    assert_eq!(nowhere.check(), Err(FieldGrantsError::NoHosts));
}

#[test]
fn what_is_granted_is_told_for_each_origin() {
    let both = policy("a.test/v1/**; b.test; ^x-host,forwarded a.test; ^x-host any")
        .intersect(&policy("GET a.test; b.test; ^X_HOST a.test"));
    for (host, granted) in [("a.test", Some(vec!["x-host"])), ("b.test", None)] {
        assert_eq!(
            both.granted_fields(&origin(Scheme::Https, host, 443)),
            granted,
            "{host}"
        );
    }
    let none = policy("a.test/v1/**");
    assert_eq!(
        none.granted_fields(&origin(Scheme::Http, "a.test", 80)),
        Some(Vec::new())
    );
}

#[test]
#[rustfmt::skip] // one row a line
fn a_policy_covers_no_other_that_lets_more_fields_pass() {
    for (outer, inner, covers) in [
        ("a.test/v1/**", "a.test/v1/x", true),
        ("a.test/v1/**", "a.test/v1/x; ^x-host a.test", false),
        ("a.test/v1/**; ^x-host any", "a.test/v1/x", true),
        ("a.test/v1/**; ^x-host any", "a.test/v1/x; ^x-host a.test", true),
        ("a.test/v1/**; ^x-host a.test", "a.test/v1/x; ^x-host any", false),
        ("a.test; a.test/v1/**", "a.test", false),
        ("a.test; GET a.test", "a.test; a.test/v1/**", true),
        ("a.test; b.test/v1/**", "a.test", true),
        ("a.test; b.test/v1/**", "a.test; ^x-host a.test", true),
        ("ask; !a.test/x", "ask; !a.test/x", true),
        ("ask; !a.test/x", "ask; !a.test/x; ^x-host any", false),
    ] {
        assert_eq!(policy(outer).covers(&policy(inner)), covers, "{outer} covers {inner}");
    }
    let (outer, inner) = (policy("a.test/v1/**; ^x-host any"), policy("a.test/v1/**; ^x-host,forwarded a.test"));
    let uncovered: Vec<_> = outer.uncovered_fields(&inner).into_iter().map(|(name, rule)| (name, rule.as_str())).collect();
    assert_eq!(uncovered, [("forwarded", "a.test")]);
}
