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
fn tunnels_are_counted_and_have_to_be_the_operators_too() {
    let directory = Directory::new();
    let file =
        |tunnels: &str| format!("version = 1\nallow = ['any']\ntunnel = [{tunnels}]\n[end]\n");
    directory.write("a", &file("'a.test:22', 'b.test:5432'"));
    directory.write("operator", &file("'a.test:22'"));
    let printed = check(&directory, &["a"], Some("operator"));
    let lines: Vec<_> = printed.out.lines().collect();
    let summary = "a: ok: 1 rule allows, 0 deny, 0 ask, 0 secrets, 2 tunnels, mode enforce";
    assert_eq!(lines[0], summary);
    let (last, before) = lines.split_last().unwrap();
    assert_eq!(*last, "a:   'b.test:5432' of 'tunnel'");
    assert!(before.last().unwrap().contains("not within operator"));
    assert_eq!(printed.code, Ok(1));
}

#[test]
fn a_tunnel_is_warned_about_with_what_it_makes_void() {
    let secret = "[[secret]]\nname = 'key'\nrule = 'https://a.test'\nsource = { env = 'K' }";
    let about = |rules: &str| {
        let text = format!("tunnel = ['a.test:443']\n{rules}");
        warnings_of(&text)
    };
    let hides = "'a.test:443' of 'tunnel' hides from the policy what native programs send there: \
                 methods, paths and fields are not checked, and the audit log has only bytes";
    for (rules, expected) in [
        ("allow = ['b.test']", vec![hides]),
        ("allow = ['https://a.test']", vec![hides]),
        (
            "allow = ['GET a.test:8443', 'GET http://a.test', 'b.test/x']",
            vec![hides],
        ),
        (
            "allow = ['GET a.test']",
            vec![
                hides,
                "'GET a.test' of 'allow' does not bind native programs: 'a.test:443' of 'tunnel' \
                 carries any method and path to that host",
            ],
        ),
        (
            "allow = ['a.test']\ndeny = ['a.test/admin/**']",
            vec![
                "'a.test:443' of 'tunnel' never matters: 'a.test/admin/**' of 'deny' denies what it \
                 might carry",
            ],
        ),
        (
            &format!("allow = ['a.test']\n{secret}"),
            vec![
                hides,
                "secret 'key' is not put into what 'a.test:443' of 'tunnel' carries: the server gets \
                 the placeholder",
            ],
        ),
        (
            "",
            vec![
                "no rule allows anything: a sandbox has no network, and native programs have only the \
                 tunnels",
                hides,
            ],
        ),
    ] {
        assert_eq!(about(rules), expected, "{rules}");
    }
    let twice = warnings_of("allow = ['a.test']\ntunnel = ['a.test:22', 'a.test:22']");
    assert_eq!(twice[1], "'a.test:22' is in 'tunnel' twice");
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
        (
            "allow = ['GTE,POST https://a.test', 'PROPFIND https://a.test']",
            &["'GTE' in 'GTE,POST https://a.test' of 'allow' is no registered method: is it written as it is sent?"],
        ),
        ("allow = ['a.test']\nask = ['a.test']", &["'a.test' of 'allow' has no effect: it is in 'ask' too, so that it is asked"]),
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
            format!("'{allow}' of 'allow' never matters: '{deny}' of 'deny' denies all of it");
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
            &["secret 's' is also sent without TLS, where anybody on the way can read it"],
        ),
        (
            "allow = ['https://a.test', 'HTTP://A.test:8080']",
            "rule = 'https://a.test'",
            &[
                "'HTTP://A.test:8080' allows requests without TLS to the host of secret 's', which \
               is not sent in them",
            ],
        ),
    ] {
        // Rules below a top-level domain are refused if they allow.
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
        assert!(format!("{error:#}").starts_with("/dev/zero: "));
    }
}

