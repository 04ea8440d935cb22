//! Tunnels on loopback: what makes one, what ends one, and what the log has of it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::testing::denied;
use crate::{
    AuditFile, AuditLog, AuditSettings, Gateway, GatewayBuilder, HookAnswer, HookRequest, Verdict,
};
use sandbox_net_egress::test_support::{Server, config, reset};
use sandbox_net_egress::{DnsFailure, EgressConfig, Resolve};
use sandbox_net_policy::{Budgets, DenyReason, Document, Policy, Rule, Rules, Stage};

pub(super) const LIMIT: Duration = Duration::from_secs(20);

/// A server that returns what it gets, byte by byte, until it gets no more.
pub(super) async fn echo() -> Server {
    Server::start(|mut stream, _| async move {
        let (mut read, mut write) = stream.split();
        let _ = tokio::io::copy(&mut read, &mut write).await;
    })
    .await
}

struct Names(HashMap<&'static str, IpAddr>);

impl Resolve for Names {
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, DnsFailure>> {
        let found = self.0.get(name).map(|address| vec![*address]);
        Box::pin(async { found.ok_or(DnsFailure::NotFound) })
    }
}

/// The transport, with `a.test` and `private.test` leading to this machine.
fn naming() -> EgressConfig {
    let here: IpAddr = [127, 0, 0, 1].into();
    let mut config = config();
    config.resolver = Arc::new(Names(HashMap::from([
        ("a.test", here),
        ("private.test", here),
    ])));
    config
}

/// A policy with these tunnels and these rules that deny.
pub(super) fn document(tunnels: &[String], deny: &[&str]) -> Document {
    Document {
        tunnel: tunnels.iter().map(|text| text.parse().unwrap()).collect(),
        deny: deny
            .iter()
            .map(|rule| Rule::parse_deny(rule).unwrap())
            .collect(),
        ..Document::default()
    }
}

pub(super) fn at(host: &str, server: &Server) -> Endpoint {
    Endpoint::new(host, server.address.port()).unwrap()
}

/// A tunnel to the server by its own address.
fn grant(server: &Server) -> String {
    format!("127.0.0.1:{}", server.address.port())
}

pub(super) fn gateway(document: Document) -> Gateway {
    Gateway::new(document.into(), naming(), AuditLog::new())
}

pub(super) async fn open(gateway: &Gateway, to: Endpoint) -> Result<Tunnel, EgressError> {
    gateway.tunnel(to, Some(LIMIT))?.await
}

pub(super) async fn says(tunnel: &mut Tunnel, text: &[u8]) -> io::Result<Vec<u8>> {
    tunnel.write_all(text).await?;
    let mut back = vec![0; text.len()];
    tunnel.read_exact(&mut back).await?;
    Ok(back)
}

/// Waits for the tunnel's end, whatever its peer does.
pub(super) async fn ended(tunnel: &mut Tunnel) -> io::Error {
    let read = tokio::time::timeout(LIMIT, tunnel.read_u8()).await;
    read.expect("it ends").unwrap_err()
}

#[tokio::test]
async fn what_is_written_arrives_as_it_is_and_the_log_has_its_bytes() {
    let server = echo().await;
    let gateway = gateway(document(&[grant(&server)], &[]));
    let mut tunnel = open(&gateway, at("127.0.0.1", &server)).await.unwrap();
    assert_eq!(tunnel.address(), server.address);
    assert_eq!(*tunnel.endpoint(), at("127.0.0.1", &server));
    assert_eq!(gateway.usage().connections.used, 1);
    let all: Vec<u8> = (0..=255).collect();
    assert_eq!(says(&mut tunnel, &all).await.unwrap(), all);
    tunnel.shutdown().await.unwrap();
    assert_eq!(tunnel.read(&mut [0; 9]).await.unwrap(), 0);
    assert!(tunnel.write_all(b"more").await.is_err(), "it was shut down");
    assert_eq!(tunnel.failure(), None);
    assert_eq!(gateway.usage().connections.used, 0);
    drop(tunnel);

    let [decision] = &gateway.audit().decisions()[..] else {
        panic!("one decision");
    };
    assert_eq!(
        (decision.stage, decision.verdict),
        (Stage::Tunnel, Verdict::Allow)
    );
    assert_eq!(decision.target, grant(&server));
    assert_eq!(
        (decision.rule.as_str(), decision.address),
        (&*grant(&server), Some(server.address))
    );
    let [exchange] = &gateway.audit().exchanges()[..] else {
        panic!("one record at its end");
    };
    assert_eq!(
        (exchange.method.as_str(), exchange.target.as_str()),
        ("CONNECT", &*grant(&server))
    );
    assert_eq!((exchange.bytes_up, exchange.bytes_down), (256, 256));
    assert_eq!(exchange.address, Some(server.address));
    assert_eq!(
        (exchange.sequence, exchange.error.as_deref()),
        (decision.sequence, None)
    );
    let usage = gateway.usage();
    assert_eq!((usage.bytes_up.used, usage.bytes_down.used), (256, 256));
}

#[tokio::test]
async fn only_what_the_policy_grants_is_dialled() {
    let (server, forbidden) = (echo().await, echo().await);
    let port = server.address.port();
    let loopback = |name: &str| format!("{name}:{port} to 127.0.0.1");
    let (own, named) = (at("127.0.0.1", &server), at("a.test", &server));
    for (tunnels, deny, to, expected) in [
        (vec![grant(&server)], vec![], &own, None),
        (vec![loopback("a.test")], vec![], &named, None),
        // Without the grant; another port, another host; by rules alone.
        (vec![], vec![], &own, Some(DenyReason::NoRule)),
        (
            vec![grant(&forbidden)],
            vec![],
            &own,
            Some(DenyReason::NoRule),
        ),
        (
            vec![loopback("b.test")],
            vec![],
            &named,
            Some(DenyReason::NoRule),
        ),
        // A rule that denies the host, whatever it denies there, or its address.
        (
            vec![grant(&server)],
            vec!["127.0.0.0/8"],
            &own,
            Some(DenyReason::DenyRule),
        ),
        (
            vec![loopback("a.test")],
            vec!["a.test/admin/**"],
            &named,
            Some(DenyReason::DenyRule),
        ),
        (
            vec![loopback("a.test")],
            vec!["127.0.0.1"],
            &named,
            Some(DenyReason::Address),
        ),
        // A private address after the name was resolved.
        (
            vec![format!("a.test:{port}")],
            vec![],
            &named,
            Some(DenyReason::Address),
        ),
        (
            vec![format!("a.test:{port} to 127.0.0.2")],
            vec![],
            &named,
            Some(DenyReason::Address),
        ),
    ] {
        let mut document = document(&tunnels, &deny);
        document.allow = vec![
            "any:1-65535".parse().unwrap(),
            "127.0.0.1:1-65535".parse().unwrap(),
        ];
        let gateway = gateway(document);
        let before = server.accepted();
        let opened = open(&gateway, to.clone()).await;
        let record = gateway.audit().decisions().remove(0);
        let Some(reason) = expected else {
            assert_eq!(says(&mut opened.unwrap(), b"x").await.unwrap(), b"x");
            continue;
        };
        let denial = denied(opened);
        assert_eq!(denial.reason, reason, "{tunnels:?} {deny:?}");
        assert_eq!(
            (record.verdict, record.reason),
            (Verdict::Deny, Some(reason.into()))
        );
        assert_eq!(server.accepted(), before, "{tunnels:?} {deny:?}");
        assert_eq!(gateway.usage().connections.used, 0);
    }
    assert_eq!((server.accepted(), forbidden.accepted()), (2, 0));
}

#[tokio::test]
async fn another_policy_ends_a_tunnel_that_it_does_not_grant_and_no_other() {
    let (server, other) = (echo().await, echo().await);
    let both = || document(&[grant(&server), grant(&other)], &[]);
    let gateway = gateway(both());
    let mut ending = open(&gateway, at("127.0.0.1", &server)).await.unwrap();
    let mut staying = open(&gateway, at("127.0.0.1", &other)).await.unwrap();
    gateway.replace_policy(both().into()).unwrap();
    assert_eq!(says(&mut ending, b"one").await.unwrap(), b"one");

    // The rules alone leave the grants.
    gateway.set_rules(Rules::default()).unwrap();
    assert_eq!(says(&mut ending, b"two").await.unwrap(), b"two");
    gateway
        .replace_policy(document(&[grant(&other)], &[]).into())
        .unwrap();
    let error = ended(&mut ending).await;
    assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    let denial = denied(Err::<(), _>(ending.failure().unwrap()));
    assert_eq!(denial.reason, DenyReason::NoRule);
    assert!(ending.write_all(b"x").await.is_err());
    assert_eq!(says(&mut staying, b"three").await.unwrap(), b"three");
    let exchange = gateway.audit().exchanges().remove(0);
    assert_eq!(exchange.error.as_deref(), Some("denied:no-rule"));
    assert_eq!((exchange.bytes_up, exchange.bytes_down), (6, 6));

    // A rule that denies its host, or its address.
    let deny = Rules::default().deny("127.0.0.1").unwrap();
    gateway.set_rules(deny).unwrap();
    assert_eq!(
        ended(&mut staying).await.kind(),
        io::ErrorKind::PermissionDenied
    );
}

/// Otherwise whoever stops reading would keep a connection that nobody grants.
#[tokio::test]
async fn a_tunnel_that_nobody_reads_is_closed_by_another_policy_too() {
    let (tx, mut closed) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::start(move |mut stream, _| {
        let tx = tx.clone();
        async move {
            let _ = stream.read(&mut [0; 1]).await;
            let _ = tx.send(());
        }
    })
    .await;
    let gateway = gateway(document(&[grant(&server)], &[]));
    let tunnel = open(&gateway, at("127.0.0.1", &server)).await.unwrap();
    tokio::task::yield_now().await;
    assert!(closed.try_recv().is_err(), "control: it is open");
    gateway.replace_policy(Policy::deny_all()).unwrap();
    let is_closed = tokio::time::timeout(LIMIT, closed.recv()).await;
    assert_eq!(is_closed, Ok(Some(())));
    assert!(tunnel.failure().is_some());
}

#[tokio::test]
async fn a_budget_of_bytes_ends_a_tunnel_at_its_last_byte() {
    let server = echo().await;
    for (budgets, code, arrived) in [
        (
            Budgets {
                bytes_up: Some(10),
                ..Budgets::default()
            },
            "limit:bytes-up",
            10,
        ),
        (
            Budgets {
                bytes_down: Some(10),
                ..Budgets::default()
            },
            "limit:bytes-down",
            10,
        ),
        (
            Budgets {
                bytes_down: Some(30),
                ..Budgets::default()
            },
            "",
            30,
        ),
    ] {
        let mut document = document(&[grant(&server)], &[]);
        document.budgets = budgets;
        let gateway = gateway(document);
        let mut tunnel = open(&gateway, at("127.0.0.1", &server)).await.unwrap();
        let mut failure = None;
        for _ in 0..arrived {
            assert_eq!(says(&mut tunnel, b"x").await.unwrap(), b"x");
        }
        if !code.is_empty() {
            let error = says(&mut tunnel, b"x").await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::QuotaExceeded, "{code}");
            failure = tunnel.failure();
        }
        assert_eq!(failure.map(|it| it.code()).unwrap_or_default(), code);
        drop(tunnel);
        let exchange = gateway.audit().exchanges().remove(0);
        assert_eq!(
            exchange.error.as_deref(),
            Some(if code.is_empty() { "closed" } else { code })
        );
        assert_eq!(exchange.budget.is_some(), !code.is_empty());
    }
}

