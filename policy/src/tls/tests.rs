use super::*;
use crate::decide::{Decision, decide};
use crate::denial::DenyReason;
use crate::operation::Operation;
use crate::target::Endpoint;
use crate::testing::policy;

fn request(settings: &[TlsOverride]) -> TlsOverrides {
    settings.iter().copied().collect()
}

#[test]
fn what_a_program_asks_for_needs_the_settings_that_it_names() {
    use TlsOverride::{ClientCertificates, OwnRoots, Unverified, UnverifiedName};
    for verification in [
        Verification::Full,
        Verification::NameUnchecked,
        Verification::None,
    ] {
        for (own_roots, client_certificate) in
            [(false, false), (true, false), (false, true), (true, true)]
        {
            let request = TlsOverrides {
                verification,
                own_roots,
                client_certificate,
            };
            let needs: Vec<_> = request.settings().collect();
            assert_eq!(
                needs.contains(&Unverified),
                verification == Verification::None
            );
            assert_eq!(
                needs.contains(&UnverifiedName),
                verification == Verification::NameUnchecked
            );
            // Without verification, own roots do not count.
            let trusts = own_roots && verification != Verification::None;
            assert_eq!(needs.contains(&OwnRoots), trusts);
            assert_eq!(needs.contains(&ClientCertificates), client_certificate);
            let again: TlsOverrides = needs.into_iter().collect();
            assert!(again.settings().eq(request.settings()), "{request:?}");
        }
    }
}

#[test]
#[rustfmt::skip] // one row a line
fn each_setting_needs_a_grant_for_its_host_in_every_layer() {
    use TlsOverride::{ClientCertificates as Client, OwnRoots as Own, Unverified, UnverifiedName as Name};
    for (rules, asked, denied) in [
        ("", &[][..], None),
        ("", &[Unverified], Some("'unverified'")),
        ("~unverified a.test", &[Unverified], None),
        ("~unverified a.test", &[Name], None),
        ("~unverified_name a.test", &[Name], None),
        ("~unverified_name a.test", &[Unverified], Some("'unverified'")),
        ("~unverified a.test", &[Own], Some("'own_roots'")),
        ("~unverified a.test", &[Unverified, Own], None),
        ("~unverified a.test", &[Name, Own], Some("'own_roots'")),
        ("~own_roots a.test; ~client_certificates any", &[Own, Client], None),
        ("~own_roots a.test", &[Own, Client], Some("'client_certificates'")),
        ("", &[Name, Own, Client], Some("'unverified_name', 'own_roots' and 'client_certificates'")),
        ("~unverified b.test", &[Unverified], Some("'unverified'")),
        ("~unverified a.test:8443", &[Unverified], Some("'unverified'")),
        ("~unverified https://a.test:1-65535", &[Unverified], None),
        ("~unverified any", &[Unverified], None),
    ] {
        let endpoint = Endpoint::new("a.test", 443).unwrap();
        let policy = policy(&format!("https://a.test; {rules}"));
        let check = |policy: &crate::policy::Policy| policy.check_tls(&endpoint, None, request(asked));
        match (check(&policy), denied) {
            (Ok(origin), None) => assert_eq!(origin.endpoint, endpoint),
            (Err(denial), Some(names)) => {
                assert_eq!((denial.reason, &*denial.rule), (DenyReason::TlsOptions, "default-deny"));
                assert!(denial.message.ends_with(&format!("grant {names}")), "{}", denial.message);
            }
            (other, _) => panic!("{rules} for {asked:?}: {other:?}"),
        }
        let without = crate::testing::policy("https://a.test");
        for both in [policy.intersect(&without), without.intersect(&policy)] {
            assert_eq!(check(&both).is_ok(), asked.is_empty(), "{rules}");
        }
    }
}

