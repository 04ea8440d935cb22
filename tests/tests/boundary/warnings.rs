//! A policy that is broader than its author can intend is warned about, only by `policy check` (its
//! own tests are beside it). The policy itself is accepted, and a run prints nothing about it.

use sandbox_net::Sandbox;
use sandbox_net::policy::{Decision, Document, Endpoint, Operation, Origin, Rule, Scheme, decide};

fn rule(text: &str) -> Rule {
    text.parse().expect("a rule")
}

#[test]
fn a_rule_says_whether_anybody_can_have_names_that_it_means() {
    for (text, domain) in [
        ("https://*.github.io", Some("github.io")),
        ("*.s3.amazonaws.com:443", Some("s3.amazonaws.com")),
        ("GET *.workers.dev/x", Some("workers.dev")),
        ("*.example.com", None),
        ("me.github.io", None),
        ("*.me.github.io", None),
        ("any", None),
    ] {
        assert_eq!(rule(text).shared_domain(), domain, "{text}");
    }
}

/// The text of the warning about a denied name beside `any`.
#[test]
fn a_name_denied_beside_any_is_still_reached_by_its_address() {
    let document = Document {
        allow: vec![rule("any")],
        deny: vec![Rule::parse_deny("bad.example.com").expect("a rule")],
        ..Document::default()
    };
    let policy = document.into();
    let is_allowed = |host: &str| {
        let endpoint = Endpoint::new(host, 443).expect("a host");
        let scheme = Scheme::Https;
        let request = Operation::Request {
            origin: &Origin { scheme, endpoint },
            method: b"GET",
            path: b"/",
            fields: &[],
        };
        matches!(decide(&request, &policy), Decision::Allow { .. })
    };
    assert!(!is_allowed("bad.example.com"));
    assert!(is_allowed("other.example.com") && is_allowed("8.8.8.8"));
}

#[tokio::test]
async fn a_run_prints_nothing_about_a_policy_that_is_warned_about() {
    let text = "version = 1\nallow = ['*.github.io', 'any']\ndeny = ['bad.test to 10.0.0.1']\n\
                [budgets]\nconnections = 4096\n[end]\n";
    let document = Document::parse(text).expect("a policy");
    let sandbox = Sandbox::builder().policy(document).build().await;
    let outcome = sandbox.expect("a sandbox").run("print(1)").await;
    let outcome = outcome.expect("a run");
    assert_eq!(
        (outcome.stdout_text(), outcome.stderr_text()),
        ("1\n".into(), "".into())
    );
}