#[tokio::test]
async fn budgets_of_hosts_connections_and_time_count_a_tunnel() {
    let (server, other) = (echo().await, echo().await);
    let port = other.address.port();
    let both = [grant(&server), format!("a.test:{port} to 127.0.0.1")];
    for (budgets, limit) in [
        (
            Budgets {
                hosts: Some(1),
                ..Budgets::default()
            },
            Limit::Hosts,
        ),
        (
            Budgets {
                connections: Some(1),
                ..Budgets::default()
            },
            Limit::Connections,
        ),
        (
            Budgets {
                connections_per_second: Some(1),
                ..Budgets::default()
            },
            Limit::ConnectionRate,
        ),
    ] {
        let mut document = document(&both, &[]);
        document.budgets = budgets;
        let gateway = gateway(document);
        let first = open(&gateway, at("127.0.0.1", &server)).await;
        assert!(first.is_ok(), "{first:?}");
        let refused = open(&gateway, at("a.test", &other)).await.unwrap_err();
        assert_eq!(refused, EgressError::Limit(limit));
        drop(first);
    }
    assert_eq!(other.accepted(), 0);

    let mut document = document(&both, &[]);
    document.budgets.time = Some(Duration::from_millis(300));
    let gateway = gateway(document);
    let mut tunnel = open(&gateway, at("127.0.0.1", &server)).await.unwrap();
    assert_eq!(says(&mut tunnel, b"x").await.unwrap(), b"x");
    assert_eq!(
        ended(&mut tunnel).await.kind(),
        io::ErrorKind::QuotaExceeded
    );
    assert_eq!(tunnel.failure(), Some(EgressError::Limit(Limit::Time)));
}

