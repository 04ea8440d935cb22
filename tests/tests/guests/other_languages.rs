//! The interface from C, by wit-bindgen, and from JavaScript, by componentize-js.

use std::path::Path;

use sandbox_net::egress::{EgressConfig, Roots, TlsConfig};
use sandbox_net::policy::Policy;
use sandbox_net_tests::{Forbidden, HttpServer, componentize_js, javascript_guest};

use crate::host::{file, run};

/// Fetches from a server that the policy allows and from one that it does not.
async fn check(component: &Path) {
    let (server, forbidden) = (HttpServer::plain().await, Forbidden::start().await);
    let urls = [
        server.origin() + "/get?from=guest",
        forbidden.origin() + "/",
        server.origin() + "/get?again",
    ];
    let policy = Policy::allow([server.origin().parse().expect("a rule")]);
    let config = EgressConfig::new(TlsConfig::new(Roots::Bundled, []).expect("roots"));
    let ended = run(component, &urls, policy, config).await;
    assert!(ended.is_ok, "{}", ended.printed);
    let lines: Vec<&str> = ended.printed.lines().collect();
    let [first, denied, second] = lines.as_slice() else {
        panic!("{lines:?}");
    };
    assert!(
        first.starts_with("200 ") && first.contains("/get?from=guest"),
        "{first}"
    );
    assert_eq!(*denied, "denied by default-deny");
    assert!(
        second.starts_with("200 ") && second.contains("/get?again"),
        "{second}"
    );
    assert_eq!(forbidden.connections().await, 0);
}

#[tokio::test]
async fn a_guest_in_c_reaches_what_the_policy_allows() {
    check(&file("c/fetch.wasm")).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it installs 386 MB of packages, which takes minutes: cargo test --test guests -- --ignored"]
async fn a_guest_in_javascript_reaches_what_the_policy_allows() {
    let Some(node) = componentize_js().await else {
        return;
    };
    let component = javascript_guest(node, "network-command", "fetch.js").await;
    check(&component).await;
}
