//! Lookups, and the connections that use what they found.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::future::BoxFuture;

use crate::client::Client;
use crate::error::{DnsFailure, EgressError, Phase};
use crate::h1::Reuse;
use crate::resolve::Resolve;
use crate::test_support::{Server, send};
use crate::tests::names::{Script, api, client};
use sandbox_net_policy::{CheckedName, DenyReason, Host, Lookup, Policy, Scheme};

fn checked(policy: &Policy) -> CheckedName {
    match policy.answer_lookup(Host::parse("api.test").unwrap()) {
        Ok(Lookup::Name(name)) => name,
        other => panic!("{other:?}"),
    }
}

/// Connects to the port, and sends a request.
async fn reach(egress: &Client, policy: &Policy, port: u16) -> Result<(), EgressError> {
    let origin = api(Scheme::Http, port);
    let route = policy.check_connect(origin.endpoint.clone()).unwrap();
    let mut connection = egress.connect(route, None, None, Reuse::Pool).await?;
    send(&mut connection, &origin, "GET").await.map(drop)
}

fn questions(resolver: &Script) -> usize {
    resolver.questions.load(Ordering::SeqCst)
}

#[tokio::test]
async fn a_lookup_and_the_connection_behind_it_are_one_question() {
    let server = Server::answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let port = server.address.port();
    let resolver = Script::new([Ok(&["127.0.0.1"][..])]);
    let (egress, policy) = client(resolver.clone(), &[format!("api.test:{port} to 127.0.0.1")]);
    egress.lookup(&checked(&policy)).await.unwrap();
    assert_eq!(questions(&resolver), 1);
    reach(&egress, &policy, port).await.unwrap();
    assert_eq!(questions(&resolver), 1);
    // Another connection sends a query of its own.
    reach(&egress, &policy, port).await.unwrap();
    assert_eq!((questions(&resolver), server.accepted()), (2, 2));
}

#[tokio::test]
async fn what_a_lookup_found_is_filtered_like_anything_else() {
    let server = Server::echo().await;
    let port = server.address.port();
    for (rule, expected) in [
        (format!("api.test:{port}"), Some(DenyReason::Address)),
        (format!("api.test:{port} to 127.0.0.1"), None),
    ] {
        let before = server.accepted();
        // The second answer would be permitted, but is not requested.
        let resolver = Script::new([Ok(&["127.0.0.1"][..]), Ok(&["93.184.216.34"][..])]);
        let (egress, policy) = client(resolver.clone(), &[rule]);
        egress.lookup(&checked(&policy)).await.unwrap();
        let result = reach(&egress, &policy, port).await;
        match expected {
            Some(reason) => {
                let Err(EgressError::Denied(denial)) = result else {
                    panic!("{result:?}");
                };
                assert_eq!(denial.reason, reason);
                assert!(!denial.message.contains("127.0.0.1"));
                assert_eq!(server.accepted(), before);
            }
            None => {
                assert_eq!(result, Ok(()));
                assert_eq!(server.accepted(), before + 1);
            }
        }
        assert_eq!(questions(&resolver), 1);
    }
}

#[tokio::test]
async fn what_was_found_under_another_policy_is_asked_for_again() {
    let server = Server::echo().await;
    let port = server.address.port();
    let resolver = Script::new([Ok(&["127.0.0.1"][..])]);
    let (egress, policy) = client(resolver.clone(), &[format!("api.test:{port} to 127.0.0.1")]);
    egress.lookup(&checked(&policy)).await.unwrap();
    egress.renew();
    reach(&egress, &policy, port).await.unwrap();
    assert_eq!(questions(&resolver), 2);
}

#[tokio::test]
async fn an_answer_that_a_kept_connection_made_needless_serves_no_other_one() {
    let server = Server::echo().await;
    let port = server.address.port();
    let resolver = Script::new([Ok(&["127.0.0.1"][..])]);
    let (egress, policy) = client(resolver.clone(), &[format!("api.test:{port} to 127.0.0.1")]);
    reach(&egress, &policy, port).await.unwrap();
    egress.lookup(&checked(&policy)).await.unwrap();
    reach(&egress, &policy, port).await.unwrap();
    assert_eq!((questions(&resolver), server.accepted()), (2, 1));
    let route = policy.check_connect(api(Scheme::Http, port).endpoint);
    let pinned = egress.connect(
        route.unwrap(),
        None,
        Some(IpAddr::from([127, 0, 0, 1]).into()),
        Reuse::Pool,
    );
    drop(pinned.await.unwrap());
    assert_eq!(questions(&resolver), 2);
}

#[tokio::test]
async fn a_lookup_tells_only_how_it_failed() {
    for (answer, expected) in [
        (Ok(&[][..]), DnsFailure::NotFound),
        (Err(DnsFailure::NotFound), DnsFailure::NotFound),
        (Err(DnsFailure::Temporary), DnsFailure::Temporary),
        (Err(DnsFailure::Failed), DnsFailure::Failed),
    ] {
        let (egress, policy) = client(Script::new([answer]), &["api.test".into()]);
        let result = egress.lookup(&checked(&policy)).await;
        assert_eq!(result, Err(EgressError::Dns(expected)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_lookup_that_nobody_answers_meets_the_deadline() {
    struct Silent;
    impl Resolve for Silent {
        fn resolve<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, DnsFailure>> {
            Box::pin(std::future::pending())
        }
    }
    let (egress, policy) = client(Arc::new(Silent), &["api.test".into()]);
    let result = egress.lookup(&checked(&policy)).await;
    assert_eq!(result, Err(EgressError::Timeout(Phase::Resolve)));
}
