//! Without a rule nothing happens: no connection, no lookup, and Python sees why.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, TcpListener};

use sandbox_net::policy::DenyReason;
use sandbox_net::{Sandbox, Stage, Verdict};
use sandbox_net_tests::{Report, Servers, run};
use serde_json::{Value, json};

const CLIENTS: [&str; 4] = ["urllib", "requests", "http.client", "socket"];

/// The exception that each client gives for a denial, around the `PermissionError`.
fn outermost(client: &str) -> &'static str {
    match client {
        "urllib" => "urllib.error.URLError",
        "requests" => "requests.exceptions.ConnectionError",
        _ => "PermissionError",
    }
}

/// Checks that `clients` got `PermissionError` in `case`, with `words` in its text.
fn assert_denied(report: &Report, clients: &[&str], case: &str, words: &[&str]) {
    for client in clients {
        let case = format!("{client} {case}");
        let errors = report.errors(&case);
        assert_eq!(errors[0]["type"], outermost(client), "{case}: {errors:#?}");
        let denial = report.error(&case, "PermissionError");
        let text = denial["text"].as_str().unwrap_or_default();
        for word in words {
            assert!(text.contains(word), "{case}: {word} is missing in {text:?}");
        }
    }
}

fn assert_allowed(report: &Report) {
    for client in CLIENTS {
        let result = report.result(&format!("{client} allowed"));
        assert!(
            result == &json!(200) || result == &json!(true),
            "{client}: {result}"
        );
    }
    assert_eq!(report.result("allowed at the end"), &json!(200));
}

#[tokio::test]
async fn a_denied_host_sees_no_connection_and_no_question() {
    let servers = Servers::start().await;
    let port = servers.forbidden.address().port();
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    for name in [
        "denied.test",
        "evilgood.test",
        "good.test.evil.test",
        "good.test",
    ] {
        servers.dns.set(name, [loopback]);
    }
    let allowed = servers.http.origin();
    // Each of these differs from a rule in one respect.
    let denied = [
        ("another port", servers.forbidden.origin()),
        ("another host", format!("http://denied.test:{port}")),
        (
            "a name that ends alike",
            format!("http://evilgood.test:{port}"),
        ),
        (
            "a name that begins alike",
            format!("http://good.test.evil.test:{port}"),
        ),
        ("the domain itself", format!("http://good.test:{port}")),
        ("another address", format!("http://127.0.0.2:{port}")),
        ("another scheme", servers.https.origin()),
    ];
    let mut builder = Sandbox::builder()
        .allow(allowed.as_str())
        .allow(format!("http://*.good.test:{port}"))
        .allow(servers.https.origin().replace("https:", "http:"))
        .allow("http://127.0.0.2:1")
        .arg(allowed.as_str())
        .with_package("requests")
        .dns_servers([servers.dns.address()]);
    for (name, url) in &denied {
        builder = builder.arg(format!("{name}={url}"));
    }
    let sandbox = builder.build().await.expect("a sandbox");
    let (report, outcome) = run(&sandbox, "denial.py").await;

    assert_allowed(&report);
    for (name, url) in &denied {
        let host = url.split_once("://").expect("a scheme").1;
        // A plain socket to the last one uses the allowed scheme.
        let clients = if *name == "another scheme" {
            &CLIENTS[..3]
        } else {
            &CLIENTS
        };
        assert_denied(&report, clients, name, &[host, "default-deny"]);
    }
    assert_eq!(servers.forbidden.connections().await, 0);
    assert_eq!(servers.dns.questions().await, []);
    assert_eq!(servers.https.requests().len(), 0);

    let denials: Vec<_> = outcome
        .decisions
        .iter()
        .filter(|one| one.verdict == Verdict::Deny)
        .collect();
    assert!(
        denials.len() > CLIENTS.len() * (denied.len() - 1),
        "{denials:#?}"
    );
    for denial in denials {
        assert!(
            denial.reason.is_some() && denial.address.is_none(),
            "{denial:?}"
        );
    }
    assert!(outcome.exchanges.iter().any(|one| one.status == Some(200)));
}

#[tokio::test]
async fn a_name_that_leads_to_a_private_address_is_denied_after_the_question() {
    let servers = Servers::start().await;
    let port = servers.forbidden.address().port();
    for (name, address) in [
        ("loopback.test", [127, 0, 0, 1]),
        ("link.test", [169, 254, 169, 254]),
    ] {
        servers.dns.set(name, [IpAddr::from(address)]);
    }
    let allowed = servers.http.origin();
    let private = [
        ("loopback", format!("http://loopback.test:{port}")),
        ("link-local", format!("http://link.test:{port}")),
    ];
    let mut builder = Sandbox::builder()
        .allow(allowed.as_str())
        .arg(allowed.as_str())
        .with_package("requests")
        .dns_servers([servers.dns.address()]);
    for (name, url) in &private {
        builder = builder.allow(url.as_str()).arg(format!("{name}={url}"));
    }
    let sandbox = builder.build().await.expect("a sandbox");
    let (report, outcome) = run(&sandbox, "denial.py").await;

    assert_allowed(&report);
    for (name, url) in &private {
        assert_denied(&report, &CLIENTS, name, &[url]);
    }
    assert_eq!(servers.forbidden.connections().await, 0);
    let questions = servers.dns.questions().await;
    for name in ["loopback.test", "link.test"] {
        assert!(
            questions.iter().any(|question| question.name == name),
            "{name} was asked for"
        );
    }
    assert!(
        outcome
            .decisions
            .iter()
            .any(|one| one.reason == Some(DenyReason::Address.into()))
    );
}