#[tokio::test]
async fn a_hook_is_asked_about_a_tunnel_before_anything_is_dialled() {
    let server = echo().await;
    let asking = |tunnels: &[String]| Document {
        ask: vec![grant(&server).parse().unwrap()],
        ..document(tunnels, &[])
    };
    let build =
        |builder: GatewayBuilder, document: Document| builder.build(document.into(), naming());
    // A rule asks, and there is nobody to ask.
    let alone = build(Gateway::builder(), asking(&[grant(&server)]));
    assert_eq!(
        denied(open(&alone, at("127.0.0.1", &server)).await).reason,
        DenyReason::Hook
    );

    for (grants, is_asked, answers, is_open) in [
        (true, true, HookAnswer::allow(), true),
        (true, false, HookAnswer::allow(), true),
        (true, true, HookAnswer::Deny("no".to_owned()), false),
        (true, false, HookAnswer::Deny("no".to_owned()), false),
        // A hook makes no tunnel that the policy does not name.
        (false, true, HookAnswer::allow(), false),
    ] {
        let hook = move |request: HookRequest| {
            assert_eq!((request.stage, request.is_asked), (Stage::Tunnel, is_asked));
            let answers = answers.clone();
            async move { Ok(answers) }
        };
        let tunnels = if grants {
            vec![grant(&server)]
        } else {
            Vec::new()
        };
        let document = match is_asked {
            true => asking(&tunnels),
            false => document(&tunnels, &[]),
        };
        let gateway = build(Gateway::builder().hook(hook, LIMIT), document);
        let before = server.accepted();
        let opened = open(&gateway, at("127.0.0.1", &server)).await;
        assert_eq!(opened.is_ok(), is_open, "{opened:?}");
        assert_eq!(server.accepted() > before, is_open);
    }
}

