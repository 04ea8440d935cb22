//! What is used of each budget after known traffic.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use http_body_util::BodyExt;
use sandbox_net_egress::test_support::{config, ok};
use sandbox_net_egress::{DnsFailure, Resolve, Reuse, test_support::Server};
use sandbox_net_policy::{Budgets, Document};

use super::*;
use crate::audit::AuditLog;
use crate::testing::{authorized, denied, send};

/// All budgets that are used up.
fn budgets() -> Budgets {
    Budgets {
        requests: Some(10),
        connections: Some(5),
        bytes_up: Some(100_000),
        bytes_down: Some(200_000),
        hosts: Some(4),
        time: Some(Duration::from_secs(600)),
        host_memory: Some(1 << 20),
        lookups: Some(6),
        denials: Some(7),
        ..Budgets::default()
    }
}

fn gateway(server: &Server, budgets: Budgets) -> Gateway {
    let document = Document {
        allow: ["http://localhost", &server.http().to_string()]
            .map(|rule| rule.parse().unwrap())
            .to_vec(),
        budgets,
        ..Document::default()
    };
    let mut config = config();
    config.resolver = Arc::new(Unknown);
    Gateway::new(document.into(), config, AuditLog::new())
}

/// A resolver that knows no name.
struct Unknown;

impl Resolve for Unknown {
    fn resolve<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, DnsFailure>> {
        Box::pin(async { Err(DnsFailure::NotFound) })
    }
}

#[track_caller]
fn is(gateway: &Gateway, key: &str, used: u64, limit: u64) {
    let usage = gateway.usage();
    let (_, amount) = usage.budgets().find(|(own, _)| *own == key).unwrap();
    let left = Some(limit - used);
    let limit = Some(limit);
    assert_eq!(amount, Amount { limit, used, left }, "{key}");
}

#[tokio::test]
async fn what_is_used_and_what_is_left_of_each_budget_is_its_limit() {
    let server = Server::echo().await;
    let gateway = gateway(&server, budgets());
    for (key, limit) in budgets().entries() {
        let rates = [
            "requests_per_second",
            "response_head",
            "connections_per_second",
        ];
        match rates.contains(&key) {
            true => assert!(gateway.usage().budgets().all(|(own, _)| own != key)),
            false if key == "host_memory" => {}
            false => is(&gateway, key, 0, limit.unwrap()),
        }
    }
    let origin = server.http();
    let answer = send(&gateway, &origin, &[("X-A", "b")], "four");
    let answer = answer.await.unwrap();
    let head = answer.head.unwrap();
    let memory = gateway.usage().host_memory;
    assert!(memory.used > 0 && memory.used + memory.left.unwrap() == 1 << 20);
    let body = answer.body.collect().await.unwrap().to_bytes();
    assert_eq!((&*body, head.status), (&b"four"[..], 200));

    is(&gateway, "requests", 1, 10);
    is(&gateway, "hosts", 1, 4);
    is(&gateway, "lookups", 0, 6);
    is(&gateway, "denials", 0, 7);
    // As it is on the wire.
    is(&gateway, "bytes_down", ok("four").len() as u64, 200_000);
    let sent = gateway.audit().exchanges()[0].bytes_up;
    is(&gateway, "bytes_up", sent, 100_000);
    is(&gateway, "seconds", 0, 600);
    let connect = || gateway.connect(origin.endpoint.clone(), None, Reuse::Pool);
    let links = (
        connect().unwrap().await.unwrap(),
        connect().unwrap().await.unwrap(),
    );
    is(&gateway, "connections", 2, 5);
    drop(links);
    is(&gateway, "connections", 0, 5);

    denied(authorized(&gateway, &server.https(), "").await);
    is(&gateway, "denials", 1, 7);
    // The next run of the sandbox goes on with the same budgets.
    authorized(&gateway.next_run(), &server.http(), "")
        .await
        .unwrap();
    is(&gateway, "requests", 2, 10);
}

#[tokio::test]
async fn a_name_that_is_asked_for_counts_as_a_lookup() {
    let server = Server::echo().await;
    let gateway = gateway(&server, budgets());
    let rules = sandbox_net_policy::Rules::default();
    let rules = rules.allow("http://nobody.invalid").unwrap();
    gateway.set_rules(rules).unwrap();
    let endpoint = sandbox_net_policy::Endpoint::new("nobody.invalid", 80).unwrap();
    let connecting = gateway.connect(endpoint, None, Reuse::Pool).unwrap();
    assert!(connecting.await.is_err());
    is(&gateway, "lookups", 1, 6);
    is(&gateway, "hosts", 1, 4);
    authorized(&gateway, &server.http(), "").await.unwrap_err();
    is(&gateway, "hosts", 1, 4);
    is(&gateway, "denials", 1, 7);
}

#[tokio::test(start_paused = true)]
async fn the_seconds_that_are_used_end_with_their_budget() {
    let server = Server::echo().await;
    for (time, used) in [(Some(60), 60), (None, 90)] {
        let budgets = Budgets {
            time: time.map(Duration::from_secs),
            ..Budgets::default()
        };
        let gateway = gateway(&server, budgets);
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(gateway.usage().seconds.used, 0, "before the first use");
        authorized(&gateway, &server.http(), "").await.unwrap();
        tokio::time::advance(Duration::from_secs(90)).await;
        let seconds = gateway.usage().seconds;
        assert_eq!((seconds.used, seconds.limit), (used, time));
        assert_eq!(seconds.left, time.map(|time| time - used));
    }
}

#[tokio::test]
async fn without_a_budget_there_is_no_limit_and_hosts_are_not_remembered() {
    let server = Server::echo().await;
    let gateway = gateway(&server, Budgets::default());
    authorized(&gateway, &server.http(), "").await.unwrap();
    let usage = gateway.usage();
    assert_eq!(usage.requests, Amount::new(1, None));
    assert_eq!((usage.requests.left, usage.hosts), (None, None));
    assert_eq!(usage.lookups, Amount::new(0, Some(Budgets::LOOKUPS)));
    assert_eq!(usage.host_memory.limit, Some(Budgets::HOST_MEMORY));
    assert!(usage.connections.limit.is_some());
    let text = serde_json::to_value(usage).unwrap();
    assert_eq!(text["requests"]["used"], 1);
    assert_eq!(text["denials"]["left"], Budgets::DENIALS);
}