#[tokio::test]
async fn no_way_around_the_rules_reaches_a_server() {
    let servers = Servers::start().await;
    let sandbox = Sandbox::builder()
        .allow(servers.http.origin())
        .allow(servers.https.origin())
        .arg(servers.http.origin())
        .arg(servers.https.origin())
        .arg(servers.forbidden.origin())
        .with_package("requests")
        .trust_ca_pem(servers.ca.root_pem())
        .dns_servers([servers.dns.address()])
        .build()
        .await
        .expect("a sandbox");
    let (report, _) = run(&sandbox, "evasion.py").await;

    for case in ["allowed", "allowed at the end"] {
        assert_eq!(report.result(case), &json!([200, 200]), "{case}");
    }
    // The policy refuses these, and says so.
    for case in [
        "spelling localhost",
        "spelling LOCALHOST",
        "spelling [::1]",
        "redirect",
        "another Host field",
        "TRACE",
        "proxy",
    ] {
        report.error(case, "PermissionError");
    }
    for case in ["no verification, urllib", "no verification, requests"] {
        let refused = report.error(case, "ssl.SSLError");
        assert!(
            refused["text"]
                .as_str()
                .is_some_and(|t| t.contains("tls-options"))
        );
    }
    // These are refused, too; whether as denials or as invalid names does not matter.
    for line in &report.lines {
        let case = line["case"].as_str().unwrap_or_default();
        let attacks = [
            "spelling",
            "full target",
            "injected",
            "second request",
            "reverse lookup",
        ];
        if attacks.iter().any(|attack| case.starts_with(attack)) {
            assert!(!report.errors(case).is_empty());
        }
    }
    let sockets = report
        .result("other sockets")
        .as_object()
        .expect("kinds of sockets");
    for (kind, outcome) in sockets {
        assert!(
            outcome != "sent" && outcome != "listening",
            "{kind}: {outcome}"
        );
    }

    assert_eq!(servers.forbidden.connections().await, 0);
    assert_eq!(servers.dns.questions().await, []);
    for server in [&servers.http, &servers.https] {
        let expected = |target: &str| target == "/get" || target.starts_with("/redirect/");
        let requests = server.requests();
        let strange: Vec<_> = requests
            .iter()
            .filter(|one| !expected(&one.target))
            .collect();
        assert!(strange.is_empty(), "{strange:#?}");
    }
}

#[tokio::test]
async fn without_a_rule_there_is_no_network_at_all() {
    let servers = Servers::start().await;
    let run_with = async |rule: Option<String>| {
        let mut builder = Sandbox::builder()
            .arg(servers.http.origin() + "/get")
            .dns_servers([servers.dns.address()]);
        if let Some(rule) = rule {
            builder = builder.allow(rule);
        }
        run(&builder.build().await.expect("a sandbox"), "no_network.py")
            .await
            .0
    };

    let without = run_with(None).await;
    assert_eq!(without.result("_socket"), &json!("built-in"));
    assert_eq!(without.error("channel", "OSError")["errno"], "EBADF");
    // Whatever the stock module makes of it, it is not a response.
    assert!(!without.errors("urllib").is_empty());
    assert_eq!(servers.http.connections(), 0);

    let with = run_with(Some(servers.http.origin())).await;
    assert_ne!(with.result("_socket"), &json!("built-in"));
    assert!(
        with.case("channel")
            .get("result")
            .is_some_and(Value::is_number)
    );
    assert_eq!(with.result("urllib"), &json!(200));
    assert_eq!(servers.http.connections(), 1);
}

#[tokio::test]
async fn a_name_that_moves_between_two_runs_is_denied_and_recorded_so() {
    let servers = Servers::start().await;
    let port = servers.http.address().port();
    let elsewhere = TcpListener::bind(("127.0.0.2", port)).expect("another loopback address");
    elsewhere.set_nonblocking(true).expect("a listener");
    servers
        .dns
        .set("moving.test", [IpAddr::from([127, 0, 0, 1])]);
    let sandbox = Sandbox::builder()
        .allow(format!("moving.test:{port} to 127.0.0.1"))
        .dns_servers([servers.dns.address()])
        .build()
        .await
        .expect("a sandbox");
    let fetch = |scheme: &str| {
        format!(
            "import urllib.request as u\n\
             try: print(u.urlopen('{scheme}://moving.test:{port}/get', timeout=20).status)\n\
             except OSError as error: print(type(error.reason).__name__)"
        )
    };

    // Control: while the name is unchanged, it is reached.
    let first = sandbox.run(fetch("http")).await.expect("a run");
    assert_eq!(first.stdout_text(), "200\n");

    servers
        .dns
        .set("moving.test", [IpAddr::from([127, 0, 0, 2])]);
    let second = sandbox.run(fetch("https")).await.expect("a run");
    assert_eq!(second.stdout_text(), "PermissionError\n");
    let denied = second.decisions.iter();
    let denied: Vec<_> = denied
        .filter(|one| one.verdict == Verdict::Deny)
        .map(|one| (one.stage, one.reason))
        .collect();
    let address = sandbox_net::Reason::from(DenyReason::Address);
    assert_eq!(denied, [(Stage::Connect, Some(address))]);
    let nobody = elsewhere.accept().expect_err("no connection");
    assert_eq!(nobody.kind(), ErrorKind::WouldBlock);
}
