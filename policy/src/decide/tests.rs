//! What rules, modes, TLS and fields do to a request, and what a denial says.

mod paths;

use super::*;
use crate::denial::{DEFAULT_DENY, DenyReason};
use crate::testing::policy as parse;
use crate::tls::{TlsOverride, Verification};

fn policy(rules: &[&str]) -> Policy {
    parse(&rules.join(";"))
}

fn endpoint(host: &str, port: u16) -> Endpoint {
    Endpoint::new(host, port).unwrap()
}

fn verdict(request: Operation<'_>, policy: &Policy) -> Result<String, DenyReason> {
    match decide(&request, policy) {
        Decision::Allow { rule } => Ok(rule),
        Decision::Deny(denial) => Err(denial.reason),
        other => panic!("{other:?}"),
    }
}

fn denial(request: Operation<'_>, policy: &Policy) -> Denial {
    match decide(&request, policy) {
        Decision::Deny(denial) => denial,
        other => panic!("{other:?}"),
    }
}

fn fields(list: &[(&str, &str)]) -> Vec<(Vec<u8>, Vec<u8>)> {
    list.iter()
        .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
        .collect()
}

#[test]
fn an_empty_policy_denies_everything() {
    let endpoint = endpoint("example.com", 443);
    for policy in [Policy::deny_all(), Policy::default(), policy(&[])] {
        let denial = denial(
            Operation::Connect {
                endpoint: &endpoint,
            },
            &policy,
        );
        assert_eq!(
            (denial.reason, &*denial.rule),
            (DenyReason::NoRule, DEFAULT_DENY)
        );
    }
}

#[test]
fn connecting_needs_a_rule_for_some_scheme_on_that_port() {
    let policy = policy(&["https://Example.com", "*.example.com", "api.test:8080"]);
    for (host, port, rule) in [
        ("example.com", 443, Some("https://Example.com")),
        ("example.com", 80, None),
        ("a.example.com", 80, Some("*.example.com")),
        ("a.example.com", 443, Some("*.example.com")),
        ("a.example.com", 8080, None),
        ("api.test", 8080, Some("api.test:8080")),
        ("api.test", 443, None),
        ("evil.test", 443, None),
        ("127.0.0.1", 443, None),
    ] {
        let endpoint = endpoint(host, port);
        let expected = rule.map(str::to_owned).ok_or(DenyReason::NoRule);
        assert_eq!(
            verdict(
                Operation::Connect {
                    endpoint: &endpoint
                },
                &policy
            ),
            expected
        );
    }
}

#[test]
#[rustfmt::skip] // one row a line
fn tls_needs_https_allowed_and_the_hosts_own_name_and_verification() {
    use DenyReason::{HostMismatch, NoRule, TlsOptions};
    let policy = policy(&[
        "api.test:8443",
        "http://plain.test:8080",
        "127.0.0.1",
        "[::1]",
    ]);
    for (host, port, server_name, verify, denied) in [
        ("api.test", 8443, Some("api.test"), true, None),
        ("api.test", 8443, Some("API.TEST."), true, None),
        ("api.test", 8443, None, true, None),
        ("api.test", 8443, Some(""), true, Some(HostMismatch)),
        (
            "api.test",
            8443,
            Some("other.test"),
            true,
            Some(HostMismatch),
        ),
        (
            "api.test",
            8443,
            Some("api.test:8443"),
            true,
            Some(HostMismatch),
        ),
        (
            "api.test",
            8443,
            Some("other.test"),
            false,
            Some(HostMismatch),
        ),
        ("api.test", 8443, Some("api.test"), false, Some(TlsOptions)),
        ("plain.test", 8080, Some("plain.test"), true, Some(NoRule)),
        ("127.0.0.1", 443, None, true, None),
        ("127.0.0.1", 443, Some(""), true, None),
        ("127.0.0.1", 443, Some("127.0.0.1"), true, None),
        ("127.0.0.1", 443, Some("api.test"), true, Some(HostMismatch)),
        ("::1", 443, Some("0::1"), true, None),
        ("::1", 443, Some("[::1]"), true, Some(HostMismatch)),
    ] {
        let endpoint = endpoint(host, port);
        let request = Operation::Tls {
            endpoint: &endpoint,
            server_name,
            tls: TlsOverrides {
                verification: match verify {
                    true => Verification::Full,
                    false => Verification::None,
                },
                ..TlsOverrides::default()
            },
        };
        assert_eq!(
            verdict(request, &policy).err(),
            denied,
            "{host} {server_name:?} {verify}"
        );
    }
}

