//! Programs that check the addresses of a name before they connect work as natively.

use sandbox_net::policy::DenyReason;
use sandbox_net::{DecisionRecord, Sandbox, Verdict};
use sandbox_net_tests::{
    Alpn, DnsAnswer, DnsServer, HttpServer, LIBRARIES, LIMIT, TestCa, Validity, native_python, run,
    run_natively,
};

const PROGRAM: &str = "libraries/guards.py";

/// The names with their public addresses, as the program learns them. They also lead to this machine,
/// by an address that is dialled first and stays hidden.
const NAMES: [(&str, &[&str]); 3] = [
    (
        "one.test",
        &[
            "127.0.0.1",
            "93.184.216.34",
            "93.184.216.35",
            "2606:2800:220:1::1",
        ],
    ),
    ("two.test", &["127.0.0.1", "93.184.216.34"]),
    ("six.test", &["2606:2800:220:1::1"]),
];

#[tokio::test]
async fn guards_and_pins_work_as_natively_on_the_public_addresses_of_allowed_names() {
    let ca = TestCa::new("sandbox-net tests");
    let leaf = ca.leaf(&["one.test", "two.test"], Validity::Current);
    let plain = HttpServer::plain().await;
    let secure = HttpServer::tls(&leaf, Alpn::Http1).await;
    let ports = [&plain, &secure].map(|server| server.address().port().to_string());
    let dns = DnsServer::start().await;
    for (name, addresses) in NAMES {
        let addresses = addresses.iter().map(|one| one.parse().expect("an address"));
        dns.set(name, DnsAnswer::Addresses(addresses.collect()));
    }
    let mut sandbox = Sandbox::builder()
        .trust_ca_pem(ca.root_pem())
        .dns_servers([dns.address()])
        .time_limit(LIMIT)
        .allow("six.test")
        .allow("localhost");
    for name in ["one.test", "two.test"] {
        for (scheme, port) in [("http", &ports[0]), ("https", &ports[1])] {
            let rule = format!("{scheme}://{name}:{port} to public,127.0.0.1");
            sandbox = sandbox.allow(rule.as_str());
        }
    }
    for port in &ports {
        sandbox = sandbox.arg(port);
    }
    for package in LIBRARIES {
        sandbox = sandbox.with_package(*package);
    }
    let sandbox = sandbox.build().await.expect("a sandbox");
    let (inside, outcome) = run(&sandbox, PROGRAM).await;
    // An unchecked name is refused first; then checking it succeeds, so it needs no grant.
    let unchecked = Some(DenyReason::TlsOptions.into());
    let denied = |one: &&DecisionRecord| one.verdict == Verdict::Deny && one.reason != unchecked;
    let denied = outcome.decisions.iter().filter(denied).count();
    assert_eq!(denied, 0, "{inside}{:#?}", outcome.decisions);
    let Some(python) = native_python().await else {
        return;
    };
    let arguments = ports.into_iter().chain(["outside".to_owned()]);
    let native = run_natively(python, &ca, PROGRAM, arguments).await;
    assert!(native.lines.len() > 30);
    for line in &native.lines {
        let case = line["case"].as_str().expect("a name");
        assert_eq!(
            inside.case(case),
            line,
            "{case}: the sandbox is left, native right"
        );
    }
    assert_eq!(inside.lines.len(), native.lines.len());
}