#[tokio::test]
async fn what_a_tunnel_does_is_in_the_log_before_it_is_dialled_or_it_is_not_done() {
    struct Full;
    impl crate::AuditSink for Full {
        fn write(&self, _: &crate::AuditLine) -> io::Result<()> {
            Err(io::ErrorKind::StorageFull.into())
        }
    }
    let server = echo().await;
    let log = AuditLog::with(AuditSettings {
        sinks: vec![Arc::new(Full)],
        ..AuditSettings::default()
    });
    let gateway = Gateway::new(document(&[grant(&server)], &[]).into(), naming(), log);
    let refused = denied(open(&gateway, at("127.0.0.1", &server)).await);
    assert_eq!((refused.reason, server.accepted()), (DenyReason::Audit, 0));

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let log = AuditLog::with(AuditSettings {
        sinks: vec![Arc::new(AuditFile::open(&path).unwrap())],
        ..AuditSettings::default()
    });
    let gateway = Gateway::new(document(&[grant(&server)], &[]).into(), naming(), log);
    let tunnel = open(&gateway, at("127.0.0.1", &server)).await.unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("\"stage\":\"tunnel\""), "{text}");
    drop(tunnel);
}

#[tokio::test]
async fn a_tunnel_that_could_not_be_made_or_broke_has_its_error_in_the_log() {
    let server = Server::start(|mut stream, _| async move {
        let _ = stream.read(&mut [0; 1]).await;
        reset(stream);
    })
    .await;
    let gone = { echo().await.address };
    tokio::time::sleep(Duration::from_millis(20)).await;
    let nowhere = Endpoint::new("127.0.0.1", gone.port()).unwrap();
    let unknown = Endpoint::new("b.test", 22).unwrap();
    let tunnels = [grant(&server), nowhere.to_string(), unknown.to_string()];
    let gateway = gateway(document(&tunnels, &[]));
    assert_eq!(
        open(&gateway, nowhere).await.unwrap_err(),
        EgressError::Refused
    );
    let dns = open(&gateway, unknown).await.unwrap_err();
    assert_eq!(dns, EgressError::Dns(DnsFailure::NotFound));
    let mut tunnel = open(&gateway, at("127.0.0.1", &server)).await.unwrap();
    tunnel.write_all(b"x").await.unwrap();
    assert_eq!(
        ended(&mut tunnel).await.kind(),
        io::ErrorKind::ConnectionReset
    );
    drop(tunnel);
    let given_up = gateway.tunnel(at("127.0.0.1", &server), None).unwrap();
    drop(given_up);
    let errors = gateway.audit().exchanges().into_iter().map(|it| it.error);
    let errors: Vec<_> = errors.map(Option::unwrap_or_default).collect();
    assert_eq!(errors[..3], ["refused", "dns", "reset"]);
    let is_free = async {
        while gateway.usage().connections.used > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, is_free).await.unwrap();
}
