//! What stays and what changes when a policy is replaced.

use sandbox_net_egress::test_support::config;
use sandbox_net_egress::{EgressError, Limit};
use sandbox_net_policy::{Budgets, DenyReason, Document, Mode, Rule};

use super::*;
use crate::audit::AuditLog;
use crate::secrets::Vault;
use crate::testing::{authorized, denied, reflecting};

fn rule(text: impl std::fmt::Display) -> Rule {
    text.to_string().parse().unwrap()
}

fn secret(name: &str, value: &str) -> Secret {
    Secret::new(name, rule("https://api.test"), SecretSource::value(value))
}

/// A document with budgets, secrets and grants.
fn document() -> Document {
    Document {
        allow: vec![rule("https://api.test")],
        budgets: Budgets {
            requests: Some(3),
            hosts: Some(2),
            ..Budgets::default()
        },
        secrets: vec![secret("a", "value-of-a"), secret("b", "value-of-b")],
        tls: vec!["own_roots https://api.test".parse().unwrap()],
        ..Document::default()
    }
}

fn gateway(document: &Document) -> Gateway {
    let vault = Vault::open(&document.secrets).unwrap();
    let builder = Gateway::builder().secrets(vault);
    builder.build(document.clone().into(), config())
}

#[tokio::test]
async fn a_policy_with_the_present_budgets_and_secrets_is_accepted() {
    let document = document();
    let gateway = gateway(&document);
    for _ in 0..2 {
        gateway.replace_policy(gateway.policy()).unwrap();
        let policy = gateway.policy();
        assert_eq!(*policy.budgets(), document.budgets);
        assert_eq!(policy.secrets(), document.secrets);
        // Without any, those of the sandbox stay.
        gateway.replace_policy(Policy::deny_all()).unwrap();
        let policy = gateway.policy();
        assert!(policy.denies_everything());
        assert_eq!(*policy.budgets(), document.budgets);
        assert_eq!(policy.secrets(), document.secrets);
    }
    let narrow = Policy::from(document).narrow(["GET https://api.test"]);
    gateway.replace_policy(narrow.unwrap()).unwrap();
}

#[tokio::test]
async fn another_budget_or_secret_is_refused_by_name() {
    type Change = fn(&mut Document);
    let cases: [(Change, &str); 9] = [
        (
            |it| it.budgets.requests = Some(4),
            "another budget 'requests': 4, not 3;",
        ),
        (
            |it| it.budgets.hosts = None,
            "another budget 'hosts': none, not 2;",
        ),
        (
            |it| it.budgets.denials = Some(1),
            "another budget 'denials': 1, not none;",
        ),
        (
            |it| drop(it.secrets.pop()),
            "the new one lacks the secret 'b';",
        ),
        (
            |it| it.secrets.push(secret("c", "value-of-c")),
            "the new one adds the secret 'c';",
        ),
        (
            |it| it.secrets[1] = secret("b", "value-of-b"),
            "the new one changes the secret 'b';",
        ),
        (
            |it| it.secrets[0].plain_http = true,
            "the new one changes the secret 'a';",
        ),
        (
            |it| it.secrets.swap(0, 1),
            "the new one has them in another order;",
        ),
        (
            |it| it.allow = vec![Rule::parse_deny("*.com").unwrap()],
            "allow: the rule '*.com'",
        ),
    ];
    for (change, expected) in cases {
        let document = document();
        let gateway = gateway(&document);
        let mut changed = document.clone();
        change(&mut changed);
        let said = gateway.replace_policy(changed.into()).unwrap_err();
        let said = said.to_string();
        assert!(said.contains(expected), "{said}");
        assert!(!said.contains("value-of") && !said.contains('\n'), "{said}");
        assert_eq!(gateway.policy().allow_rules().count(), 1);
        assert_eq!(
            gateway.policy().allow_rules().next(),
            document.allow.first()
        );
    }
}

#[tokio::test]
async fn rules_are_replaced_and_what_is_used_of_the_budgets_stays() {
    let (server, mut requests) = reflecting().await;
    let origin = server.http();
    let mut document = document();
    document.allow = vec![rule(&origin)];
    let gateway = gateway(&document);
    authorized(&gateway, &origin, "1").await.unwrap();
    gateway
        .set_rules(Rules::default().allow("https://other.test").unwrap())
        .unwrap();
    let denial = denied(authorized(&gateway, &origin, "2").await);
    assert_eq!(denial.reason, DenyReason::NoRule);
    let again = || Rules::default().allow(origin.to_string()).unwrap();
    gateway.set_rules(again()).unwrap();
    authorized(&gateway, &origin, "3").await.unwrap();
    gateway.set_rules(again().mode(Mode::Report)).unwrap();
    assert!(gateway.policy().reports_only());
    authorized(&gateway, &origin, "4").await.unwrap();
    let over = authorized(&gateway, &origin, "5").await;
    assert_eq!(over.unwrap_err(), EgressError::Limit(Limit::Requests));
    for sent in ["1", "3", "4"] {
        let request = requests.recv().await.unwrap();
        assert!(
            request.contains(&format!("Authorization: {sent}\r\n")),
            "{request}"
        );
    }
    assert!(requests.try_recv().is_err());
    assert_eq!(server.accepted(), 3, "no connection is used again");
    gateway.set_rules(again()).unwrap();
    let policy = gateway.policy();
    assert_eq!(policy.secrets(), document.secrets);
    let endpoint = sandbox_net_policy::Endpoint::new("api.test", 443).unwrap();
    assert_eq!(policy.granted_tls(&endpoint).len(), 1);
}

#[tokio::test]
async fn rules_that_are_replaced_stay_within_the_policies_that_narrow() {
    let (server, _requests) = reflecting().await;
    let (other, _others) = reflecting().await;
    let narrowing = Policy::allow([rule(server.http())]);
    let wide = Policy::allow([rule("https://api.test")]).intersect(&narrowing);
    let gateway = Gateway::new(wide, config(), AuditLog::new());
    let rules = Rules::default().allow(server.http().to_string()).unwrap();
    let rules = rules.allow(other.http().to_string()).unwrap();
    gateway.set_rules(rules).unwrap();
    authorized(&gateway, &server.http(), "1").await.unwrap();
    let denial = denied(authorized(&gateway, &other.http(), "1").await);
    assert_eq!(denial.reason, DenyReason::NoRule);
    assert_eq!(other.accepted(), 0);
    let mut broad = Rules::default();
    broad.allow = vec![Rule::parse_deny("*.com").unwrap()];
    let said = gateway.set_rules(broad).unwrap_err().to_string();
    assert!(
        said.starts_with("allow: the rule '*.com' is refused"),
        "{said}"
    );
    authorized(&gateway, &server.http(), "2").await.unwrap();
}
