//! Paths that are long, or that servers read in more than one way.

use super::*;

fn get<'a>(origin: &'a Origin, path: &'a str) -> Operation<'a> {
    Operation::Request {
        origin,
        method: b"GET",
        path: path.as_bytes(),
        fields: &[],
    }
}

#[test]
fn a_path_beyond_what_patterns_are_compared_with_is_denied_with_its_reason_where_one_counts() {
    let origin = crate::testing::origin(Scheme::Https, "api.test", 443);
    let long = format!("/v1/{}", "a".repeat(8189));
    let why = "its path has more than 8192 bytes, too long to compare with the paths of rules";
    for (rules, rule, message) in [
        ("https://api.test", "https://api.test", None),
        (
            "https://api.test; !api.test/admin",
            "api.test/admin",
            Some(format!(
                "sandbox-net denied https://api.test:443: a rule with a path denies it: {why} (reason \
             deny-rule, rule api.test/admin); to allow it, send another path, or \
             remove that rule from 'deny'"
            )),
        ),
        (
            "https://api.test/v1/**",
            "",
            Some(format!(
                "sandbox-net denied https://api.test:443: no rule allows this method and path: {why} \
             (reason no-rule, rule default-deny); to allow it, send another path, \
             or add the rule 'GET https://api.test', which has no path"
            )),
        ),
        (
            "https://api.test/v1/**; GET https://api.test",
            "GET https://api.test",
            None,
        ),
        (
            "https://api.test; !other.test/admin",
            "https://api.test",
            None,
        ),
    ] {
        let decision = decide(&get(&origin, &long), &parse(rules));
        match (decision, message) {
            (Decision::Allow { rule: by }, None) => assert_eq!(by, rule, "{rules}"),
            (Decision::Deny(denial), Some(message)) => assert_eq!(denial.message, message),
            (other, _) => panic!("{rules}: {other:?}"),
        }
        // The query does not count, however long it is.
        let short = format!("/v1/?q={}", "a".repeat(100_000));
        let is_allowed = matches!(
            decide(&get(&origin, &short), &parse(rules)),
            Decision::Allow { .. }
        );
        assert!(is_allowed, "{rules}");
    }
}

#[test]
fn what_is_proposed_for_a_path_that_servers_differ_about_would_allow_it() {
    let origin = crate::testing::origin(Scheme::Https, "api.test", 443);
    for path in ["/v1/%00", "/v1/%zz", "/%2525252525252e"] {
        let denial = denial(get(&origin, path), &parse("https://api.test/v1/**"));
        assert!(
            denial
                .message
                .contains("servers disagree about what its path means"),
            "{}",
            denial.message
        );
        let proposed = denial.message.rsplit('\'').nth(1).unwrap();
        let decision = decide(&get(&origin, path), &parse(proposed));
        assert!(matches!(decision, Decision::Allow { .. }), "{proposed}");
    }
}

#[test]
fn a_decision_is_denied_where_comparing_the_path_would_take_too_long() {
    let origin = crate::testing::origin(Scheme::Https, "api.test", 443);
    let rules: Vec<_> = (0..100)
        .map(|n| format!("api.test/**/a*/b/**/a*/c{n}/**"))
        .collect();
    let path = format!("/{}", "a1/b/".repeat(1600));
    let denial = denial(
        get(&origin, &path),
        &policy(&rules.iter().map(|r| &**r).collect::<Vec<_>>()),
    );
    assert_eq!(denial.reason, DenyReason::NoRule);
    let why = "its path is too long and repetitive to compare with the paths of so many rules";
    assert!(denial.message.contains(why), "{}", denial.message);
    let mut rules = rules;
    rules.push("api.test/v1/**".to_owned());
    let policy = policy(&rules.iter().map(|r| &**r).collect::<Vec<_>>());
    assert_eq!(
        verdict(get(&origin, "/v1/a1/b/items"), &policy),
        Ok("api.test/v1/**".to_owned())
    );
}
