//! Blind tunnels: what the policy names passes as it is, and nothing else does.

use sandbox_net_egress::test_support::Server;
use sandbox_net_egress::test_support::tls::Authority;
use sandbox_net_policy::{Document, Policy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::*;

/// A server that returns what it gets, whatever that is.
async fn mirror() -> Server {
    Server::start(|mut stream, _| async move {
        let (mut read, mut write) = stream.split();
        let _ = tokio::io::copy(&mut read, &mut write).await;
    })
    .await
}

#[tokio::test]
async fn what_the_policy_names_passes_as_it_is_until_both_sides_close() {
    let server = mirror().await;
    let endpoint = server.address.to_string();
    let broker = start(builder().tunnel(&endpoint)).await;
    let (mut stream, answer) = connect_with(&broker, &endpoint, "").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.field("x-sandbox-net-peer"), Some(endpoint.clone()));
    assert_eq!(answer.field("x-sandbox-net-connection").unwrap().len(), 16);
    // Neither TLS nor HTTP: and what begins like either passes too.
    for bytes in [
        &b"\x00\xff"[..],
        b"\x16\x03\x01",
        b"GET / HTTP/1.1\r\nHost: b.test\r\n\r\n",
    ] {
        stream.write_all(bytes).await.unwrap();
        let mut back = vec![0; bytes.len()];
        stream.read_exact(&mut back).await.unwrap();
        assert_eq!(back, bytes);
    }
    stream.shutdown().await.unwrap();
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
    let policy = api(&broker, "GET", "/policy", "").await.json();
    assert_eq!(policy["tunnel"], serde_json::json!([endpoint]));
    assert_eq!(policy["allow"], serde_json::json!([]));
}

#[tokio::test]
async fn the_servers_own_certificate_reaches_the_client_through_a_tunnel_only() {
    let authority = Authority::new();
    let (server, mut requests) = reflecting_tls(&authority, &["127.0.0.1"]).await;
    let endpoint = server.address.to_string();
    let rule = [format!("https://{endpoint}")];
    for (is_tunnel, is_trusted) in [(true, false), (false, true)] {
        let own = with_rules(builder().trust_ca_pem(authority.pem()), &rule);
        let own = if is_tunnel {
            own.tunnel(&endpoint)
        } else {
            own
        };
        let broker = start(own).await;
        let stream = connect(&broker, &endpoint).await;
        // This client trusts the broker's authority and nothing else.
        let secured = tls(&broker, stream, "127.0.0.1").await;
        assert_eq!(secured.is_ok(), is_trusted, "{secured:?}");
    }
    assert!(requests.try_recv().is_err());
}

#[tokio::test]
async fn nothing_but_what_is_named_is_a_tunnel() {
    let (server, forbidden) = (mirror().await, mirror().await);
    let (own, other) = (server.address.to_string(), forbidden.address.to_string());
    for (broker, status, reason) in [
        (builder().tunnel(&own), 403, "no-rule"),
        (builder().tunnel(&own).deny("127.0.0.1"), 403, "deny-rule"),
        (
            builder().tunnel(&other).deny("127.0.0.1/x"),
            403,
            "deny-rule",
        ),
    ] {
        let broker = start(broker).await;
        let (_, answer) = connect_with(&broker, &other, "").await;
        assert_eq!((answer.status, answer.code().as_str()), (status, "denied"));
        assert_eq!(answer.json()["error"]["reason"], reason);
    }
    assert_eq!(forbidden.accepted(), 0);
    // With a rule it is read, and so not a tunnel.
    let broker = start(builder().tunnel(&own).allow(format!("http://{other}"))).await;
    let mut stream = connect(&broker, &other).await;
    stream.write_all(b"not HTTP at all\r\n\r\n").await.unwrap();
    assert_eq!(read_answer(&mut stream).await.unwrap().status, 400);
    // The control.
    let mut stream = connect(&broker, &own).await;
    stream.write_all(b"not HTTP at all\r\n\r\n").await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'n');
}

#[tokio::test]
async fn another_policy_resets_a_tunnel_and_the_client_can_ask_why() {
    let server = mirror().await;
    let endpoint = server.address.to_string();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("policy.toml");
    let text = |tunnels: &str| format!("version = 1\ntunnel = [{tunnels}]\n[end]\n");
    std::fs::write(&file, text(&format!("'{endpoint}'"))).unwrap();
    let broker = start(builder().policy_file(&file)).await;
    let (mut stream, answer) = connect_with(&broker, &endpoint, "").await;
    stream.write_all(b"x").await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'x');
    std::fs::write(&file, text("")).unwrap();
    broker.reload();
    assert!(is_reset(&mut stream).await);
    let id = answer.field("x-sandbox-net-connection").unwrap();
    let why = api(&broker, "GET", &format!("/api/connections/{id}"), "").await;
    assert_eq!(why.json()["error"]["reason"], "no-rule");
    let exchange = broker.audit().exchanges().remove(0);
    assert_eq!(exchange.error.as_deref(), Some("denied:no-rule"));
    assert_eq!((exchange.bytes_up, exchange.bytes_down), (1, 1));
}

#[tokio::test]
async fn a_budget_ends_a_tunnel_with_a_reset() {
    let server = mirror().await;
    let endpoint = server.address.to_string();
    let mut document = Document::default();
    document.budgets.bytes_up = Some(3);
    let broker = start(builder().policy(document).tunnel(&endpoint)).await;
    let (mut stream, answer) = connect_with(&broker, &endpoint, "").await;
    stream.write_all(b"abc").await.unwrap();
    stream.read_exact(&mut [0; 3]).await.unwrap();
    stream.write_all(b"d").await.unwrap();
    assert!(is_reset(&mut stream).await);
    let id = answer.field("x-sandbox-net-connection").unwrap();
    let why = api(&broker, "GET", &format!("/api/connections/{id}"), "").await;
    assert_eq!(why.json()["error"]["limit"], "bytes-up");
}

#[tokio::test]
async fn a_name_that_leads_into_a_tunnel_only_may_be_resolved_and_tells_no_address() {
    let broker = start(builder().tunnel("db.test:5432")).await;
    let ask = async |host: &str| {
        let body = format!("{{\"host\":\"{host}\"}}");
        api(&broker, "POST", "/api/resolve", &body).await
    };
    let told = ask("db.test").await;
    assert_eq!(
        (told.status, told.json()["addresses"].clone()),
        (200, serde_json::json!([]))
    );
    assert_eq!(ask("other.test").await.status, 403);
    // Every author has to name it.
    let narrow = builder()
        .tunnel("db.test:5432")
        .intersect(Policy::deny_all());
    let broker = start(narrow).await;
    let body = "{\"host\":\"db.test\"}";
    assert_eq!(api(&broker, "POST", "/api/resolve", body).await.status, 403);
}

#[tokio::test]
async fn a_tunnel_that_is_none_is_refused_before_the_broker_starts() {
    for (grant, expected) in [
        ("a.test", "names no single port"),
        ("*.a.test:22", "more than one host"),
        ("https://a.test:22", "a scheme"),
    ] {
        let error = builder().tunnel(grant).build().unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
