//! What is printed about a URL.

use clap::Parser;

use super::*;
use crate::console::{Captured, captured};
use crate::testing::Directory;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    explain: Explain,
}

fn explain(arguments: &[&str]) -> Captured {
    let line = Line::try_parse_from(["explain"].iter().chain(arguments)).unwrap();
    captured(|console| line.explain.run(console))
}

const NOTE: &str = "(addresses are not looked up here: if a name's rule allows none of its \
                    addresses, the name is denied later)\n";

#[test]
fn every_stage_and_every_rule_has_its_line() {
    let printed = explain(&[
        "a.test/v1/x?q=1",
        "--deny=GET a.test/admin/**",
        "--allow=http://a.test",
        "--allow=GET a.test/v1/**",
        "--ask=b.test",
        "--tls=own_roots https://a.test",
        "--tls=unverified b.test",
        "--field=X-HTTP-Method-Override,x-host https://a.test",
    ]);
    let stages = "\
GET https://a.test/v1/x?q=1: allowed by 'GET a.test/v1/**'
  connect a.test:443: allowed by 'GET a.test/v1/**'
  tls https://a.test: allowed by 'GET a.test/v1/**'
  request GET /v1/x?q=1: allowed by 'GET a.test/v1/**'
  tls settings that the program may choose: own_roots
  fields that override method, path or host: denied, except x-host, x-http-method-override
";
    let table = "\
──────────────────────────────────────────────
 list    rule                  outcome
══════════════════════════════════════════════
 deny    GET a.test/admin/**   another path
 allow   http://a.test         another scheme
 allow   GET a.test/v1/**      fits
 ask     b.test                another host
──────────────────────────────────────────────
";
    assert_eq!(printed.out, format!("{stages}{NOTE}{table}"));
    assert_eq!(printed.code, Ok(0));
}

#[test]
fn a_tunnel_of_native_programs_has_its_line_where_the_policy_names_one() {
    let line = |arguments: &[&str]| {
        let arguments = [&["a.test", "--allow=GET a.test"], arguments].concat();
        let printed = explain(&arguments).out;
        let mut lines = printed.lines().map(str::trim);
        lines
            .find(|line| line.starts_with("tunnel"))
            .map(str::to_owned)
    };
    let allowed = "tunnel of a native program to a.test:443: allowed by 'a.test:443'; the policy then \
                   sees no method, path or field";
    let denied = "tunnel of a native program to a.test:443: denied (deny-rule, by 'a.test/x')";
    for (arguments, expected) in [
        (vec![], None),
        (vec!["--tunnel=a.test:22"], None),
        (vec!["--tunnel=a.test:443"], Some(allowed)),
        (vec!["--tunnel=a.test:443", "--deny=a.test/x"], Some(denied)),
    ] {
        assert_eq!(line(&arguments).as_deref(), expected, "{arguments:?}");
    }
}

#[test]
fn a_denial_is_printed_whole() {
    let printed = explain(&["http://192.0.2.1:8080", "--method=POST"]);
    assert_eq!(
        printed.out,
        "\
POST http://192.0.2.1:8080/: denied (no-rule)
  connect 192.0.2.1:8080: denied (no-rule)
  request POST /: denied (no-rule)
(the policy has no rules)
sandbox-net denied http://192.0.2.1:8080: no rule allows it (reason no-rule, rule default-deny); \
         to allow it, add the rule 'http://192.0.2.1:8080'
"
    );
    assert_eq!(printed.code, Ok(1));
}

#[test]
fn the_headline_and_the_exit_code_say_what_would_happen() {
    let directory = Directory::new();
    directory.write("report", "version = 1\nmode = 'report'\n[end]\n");
    let report = format!("--policy={}", directory.path("report").display());
    for (arguments, headline, code) in [
        (
            &["--allow=a.test"][..],
            "GET https://a.test/: allowed by 'a.test'",
            0,
        ),
        (
            &["--ask=a.test"],
            "GET https://a.test/: to be asked for ('a.test')",
            2,
        ),
        (
            &[&report],
            "GET https://a.test/: let pass and reported (no-rule)",
            0,
        ),
        (
            &["--deny=a.test/**", "--allow=a.test"],
            "GET https://a.test/: denied (deny-rule, by 'a.test/**')",
            1,
        ),
        (
            &["--allow=a.test", "--method=TRACE"],
            "TRACE https://a.test/: denied (method)",
            1,
        ),
        (
            &["--allow=a.test", "--method=G\u{1b}[31mET"],
            "G\\u{1b}[31mET https://a.test/: denied (malformed)",
            1,
        ),
    ] {
        let printed = explain(&[&["a.test"], arguments].concat());
        assert_eq!(printed.out.lines().next(), Some(headline), "{arguments:?}");
        assert_eq!(printed.code, Ok(code));
        assert!(!printed.out.contains('\u{1b}'));
    }
}

#[test]
fn several_files_each_have_to_let_a_request_pass() {
    let directory = Directory::new();
    directory.write("one", "version = 1\nallow = ['b.test']\n[end]\n");
    directory.write("two", "version = 1\nask = ['a.test']\n[end]\n");
    let [one, two] =
        ["one", "two"].map(|file| format!("--policy={}", directory.path(file).display()));
    let composed = PolicyOptions {
        policy: ["one", "two"].map(|file| directory.path(file)).to_vec(),
        allow: vec!["a.test".parse().unwrap()],
        ..PolicyOptions::default()
    };
    let composed = composed.compose().unwrap();
    let (steps, _) = composed
        .policy
        .explain(&"a.test".parse::<Url>().unwrap().origin, "GET", "/");
    let mut out = Vec::new();
    print_steps(&mut out, &steps, &["one".to_owned(), "two".to_owned()]).unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "\
────────────────────────────────────────
 author   list    rule     outcome
════════════════════════════════════════
 one      allow   b.test   another host
 one      allow   a.test   fits
 two      ask     a.test   fits
────────────────────────────────────────
"
    );
    assert_eq!(
        explain(&["a.test", &one, &two, "--allow=a.test"]).code,
        Ok(2)
    );
    assert_eq!(explain(&["a.test", &one, &two]).code, Ok(1));
    assert_eq!(composed.authors.len(), 2);
}

#[test]
fn of_many_rules_those_that_fit_are_always_listed() {
    let other = (0..300).map(|number| format!("--allow=h{number}.test"));
    let fitting = (0..3).map(|number| format!("--allow=a.test/{}**", "x".repeat(number)));
    let arguments: Vec<_> = ["a.test/xx".to_owned()]
        .into_iter()
        .chain(other)
        .chain(fitting)
        .collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let printed = explain(&arguments);
    let rows = |outcome: &str| {
        printed
            .out
            .lines()
            .filter(|line| line.ends_with(outcome))
            .count()
    };
    assert_eq!((rows("   another host"), rows("   fits")), (197, 3));
    assert!(printed.out.ends_with("… and 103 more that do not fit\n"));
}

#[test]
fn what_is_no_url_or_no_rule_is_refused() {
    assert!(Line::try_parse_from(["explain", "user@a.test"]).is_err());
    for rule in ["--allow=*", "--deny=a..b"] {
        let fault = explain(&["a.test", rule]).code.unwrap_err();
        assert!(
            fault.starts_with("the rule '") && !fault.contains('\n'),
            "{fault}"
        );
    }
    let printed = explain(&["a.test", "--policy=/nowhere/\u{202e}"]);
    assert!(
        printed
            .code
            .unwrap_err()
            .starts_with("--policy /nowhere/\\u{202e}: ")
    );
}
