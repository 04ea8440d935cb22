//! The bound on lookups at once is reported by its own name.

use std::time::Duration;

use sandbox_net::{Sandbox, Script};
use sandbox_net_tests::{DnsAnswer, DnsServer};
use serde_json::{Value, json};

#[tokio::test]
async fn lookups_beyond_those_that_may_go_on_at_once_name_that_bound() {
    let dns = DnsServer::start().await;
    for number in 0..300 {
        dns.set(&format!("n{number}.silent.test"), DnsAnswer::Silence);
    }
    let sandbox = Sandbox::builder()
        .allow("*.silent.test")
        .dns_servers([dns.address()])
        .time_limit(Duration::from_secs(600))
        .build()
        .await
        .expect("a sandbox");
    let program = include_str!("../../programs/boundary/lookups.py");
    let outcome = sandbox.run(Script::code(program)).await.expect("a run");
    let told: Value = serde_json::from_slice(&outcome.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", outcome.stderr_text()));
    let text = "sandbox-net: the host's limit lookups-at-once was reached: too many names are being \
                looked up at once (at most 256); wait until some of the lookups are over";
    let refused = vec![json!(["lookups-at-once", 256, text]); 300 - 256];
    assert_eq!(told, json!([refused, 256]));
    let budgets = outcome.lookups.iter().filter_map(|it| it.budget.as_ref());
    let budgets: Vec<_> = budgets.map(|it| (&*it.key, it.value, it.fixed)).collect();
    assert!(!budgets.is_empty());
    assert!(
        budgets
            .iter()
            .all(|it| *it == ("lookups_at_once", 256, true)),
        "{budgets:?}"
    );
}
