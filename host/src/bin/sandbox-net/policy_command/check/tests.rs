//! What is printed about files.

use std::path::Path;

use super::*;
use crate::console::{Captured, captured};
use crate::testing::Directory;

fn check(directory: &Directory, files: &[&str], within: Option<&str>) -> Captured {
    let command = Check {
        files: files.iter().map(|file| directory.path(file)).collect(),
        within: within.map(|file| directory.path(file)),
    };
    let printed = captured(|console| command.run(console));
    directory.without_its_path(printed)
}

fn warnings_of(text: &str) -> Vec<String> {
    warnings(&Document::parse(&format!("version = 1\n{text}\n[end]\n")).unwrap())
}

#[test]
fn a_policy_is_summed_up_in_one_line() {
    let directory = Directory::new();
    directory.write(
        "a",
        "version = 1\nmode = 'ask'\nallow = ['a.test', 'b.test']\ndeny = ['c.test']\n[end]\n",
    );
    directory.write(
        "b",
        "version = 1\nallow = ['a.test']\nask = ['b.test']\n[end]\n",
    );
    let printed = check(&directory, &["a", "b"], None);
    assert_eq!(
        printed.out,
        "a: ok: 2 rules allow, 1 denies, 0 ask, 0 secrets, mode ask\n\
         b: ok: 1 rule allows, 0 deny, 1 asks, 0 secrets, mode enforce\n"
    );
    assert_eq!((printed.err.as_str(), printed.code), ("", Ok(0)));
}

#[test]
fn a_file_that_is_no_policy_is_told_and_the_others_are_checked() {
    let directory = Directory::new();
    directory.write("a", "version = 1\nallow = []\n\nalow = []\n[end]\n");
    directory.write("b", "version = 1\nallow = ['a.test']\n[end]\n");
    directory.write_bytes("c", b"\xff");
    directory.write_bytes(
        "e\u{1b}[31m",
        &vec![b'#'; sandbox_net::policy::MAX_LENGTH + 1],
    );
    let printed = check(&directory, &["a", "b", "c", "d", "e\u{1b}[31m"], None);
    assert_eq!(
        printed.out,
        "b: ok: 1 rule allows, 0 deny, 0 ask, 0 secrets, mode enforce\n"
    );
    let mut lines = printed.err.lines();
    assert_eq!(
        lines.next(),
        Some("a: line 4: unknown key 'alow'; did you mean 'allow'?")
    );
    assert_eq!(lines.next(), Some("c: not a text in UTF-8"));
    assert!(lines.next().unwrap().starts_with("d: "));
    assert_eq!(
        lines.next(),
        Some("e\\u{1b}[31m: the policy is longer than 4 MiB")
    );
    assert_eq!((lines.next(), printed.code), (None, Ok(1)));
}

#[test]
#[rustfmt::skip] // one row a line
fn what_looks_like_a_mistake_is_warned_of() {
    for (text, expected) in [
        ("allow = ['a.test']\ndeny = ['a.test/admin/**']", &[][..]),
        ("mode = 'report'", &["mode 'report' lets everything pass"]),
        ("deny = ['a.test']", &["no rule allows anything: a sandbox has no network"]),
        ("mode = 'ask'", &[]),
        ("allow = ['https://any:8443']", &["'https://any:8443' allows every name and every public address"]),
        ("allow = ['any.test', 'a.test/any']", &[]),
        ("allow = ['a.test', 'a.test', 'a.test']", &["'a.test' is in 'allow' twice"]),
        ("allow = ['a.test']\nask = ['a.test']", &["'a.test' never asks: it is in 'allow' too"]),
    ] {
        assert_eq!(warnings_of(text), expected, "{text}");
    }
}

#[test]
fn a_rule_that_another_denies_altogether_never_matters() {
    for (allow, deny, is_shadowed) in [
        ("a.test", "a.test", true),
        ("https://a.test/v1/**", "a.test", true),
        (
            "GET https://A.test:8443/v1/** to 10.0.0.1",
            "https://A.test",
            true,
        ),
        ("GET a.test/v1/**", "GET a.test/v1/**", true),
        ("GET a.test/v1/**", "a.test/v1/**", true),
        ("a.test:8443", "a.test:8443", true),
        ("10.0.0.0/8", "10.0.0.0/8", true),
        ("[fd00::/8]:80", "[fd00::/8]", true),
        ("10.0.0.0/8", "10.0.0.0", false),
        ("a.test", "https://a.test", false),
        ("a.test", "a.test:443", false),
        ("a.test", "GET a.test", false),
        ("a.test", "a.test/v1/**", false),
        ("b.test", "a.test", false),
    ] {
        let warnings = warnings_of(&format!("allow = ['{allow}']\ndeny = ['{deny}']"));
        let warning =
            format!("'{allow}' of 'allow' never matters: '{deny}' of 'deny' is about all of it");
        assert_eq!(warnings.contains(&warning), is_shadowed, "{allow}, {deny}");
        assert_eq!(warnings.len(), usize::from(is_shadowed));
    }
}

