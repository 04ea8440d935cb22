//! Tables of tunnels: what grants one, what denies one, and where it may lead.

use std::net::IpAddr;

use super::*;
use crate::checked::Answer;
use crate::denial::DenyReason;
use crate::document::Document;
use crate::testing::policy;

fn endpoint(text: &str) -> Endpoint {
    let (host, port) = text.rsplit_once(':').unwrap();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Endpoint::new(host, port.parse().unwrap()).unwrap()
}

/// `allow`, `report` or `ask` with the rule, or the reason of the denial with its rule.
fn verdict(rules: &str, to: &str) -> String {
    match policy(rules).answer_tunnel(endpoint(to)) {
        Ok(Answer::Checked(checked)) => match checked.reported() {
            None => format!("allow {}", checked.rule()),
            Some(denial) => format!("report {}", denial.rule),
        },
        Ok(Answer::Ask(asked)) => format!("ask {}", asked.rule()),
        Err(denial) => format!("{} {}", denial.reason, denial.rule),
    }
}

#[test]
#[rustfmt::skip] // one row a line
fn only_a_grant_of_this_host_and_port_makes_a_tunnel() {
    let nothing = "no-rule default-deny";
    for (rules, to, expected) in [
        ("@a.test:5432", "a.test:5432", "allow a.test:5432"),
        ("@A.test:5432", "a.TEST:5432", "allow A.test:5432"),
        ("@a.test:5432", "a.test:5433", nothing),
        ("@a.test:5432", "b.test:5432", nothing),
        ("@a.test:5432", "x.a.test:5432", nothing),
        ("@[::1]:22", "[::1]:22", "allow [::1]:22"),
        ("@8.8.8.8:22", "8.8.8.8:22", "allow 8.8.8.8:22"),
        ("@localhost:22", "127.0.0.1:22", nothing),
        // No rule grants one, however much it allows, and no mode does.
        ("any:1-65535", "a.test:443", nothing),
        ("a.test:5432", "a.test:5432", nothing),
        ("report", "a.test:443", nothing),
        ("report; any:1-65535", "a.test:443", nothing),
        ("ask", "a.test:443", nothing),
        ("?a.test:443", "a.test:443", nothing),
        // A grant is for tunnels and for nothing else.
        ("report; @a.test:443", "a.test:443", "allow a.test:443"),
        ("ask; @a.test:443", "a.test:443", "allow a.test:443"),
    ] {
        assert_eq!(verdict(rules, to), expected, "{rules} → {to}");
    }
}

#[test]
#[rustfmt::skip] // one row a line
fn a_rule_that_denies_denies_a_tunnel_whatever_it_might_carry() {
    for (rules, expected) in [
        ("!a.test", "deny-rule a.test"),
        ("!*.test", "deny-rule *.test"),
        ("!any", "deny-rule any"),
        ("!a.test:443", "deny-rule a.test:443"),
        ("!a.test:1-1000", "deny-rule a.test:1-1000"),
        // The tunnel hides which scheme, method and path a request has.
        ("!http://a.test", "deny-rule http://a.test"),
        ("!DELETE a.test", "deny-rule DELETE a.test"),
        ("!a.test/admin/**", "deny-rule a.test/admin/**"),
        ("report; !a.test", "report a.test"),
        ("!a.test:80", "allow a.test:443"),
        ("!b.test", "allow a.test:443"),
        ("!x.a.test", "allow a.test:443"),
        // What allows requests neither adds to a tunnel nor takes from it.
        ("GET a.test/v1/**", "allow a.test:443"),
    ] {
        let rules = format!("@a.test:443; {rules}");
        assert_eq!(verdict(&rules, "a.test:443"), expected, "{rules}");
    }
    assert_eq!(verdict("!a.test", "a.test:443"), "deny-rule a.test", "the reason that says most");
    assert_eq!(verdict("report; !a.test", "a.test:443"), "deny-rule a.test", "no mode grants one");
}

