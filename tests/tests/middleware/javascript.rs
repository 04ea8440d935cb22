//! A guest in JavaScript that knows nothing of a policy: it sends by `fetch`, as a component of WASI 0.2.

use sandbox_net_compose::{Wasi, confine};
use sandbox_net_tests::{Forbidden, HttpServer, componentize_js, javascript_guest};

use crate::hosts::Host;

#[tokio::test]
#[ignore = "it installs 386 MB of packages, which takes minutes: cargo test --test middleware -- --ignored"]
async fn what_a_guest_in_javascript_fetches_is_decided_about() {
    let Some(node) = componentize_js().await else {
        return;
    };
    let guest = javascript_guest(node, "command", "send.js").await;
    let guest = std::fs::read(guest).expect("a component");
    for host in Host::all().await {
        if host.wasi != Wasi::P2 {
            continue;
        }
        let (server, forbidden) = (HttpServer::plain().await, Forbidden::start().await);
        let (allowed, other) = (server.origin(), forbidden.origin());
        let rule = format!("GET,POST {allowed}/get");
        let policy = format!("version = 1\nallow = ['{rule}', '{allowed}/echo']\n[end]");
        let app = confine(&[&policy], &guest).expect("a composition");
        let requests = [
            format!("GET {allowed}/get?one"),
            format!("POST {allowed}/echo"),
            format!("DELETE {allowed}/get"),
            format!("GET {allowed}/headers"),
            format!("GET {allowed}/get/%2e%2e/headers"),
            format!("GET {other}/get"),
            format!("GET {allowed}/get?two"),
        ];
        let name = host.name();
        let lines = host.run(&app, &requests).await;
        let is_answered: Vec<bool> = lines.iter().map(|line| line.starts_with("200 ")).collect();
        assert_eq!(
            is_answered,
            [true, true, false, false, false, false, true],
            "{name}: {lines:#?}"
        );
        assert!(lines[1].contains("a body"), "{name}: {lines:#?}");
        assert_eq!(server.requests().len(), 3, "{name}");
        assert_eq!(forbidden.connections().await, 0, "{name}");

        // The control: without the policy every one of them arrives.
        let (server, other) = (HttpServer::plain().await, HttpServer::plain().await);
        let requests = requests.map(|request| {
            request
                .replace(&allowed, &server.origin())
                .replace(&forbidden.origin(), &other.origin())
        });
        host.run(&guest, &requests).await;
        assert_eq!(server.requests().len(), 6, "{name}");
        assert_eq!(other.requests().len(), 1, "{name}");
    }
}