#[test]
fn secrets_that_leak_or_are_never_used_are_warned_of() {
    let with = |rules: &str, secret: &str| {
        warnings_of(&format!(
            "{rules}\n[[secret]]\nname = 's'\nsource = {{ env = 'S' }}\n{secret}"
        ))
    };
    for (rules, secret, expected) in [
        ("allow = ['a.test']", "rule = 'https://a.test'", &[][..]),
        ("allow = ['*.test']", "rule = '*.a.test'", &[]),
        (
            "allow = ['b.test']",
            "rule = 'https://a.test'",
            &["secret 's' is never used: no rule allows its host"],
        ),
        (
            "allow = ['a.test']",
            "rule = 'http://a.test'\nplain_http = true",
            &["secret 's' also goes into requests without TLS, for everybody on the way to read"],
        ),
        (
            "allow = ['https://a.test', 'HTTP://A.test:8080']",
            "rule = 'https://a.test'",
            &[
                "'HTTP://A.test:8080' is for requests without TLS to the host of secret 's', which \
               does not go into them",
            ],
        ),
    ] {
        // Rules below a top-level domain are refused where they allow.
        let rules = rules.replace("*.test", "*.a.test");
        assert_eq!(with(&rules, secret), expected, "{rules} {secret}");
    }
}

#[test]
fn many_warnings_are_not_all_printed() {
    let directory = Directory::new();
    let rules: Vec<_> = (0..25).map(|i| format!("'h{i}.test'")).collect();
    let rules = rules.join(", ");
    let text = format!("version = 1\nallow = [{rules}]\ndeny = [{rules}]\n[end]\n");
    directory.write("a", &text);
    let printed = check(&directory, &["a"], None);
    assert_eq!(printed.out.lines().count(), 1 + 20 + 1);
    assert!(printed.out.ends_with("\na: … and 5 warnings more\n"));
}

#[test]
fn what_is_not_within_the_operators_policy_is_named() {
    let directory = Directory::new();
    let operator = "allow = ['*.a.test']\nask = ['d.test']\ndeny = ['x.a.test']";
    for (name, text) in [
        ("operator", operator),
        ("good", "allow = ['b.a.test']\nask = ['d.test']"),
        (
            "bad",
            "allow = ['b.a.test', 'c.test']\nask = ['d.test', 'e.test']",
        ),
        ("ask", "mode = 'ask'\nallow = ['b.a.test']"),
        ("denying", "allow = ['*.a.test']\ndeny = ['x.a.test']"),
    ] {
        directory.write(name, &format!("version = 1\n{text}\n[end]\n"));
    }
    for (file, said, code) in [
        ("good", "good: within operator\n", 0),
        ("denying", "denying: within operator\n", 0),
        (
            "bad",
            "bad: not within operator, as far as can be shown:\nbad:   'c.test' of 'allow'\n\
             bad:   'e.test' of 'ask'\n",
            1,
        ),
        (
            "ask",
            "ask: not within operator: mode 'ask' lets more pass\n",
            1,
        ),
    ] {
        let printed = check(&directory, &[file], Some("operator"));
        let (_, rest) = printed.out.split_once('\n').unwrap();
        assert_eq!((rest, printed.code), (said, Ok(code)));
    }
    let printed = check(&directory, &["good"], Some("missing"));
    assert!(printed.code.unwrap_err().starts_with("missing: "));
}

#[test]
fn an_endless_file_is_not_read_to_its_end() {
    if let Err(error) = policy_options::read(Path::new("/dev/zero")) {
        assert!(error.to_string().starts_with("/dev/zero: "));
    }
}

#[test]
fn grants_of_tls_settings_are_counted_warned_about_and_compared() {
    let directory = Directory::new();
    let text = |grants: &str| format!("version = 1\nallow = ['a.test']\n{grants}\n[end]\n");
    let grants = "[[tls]]\nhosts = ['a.test']\nunverified = true\nown-roots = true";
    directory.write("a", &text(grants));
    directory.write("b", &text(&grants.replace("own-roots = true", "")));
    let printed = check(&directory, &["a"], Some("b"));
    assert_eq!(
        printed.out,
        "a: ok: 1 rule allows, 0 deny, 0 ask, 0 secrets, 1 grant of TLS settings, mode enforce\n\
         a: not within b, as far as can be shown:\n\
         a:   'own-roots' for 'a.test' of 'tls'\n"
    );
    assert_eq!(printed.code, Ok(1));
    assert_eq!(check(&directory, &["b"], Some("a")).code, Ok(0));
    let any = "allow = ['a.test']\n[[tls]]\nhosts = ['any']\nown-roots = true";
    let warned = "'any' of 'tls' grants own-roots for every host";
    assert_eq!(warnings_of(any), [warned]);
}