#[test]
#[rustfmt::skip] // one row a line
fn a_rule_that_asks_asks_about_a_tunnel_unless_it_is_broader() {
    for (rules, expected) in [
        ("?a.b.test", "ask a.b.test"),
        ("?POST a.b.test", "ask POST a.b.test"),
        ("?a.b.test/admin/**", "ask a.b.test/admin/**"),
        ("?a.b.test:443", "ask a.b.test:443"),
        ("report; ?a.b.test", "report a.b.test"),
        ("?*.b.test:443", "allow a.b.test:443"),
        ("?a.b.test:400-500", "allow a.b.test:443"),
        ("?a.b.test:80", "allow a.b.test:443"),
        ("?c.test", "allow a.b.test:443"),
    ] {
        let rules = format!("@a.b.test:443; {rules}");
        assert_eq!(verdict(&rules, "a.b.test:443"), expected, "{rules}");
    }
}

#[test]
#[rustfmt::skip] // one row a line
fn a_tunnel_leads_to_public_addresses_or_to_those_of_its_own_list() {
    for (rules, to, address, permits) in [
        ("@a.test:22", "a.test:22", "8.8.8.8", true),
        ("@a.test:22", "a.test:22", "10.0.0.1", false),
        ("@a.test:22", "a.test:22", "127.0.0.1", false),
        ("@a.test:22", "a.test:22", "169.254.169.254", false),
        ("@a.test:22", "a.test:22", "::ffff:10.0.0.1", false),
        ("@a.test:22 to 10.0.0.1", "a.test:22", "10.0.0.1", true),
        ("@a.test:22 to 10.0.0.1", "a.test:22", "10.0.0.2", false),
        ("@a.test:22 to 10.0.0.1", "a.test:22", "8.8.8.8", false),
        ("@a.test:22 to public,10.0.0.0/8", "a.test:22", "8.8.8.8", true),
        // The list of a rule opens nothing for a tunnel, nor another tunnel's.
        ("@a.test:22; a.test:22 to 10.0.0.1", "a.test:22", "10.0.0.1", false),
        ("@a.test:22; @a.test:23 to 10.0.0.1", "a.test:22", "10.0.0.1", false),
        ("@10.0.0.1:22", "10.0.0.1:22", "10.0.0.1", true),
        ("@10.0.0.1:22", "10.0.0.1:22", "10.0.0.2", false),
        ("@localhost:22", "localhost:22", "127.0.0.1", true),
        ("@localhost:22", "localhost:22", "8.8.8.8", false),
        // A rule that denies an address denies it under every name.
        ("@a.test:22; !8.8.8.8", "a.test:22", "8.8.8.8", false),
        ("@a.test:22; !8.8.0.0/16", "a.test:22", "8.8.8.8", false),
        ("@a.test:22; !GET http://8.8.8.8:80/x", "a.test:22", "8.8.8.8", true),
        ("@a.test:80; !GET http://8.8.8.8:80/x", "a.test:80", "8.8.8.8", false),
        ("@a.test:22 to 10.0.0.0/8; !10.0.0.1", "a.test:22", "10.0.0.1", false),
    ] {
        let checked = policy(rules).check_tunnel(endpoint(to)).unwrap();
        let address: IpAddr = address.parse().unwrap();
        assert_eq!(checked.permits(address), permits, "{rules} at {address}");
    }
}

#[test]
fn every_author_has_to_grant_a_tunnel() {
    let both = policy("@a.test:22").intersect(&policy("@a.test:22; any"));
    assert!(both.check_tunnel(endpoint("a.test:22")).is_ok());
    for (one, other) in [
        ("@a.test:22", "any:1-65535"),
        ("@a.test:22", "@a.test:23"),
        ("@a.test:22", "report"),
        ("@a.test:22", "@a.test:22; !a.test"),
    ] {
        for (a, b) in [(one, other), (other, one)] {
            let both = policy(a).intersect(&policy(b));
            assert!(both.check_tunnel(endpoint("a.test:22")).is_err(), "{a} {b}");
        }
    }
    let addresses = policy("@a.test:22 to 10.0.0.0/8").intersect(&policy("@a.test:22 to 10.0.0.1"));
    let checked = addresses.check_tunnel(endpoint("a.test:22")).unwrap();
    assert!(checked.permits("10.0.0.1".parse().unwrap()));
    assert!(!checked.permits("10.0.0.2".parse().unwrap()));
}