#[test]
#[rustfmt::skip] // one row a line
fn an_exchange_is_checked_on_scheme_method_and_fields() {
    use DenyReason::{Field, HostMismatch, Malformed, Method, NoRule};
    let policy = policy(&["https://api.test", "http://api.test:8080"]);
    let ok = &[("Host", "api.test"), ("Accept", "*/*")][..];
    for (scheme, port, method, path, list, denied) in [
        (Scheme::Https, 443, "GET", "/", ok, None),
        (Scheme::Https, 443, "GET", "/", &[][..], None),
        (Scheme::Http, 80, "GET", "/", ok, Some(NoRule)),
        (Scheme::Http, 443, "GET", "/", ok, Some(NoRule)),
        (Scheme::Https, 8080, "GET", "/", &[], Some(NoRule)),
        (Scheme::Http, 8080, "GET", "/", &[], None),
        (Scheme::Https, 443, "CONNECT", "/", ok, Some(Method)),
        (Scheme::Https, 443, "cOnNeCt", "/", ok, Some(Method)),
        (Scheme::Https, 443, "trace", "/", ok, Some(Method)),
        (Scheme::Https, 443, "TRACER", "/", ok, None),
        (
            Scheme::Https,
            443,
            "GET",
            "/",
            &[("host", "other.test")],
            Some(HostMismatch),
        ),
        (
            Scheme::Https,
            443,
            "GET",
            "/",
            &[("Upgrade", "h2c")],
            Some(Field),
        ),
        // `syntax::check_head` rejects such nonsense, but this must not allow it either.
        (Scheme::Https, 443, "GET /", "/", ok, Some(Malformed)),
        (Scheme::Https, 443, "get", "/", ok, Some(Method)),
        (
            Scheme::Https,
            443,
            "GET",
            "http://other.test/",
            ok,
            Some(Malformed),
        ),
        (
            Scheme::Https,
            443,
            "GET",
            "/",
            &[("A", "b\r\nHost: c")],
            Some(Malformed),
        ),
    ] {
        let origin = Origin {
            scheme,
            endpoint: endpoint("api.test", port),
        };
        let fields = fields(list);
        let (method, path) = (method.as_bytes(), path.as_bytes());
        let request = Operation::Request {
            origin: &origin,
            method,
            path,
            fields: &fields,
        };
        assert_eq!(
            verdict(request, &policy).err(),
            denied,
            "{origin} {method:?} {list:?}"
        );
    }
}

