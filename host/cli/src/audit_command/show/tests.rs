//! What is printed about a log.

use sandbox_net::policy::DenyReason;

use super::*;
use crate::audit_command::testing::{
    changed, counted, decision, denied, exchange, lookup, write_log,
};
use crate::console::{Captured, captured};
use crate::testing::Directory;
use sandbox_net::{BudgetReason, ReachedBudget, Reason, Stage, Verdict};

fn show(directory: &Directory, last: usize) -> Captured {
    let file = directory.path("log");
    let command = Show { file, last };
    directory.without_its_path(captured(|console| command.run(console)))
}

#[test]
fn exchanges_and_denials_are_listed_with_totals_and_rules() {
    let directory = Directory::new();
    let failed = changed(exchange("https://a.test/upload"), |it| {
        it.sandbox = "two".to_owned();
        it.method = "POST".to_owned();
        it.status = None;
        it.bytes_up = 3 << 20;
        it.secrets = vec!["key".to_owned(), "token".to_owned()];
        it.error = Some("reset".to_owned());
    });
    let reported = changed(denied("https://c.test", DenyReason::NoRule, None), |it| {
        it.verdict = Verdict::Report;
    });
    write_log(
        &directory,
        [
            AuditLine::Decision(decision()),
            AuditLine::Exchange(exchange("https://a.test/")),
            AuditLine::Decision(denied("b.test:443", DenyReason::NoRule, None)),
            AuditLine::Decision(reported),
            AuditLine::Exchange(failed),
        ],
    );
    let printed = show(&directory, 100);
    assert_eq!(
        printed.out,
        "\
────────────────────────────────────────────────────────────────────────────────────────────────────────────
 time       sandbox   what                         verdict              up        down      ms   secrets
════════════════════════════════════════════════════════════════════════════════════════════════════════════
 10:20:31   one       GET https://a.test/          200                  100 B     2.0 KiB   12
 10:20:30   one       connect b.test:443           denied (no-rule)
 10:20:30   one       tls https://c.test           reported (no-rule)
 10:20:31   two       POST https://a.test/upload   reset                3.0 MiB   2.0 KiB   12   key, token
────────────────────────────────────────────────────────────────────────────────────────────────────────────

────────────────────────────────────────────────
 host     requests   denied   up        down
════════════════════════════════════════════════
 a.test   2          0        3.0 MiB   4.0 KiB
 b.test   0          1        0 B       0 B
────────────────────────────────────────────────

rules for 'allow' that would have allowed what was denied:
    \"https://b.test\",
    \"https://c.test\",
"
    );
    assert_eq!((&*printed.err, printed.code), ("", Ok(0)));
}

#[test]
fn a_decision_is_listed_as_its_last_line_has_it_and_counted_denials_are_summed() {
    let directory = Directory::new();
    let refused = changed(
        denied("a.test:443", DenyReason::Address, Some("10.0.0.1")),
        |it| {
            it.update = true;
        },
    );
    let counts = |stage, host: Option<&str>, count| {
        AuditLine::Dropped(changed(counted(count), |it| {
            it.stage = stage;
            it.host = host.map(str::to_owned);
            it.rule = host.map(|_| "default-deny".to_owned());
        }))
    };
    let abandoned = changed(decision(), |it| {
        it.verdict = Verdict::Abandoned;
        it.sequence = 8;
    });
    write_log(
        &directory,
        [
            AuditLine::Decision(decision()),
            AuditLine::Decision(abandoned),
            AuditLine::Decision(refused),
            counts(Some(Stage::Connect), Some("b.test"), 1000),
            counts(None, None, 7),
            counts(Some(Stage::Connect), Some("b.test"), 234),
        ],
    );
    let printed = show(&directory, 100);
    let rows: Vec<String> = printed.out.lines().map(words).collect();
    for expected in [
        "10:20:30 connect a.test:443 denied (address)",
        "10:20:30 connect a.test:443 abandoned",
        "10:20:30 1000 more: connect b.test denied (no-rule)",
        "10:20:30 7 more: lookup (other hosts) denied (no-rule)",
        "a.test 0 1 0 B 0 B",
        "b.test 0 1234 0 B 0 B",
        "(no host) 0 7 0 B 0 B",
    ] {
        assert!(
            rows.iter().any(|row| row == expected),
            "{expected}: {rows:#?}"
        );
    }
    assert_eq!((&*printed.err, printed.code), ("", Ok(0)));
}

#[test]
fn a_budget_that_refused_something_is_shown_with_its_value() {
    let directory = Directory::new();
    let budget = |key: &str, value: u64| {
        let budget = serde_json::json!({ "key": key, "value": value });
        Some(serde_json::from_value::<ReachedBudget>(budget).unwrap())
    };
    let reason = Some(Reason::Budget(BudgetReason::Budget));
    let decided = |target: &str, budget| {
        changed(denied(target, DenyReason::NoRule, None), |it| {
            (it.reason, it.budget) = (reason, budget);
        })
    };
    let refused = decided("GET https://a.test/", budget("requests", 3));
    let looked_up = changed(lookup("b.test", Some(DenyReason::NoRule)), |it| {
        (it.reason, it.budget) = (reason, budget("lookups", 7));
    });
    let cut_off = changed(exchange("https://c.test/"), |it| {
        it.error = Some("limit:bytes-down".to_owned());
        it.budget = budget("bytes_down", 1000);
    });
    let hostile = decided("d.test:443", budget("\u{1b}[31m", 1));
    write_log(
        &directory,
        [
            AuditLine::Decision(refused),
            AuditLine::Lookup(looked_up),
            AuditLine::Exchange(cut_off),
            AuditLine::Decision(hostile),
            AuditLine::Decision(denied("e.test:443", DenyReason::NoRule, None)),
        ],
    );
    let printed = show(&directory, 100);
    for told in [
        "denied (budget: requests = 3)",
        "denied (budget: lookups = 7)",
        "200, limit:bytes-down (bytes_down = 1000)",
        "denied (budget: \\u{1b}[31m = 1)",
        "connect e.test:443    denied (no-rule)\n",
    ] {
        assert!(printed.out.contains(told), "{told}: {}", printed.out);
    }
}