#[test]
fn a_policy_that_is_narrowed_by_rules_has_no_tunnel_left() {
    let wide = policy("any; @a.test:443");
    let narrow = wide.narrow(["https://a.test"]).unwrap();
    assert!(wide.check_tunnel(endpoint("a.test:443")).is_ok());
    assert!(narrow.check_tunnel(endpoint("a.test:443")).is_err());
    assert!(wide.names_tunnel(&endpoint("a.test:443")));
    assert!(!narrow.names_tunnel(&endpoint("a.test:443")));
    assert!(wide.covers(&narrow) && !narrow.covers(&wide));
    let host = Host::parse("a.test").unwrap();
    assert!(wide.names_tunnel_to(&host) && !narrow.names_tunnel_to(&host));
    assert!(!wide.names_tunnel_to(&Host::parse("b.test").unwrap()));
    // What is added is the first author's, and the others have to grant it too.
    let more = || ["b.test:1".parse().unwrap()];
    assert!(
        wide.with_tunnels(more())
            .check_tunnel(endpoint("b.test:1"))
            .is_ok()
    );
    assert!(
        narrow
            .with_tunnels(more())
            .check_tunnel(endpoint("b.test:1"))
            .is_err()
    );
    // Other rules of the first author leave the grants.
    let other = wide.with_rules(crate::rules::Rules::default());
    assert!(other.check_tunnel(endpoint("a.test:443")).is_ok());
}

#[test]
#[rustfmt::skip] // one row a line
fn a_policy_covers_the_tunnels_that_it_grants_itself() {
    for (outer, inner, covers) in [
        ("@a.test:22", "", true),
        ("", "@a.test:22", false),
        ("any:1-65535", "@a.test:22", false),
        ("report", "@a.test:22", false),
        ("@a.test:22", "@A.TEST:22", true),
        ("@a.test:22", "@a.test:23", false),
        ("@a.test:22", "a.test:22", false),
        ("@a.test:22", "@a.test:22 to 10.0.0.1", false),
        ("@a.test:22 to 10.0.0.0/8", "@a.test:22 to 10.0.0.1", true),
        ("@a.test:22; !a.test", "@a.test:22", false),
        ("@a.test:22; !a.test/x", "@a.test:22; !a.test/x", true),
        ("@a.test:22; !8.8.8.8", "@a.test:22", false),
        ("@a.test:22; !b.test", "@a.test:22", true),
        ("@a.test:22; ?a.test:22", "@a.test:22", false),
        ("@a.test:22; ?a.test:22", "@a.test:22; ?a.test:22", true),
        ("@a.b.test:22; ?*.b.test:22", "@a.b.test:22", true),
        ("report; @a.test:22; !a.test", "@a.test:22", true),
    ] {
        let (outer_policy, inner_policy) = (policy(outer), policy(inner));
        assert_eq!(outer_policy.covers(&inner_policy), covers, "{outer} covers {inner}");
        let uncovered = outer_policy.uncovered_tunnels(&inner_policy);
        assert_eq!(uncovered.is_empty(), covers || !inner.contains('@'), "{outer} {inner} {uncovered:?}");
    }
}

#[test]
fn a_grant_lets_no_request_and_no_connection_pass() {
    let policy = policy("@a.test:443");
    assert!(policy.check_connect(endpoint("a.test:443")).is_err());
    assert!(policy.denies_everything());
}

