//! Tunnels whose policy is replaced: what the new one does not grant is over, at whatever moment.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use futures_util::future::BoxFuture;

use super::tests::{LIMIT, at, document, echo, ended, gateway, open, says};
use super::*;
use crate::testing::denied;
use crate::{AuditLog, Gateway, HookAnswer, HookRequest};
use sandbox_net_egress::test_support::config;
use sandbox_net_egress::{DnsFailure, Resolve};
use sandbox_net_policy::{DenyReason, Policy};

#[tokio::test]
async fn another_policy_ends_a_tunnel_to_an_address_that_it_does_not_open() {
    let server = echo().await;
    let port = server.address.port();
    let grant = |to: &str| [format!("a.test:{port} to {to}")];
    for (tunnels, deny, reason) in [
        (grant("127.0.0.0/8"), vec![], None),
        (grant("127.0.0.2"), vec![], Some(DenyReason::Address)),
        (
            grant("127.0.0.1"),
            vec!["127.0.0.1"],
            Some(DenyReason::Address),
        ),
        (
            grant("127.0.0.1"),
            vec!["a.test/x"],
            Some(DenyReason::DenyRule),
        ),
    ] {
        let gateway = gateway(document(&grant("127.0.0.1"), &[]));
        let mut tunnel = open(&gateway, at("a.test", &server)).await.unwrap();
        assert_eq!(says(&mut tunnel, b"x").await.unwrap(), b"x");
        let next = document(&tunnels, &deny);
        gateway.replace_policy(next.into()).unwrap();
        let Some(reason) = reason else {
            assert_eq!(says(&mut tunnel, b"y").await.unwrap(), b"y");
            continue;
        };
        assert_eq!(
            ended(&mut tunnel).await.kind(),
            io::ErrorKind::PermissionDenied
        );
        let denial = denied(Err::<(), _>(tunnel.failure().unwrap()));
        assert_eq!(denial.reason, reason);
    }
}

/// Replaces the policy while the name is being resolved.
struct Replacing {
    gateway: OnceLock<Gateway>,
    by: Policy,
}

impl Resolve for Replacing {
    fn resolve<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, DnsFailure>> {
        Box::pin(async {
            let gateway = self.gateway.get().unwrap();
            gateway.replace_policy(self.by.clone()).unwrap();
            Ok(vec![[127, 0, 0, 1].into()])
        })
    }
}

#[tokio::test]
async fn a_policy_that_is_replaced_while_a_tunnel_is_made_counts() {
    let server = echo().await;
    let granting = || {
        document(
            &[format!("a.test:{} to 127.0.0.1", server.address.port())],
            &[],
        )
    };
    for (by, is_open) in [(granting().into(), true), (Policy::deny_all(), false)] {
        let resolver = Arc::new(Replacing {
            gateway: OnceLock::new(),
            by,
        });
        let mut config = config();
        config.resolver = Arc::<Replacing>::clone(&resolver);
        let gateway = Gateway::new(granting().into(), config, AuditLog::new());
        assert!(resolver.gateway.set(gateway.clone()).is_ok());
        let opened = open(&gateway, at("a.test", &server)).await;
        assert_eq!(opened.is_ok(), is_open, "{opened:?}");
        if !is_open {
            assert_eq!(denied(opened).reason, DenyReason::NoRule);
            assert_eq!(gateway.usage().connections.used, 0);
        }
    }
}

#[tokio::test]
async fn a_policy_that_is_replaced_while_the_hook_is_asked_counts() {
    let server = echo().await;
    let granting = || document(&[format!("127.0.0.1:{}", server.address.port())], &[]);
    for (by, is_open) in [(granting().into(), true), (Policy::deny_all(), false)] {
        let own: Arc<OnceLock<Gateway>> = Arc::default();
        let asked = Arc::clone(&own);
        let hook = move |_: HookRequest| {
            let (asked, by) = (Arc::clone(&asked), Policy::clone(&by));
            async move {
                asked.get().unwrap().replace_policy(by).unwrap();
                Ok(HookAnswer::allow())
            }
        };
        let builder = Gateway::builder().hook(hook, LIMIT);
        let gateway = builder.build(granting().into(), config());
        assert!(own.set(gateway.clone()).is_ok());
        let before = server.accepted();
        let opened = open(&gateway, at("127.0.0.1", &server)).await;
        assert_eq!(opened.is_ok(), is_open, "{opened:?}");
        assert_eq!(server.accepted() > before, is_open);
    }
}
