//! What the middleware decides, on every host.

use std::net::SocketAddr;

use sandbox_net_compose::{Wasi, middleware};
use sandbox_net_tests::{Forbidden, HttpServer, node};

use crate::hosts::{Host, through_middleware};
use crate::requests::{ATTACKS, Attack, HONEST, Reaches};

/// The addresses that the requests of a run are for.
#[derive(Clone, Copy)]
struct Addresses {
    allowed: SocketAddr,
    other: SocketAddr,
}

impl Addresses {
    fn fill(self, request: &str) -> String {
        request
            .replace("ALLOWED_PORT", &self.allowed.port().to_string())
            .replace("OTHER_PORT", &self.other.port().to_string())
            .replace("ALLOWED", &self.allowed.to_string())
            .replace("OTHER", &self.other.to_string())
    }

    fn requests<'a>(self, requests: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        requests.into_iter().map(|it| self.fill(it)).collect()
    }

    fn policy(self) -> String {
        let rule = format!("GET,POST http://{}/v1/**", self.allowed);
        format!("version = 1\nallow = ['{rule}']\n[end]")
    }
}

#[tokio::test]
async fn what_no_rule_allows_is_denied_before_anything_leaves() {
    for host in Host::all().await {
        let (server, forbidden) = (HttpServer::plain().await, Forbidden::start().await);
        let addresses = Addresses {
            allowed: server.address(),
            other: forbidden.address(),
        };
        let requests = addresses.requests(ATTACKS.iter().map(|it| it.request));
        let lines = host.run(&host.under(&addresses.policy()), &requests).await;
        assert_eq!(lines.len(), requests.len(), "{}: {lines:#?}", host.name());
        for (attack, line) in ATTACKS.iter().zip(&lines) {
            assert!(
                is_refused(host.name(), attack, line),
                "{}: {:?}: {line}",
                host.name(),
                attack.request
            );
        }
        assert_eq!(server.connections(), 0, "{}", host.name());
        assert_eq!(forbidden.connections().await, 0, "{}", host.name());
    }
}

/// Whether the guest was told what it should be, or the host's own types refused the request before.
fn is_refused(host: &str, attack: &Attack, line: &str) -> bool {
    let by_host = attack.reaches.nowhere(host) && line.contains("refused before it was sent");
    line == format!("error {}", attack.error) || by_host
}

/// The control: each of these requests is one that works.
#[tokio::test]
async fn the_same_requests_reach_their_servers_without_the_policy() {
    for host in Host::all().await {
        let (server, other) = (HttpServer::plain().await, HttpServer::plain().await);
        let addresses = Addresses {
            allowed: server.address(),
            other: other.address(),
        };
        let name = host.name();
        let allowed = || ATTACKS.iter().filter(|it| it.reaches.allowed(name));
        let others = || ATTACKS.iter().filter(|it| it.reaches.other(name));
        let attacks = || allowed().chain(others());
        let requests = addresses.requests(attacks().map(|it| it.request));
        let lines = host.run(&host.client(), &requests).await;
        assert_eq!(lines.len(), requests.len(), "{name}: {lines:#?}");
        for (attack, line) in attacks().zip(&lines) {
            let request = attack.request;
            assert!(!line.starts_with("error"), "{name}: {request:?}: {line}");
        }
        assert_eq!(server.requests().len(), allowed().count(), "{name}");
        assert_eq!(other.requests().len(), others().count(), "{name}");
    }
}

/// Attacks without a control are those that can't have one.
#[tokio::test]
async fn what_each_host_refuses_by_itself_is_refused_without_the_policy() {
    for host in Host::all().await {
        let (server, other) = (HttpServer::plain().await, HttpServer::plain().await);
        let addresses = Addresses {
            allowed: server.address(),
            other: other.address(),
        };
        let nowhere = || ATTACKS.iter().filter(|it| it.reaches == Reaches::Nowhere);
        let requests = addresses.requests(nowhere().map(|it| it.request));
        let lines = host.run(&host.client(), &requests).await;
        assert_eq!(lines.len(), requests.len(), "{}: {lines:#?}", host.name());
        for (request, line) in requests.iter().zip(&lines) {
            let name = host.name();
            assert!(line.starts_with("error"), "{name}: {request:?}: {line}");
        }
    }
}