/// The words of a line, with one space between them.
fn words(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn only_the_last_rows_are_listed_but_all_are_counted() {
    let directory = Directory::new();
    let lines = (0..5).map(|number| exchange(&format!("https://a.test/{number}")));
    write_log(&directory, lines.map(AuditLine::Exchange));
    let printed = show(&directory, 2);
    assert_eq!(
        printed.out,
        "\
… 3 earlier rows left out ('--last 0' lists all)
────────────────────────────────────────────────────────────────────────────
 time       what                   verdict   up      down      ms   secrets
════════════════════════════════════════════════════════════════════════════
 10:20:31   GET https://a.test/3   200       100 B   2.0 KiB   12
 10:20:31   GET https://a.test/4   200       100 B   2.0 KiB   12
────────────────────────────────────────────────────────────────────────────

───────────────────────────────────────────────
 host     requests   denied   up      down
═══════════════════════════════════════════════
 a.test   5          0        500 B   10.0 KiB
───────────────────────────────────────────────
"
    );
    let printed = show(&directory, 0);
    assert_eq!(printed.out.matches("GET https://").count(), 5);
    write_log(&directory, [AuditLine::Decision(decision())]);
    assert_eq!(show(&directory, 1).out, "no exchanges and no denials\n");
}

#[test]
fn nothing_in_a_log_steers_the_terminal() {
    let directory = Directory::new();
    let evil = "\u{1b}[31m\u{202e}\r\n\u{9b}";
    let all = changed(
        exchange(&format!("https://{evil}/{}", "x".repeat(500_000))),
        |it| {
            it.sandbox = evil.to_owned();
            it.method = evil.to_owned();
            it.error = Some(evil.to_owned());
            it.secrets = vec![evil.to_owned(); 1000];
            it.bytes_up = u64::MAX;
            it.duration_ms = u64::MAX;
        },
    );
    let mut lines = vec![AuditLine::Exchange(all.clone()), AuditLine::Exchange(all)];
    for what in [
        format!("{evil} https://a.test/{evil}"),
        format!("https://a.test{evil}"),
        format!("a.test{evil}:443"),
        evil.to_owned(),
        "GET https://a.test/\\x1b[31m/\\\"x".to_owned(),
    ] {
        lines.push(AuditLine::Decision(denied(&what, DenyReason::NoRule, None)));
    }
    write_log(&directory, lines);
    let printed = show(&directory, 100);
    assert_eq!((&*printed.err, printed.code), ("", Ok(0)));
    let is_strange = |c: &char| (c.is_control() && *c != '\n') || *c == '\u{202e}';
    assert_eq!(printed.out.chars().find(is_strange), None);
    let widest = printed.out.lines().map(|line| line.chars().count()).max();
    assert!(widest < Some(800), "{widest:?}");
    assert!(printed.out.contains("16.0 EiB"));
}

#[test]
fn lines_that_cannot_be_read_are_told_and_the_rest_is_shown() {
    let directory = Directory::new();
    let good = serde_json::to_string(&AuditLine::Exchange(exchange("https://a.test/"))).unwrap();
    directory.write("log", &format!("{good}\n\u{1b}\n{good}\n{}", &good[..9]));
    let printed = show(&directory, 100);
    assert_eq!(
        printed.err,
        "log: line 2: not a line of an audit log: expected value at line 1 column 1\n\
         log: line 4: cut off\n"
    );
    assert_eq!(printed.out.matches("GET https://").count(), 2);
    assert_eq!(printed.code, Ok(1));
}

#[test]
fn a_log_that_is_not_there_is_a_failure() {
    let directory = Directory::new();
    assert!(show(&directory, 0).code.unwrap_err().starts_with("log: "));
    let command = Show {
        file: directory.path(""),
        last: 0,
    };
    assert!(captured(|console| command.run(console)).code.is_err());
}

#[test]
fn a_lookup_is_listed_where_it_was_denied_and_the_rule_for_https_is_proposed() {
    let directory = Directory::new();
    let lines = [
        lookup("found.test", None),
        lookup("a.test", Some(DenyReason::NoRule)),
        lookup("b.test", Some(DenyReason::DenyRule)),
        lookup("a..test", Some(DenyReason::Malformed)),
    ];
    write_log(&directory, lines.map(AuditLine::Lookup));
    let printed = show(&directory, 100);
    for row in [
        " lookup a.test    denied (no-rule)",
        " lookup b.test    denied (deny-rule)",
        " lookup a..test   denied (malformed)",
        " a.test      0          1 ",
        " b.test      0          1 ",
        " (no host)   0          1 ",
    ] {
        assert!(printed.out.contains(row), "{row}: {}", printed.out);
    }
    assert!(!printed.out.contains("found.test"), "{}", printed.out);
    let rules = "that would have allowed what was denied:\n    \"https://a.test\",\n";
    assert!(printed.out.ends_with(rules), "{}", printed.out);
}
