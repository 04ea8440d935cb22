//! What is printed about a log under another policy.

mod same_policy;

use sandbox_net::policy::{DenyReason, Document, TlsOverride};

use super::*;
use crate::audit_command::testing::{changed, counted, decision_on, denied, lookup, write_log};
use crate::console::{Captured, captured};
use crate::testing::Directory;
use sandbox_net::{AuditLine, BudgetReason, Reason, Stage, Verdict};

/// A policy from rules separated by semicolons: `!` before those that deny, `?` before those that
/// ask, `~` before grants of TLS settings, and `=report` or `=ask` for the mode.
fn document(text: &str) -> Document {
    let list = |mark: Option<char>| {
        let rules = text.split("; ").filter(|rule| !rule.is_empty());
        let rules = rules.filter(|rule| rule.chars().find(|c| "!?=~".contains(*c)) == mark);
        let rules = rules.map(|rule| format!("'{}'", rule.trim_start_matches(['!', '?'])));
        rules.collect::<Vec<_>>().join(", ")
    };
    let mode = text.split("; ").find_map(|rule| rule.strip_prefix('='));
    let mode = mode.unwrap_or("enforce");
    let grants = text.split("; ").filter_map(|rule| rule.strip_prefix('~'));
    let [allow, deny, ask] = [None, Some('!'), Some('?')].map(list);
    let whole = format!(
        "version = 1\nmode = '{mode}'\nallow = [{allow}]\ndeny = [{deny}]\nask = [{ask}]\n[end]\n"
    );
    let mut document = Document::parse(&whole).unwrap();
    document.tls = grants.map(|grant| grant.parse().unwrap()).collect();
    document
}

/// How one decision changes under these rules: a word for the new verdict, or `same`.
fn compare(record: &DecisionRecord, rules: &str) -> &'static str {
    let policy = Policy::from(document(rules));
    change(&Judge::new(&policy).compare(record))
}

fn change(comparison: &Comparison) -> &'static str {
    match comparison {
        Comparison::Same => "same",
        Comparison::CutShort => "cut short",
        Comparison::SameByHook => "same by hook",
        Comparison::Changed(Again::Allowed { .. }) => "allowed",
        Comparison::Changed(Again::Reported { .. }) => "reported",
        Comparison::Changed(Again::Asked { .. }) => "asked",
        Comparison::Changed(Again::Denied { .. }) => "denied",
    }
}

fn replay(directory: &Directory, allow: &[&str]) -> Captured {
    let allow = allow.iter().map(|rule| rule.parse().unwrap()).collect();
    let command = Replay {
        file: directory.path("log"),
        tunnels: TunnelOptions::default(),
        policy: PolicyOptions {
            allow,
            ..PolicyOptions::default()
        },
    };
    directory.without_its_path(captured(|console| command.run(console)))
}

#[test]
fn a_tunnel_is_decided_again_as_one() {
    let record = changed(decision_on("a.test:443"), |it| it.stage = Stage::Tunnel);
    let tunnel = || ["a.test:443".parse().unwrap()];
    for (rules, has_tunnel, expected) in [
        ("", true, "same"),
        ("!a.test/x", true, "denied"),
        ("a.test", false, "denied"),
        ("=report", false, "denied"),
    ] {
        let mut policy = Policy::from(document(rules));
        if has_tunnel {
            policy = policy.with_tunnels(tunnel());
        }
        assert_eq!(
            change(&Judge::new(&policy).compare(&record)),
            expected,
            "{rules}"
        );
    }
}

#[test]
#[rustfmt::skip] // one row a line
fn what_was_allowed_is_decided_again() {
    for (what, rules, change) in [
        ("a.test:443", "a.test", "same"),
        ("a.test:443", "https://a.test", "same"),
        ("a.test:443", "", "denied"),
        ("a.test:443", "a.test; !a.test", "denied"),
        ("a.test:443", "?a.test", "same"), // the rule's name: the hook granted it
        ("a.test:443", "?https://a.test", "asked"),
        ("a.test:443", "=ask", "asked"),
        ("a.test:443", "=report", "reported"),
        ("https://a.test", "http://a.test", "denied"),
        ("GET https://a.test/v1/x", "GET a.test/v1/**", "same"),
        ("POST https://a.test/v1/x", "GET a.test/v1/**", "denied"),
        ("GET https://a.test/it\\'s", "a.test/it%27s", "same"),
        ("GET https://a.test/\\xff", "a.test/**", "same"),
        ("GET https://a.test/x…", "", "cut short"),
        ("GET https://user@a.test/x", "a.test", "denied"),
        ("get https://a.test/x", "a.test", "denied"),
    ] {
        assert_eq!(compare(&decision_on(what), rules), change, "{what} by {rules}");
    }
}

