//! A hook has a connection made to another port only where the policy allows that port too.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http_body_util::{BodyExt, Empty};

use super::*;
use sandbox_net_egress::test_support::tls::{Authority, serve_tls};
use sandbox_net_egress::test_support::{Server, config, ok, read_request, write};
use sandbox_net_egress::{BodyKind, EgressConfig, EgressError, Reuse};
use sandbox_net_policy::{Denial, DenyReason, Document, Endpoint, Mode, Origin, Scheme};

const LIMIT: Duration = Duration::from_secs(20);

/// A server that says who it is.
async fn named(name: &'static str) -> Server {
    Server::start(move |mut stream, _| async move {
        while !read_request(&mut stream).await.is_empty() {
            write(&mut stream, ok(name).as_bytes()).await;
        }
    })
    .await
}

/// A hook that dials this address and port while it is on.
fn dialling(
    address: impl Into<IpAddr>,
    port: u16,
    on: &Arc<AtomicBool>,
) -> impl DecisionHook + 'static {
    let (address, on) = (address.into(), Arc::clone(on));
    move |request: HookRequest| {
        let is_moved = request.stage == Stage::Connect && on.load(Ordering::SeqCst);
        async move {
            let amendments = Amendments::default().dial_socket((address, port).into());
            Ok(match is_moved {
                true => HookAnswer::Allow(amendments),
                false => HookAnswer::allow(),
            })
        }
    }
}

fn on() -> Arc<AtomicBool> {
    Arc::new(AtomicBool::new(true))
}

fn document(allow: &[String]) -> Document {
    Document {
        allow: allow.iter().map(|rule| rule.parse().unwrap()).collect(),
        ..Document::default()
    }
}

fn gateway(hook: impl DecisionHook + 'static, policy: Document, config: EgressConfig) -> Gateway {
    let builder = Gateway::builder().hook(hook, LIMIT);
    builder.build(policy.into(), config)
}

fn at(port: u16, scheme: Scheme) -> Origin {
    Origin {
        scheme,
        endpoint: Endpoint::new("moved.test", port).unwrap(),
    }
}

async fn body(gateway: &Gateway, origin: Origin) -> Result<String, EgressError> {
    let request = Request {
        origin,
        head: RequestHead {
            method: b"GET".to_vec(),
            path: b"/".to_vec(),
            fields: Vec::new(),
        },
        kind: BodyKind::None,
        timeouts: Timeouts::default(),
    };
    let empty = Empty::new().map_err(|never| match never {});
    let response = gateway.fetch(request, empty.boxed_unsync()).await?;
    let body = response.body.collect().await?.to_bytes();
    Ok(String::from_utf8_lossy(&body).into_owned())
}

fn denied<T: std::fmt::Debug>(result: Result<T, EgressError>) -> Denial {
    match result {
        Err(EgressError::Denied(denial)) => denial,
        other => panic!("not denied: {other:?}"),
    }
}

#[tokio::test]
async fn another_port_is_dialled_where_a_rule_allows_it_for_this_host_and_address() {
    let (asked, other) = (named("asked").await, named("other").await);
    let (port, moved) = (asked.address.port(), other.address.port());
    let rule = |port: u16, to: &str| format!("moved.test:{port} to {to}");
    let asking = |rule: String| Document {
        ask: vec![rule.parse().unwrap()],
        ..document(&[])
    };
    for (policy, is_let) in [
        (
            document(&[rule(port, "127.0.0.1"), rule(moved, "127.0.0.1")]),
            true,
        ),
        (
            document(&["moved.test:1-65535 to 127.0.0.1".to_owned()]),
            true,
        ),
        (asking("moved.test:1-65535 to 127.0.0.1".to_owned()), true),
        (document(&[rule(port, "127.0.0.1")]), false),
        // Another address, or another host, at that port.
        (
            document(&[rule(port, "127.0.0.1"), rule(moved, "127.0.0.2")]),
            false,
        ),
        (
            document(&[rule(port, "127.0.0.1"), format!("127.0.0.1:{moved}")]),
            false,
        ),
    ] {
        let hook = dialling([127, 0, 0, 1], moved, &on());
        let gateway = gateway(hook, policy.clone(), config());
        let result = body(&gateway, at(port, Scheme::Http)).await;
        let record = gateway.audit().decisions().remove(0);
        if is_let {
            assert_eq!(result.as_deref(), Ok("other"), "{policy:?}");
            assert_eq!(record.address, Some(other.address));
            continue;
        }
        let denial = denied(result);
        assert_eq!(denial.reason, DenyReason::Hook);
        assert!(denial.message.contains("it gave another port"), "{denial}");
        assert!(!denial.message.contains(&moved.to_string()), "{denial}");
        assert_eq!((record.verdict, record.address), (Verdict::Deny, None));
    }
    assert_eq!((asked.accepted(), other.accepted()), (0, 3));

    // The rule of the port that was asked for has to permit the address, too.
    let policy = document(&[rule(port, "127.0.0.2"), rule(moved, "127.0.0.1")]);
    let gateway = gateway(dialling([127, 0, 0, 1], moved, &on()), policy, config());
    let denial = denied(body(&gateway, at(port, Scheme::Http)).await);
    assert_eq!(denial.reason, DenyReason::Address);
    assert_eq!(other.accepted(), 3);
}

