//! Cookies by domain: names that only the host resolves work in a cookie jar as usual.

use std::net::{IpAddr, Ipv4Addr};

use sandbox_net::Sandbox;
use sandbox_net_tests::{DnsAnswer, DnsServer, HttpServer, LIBRARIES, LIMIT, native_python, run};
use serde_json::json;

#[tokio::test]
async fn cookies_go_to_the_domain_that_set_them() {
    if native_python().await.is_none() {
        return;
    }
    let (server, dns) = (HttpServer::plain().await, DnsServer::start().await);
    let port = server.address().port();
    let mut sandbox = Sandbox::builder()
        .dns_servers([dns.address()])
        .arg(port.to_string())
        .time_limit(LIMIT);
    for library in LIBRARIES {
        sandbox = sandbox.with_package(*library);
    }
    for host in [
        "www.shop.test",
        "other.shop.test",
        "shop.test",
        "myshop.test",
    ] {
        let loopback = IpAddr::from(Ipv4Addr::LOCALHOST);
        dns.set(host, DnsAnswer::Addresses(vec![loopback]));
        sandbox = sandbox.allow(format!("http://{host}:{port} to 127.0.0.1"));
    }
    let sandbox = sandbox.build().await.expect("a sandbox");
    let (report, _) = run(&sandbox, "libraries/cookie_domains.py").await;
    let expected = json!({
        "www.shop.test": ["all=2", "own=1"],
        "other.shop.test": ["all=2"],
        "shop.test": ["all=2"],
        "myshop.test": [""],
    });
    for client in ["urllib", "requests", "httpx"] {
        assert_eq!(report.result(client), &expected, "{client}");
    }
}
