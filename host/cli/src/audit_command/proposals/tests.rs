//! Which rules are proposed.

use super::*;
use crate::audit_command::testing::{decision_on, denied};

fn proposed(records: &[DecisionRecord]) -> Vec<String> {
    let mut proposals = Proposals::default();
    records.iter().for_each(|record| proposals.add(record));
    proposals.rules().into_iter().collect()
}

#[test]
#[rustfmt::skip] // one row a line
fn the_narrowest_rule_for_a_denial_is_proposed() {
    use DenyReason::*;
    for (what, reason, address, rules) in [
        ("a.test:443", NoRule, None, &["https://a.test"][..]),
        ("a.test:80", NoRule, None, &["http://a.test"]),
        ("a.test:8443", NoRule, None, &["a.test:8443"]),
        ("[2001:db8::1]:8443", NoRule, None, &["[2001:db8::1]:8443"]),
        ("https://a.test:8443", NoRule, None, &["https://a.test:8443"]),
        ("GET https://a.test/v1/x", NoRule, None, &["GET https://a.test/v1/**"]),
        ("GET https://a.test/v1/?x=/y", NoRule, None, &["GET https://a.test/v1/**"]),
        ("PUT http://a.test:8080/", NoRule, None, &["PUT http://a.test:8080/**"]),
        ("GET https://a.test/v1/\\\"/x", NoRule, None, &["GET https://a.test/v1/**"]),
        ("GET https://a.test/x\\\",\\\"any\\\",\\\"y/z", NoRule, None, &["GET https://a.test/**"]),
        ("GET https://a.test/\\'$(id)\\'/x", NoRule, None, &["GET https://a.test/**"]),
        ("GET https://a.test/a*/x", NoRule, None, &["GET https://a.test/**"]),
        ("GET\\'|SH https://a.test/x", NoRule, None, &[]),
        ("GET https://a.test//v1/x", NoRule, None, &["GET https://a.test/**"]),
        ("GET https://a.test/v1/../x/", NoRule, None, &["GET https://a.test/**"]),
        ("GET https://a.test/\\xff/x", NoRule, None, &["GET https://a.test/**"]),
        ("GET https://a.test/v1/x", Hook, None, &["https://a.test"]),
        ("a.test:443", Hook, None, &["https://a.test"]),
        ("a.test:443", Address, Some("10.0.0.1"), &["https://a.test to 10.0.0.1"]),
        ("http://a.test:8080", Address, Some("fd00::1"), &["http://a.test:8080 to fd00::1"]),
        ("GET https://a.test/x", Address, Some("10.0.0.1"), &["https://a.test to 10.0.0.1"]),
        ("a.test:443", Address, None, &[]),
        // Rules that do not parse, or do not allow the request.
        ("localhost:443", Address, Some("10.0.0.1"), &[]),
        ("get https://a.test/v1/x", NoRule, None, &[]),
        ("TRACE https://a.test/v1/x", NoRule, None, &[]),
        ("a.test", NoRule, None, &[]),
        ("https://user@a.test", NoRule, None, &[]),
        ("GET https://a.test/x…", NoRule, None, &[]),
        // Requests that no rule could allow, or that a rule denies.
        ("a.test:443", DenyRule, None, &[]),
        ("https://a.test", TlsOptions, None, &[]),
        ("GET https://a.test/x", Secret, None, &[]),
    ] {
        assert_eq!(proposed(&[denied(what, reason, address)]), rules, "{what} {reason}");
    }
    assert!(proposed(&[decision_on("a.test:443")]).is_empty());
}

#[test]
#[rustfmt::skip] // one row a line
fn rules_are_sorted_and_include_each_other_no_more_than_once() {
    for (denials, rules) in [
        (&["b.test:443", "a.test:443", "b.test:443"][..], &["https://a.test", "https://b.test"][..]),
        (&["a.test:8443", "https://a.test:8443"], &["https://a.test:8443"]),
        (&["a.test:443", "https://a.test", "GET https://a.test/x"], &["https://a.test"]),
        (&["a.test:8080", "GET http://a.test:8080/x"], &["http://a.test:8080"]),
        (&["https://a.test", "GET http://a.test/x"], &["GET http://a.test/**", "https://a.test"]),
        (&["GET https://a.test/x", "GET https://a.test/y"], &["GET https://a.test/**"]),
    ] {
        let records: Vec<_> = denials.iter().map(|it| denied(it, DenyReason::NoRule, None)).collect();
        assert_eq!(proposed(&records), rules, "{denials:?}");
    }
}

#[test]
fn no_rule_is_proposed_for_cloud_metadata() {
    let mut proposals = Proposals::default();
    for record in [
        denied("169.254.169.254:80", DenyReason::NoRule, None),
        denied("[::ffff:169.254.169.254]:80", DenyReason::NoRule, None),
        denied("GET http://169.254.169.254/x", DenyReason::NoRule, None),
        denied("a.test:80", DenyReason::Address, Some("169.254.169.254")),
    ] {
        proposals.add(&record);
    }
    let mut out = Vec::new();
    proposals.print(&mut out).unwrap();
    let said = "(no rule is proposed for cloud metadata, which 4 were for)\n";
    assert_eq!(String::from_utf8(out).unwrap(), said);
}

#[test]
fn what_is_printed_can_be_pasted_into_a_policy() {
    let mut proposals = Proposals::default();
    for what in [
        "GET https://a.test/\\\"/x",
        "A`B https://a.test/x",
        "POST https://b.test/",
        "c.test:22",
    ] {
        proposals.add(&denied(what, DenyReason::NoRule, None));
    }
    proposals.add(&denied("d.test:443", DenyReason::Hook, None));
    let mut out = Vec::new();
    proposals.print(&mut out).unwrap();
    let out = String::from_utf8(out).unwrap();
    assert_eq!(
        out,
        "\nrules for 'allow' that would have allowed what was denied:\n\
         \x20   \"GET https://a.test/**\",\n\
         \x20   \"POST https://b.test/**\",\n\
         \x20   \"c.test:22\",\n\
         \x20   \"https://d.test\",\n\
         (the hook refused some of this: an 'allow' rule helps only where a rule asked)\n\
         (no rule is proposed for methods with unusual characters, which 1 had)\n"
    );
    let list: String = out.lines().filter(|line| line.starts_with(' ')).collect();
    let text = format!("version = 1\nallow = [{list}]\n[end]\n");
    assert_eq!(
        sandbox_net::policy::Document::parse(&text)
            .unwrap()
            .allow
            .len(),
        4
    );
}

#[test]
fn a_guest_cannot_make_the_list_endless() {
    let mut proposals = Proposals::default();
    for number in 0..2 * MOST {
        let what = format!("h{number}.test:443");
        proposals.add(&denied(&what, DenyReason::NoRule, None));
    }
    assert_eq!(proposals.rules().len(), MOST);
    assert!(proposals.is_full);
}