#[test]
#[rustfmt::skip] // one row a line
fn what_was_denied_is_decided_again_where_rules_count() {
    use DenyReason::*;
    let https = "https://a.test";
    for (what, reason, address, rules, change) in [
        ("a.test:443", NoRule, None, "", "same"),
        ("a.test:443", NoRule, None, "a.test", "allowed"),
        ("a.test:443", NoRule, None, "?a.test", "asked"),
        ("a.test:443", NoRule, None, "=report", "reported"),
        ("a.test:443", DenyRule, None, "a.test", "allowed"),
        ("a.test:443", Address, Some("10.0.0.1"), "a.test", "same"),
        ("a.test:443", Address, Some("10.0.0.1"), "a.test to 10.0.0.1", "allowed"),
        ("a.test:443", Address, Some("10.0.0.1"), "=report", "reported"),
        ("a.test:443", Address, Some("169.254.169.254"), "=report", "same"),
        ("a.test:443", Address, None, "a.test", "same"),
        ("a.test:443", Hook, None, "?a.test", "same"),
        ("a.test:443", Hook, None, "a.test", "allowed"),
        (https, HostMismatch, None, "a.test", "same"),
        (https, TlsOptions, None, "a.test", "same"),
        ("GET https://a.test/", Method, None, "a.test", "same"),
        ("GET https://a.test/", Field, None, "a.test", "same"),
        ("GET https://a.test/", Secret, None, "a.test", "same"),
        ("a.test:443", Audit, None, "a.test", "same"),
        ("nonsense", Malformed, None, "a.test", "same"),
        ("nonsense", NoRule, None, "a.test", "same"),
    ] {
        let record = denied(what, reason, address);
        assert_eq!(compare(&record, rules), change, "{what} {reason} by {rules}");
    }
    let budget = changed(denied("a.test:443", NoRule, None), |it| { it.reason = Some(Reason::Budget(BudgetReason::Budget)); });
    assert_eq!(compare(&budget, "a.test"), "same");
}

#[test]
fn an_address_that_was_dialled_has_to_be_open_still() {
    let record = changed(decision_on("a.test:443"), |it| {
        it.address = Some("10.0.0.1:443".parse().unwrap());
    });
    assert_eq!(compare(&record, "a.test to 10.0.0.1"), "same");
    assert_eq!(compare(&record, "a.test"), "denied");
    assert_eq!(
        compare(&record, "a.test to 10.0.0.1; !10.0.0.0/8"),
        "denied"
    );
}

#[test]
fn what_the_hook_refused_by_itself_stays_refused() {
    let by_hook = |rule: &str| {
        changed(denied("a.test:443", DenyReason::Hook, None), |it| {
            it.rule = rule.to_owned();
        })
    };
    for (rule, rules, change) in [
        ("a.test", "a.test", "same by hook"),
        ("a.test", "?a.test", "same"),
        ("a.test", "", "same"),
        ("https://a.test", "a.test; https://a.test", "same by hook"),
        ("ask-mode", "a.test", "allowed"),
        ("default-deny", "=report", "same by hook"),
    ] {
        assert_eq!(compare(&by_hook(rule), rules), change, "{rule} by {rules}");
    }
}

#[test]
fn what_was_abandoned_may_be_so_again_where_it_would_be_asked_about() {
    let abandoned = |rule: &str| {
        changed(decision_on("a.test:443"), |it| {
            it.verdict = Verdict::Abandoned;
            it.rule = rule.to_owned();
        })
    };
    for (rule, rules, change) in [
        ("a.test", "?a.test", "same"),
        ("a.test", "a.test", "same"),
        ("a.test", "b.test", "denied"),
        ("a.test", "any", "allowed"),
        ("a.test", "", "denied"),
    ] {
        assert_eq!(compare(&abandoned(rule), rules), change, "{rules}");
    }
}

#[test]
fn a_decision_is_replayed_as_its_last_line_has_it_and_counted_denials_are_told() {
    let directory = Directory::new();
    let refused = changed(
        denied("a.test:443", DenyReason::Address, Some("10.0.0.1")),
        |it| {
            it.update = true;
        },
    );
    let counted = changed(counted(41), |it| it.stage = Some(Stage::Connect));
    write_log(
        &directory,
        [
            AuditLine::Decision(decision_on("a.test:443")),
            AuditLine::Decision(refused),
            AuditLine::Dropped(counted),
        ],
    );
    let printed = replay(&directory, &["a.test"]);
    let said = "1 decision: 1 the same, 0 now denied, 0 now allowed, 0 now asked for\n\
                (41 more denials cannot be decided again, since the log only counts them)\n";
    assert_eq!((&*printed.out, printed.code), (said, Ok(0)));
}

