//! The example of the crate `sandbox-net-guest`.

use sandbox_net::Verdict;
use sandbox_net::egress::{EgressConfig, Roots, TlsConfig, read_certificates};
use sandbox_net::policy::Policy;
use sandbox_net_tests::{Alpn, Forbidden, HttpServer, TestCa};

use crate::host::{file, run};

#[tokio::test]
async fn the_rust_crate_fetches_one_after_the_other_and_all_at_once_what_the_policy_allows() {
    let ca = TestCa::new("guest tests");
    let (plain, forbidden) = (HttpServer::plain().await, Forbidden::start().await);
    let secure = HttpServer::tls(&ca.loopback_leaf(), Alpn::Http2).await;
    let roots = read_certificates(&ca.root_pem()).expect("a certificate");
    let tls = TlsConfig::new(Roots::None, roots).expect("roots");
    let rules = [&plain, &secure].map(|server| server.origin().parse().expect("a rule"));
    let urls = [
        plain.origin() + "/get?plain",
        secure.origin() + "/get",
        forbidden.origin() + "/",
        "https://user@a.test/".to_owned(),
    ];
    let ended = run(
        &file("rust/fetch.wasm"),
        &urls,
        Policy::allow(rules),
        EgressConfig::new(tls),
    )
    .await;
    assert!(ended.is_ok, "{}", ended.printed);
    let lines: Vec<&str> = ended.printed.lines().collect();
    assert!(lines[0].starts_with("200 "), "{lines:?}");
    assert!(lines[1].starts_with("200 "), "{lines:?}");
    let others = [
        "denied by default-deny",
        "failed: the URL 'https://user@a.test/' has a user's name: send a field instead",
    ];
    assert_eq!(lines[2..4], others);
    let sizes = lines[4..6].iter().zip(&lines[..2]);
    for (size, text) in sizes {
        assert_eq!(*size, format!("{} bytes", text.len() - "200 ".len()));
    }
    assert_eq!(lines[6..], ["nothing"; 2]);
    assert_eq!(forbidden.connections().await, 0);
    let denied = ended.audit.decisions().into_iter();
    assert_eq!(denied.filter(|d| d.verdict == Verdict::Deny).count(), 2);
}