#[test]
fn a_denial_says_on_one_line_what_was_denied_why_and_what_would_allow_it() {
    let policy = policy(&["https://secret-partner.test", "api.test:8443"]);
    let (evil, api) = (endpoint("evil.test", 8080), endpoint("api.test", 8443));
    let plain = Origin {
        scheme: Scheme::Http,
        endpoint: evil.clone(),
    };
    let https = Origin {
        scheme: Scheme::Https,
        endpoint: api.clone(),
    };
    let upgrade = fields(&[("uPGRADE", "x")]);
    let host = fields(&[("Host", "a.test")]);
    let twice = fields(&[("Host", "api.test"), ("host", "api.test")]);
    let exchange = |origin, method, fields| Operation::Request {
        origin,
        method,
        path: b"/",
        fields,
    };
    for (request, message) in [
        (
            Operation::Connect { endpoint: &evil },
            "evil.test:8080: no rule allows it (reason no-rule, rule default-deny); to allow \
             it, add the rule 'evil.test:8080'",
        ),
        (
            exchange(&plain, b"GET", &[]),
            "http://evil.test:8080: no rule allows it (reason no-rule, rule default-deny); to \
             allow it, add the rule 'http://evil.test:8080'",
        ),
        (
            Operation::Tls {
                endpoint: &api,
                server_name: Some("a\n.test"),
                tls: TlsOverrides::default(),
            },
            "https://api.test:8443: the TLS server name differs from the host of the connection \
             (reason host-mismatch, rule default-deny); no rule can allow it: connect to that host \
             directly",
        ),
        (
            Operation::Tls {
                endpoint: &api,
                server_name: None,
                tls: [TlsOverride::Unverified].into_iter().collect(),
            },
            "https://api.test:8443: TLS without verification is not granted (reason \
             tls-options, rule default-deny); to allow it, use a [[tls]] table of the policy or \
             --tls 'unverified https://api.test:8443' to grant 'unverified'",
        ),
        (
            exchange(&https, b"Trace", &[]),
            "https://api.test:8443: sandbox-net never sends the method TRACE (reason method, rule \
             default-deny); no rule can allow it",
        ),
        (
            exchange(&https, b"GET", &upgrade),
            "https://api.test:8443: sandbox-net does not upgrade connections, to WebSocket or \
             anything else (reason field, rule default-deny); no rule can allow it: remove the field",
        ),
        (
            exchange(&https, b"GET", &host),
            "https://api.test:8443: the 'Host' field differs from the host of the connection \
             (reason host-mismatch, rule default-deny); no rule can allow it: connect to that host \
             directly",
        ),
        (
            exchange(&https, b"GET", &twice),
            "https://api.test:8443: the 'Host' field appears twice (reason host-mismatch, rule \
             default-deny); no rule can allow it: send it once",
        ),
    ] {
        let denial = denial(request, &policy);
        assert_eq!(denial.message, format!("sandbox-net denied {message}"));
        assert_eq!(denial.to_string(), denial.message);
    }
}

#[test]
#[rustfmt::skip] // one row a line
fn rules_by_method_path_port_and_network_decide_and_those_that_deny_win() {
    use DenyReason::{DenyRule, NoRule};
    for (rules, url, method, path, denied) in [
        ("GET,HEAD a.test", "https://a.test:443", "GET", "/", None),
        ("GET,HEAD a.test", "https://a.test:443", "POST", "/", Some(NoRule)),
        ("GET a.test; POST a.test/v1/**", "https://a.test:443", "POST", "/v1/x", None),
        ("GET a.test; POST a.test/v1/**", "https://a.test:443", "POST", "/v2/x", Some(NoRule)),
        ("a.test/v1/**", "https://a.test:443", "GET", "/v1/x?/../y", None),
        ("a.test:8000-8002", "http://a.test:8002", "GET", "/", None),
        ("a.test:8000-8002", "http://a.test:8003", "GET", "/", Some(NoRule)),
        ("10.0.0.0/8", "http://10.1.2.3:80", "GET", "/", None),
        ("10.0.0.0/8:8080", "http://10.1.2.3:80", "GET", "/", Some(NoRule)),
        ("169.254.0.0/16", "http://169.254.169.254:80", "GET", "/", Some(NoRule)),
        ("169.254.169.254", "http://169.254.169.254:80", "GET", "/", None),
        ("any", "https://a.test:443", "GET", "/", None),
        ("any", "http://8.8.8.8:80", "GET", "/", None),
        ("any", "http://10.0.0.1:80", "GET", "/", Some(NoRule)),
        ("any", "http://localhost:80", "GET", "/", Some(NoRule)),
        ("a.test; !a.test", "https://a.test:443", "GET", "/", Some(DenyRule)),
        ("any; !*.test", "https://a.test:443", "GET", "/", Some(DenyRule)),
        ("a.test; !DELETE a.test", "https://a.test:443", "GET", "/", None),
        ("a.test; !DELETE a.test", "https://a.test:443", "DELETE", "/", Some(DenyRule)),
        ("a.test; !a.test/admin/**", "https://a.test:443", "GET", "/a/../admin/x", Some(DenyRule)),
        ("a.test; !http://a.test", "https://a.test:443", "GET", "/", None),
        ("a.test:8080; !a.test:8000-9000", "http://a.test:8080", "GET", "/", Some(DenyRule)),
        ("[::ffff:10.0.0.1]; !10.0.0.0/8", "http://[::ffff:10.0.0.1]:80", "GET", "/", Some(DenyRule)),
    ] {
        let (scheme, rest) = url.split_once("://").unwrap();
        let (host, port) = rest.rsplit_once(':').unwrap();
        let scheme = if scheme == "http" { Scheme::Http } else { Scheme::Https };
        let host = host.trim_matches(['[', ']']);
        let origin = Origin { scheme, endpoint: endpoint(host, port.parse().unwrap()) };
        let (method, path) = (method.as_bytes(), path.as_bytes());
        let request = Operation::Request { origin: &origin, method, path, fields: &[] };
        assert_eq!(verdict(request, &parse(rules)).err(), denied, "{rules}: {url}{path:?}");
    }
}