#[test]
fn changes_are_listed_and_counted() {
    let directory = Directory::new();
    let other = changed(denied("b.test:443", DenyReason::NoRule, None), |it| {
        it.sequence = 8;
    });
    let lines = [
        decision_on("GET https://a.test/x"),
        other,
        denied("c.test:443", DenyReason::NoRule, None),
    ];
    write_log(&directory, lines.map(AuditLine::Decision));
    let printed = replay(&directory, &["b.test"]);
    assert_eq!(
        printed.out,
        "\
───────────────────────────────────────────────────────────────────────────────
 #   what                   was                would be           rule
═══════════════════════════════════════════════════════════════════════════════
 7   GET https://a.test/x   allowed            denied (no-rule)   default-deny
 8   connect b.test:443     denied (no-rule)   allowed            b.test
───────────────────────────────────────────────────────────────────────────────
3 decisions: 1 the same, 1 now denied, 1 now allowed, 0 now asked for
"
    );
    assert_eq!((&*printed.err, printed.code), ("", Ok(1)));
    let printed = replay(&directory, &["a.test"]);
    let said = "3 decisions: 3 the same, 0 now denied, 0 now allowed, 0 now asked for\n";
    assert_eq!((&*printed.out, printed.code), (said, Ok(0)));
}

#[test]
fn a_log_that_is_not_whole_is_a_failure() {
    let directory = Directory::new();
    write_log(&directory, [AuditLine::Decision(decision_on("a.test:443"))]);
    let log = std::fs::read_to_string(directory.path("log")).unwrap();
    directory.write("log", &format!("{log}{}", &log[..20]));
    let printed = replay(&directory, &["a.test"]);
    assert!(printed.out.starts_with("1 decision: 1 the same"));
    assert_eq!(printed.err, "log: line 2: cut off\n");
    assert_eq!(printed.code, Err("log: 1 line cannot be read".to_owned()));
    let without_policy = replay(&directory, &[]);
    assert!(without_policy.code.unwrap_err().contains("'--policy FILE'"));
}

#[test]
fn a_long_list_of_changes_is_cut() {
    let policy = Policy::deny_all();
    let mut changes = Changes::new(&policy);
    for _ in 0..MOST + 5 {
        changes.add(&decision_on("a.test:443"));
    }
    let mut out = Vec::new();
    changes.print(&mut out).unwrap();
    let out = String::from_utf8(out).unwrap();
    assert!(out.contains("\n… and 5 more\n1005 decisions: 0 the same, 1005 now denied"));
}

#[test]
#[rustfmt::skip] // one row a line
fn a_connection_with_tls_settings_of_the_programs_own_is_decided_with_them() {
    use TlsOverride::{OwnRoots, Unverified};
    for (what, tls, was_denied, rules, change) in [
        ("https://a.test", &[Unverified][..], false, "a.test; ~unverified a.test", "same"),
        ("https://a.test", &[Unverified], false, "a.test", "denied"),
        ("https://a.test", &[Unverified], false, "a.test; =report", "reported"),
        ("https://a.test", &[Unverified], true, "a.test", "same"),
        ("https://a.test", &[Unverified], true, "a.test; ~unverified a.test", "allowed"),
        ("https://a.test", &[Unverified, OwnRoots], true, "a.test; ~own_roots a.test", "same"),
        ("GET https://a.test/x", &[OwnRoots], false, "a.test; ~own_roots a.test", "same"),
        ("GET https://a.test/x", &[OwnRoots], false, "a.test", "denied"),
        // A log of an earlier version does not say what was requested.
        ("https://a.test", &[], true, "a.test", "same"),
    ] {
        let record = match was_denied {
            true => denied(what, DenyReason::TlsOptions, None),
            false => decision_on(what),
        };
        let record = changed(record, |it| { it.tls = tls.to_vec(); });
        assert_eq!(compare(&record, rules), change, "{what} {tls:?} {rules}");
    }
}

#[test]
#[rustfmt::skip] // one row a line
fn lookups_are_decided_again() {
    use DenyReason::{DenyRule, Hook, Malformed, NoRule};
    for (name, reason, rules, expected) in [
        ("a.test", None, "a.test", "same"),
        ("a.test", None, "POST https://a.test:8443/v1", "same"),
        ("a.test", None, "b.test", "denied"),
        ("a.test", None, "=ask", "asked"),
        ("a.test", None, "=report", "reported"),
        ("a.test", Some(NoRule), "b.test", "same"),
        ("a.test", Some(NoRule), "a.test:8080", "allowed"),
        ("a.test", Some(DenyRule), "a.test", "allowed"),
        ("a.test", Some(Hook), "?a.test", "same"),
        ("a..test", Some(Malformed), "any", "same"),
        ("a.te…", None, "", "cut short"),
    ] {
        let policy = Policy::from(document(rules));
        let again = Judge::new(&policy).compare_lookup(&lookup(name, reason));
        assert_eq!(change(&again), expected, "{name} {reason:?} {rules}");
    }
}

#[test]
fn a_lookup_that_changes_is_listed_without_a_number() {
    let directory = Directory::new();
    let lines = [lookup("a.test", None), lookup("b.test", None)];
    write_log(&directory, lines.map(AuditLine::Lookup));
    let printed = replay(&directory, &["b.test"]);
    let row = " lookup a.test   allowed   denied (no-rule)   default-deny";
    assert!(printed.out.contains(row), "{}", printed.out);
    assert!(
        printed
            .out
            .ends_with("2 decisions: 1 the same, 1 now denied, 0 now allowed, 0 now asked for\n")
    );
    assert_eq!(printed.code, Ok(1));
}