#[test]
#[rustfmt::skip] // one row a line
fn modes_report_what_is_not_granted_or_deny_it_but_never_ask() {
    for (rules, expected) in [
        ("https://a.test", "deny tls-options"),
        ("https://a.test; report", "report tls-options"),
        ("https://a.test; ask", "deny tls-options"),
        ("?https://a.test", "deny tls-options"),
        ("?https://a.test; ~unverified a.test", "ask"),
        ("https://a.test; ~unverified a.test", "allow"),
        ("https://a.test; ~unverified a.test; report", "allow"),
        ("report", "report no-rule"),
        ("~unverified a.test", "deny no-rule"),
        ("https://a.test; !a.test; ~unverified a.test", "deny deny-rule"),
    ] {
        let endpoint = &Endpoint::new("a.test", 443).unwrap();
        let tls = request(&[TlsOverride::Unverified]);
        let asked = Operation::Tls { endpoint, server_name: None, tls };
        let got = match decide(&asked, &policy(rules)) {
            Decision::Allow { .. } => "allow".to_owned(),
            Decision::Ask { .. } => "ask".to_owned(),
            Decision::Report(denial) => format!("report {}", denial.reason),
            Decision::Deny(denial) => format!("deny {}", denial.reason),
        };
        assert_eq!(got, expected, "{rules}");
    }
}

#[test]
#[rustfmt::skip] // one row a line
fn a_grant_on_one_line_is_refused_with_what_is_wrong() {
    for (text, message) in [
        ("unverified a.test", ""),
        ("unverified,own_roots https://*.example.com:8443", ""),
        ("unverified", "write the settings with commas between them, a space and a rule, such as 'unverified,own_roots https://legacy.example.com'"),
        ("https://a.test", "write the settings with commas between them, a space and a rule, such as 'unverified,own_roots https://legacy.example.com'"),
        ("unverfied a.test", "unknown TLS setting 'unverfied'; known settings: 'unverified', 'unverified_name', 'own_roots' and 'client_certificates'"),
        ("unverified, own_roots a.test", "unknown TLS setting ''; known settings: 'unverified', 'unverified_name', 'own_roots' and 'client_certificates'"),
        ("unverified GET a.test", "hosts: 'GET a.test' names methods, but TLS starts before the method is known: remove them"),
        ("unverified a.test/v1/**", "hosts: 'a.test/v1/**' has a path, but TLS starts before the path is known: remove it"),
        ("unverified a.test to 10.0.0.1", "hosts: 'a.test to 10.0.0.1' has a 'to' list: move it to the rule that allows the host"),
        ("unverified http://a.test", "hosts: 'http://a.test' is for plain HTTP, which has no TLS: write 'https://'"),
        ("unverified *", "'*' would allow every host: name the hosts, such as 'example.com' or '*.example.com', or write 'any' for every name and public address"),
    ] {
        let got = text.parse::<TlsGrants>().map_err(|error| error.to_string());
        assert_eq!(got.err().unwrap_or_default(), message, "{text}");
    }
}

#[test]
#[rustfmt::skip] // one row a line
fn a_policy_with_more_grants_is_not_covered() {
    for (outer, inner, covers, named) in [
        ("", "~unverified a.test", false, "unverified a.test"),
        ("~unverified a.test", "", true, ""),
        ("~unverified a.test", "~unverified a.test", true, ""),
        ("~unverified a.test", "~unverified_name https://a.test", true, ""),
        ("~unverified https://a.test", "~unverified a.test", true, ""),
        ("~unverified_name a.test", "~unverified a.test", false, "unverified a.test"),
        ("~unverified *.a.test", "~unverified b.a.test", true, ""),
        ("~unverified b.a.test", "~unverified *.a.test", false, "unverified *.a.test"),
        ("~own_roots a.test; ~unverified a.test", "~unverified,own_roots a.test", true, ""),
        ("~own_roots a.test", "~client_certificates,own_roots a.test", false, "client_certificates a.test"),
        ("report", "~unverified a.test", true, ""),
        ("~unverified a.test", "report", false, ""),
    ] {
        let (outer, inner) = (policy(outer), policy(inner));
        assert_eq!(outer.covers(&inner), covers, "{outer:?} covers {inner:?}");
        let uncovered = outer.uncovered_tls(&inner);
        let names: Vec<_> = uncovered.iter().map(|(it, rule)| format!("{it} {rule}")).collect();
        assert_eq!(names.join("; "), named);
    }
}