#[test]
#[rustfmt::skip] // one row a line
fn a_text_that_is_not_one_host_and_one_port_is_refused() {
    for (text, expected) in [
        ("a.test", "'a.test' names no single port: write one, such as 'a.test:5432'"),
        ("[::1]", "'[::1]' names no single port: write one, such as '[::1]:5432'"),
        ("a.test:1-2", "'a.test:1-2' names no single port"),
        ("*.a.test:22", "'*.a.test:22' means more than one host"),
        ("any:22", "'any:22' means more than one host"),
        ("10.0.0.0/8:22", "'10.0.0.0/8:22' means more than one host"),
        ("https://a.test:22", "'https://a.test:22' has a scheme"),
        ("GET a.test:22", "'GET a.test:22' has methods"),
        ("a.test:22/x", "'a.test:22/x' has a path"),
        ("a.test:0", "'0' is not a port"),
        ("a.test:022", "'022' is not a port"),
        ("*.com:22", "'*.com' would allow"),
        ("a.test:22 to 0.0.0.0/0", "'0.0.0.0/0' is a large part"),
        ("10.0.0.1:22 to 10.0.0.1", "'to' limits the addresses of a name"),
        ("", "the rule is empty"),
        ("a.test:22 ", "'a.test:22' is not a list of methods"),
    ] {
        let error = text.parse::<TunnelGrant>().unwrap_err().to_string();
        assert!(error.starts_with(expected), "{text}: {error}");
        assert!(!error.contains('\n'), "{error}");
    }
    for text in ["a.test:22", "a.test:1-1", "[::1]:22", "a.test:22 to public,10.0.0.1"] {
        assert_eq!(text.parse::<TunnelGrant>().unwrap().as_str(), text);
    }
}

#[test]
fn a_policy_file_has_tunnels_and_names_the_line_of_a_bad_one() {
    let read = |value: &str| {
        let text = format!("version = 1\ntunnel = {value}\n[end]\n");
        Document::parse(&text)
    };
    let document = read("['a.test:22', '10.0.0.1:23']").unwrap();
    let names: Vec<_> = document.tunnel.iter().map(TunnelGrant::as_str).collect();
    assert_eq!(names, ["a.test:22", "10.0.0.1:23"]);
    assert!(document.check().is_ok());
    for (value, expected) in [
        (
            "['a.test']",
            "line 2: tunnel: 'a.test' names no single port",
        ),
        ("['*.com:22']", "line 2: the rule '*.com:22' is refused: "),
        ("['u:p@a.test:22']", "line 2: the rule is refused: "),
        ("'a.test:22'", "line 2: tunnel: expected a list of strings"),
        ("[22]", "line 2: tunnel: expected a string"),
    ] {
        let error = read(value).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    let close = Document::parse("version = 1\ntunnels = []\n[end]\n").unwrap_err();
    assert!(
        close.to_string().contains("did you mean 'tunnel'?"),
        "{close}"
    );
}

#[test]
fn a_denial_says_how_to_have_the_tunnel() {
    let denial = policy("any")
        .check_tunnel(endpoint("[::1]:22"))
        .unwrap_err();
    assert_eq!(denial.reason, DenyReason::NoRule);
    assert_eq!(
        denial.message,
        "sandbox-net denied a tunnel to [::1]:22: no tunnel to it is granted (reason no-rule, rule \
         default-deny); to allow it, add '[::1]:22' to the policy's 'tunnel' (--tunnel [::1]:22), \
         which hides from the policy what it carries"
    );
    let checked = policy("@a.test:22")
        .check_tunnel(endpoint("a.test:22"))
        .unwrap();
    let private = checked
        .check_address("10.0.0.1".parse().unwrap())
        .unwrap_err();
    assert!(
        private
            .message
            .contains("write 'a.test:22 to ADDRESS' in 'tunnel'"),
        "{private}"
    );
    let asked = policy("@a.test:22; ?a.test:22")
        .check_tunnel(endpoint("a.test:22"))
        .unwrap_err();
    assert!(
        asked.message.contains("remove that rule from 'ask'"),
        "{asked}"
    );
}
