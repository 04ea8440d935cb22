//! Secrets that get other values while requests run.

mod callbacks;
mod replacement;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sandbox_net_egress::test_support::{Server, config};
use sandbox_net_policy::{
    Denial, DenyReason, Document, Secret, SecretAnswer, SecretCallbackError, SecretSource,
};
use tokio::sync::mpsc;

use super::*;
use crate::audit::Verdict;
use crate::gateway::Gateway;

/// A gateway with the secret `key` for this server, and the secret's placeholder.
fn with_key(server: &Server, source: SecretSource) -> (Gateway, String) {
    let rule = server.http().to_string();
    let mut secret = Secret::new("key", rule.parse().unwrap(), source);
    secret.plain_http = true;
    let document = Document {
        allow: vec![rule.parse().unwrap()],
        secrets: vec![secret],
        ..Document::default()
    };
    let vault = Vault::open(&document.secrets).unwrap();
    let placeholder = vault.variables().next().unwrap().1.to_owned();
    let builder = Gateway::builder().secrets(vault);
    (builder.build(document.into(), config()), placeholder)
}

fn value(number: usize) -> String {
    format!("value-number-{number:04}")
}

/// A callback whose answers are numbered from 1, and their count.
fn counting(
    answer: impl Fn(usize) -> Result<SecretAnswer, SecretCallbackError> + Send + Sync + 'static,
) -> (SecretSource, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let (counted, answer) = (Arc::clone(&count), Arc::new(answer));
    let source = SecretSource::callback(move || {
        let number = counted.fetch_add(1, Ordering::SeqCst) + 1;
        let answer = Arc::clone(&answer);
        async move {
            // Others ask meanwhile.
            tokio::time::sleep(Duration::from_millis(20)).await;
            answer(number)
        }
    });
    (source, count)
}

/// What the server got for an authorization.
async fn sent(requests: &mut mpsc::UnboundedReceiver<String>) -> String {
    let request = requests.recv().await.unwrap();
    let line = request
        .lines()
        .find(|line| line.starts_with("Authorization: "));
    line.unwrap()["Authorization: ".len()..].to_owned()
}

/// Shows that the last request was recorded as denied for want of a value.
#[track_caller]
fn assert_no_value(gateway: &Gateway, denial: &Denial, why: &str) {
    assert_eq!(denial.reason, DenyReason::Secret);
    let said = format!("the secret 'key' has no value: {why}");
    assert!(denial.message.contains(&said), "{}", denial.message);
    let record = gateway.audit().decisions().pop().unwrap();
    assert_eq!(record.verdict, Verdict::Deny);
    assert_eq!(record.reason, Some(DenyReason::Secret.into()));
    assert_eq!(record.rule, "secret:key");
    assert!(
        gateway
            .audit()
            .exchanges()
            .iter()
            .all(|it| it.status.is_some())
    );
}