#[test]
fn grants_of_tls_settings_are_counted_warned_about_and_compared() {
    let directory = Directory::new();
    let text = |grants: &str| format!("version = 1\nallow = ['a.test']\n{grants}\n[end]\n");
    let grants = "[[tls]]\nhosts = ['a.test']\nunverified = true\nown_roots = true";
    directory.write("a", &text(grants));
    directory.write("b", &text(&grants.replace("own_roots = true", "")));
    let printed = check(&directory, &["a"], Some("b"));
    assert_eq!(
        printed.out,
        "a: ok: 1 rule allows, 0 deny, 0 ask, 0 secrets, 1 grant of TLS settings, mode enforce\n\
         a: not within b, as far as can be shown:\n\
         a:   'own_roots' for 'a.test' of 'tls'\n"
    );
    assert_eq!(printed.code, Ok(1));
    assert_eq!(check(&directory, &["b"], Some("a")).code, Ok(0));
    directory.write("c", &text(&format!("{grants}\n{grants}")));
    let printed = check(&directory, &["c"], None);
    assert!(
        printed.out.contains(", 2 grants of TLS settings, "),
        "{}",
        printed.out
    );
    let any = "allow = ['a.test']\n[[tls]]\nhosts = ['any']\nown_roots = true";
    let warned = "'any' of 'tls' grants own_roots for every host";
    assert_eq!(warnings_of(any), [warned]);
}

#[test]
#[rustfmt::skip] // one row a line
fn a_wildcard_for_names_that_anybody_can_have_is_warned_of_wherever_it_is() {
    let shared = |rule: &str, place: &str, domain: &str| {
        format!("'{rule}' of {place} covers names that anybody can register, since '{domain}' is shared; list the hosts themselves")
    };
    for (rule, domain) in [
        ("https://*.github.io", "github.io"),
        ("*.s3.amazonaws.com", "s3.amazonaws.com"),
        ("*.amazonaws.com", "amazonaws.com"),
        ("GET https://*.Workers.dev:8443/x/**", "workers.dev"),
        ("*.compute.amazonaws.com", "compute.amazonaws.com"),
    ] {
        let secret = format!("allow = ['{rule}']\n[[secret]]\nname = 's'\nsource = {{ env = 'S' }}\nrule = '{rule}'");
        for (text, places) in [
            (format!("allow = ['{rule}']"), &["'allow'"][..]),
            (format!("ask = ['{rule}']"), &["'ask'"]),
            (secret, &["'allow'", "secret 's'"]),
        ] {
            let expected: Vec<_> = places.iter().map(|place| shared(rule, place, domain)).collect();
            assert_eq!(warnings_of(&text), expected, "{text}");
        }
    }
    let tls = "allow = ['me.github.io']\n[[tls]]\nhosts = ['*.github.io']\nown_roots = true";
    assert_eq!(warnings_of(tls), [shared("*.github.io", "'tls'", "github.io")]);
    let field = "allow = ['GET me.github.io']\n[[field]]\nhosts = ['*.github.io']\nnames = ['x-host']";
    assert_eq!(warnings_of(field), [shared("*.github.io", "'field'", "github.io")]);
    for rule in ["*.example.com", "me.github.io", "*.me.github.io", "*.bucket.s3.amazonaws.com", "*.github.com"] {
        assert_eq!(warnings_of(&format!("allow = ['{rule}']")), [""; 0], "{rule}");
    }
    // Denying more than one's own domain is not a mistake.
    assert_eq!(warnings_of("allow = ['me.github.io']\ndeny = ['*.github.io:8443']"), [""; 0]);
}

#[test]
#[rustfmt::skip] // one row a line
fn a_rule_that_denies_less_than_it_seems_to_is_warned_of() {
    let any = "'any' allows every name and every public address".to_owned();
    let name = |rule: &str| format!(
        "'{rule}' of 'deny' denies that name only: 'any' still allows the same server by its address and by every \
         other name; deny its addresses too"
    );
    let to = |rule: &str, to: &str| {
        format!("'{rule}' of 'deny': 'to {to}' has no effect in a rule that denies; deny the addresses themselves")
    };
    for (text, expected) in [
        ("allow = ['any']\ndeny = ['bad.test']", vec![any.clone(), name("bad.test")]),
        ("allow = ['any']\ndeny = ['*.bad.test', 'POST a.test/x']", vec![any.clone(), name("*.bad.test"), name("POST a.test/x")]),
        ("allow = ['any']\ndeny = ['203.0.113.0/24', '192.0.2.1']", vec![any]),
        ("ask = ['any']\ndeny = ['bad.test']", vec![name("bad.test")]),
        ("allow = ['*.a.test']\ndeny = ['b.a.test']", vec![]),
        ("allow = ['*.a.test']\ndeny = ['b.a.test to 10.0.0.1']", vec![to("b.a.test to 10.0.0.1", "10.0.0.1")]),
        ("allow = ['*.a.test to 10.0.0.1']\ndeny = ['10.0.0.2']", vec![]),
    ] {
        assert_eq!(warnings_of(text), expected, "{text}");
    }
}

