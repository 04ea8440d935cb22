//! Which addresses a program is told, depending on who decides on the connection.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::*;
use crate::hook::{DecisionHook, HookAnswer, HookError, HookRequest};
use sandbox_net_egress::{DnsFailure, EgressConfig, Resolve, Roots, TlsConfig};
use sandbox_net_policy::{Document, Mode};

const PUBLIC: [u8; 4] = [93, 184, 216, 34];

/// Leads every name to a public address and to this machine.
struct Names;

impl Resolve for Names {
    fn resolve<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, DnsFailure>> {
        let found = vec![[127, 0, 0, 1].into(), PUBLIC.into()];
        Box::pin(async { Ok(found) })
    }
}

struct Willing;

impl DecisionHook for Willing {
    async fn decide(&self, _: &HookRequest) -> Result<HookAnswer, HookError> {
        Ok(HookAnswer::allow())
    }
}

async fn told(allow: &[&str], mode: Mode, has_hook: bool, name: &str) -> Vec<IpAddr> {
    let document = Document {
        allow: allow.iter().map(|rule| rule.parse().unwrap()).collect(),
        mode,
        ..Document::default()
    };
    let mut config = EgressConfig::new(TlsConfig::new(Roots::Bundled, []).unwrap());
    config.resolver = Arc::new(Names);
    let mut builder = Gateway::builder();
    if has_hook {
        builder = builder.hook(Arc::new(Willing), Duration::from_secs(9));
    }
    let gateway = builder.build(document.into(), config);
    let found = match gateway.lookup(Host::parse(name).unwrap()).unwrap() {
        Looking::Done(found) => found,
        Looking::Asking(task) => task.await.unwrap(),
    };
    found.addresses().to_vec()
}

#[tokio::test]
async fn nothing_is_told_of_a_name_where_somebody_is_asked_before_any_name_server() {
    let public: &[IpAddr] = &[PUBLIC.into()];
    for (allow, mode, has_hook, expected) in [
        (&["a.test"][..], Mode::Enforce, false, public),
        (&["a.test"], Mode::Enforce, true, &[]),
        (&["a.test"], Mode::Ask, true, &[]),
        (&[], Mode::Ask, true, &[]),
        (&[], Mode::Report, false, public),
    ] {
        let heard = told(allow, mode, has_hook, "a.test").await;
        assert_eq!(heard, expected, "{allow:?} {mode:?} {has_hook}");
    }
    // Well-known addresses are told even with a hook.
    let loopback: [IpAddr; 2] = ["127.0.0.1", "::1"].map(|ip| ip.parse().unwrap());
    for has_hook in [false, true] {
        let heard = told(&["localhost"], Mode::Enforce, has_hook, "localhost").await;
        assert_eq!(heard, loopback);
    }
    assert!(told(&[], Mode::Ask, true, "localhost").await.is_empty());
}