/// A rule that asks is never silently passed over for a broader one that allows.
#[test]
#[rustfmt::skip] // one row a line
fn what_a_rule_asks_about_is_asked_unless_a_narrower_rule_allows_it() {
    let text = |decision| match decision {
        Decision::Allow { rule } => format!("allow {rule}"),
        Decision::Ask { rule, .. } => format!("ask {rule}"),
        Decision::Report(denial) => format!("report {}", denial.reason),
        Decision::Deny(denial) => format!("deny {}", denial.reason),
    };
    let pay = "a.test; ?POST a.test/pay/**";
    let free = "?a.test; GET a.test/free/**";
    for (rules, what, expected) in [
        (pay, "POST a.test/pay/all", "ask POST a.test/pay/**"),
        (pay, "POST a.test/other", "allow a.test"),
        (pay, "GET a.test/pay/all", "allow a.test"),
        (pay, "a.test", "allow a.test"),
        (free, "GET a.test/free/x", "allow GET a.test/free/**"),
        (free, "POST a.test/free/x", "ask a.test"),
        (free, "GET a.test/other", "ask a.test"),
        (free, "a.test", "allow GET a.test/free/**"),
        ("*.b.test; ?a.b.test", "GET a.b.test/", "ask a.b.test"),
        ("*.b.test; ?a.b.test", "a.b.test", "ask a.b.test"),
        ("*.b.test; ?a.b.test", "GET c.b.test/", "allow *.b.test"),
        ("?any; a.test", "GET a.test/", "allow a.test"),
        ("?any; a.test", "GET c.test/", "ask any"),
        ("a.test; ?a.test", "GET a.test/", "ask a.test"),
        // Neither is within the other one.
        ("GET,POST a.test; ?POST,PUT a.test", "POST a.test/", "ask POST,PUT a.test"),
        ("GET,POST a.test; ?POST,PUT a.test", "GET a.test/", "allow GET,POST a.test"),
        // A narrower rule has to be within each that asks.
        ("?any; ?POST a.test; a.test", "POST a.test/", "ask any"),
        ("?any; ?POST a.test; a.test", "GET a.test/", "allow a.test"),
        ("a.test; ?POST a.test; !POST a.test/no", "POST a.test/no", "deny deny-rule"),
        ("report; a.test; ?POST a.test", "POST a.test/", "report hook"),
    ] {
        let policy = parse(rules);
        let endpoint = |host: &str| endpoint(host, 443);
        let decision = match what.split_once(' ') {
            None => text(decide(&Operation::Connect { endpoint: &endpoint(what) }, &policy)),
            Some((method, url)) => {
                let (host, path) = url.split_at(url.find('/').unwrap());
                let origin = Origin { scheme: Scheme::Https, endpoint: endpoint(host) };
                text(decide(
                    &Operation::Request {
                        origin: &origin,
                        method: method.as_bytes(),
                        path: path.as_bytes(),
                        fields: &[],
                    },
                    &policy,
                ))
            }
        };
        assert_eq!(decision, expected, "{rules}: {what}");
    }
}