#[tokio::test]
async fn what_a_rule_allows_arrives_as_it_was_sent() {
    for host in Host::all().await {
        let (server, other) = (HttpServer::plain().await, HttpServer::plain().await);
        let addresses = Addresses {
            allowed: server.address(),
            other: other.address(),
        };
        let requests = addresses.requests(HONEST.iter().copied());
        let decided = host
            .run_answered(&host.under(&addresses.policy()), &requests)
            .await;
        let decided_records = server.requests();
        let plain = host.run_answered(&host.client(), &requests).await;
        assert_eq!(decided, plain, "{}", host.name());
        assert_eq!(decided.len(), HONEST.len(), "{}", host.name());
        for (request, line) in HONEST.iter().zip(&decided) {
            assert!(
                !line.starts_with("error"),
                "{}: {request:?}: {line}",
                host.name()
            );
        }
        let records = server.requests();
        let (first, second) = records.split_at(decided_records.len());
        for (decided, plain) in first.iter().zip(second) {
            assert_eq!(decided.method, plain.method, "{}", host.name());
            assert_eq!(decided.target, plain.target, "{}", host.name());
            assert_eq!(decided.headers, plain.headers, "{}", host.name());
            assert_eq!(decided.body, plain.body, "{}", host.name());
        }
        assert_eq!((first.len(), second.len()), (HONEST.len(), HONEST.len()));
    }
}

/// A program in JavaScript is no component here: it calls the middleware's export.
#[tokio::test]
async fn a_program_in_javascript_is_decided_about_when_it_sends_through_the_middleware() {
    let Some(node) = node().await else { return };
    let (server, forbidden) = (HttpServer::plain().await, Forbidden::start().await);
    let addresses = Addresses {
        allowed: server.address(),
        other: forbidden.address(),
    };
    let policy = middleware(Wasi::P3, &[&addresses.policy()]).expect("a policy");
    let requests = addresses.requests([
        "GET\thttp\tALLOWED\t/v1/x",
        "GET\thttp\tALLOWED\t/v1/y",
        "GET\thttp\tALLOWED\t/v1/%2e%2e/v2",
        "DELETE\thttp\tALLOWED\t/v1/x",
        "GET\thttp\tOTHER\t/v1/x",
        "GET\thttp\tALLOWED@OTHER\t/v1/x",
        "GET\thttp\tALLOWED\t/v1/x\tX-Original-URL: /v2",
    ]);
    let lines = through_middleware(node, &policy, &requests).await;
    let denied = "error HTTP-request-denied";
    let invalid = "error HTTP-request-URI-invalid";
    assert_eq!(
        lines,
        ["404", "404", denied, denied, denied, invalid, denied]
    );
    assert_eq!(server.requests().len(), 2);
    assert_eq!(forbidden.connections().await, 0);
}

#[tokio::test]
async fn without_a_policy_everything_is_denied() {
    for host in Host::all().await {
        let (server, other) = (HttpServer::plain().await, HttpServer::plain().await);
        let addresses = Addresses {
            allowed: server.address(),
            other: other.address(),
        };
        let request = addresses.requests(["GET\thttp\tALLOWED\t/v1/x"]);
        for component in crate::compositions::without_a_policy(host.wasi, &addresses.policy()) {
            let lines = host.run(&component, &request).await;
            assert_eq!(
                lines,
                ["error ErrorCode::HttpRequestDenied"],
                "{}",
                host.name()
            );
        }
        assert_eq!(server.connections(), 0, "{}", host.name());
        let lines = host.run(&host.under(&addresses.policy()), &request).await;
        assert!(!lines[0].starts_with("error"), "{}: {lines:?}", host.name());
    }
}