#[test]
#[rustfmt::skip] // one row a line
fn a_budget_that_cannot_bind_is_warned_of() {
    for (budgets, expected) in [
        ("response_head = 300000", &["'response_head' = 300000 has no effect: no response head has more than 262144 bytes"][..]),
        ("response_head = 65536\nbytes_down = 65536", &["'response_head' = 65536 has no effect: 'bytes_down' = 65536 is used up before"]),
        ("connections = 1024", &["'connections' = 1024 has no effect: no more than 1024 are open at once"]),
        ("requests = 10\nrequests_per_second = 10", &["'requests_per_second' = 10 has no effect: 'requests' = 10 is used up before"]),
        ("requests = 700\nrequests_per_second = 10\nseconds = 60", &["'requests' = 700 has no effect: 'requests_per_second' and 'seconds' end it after 610"]),
        ("hosts = 2", &["'hosts' = 2 has no effect: no more than 2 can be talked to by the rules"]),
        ("host_memory = 100000", &["'response_head' = 262144 has no effect: 'host_memory' = 100000 is reached before"]),
        ("response_head = 65536\nconnections = 8\nrequests = 1000\nrequests_per_second = 20\nbytes_down = 100000000\n\
          hosts = 1\nseconds = 300\nhost_memory = 67108864\nlookups = 5\nconnections_per_second = 5\ndenials = 5", &[]),
        ("requests = 0\nhosts = 0\nconnections = 0", &[]),
    ] {
        let text = format!("allow = ['a.test', 'https://A.test:8443', 'GET b.test']\n[budgets]\n{budgets}");
        let expected: Vec<_> = expected.iter().map(|warning| format!("budget {warning}")).collect();
        assert_eq!(warnings_of(&text), expected, "{budgets}");
    }
    for rules in ["allow = ['*.a.test']", "allow = ['10.0.0.0/8:8000-8099']", "allow = ['[fd00::/8]']", "mode = 'ask'\nallow = ['a.test']"] {
        assert_eq!(warnings_of(&format!("{rules}\n[budgets]\nhosts = 5")), [""; 0], "{rules}");
    }
}

#[test]
fn grants_of_fields_are_counted_warned_about_and_compared() {
    let directory = Directory::new();
    let text = |grants: &str| format!("version = 1\nallow = ['GET a.test']\n{grants}\n[end]\n");
    let grants = "[[field]]\nhosts = ['a.test']\nnames = ['x-host', 'forwarded']";
    directory.write("a", &text(grants));
    directory.write("b", &text(&grants.replace(", 'forwarded'", "")));
    let printed = check(&directory, &["a"], Some("b"));
    assert_eq!(
        printed.out,
        "a: ok: 1 rule allows, 0 deny, 0 ask, 0 secrets, 1 grant of fields, mode enforce\n\
         a: not within b, as far as can be shown:\n\
         a:   'forwarded' for 'a.test' of 'field'\n"
    );
    assert_eq!(printed.code, Ok(1));
    assert_eq!(check(&directory, &["b"], Some("a")).code, Ok(0));
    for (rules, hosts, warning) in [
        (
            "a.test",
            "any",
            "'any' of 'field' grants x-host for every host",
        ),
        (
            "a.test",
            "a.test",
            "'a.test' of 'field' has no effect: no rule for this host names a method or a path, so \
             nothing is refused",
        ),
    ] {
        let rules = if hosts == "any" { "GET a.test" } else { rules };
        let text =
            format!("allow = ['{rules}']\n[[field]]\nhosts = ['{hosts}']\nnames = ['x-host']");
        assert_eq!(warnings_of(&text), [warning]);
    }
}

#[test]
fn a_secret_for_requests_that_no_rule_allows_is_warned_of() {
    let never = |rule: &str| {
        format!("secret 's' is never used: no rule allows a request that '{rule}' means")
    };
    for (allow, rule, is_warned) in [
        ("GET https://a.test", "POST https://a.test", true),
        ("https://a.test/v1/**", "https://a.test/v2/**", true),
        ("https://b.example.com", "https://*.a.example.com", true),
        ("https://a.test/v1/**", "GET https://a.test/v1/x", false),
        ("https://*.example.com", "https://*.a.example.com", false),
    ] {
        let warnings = warnings_of(&format!(
            "allow = ['{allow}']\n[[secret]]\nname = 's'\nsource = {{ env = 'S' }}\nrule = '{rule}'"
        ));
        let expected: Vec<_> = is_warned.then(|| never(rule)).into_iter().collect();
        assert_eq!(warnings, expected, "{allow} {rule}");
    }
}