#[test]
#[rustfmt::skip] // one row a line
fn modes_and_several_authors_give_the_strictest_answer() {
    let name = |decision| match decision {
        Decision::Allow { rule } => format!("allow {rule}"),
        Decision::Report(denial) => format!("report {}", denial.reason),
        Decision::Ask { rule, .. } => format!("ask {rule}"),
        Decision::Deny(denial) => format!("deny {}", denial.reason),
    };
    for (authors, host, expected) in [
        (&["a.test"][..], "a.test", "allow a.test"),
        (&["report; a.test"], "a.test", "allow a.test"),
        (&["report"], "a.test", "report no-rule"),
        (&["report; !a.test"], "a.test", "report deny-rule"),
        (&["report; ?https://a.test"], "a.test", "report hook"),
        (&["report"], "169.254.169.254", "deny no-rule"),
        (&["ask"], "169.254.169.254", "deny no-rule"),
        (&["ask; 169.254.169.254"], "169.254.169.254", "allow 169.254.169.254"),
        (&["ask"], "a.test", "ask ask-mode"),
        (&["ask; !a.test"], "a.test", "deny deny-rule"),
        (&["?a.test"], "a.test", "ask a.test"),
        (&["?a.test"], "b.test", "deny no-rule"),
        (&["*.b.test", "a.b.test"], "a.b.test", "allow a.b.test"),
        (&["a.test", "b.test"], "a.test", "deny no-rule"),
        (&["b.test", "a.test"], "a.test", "deny no-rule"),
        (&["report", "a.test"], "a.test", "report no-rule"),
        (&["report", "?a.test"], "a.test", "ask a.test"),
        (&["report", "!a.test; a.test"], "a.test", "deny deny-rule"),
    ] {
        let mut policies = authors.iter().map(|author| parse(author));
        let first = policies.next().unwrap();
        let policy = policies.fold(first, |all, next| all.intersect(&next));
        let endpoint = endpoint(host, 443);
        let request = Operation::Connect { endpoint: &endpoint };
        assert_eq!(name(decide(&request, &policy)), expected, "{authors:?} {host}");
    }
}

#[test]
fn a_denial_by_method_or_path_proposes_exactly_that_and_a_rule_that_denies_is_named() {
    let policy = parse("GET a.test; POST a.test/v1/**; !a.test/admin/**");
    let origin = crate::testing::origin(Scheme::Https, "a.test", 443);
    for (method, path, message) in [
        (
            "POST",
            "/v2/x?y",
            "https://a.test:443: no rule allows this method and path (reason no-rule, rule \
             default-deny); to allow it, add the rule 'POST https://a.test/v2/x'",
        ),
        (
            "PUT",
            "/",
            "https://a.test:443: no rule allows this method and path (reason no-rule, rule \
             default-deny); to allow it, add the rule 'PUT https://a.test/*', which also allows \
             paths of one segment, such as '/x'",
        ),
        (
            "PUT",
            "/v2/%2e%2e/x",
            "https://a.test:443: no rule allows this method and path (reason no-rule, rule \
             default-deny); to allow it, add the rule 'PUT https://a.test/**'",
        ),
        (
            "GET",
            "/admin/",
            "https://a.test:443: a rule denies it (reason deny-rule, rule a.test/admin/**); to \
             allow it, remove that rule from 'deny'",
        ),
    ] {
        let request = Operation::Request {
            origin: &origin,
            method: method.as_bytes(),
            path: path.as_bytes(),
            fields: &[],
        };
        let denial = denial(request, &policy);
        assert_eq!(denial.message, format!("sandbox-net denied {message}"));
    }
}