#[tokio::test]
async fn the_port_that_was_asked_for_needs_no_other_rule_and_port_zero_is_none() {
    let asked = named("asked").await;
    let port = asked.address.port();
    for (dialled, is_let) in [(port, true), (0, false)] {
        let hook = dialling([127, 0, 0, 1], dialled, &on());
        let policy = document(&[format!("moved.test:{port} to 127.0.0.1")]);
        let result = body(&gateway(hook, policy, config()), at(port, Scheme::Http)).await;
        assert_eq!(result.is_ok(), is_let, "{result:?}");
    }
    let hook = |_: HookRequest| async {
        Ok(HookAnswer::Allow(Amendments {
            port: Some(80),
            ..Amendments::default()
        }))
    };
    let policy = document(&["moved.test:1-65535 to 127.0.0.1".to_owned()]);
    let denial = denied(body(&gateway(hook, policy, config()), at(port, Scheme::Http)).await);
    assert!(
        denial.message.contains("a port without an address"),
        "{denial}"
    );
}

/// What one connection leaves in the pool is for the port that it was made to.
#[tokio::test]
async fn a_kept_connection_to_one_port_serves_no_request_for_another() {
    let authority = Authority::new();
    let serve = async |name: &'static str| {
        serve_tls(authority.server(&[]), move |mut stream, _| async move {
            while !read_request(&mut stream).await.is_empty() {
                write(&mut stream, ok(name).as_bytes()).await;
            }
        })
        .await
    };
    let (tls_asked, tls_other) = (serve("asked").await, serve("other").await);
    let (asked, other) = (named("asked").await, named("other").await);
    let ip: IpAddr = [127, 0, 0, 1].into();
    for (scheme, asked, other) in [
        (Scheme::Http, &asked, &other),
        (Scheme::Https, &tls_asked, &tls_other),
    ] {
        let on = on();
        let origin = Origin {
            scheme,
            endpoint: Endpoint::new("127.0.0.1", asked.address.port()).unwrap(),
        };
        let hook = dialling(ip, other.address.port(), &on);
        let policy = document(&["127.0.0.1:1-65535".to_owned()]);
        let gateway = gateway(hook, policy, authority.config());
        for (is_on, expected) in [
            (true, "other"),
            (false, "asked"),
            (true, "other"),
            (false, "asked"),
        ] {
            on.store(is_on, Ordering::SeqCst);
            let body = body(&gateway, origin.clone()).await;
            assert_eq!(body.as_deref(), Ok(expected), "{scheme}");
        }
        assert_eq!(
            (asked.accepted(), other.accepted()),
            (1, 1),
            "kept and used again"
        );
    }
}

#[tokio::test]
async fn another_policy_that_does_not_allow_the_port_ends_its_connections() {
    let (asked, other) = (named("asked").await, named("other").await);
    let port = asked.address.port();
    let rule = |port: u16| format!("moved.test:{port} to 127.0.0.1");
    let both = || document(&[rule(port), rule(other.address.port())]);
    let hook = dialling([127, 0, 0, 1], other.address.port(), &on());
    let gateway = gateway(hook, both(), config());
    let endpoint = at(port, Scheme::Http).endpoint;
    let link = gateway.connect(endpoint, None, Reuse::Pool).unwrap();
    let link = link.await.unwrap();
    let send = async |link: &Link| {
        let outgoing = Outgoing {
            link: link.for_request(),
            head: RequestHead {
                method: b"GET".to_vec(),
                path: b"/".to_vec(),
                fields: Vec::new(),
            },
            kind: BodyKind::None,
            completion: Completion::new(),
            takes_unframed: false,
            between_bytes: None,
        };
        let empty = Empty::new().map_err(|never| match never {});
        let response = gateway.send(outgoing, empty.boxed_unsync()).await?;
        response.body.collect().await.map(|body| body.to_bytes())
    };
    assert_eq!(send(&link).await.unwrap(), "other");
    gateway.replace_policy(both().into()).unwrap();
    assert_eq!(send(&link).await.unwrap(), "other");
    gateway
        .replace_policy(document(&[rule(port)]).into())
        .unwrap();
    assert_eq!(denied(send(&link).await).reason, DenyReason::Hook);
    assert_eq!((asked.accepted(), other.accepted()), (0, 2));
}

#[tokio::test]
async fn in_report_mode_another_port_passes_and_is_reported() {
    let (asked, other) = (named("asked").await, named("other").await);
    let policy = Document {
        mode: Mode::Report,
        ..document(&[format!("moved.test:{} to 127.0.0.1", asked.address.port())])
    };
    let hook = dialling([127, 0, 0, 1], other.address.port(), &on());
    let gateway = gateway(hook, policy, config());
    let result = body(&gateway, at(asked.address.port(), Scheme::Http)).await;
    assert_eq!(result.as_deref(), Ok("other"));
    let record = gateway.audit().decisions().remove(0);
    assert_eq!(record.verdict, Verdict::Report);
}
