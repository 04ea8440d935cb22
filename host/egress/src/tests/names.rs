//! Name resolution, and the policy's filter after it.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use hickory_resolver::proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA};
use hickory_resolver::proto::rr::{RData, Record};
use tokio::net::UdpSocket;

use crate::client::Client;
use crate::config::EgressConfig;
use crate::error::{DnsFailure, EgressError, Phase};
use crate::h1::Reuse;
use crate::nameservers::{NameServers, NameServersError};
use crate::resolve::{Resolve, SystemResolver};
use crate::test_support::tls::{Authority, serve_tls};
use crate::test_support::{Server, config, connect, egress_with, send};
use sandbox_net_policy::{DenyReason, Endpoint, Origin, Policy, Scheme, TlsOverrides};

/// A resolver that gives one answer after the other, the last one again and again.
pub(super) struct Script {
    answers: Mutex<Vec<Result<Vec<IpAddr>, DnsFailure>>>,
    pub(super) questions: AtomicUsize,
}

impl Script {
    pub(super) fn new<const N: usize>(answers: [Result<&[&str], DnsFailure>; N]) -> Arc<Self> {
        let parse = |ips: &[&str]| ips.iter().map(|ip| ip.parse().unwrap()).collect();
        let answers = answers
            .into_iter()
            .rev()
            .map(|answer| answer.map(parse))
            .collect();
        Arc::new(Self {
            answers: Mutex::new(answers),
            questions: AtomicUsize::new(0),
        })
    }
}

impl Resolve for Script {
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, DnsFailure>> {
        assert_eq!(name, "api.test");
        self.questions.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.answers.lock().unwrap();
        let answer = if answers.len() > 1 {
            answers.pop().unwrap()
        } else {
            answers[0].clone()
        };
        Box::pin(std::future::ready(answer))
    }
}

pub(super) fn api(scheme: Scheme, port: u16) -> Origin {
    let endpoint = Endpoint::new("api.test", port).unwrap();
    Origin { scheme, endpoint }
}

pub(super) fn client(resolver: Arc<dyn Resolve>, rules: &[String]) -> (Client, Policy) {
    let policy = Policy::allow(rules.iter().map(|rule| rule.parse().unwrap()));
    let config = EgressConfig {
        resolver,
        ..config()
    };
    (Client::new(config), policy)
}

#[tokio::test]
async fn only_permitted_addresses_of_a_name_are_dialled() {
    let server = Server::echo().await;
    let port = server.address.port();
    let resolver = Script::new([Ok(&["10.0.0.1", "::1", "127.0.0.2", "127.0.0.1"][..])]);
    let (egress, policy) = client(resolver, &[format!("api.test:{port} to 127.0.0.1")]);
    let origin = api(Scheme::Http, port);
    let route = policy.check_connect(origin.endpoint.clone()).unwrap();
    let mut connection = egress
        .connect(route, None, None, Reuse::Pool)
        .await
        .unwrap();
    assert_eq!(connection.peer(), Some(server.address));
    send(&mut connection, &origin, "GET").await.unwrap();
}

#[tokio::test]
async fn a_name_without_a_permitted_address_is_denied_and_no_address_is_told() {
    let server = Server::echo().await;
    let port = server.address.port();
    let resolver = Script::new([Ok(&["127.0.0.1", "169.254.169.254", "::1", "fd00::1"][..])]);
    let (egress, policy) = client(resolver, &[format!("api.test:{port}")]);
    let route = policy
        .check_connect(api(Scheme::Http, port).endpoint)
        .unwrap();
    let error = egress
        .connect(route, None, None, Reuse::Pool)
        .await
        .err()
        .unwrap();
    let EgressError::Denied(denial) = error else {
        panic!("{error:?}")
    };
    assert_eq!(denial.reason, DenyReason::Address);
    for address in ["127.0.0.1", "169.254", "::1", "fd00"] {
        assert!(!denial.message.contains(address), "{}", denial.message);
    }
    assert_eq!(server.accepted(), 0);
}

#[tokio::test]
async fn an_address_that_is_open_for_one_scheme_is_not_used_for_the_other() {
    let authority = Authority::new();
    let server = serve_tls(authority.server(&[]), |_, _| async {
        panic!("the handshake may not come about")
    })
    .await;
    let port = server.address.port();
    let resolver = Script::new([Ok(&["127.0.0.1"][..])]);
    let (egress, policy) = client(
        resolver,
        &[
            format!("https://api.test:{port}"),
            format!("http://api.test:{port} to 127.0.0.1"),
        ],
    );
    let origin = api(Scheme::Https, port);
    let route = policy.check_connect(origin.endpoint.clone()).unwrap();
    let mut connection = egress
        .connect(route, None, None, Reuse::Pool)
        .await
        .unwrap();
    let checked = policy
        .check_tls(&origin.endpoint, None, TlsOverrides::default())
        .unwrap();
    let error = connection.start_tls(checked).await.unwrap_err();
    let EgressError::Denied(denial) = error else {
        panic!("{error:?}")
    };
    assert_eq!(denial.reason, DenyReason::Address);
}

#[tokio::test]
async fn a_name_that_resolves_elsewhere_later_is_filtered_again() {
    let server = Server::answering("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let port = server.address.port();
    let resolver = Script::new([Ok(&["127.0.0.1"][..]), Ok(&["127.0.0.2"][..])]);
    let (egress, policy) = client(resolver, &[format!("api.test:{port} to 127.0.0.1")]);
    let origin = api(Scheme::Http, port);
    let route = policy.check_connect(origin.endpoint.clone()).unwrap();
    let mut connection = egress
        .connect(route, None, None, Reuse::Pool)
        .await
        .unwrap();
    send(&mut connection, &origin, "GET").await.unwrap();
    let error = send(&mut connection, &origin, "GET").await.unwrap_err();
    assert!(matches!(error, EgressError::Denied(_)), "{error:?}");
}

#[tokio::test]
async fn an_address_that_refuses_gives_way_to_the_next() {
    let server = Server::echo().await;
    let port = server.address.port();
    let resolver = Script::new([Ok(&["127.0.0.3", "127.0.0.1"][..])]);
    let rule = format!("api.test:{port} to 127.0.0.1,127.0.0.3");
    let (egress, policy) = client(resolver, &[rule]);
    let route = policy
        .check_connect(api(Scheme::Http, port).endpoint)
        .unwrap();
    let connection = egress
        .connect(route, None, None, Reuse::Pool)
        .await
        .unwrap();
    assert_eq!(connection.peer(), Some(server.address));
}

#[tokio::test]
async fn failures_of_the_resolver_are_told_apart() {
    for (answer, expected) in [
        (Ok(&[][..]), DnsFailure::NotFound),
        (Err(DnsFailure::NotFound), DnsFailure::NotFound),
        (Err(DnsFailure::Temporary), DnsFailure::Temporary),
        (Err(DnsFailure::Failed), DnsFailure::Failed),
    ] {
        let (egress, policy) = client(Script::new([answer]), &["api.test".into()]);
        let route = policy
            .check_connect(api(Scheme::Https, 443).endpoint)
            .unwrap();
        let error = egress
            .connect(route, None, None, Reuse::Pool)
            .await
            .err()
            .unwrap();
        assert_eq!(error, EgressError::Dns(expected));
    }
}

#[tokio::test]
async fn literals_localhost_and_idle_connections_need_no_resolver() {
    let server = Server::echo().await;
    let port = server.address.port();
    let resolver = Script::new([Ok(&["127.0.0.1"][..])]);
    let rules = ["localhost", "127.0.0.1"].map(|host| format!("{host}:{port}"));
    let rules: Vec<_> = rules
        .into_iter()
        .chain([format!("api.test:{port} to 127.0.0.1")])
        .collect();
    let (egress, policy) = client(resolver.clone(), &rules);
    for host in ["127.0.0.1", "localhost", "api.test", "api.test"] {
        let endpoint = Endpoint::new(host, port).unwrap();
        let origin = Origin {
            scheme: Scheme::Http,
            endpoint: endpoint.clone(),
        };
        let route = policy.check_connect(endpoint).unwrap();
        let mut connection = egress
            .connect(route, None, None, Reuse::Pool)
            .await
            .unwrap();
        send(&mut connection, &origin, "GET").await.unwrap();
    }
    assert_eq!(resolver.questions.load(Ordering::SeqCst), 1);
    assert_eq!(server.accepted(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_resolver_that_says_nothing_meets_the_deadline() {
    struct Silent;
    impl Resolve for Silent {
        fn resolve<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, DnsFailure>> {
            Box::pin(std::future::pending())
        }
    }
    let (egress, policy) = client(Arc::new(Silent), &["api.test".into()]);
    let route = policy
        .check_connect(api(Scheme::Https, 443).endpoint)
        .unwrap();
    let error = egress
        .connect(route, None, None, Reuse::Pool)
        .await
        .err()
        .unwrap();
    assert_eq!(error, EgressError::Timeout(Phase::Resolve));
}

#[tokio::test]
async fn the_systems_resolver_knows_what_the_system_knows() {
    let resolver = SystemResolver::default();
    let found = resolver.resolve("localhost").await.unwrap();
    assert!(
        !found.is_empty() && found.iter().all(IpAddr::is_loopback),
        "{found:?}"
    );
    // Names below `invalid` never exist (RFC 6761 section 6.4).
    let missing = resolver.resolve("sandbox-net.invalid").await;
    assert!(
        matches!(missing, Err(DnsFailure::NotFound | DnsFailure::Temporary)),
        "{missing:?}"
    );
}

/// A name server that knows `api.test`, and answers for other names as their first label says.
async fn name_server() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 4096];
        loop {
            let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
            let question = Message::from_vec(&buffer[..length]).unwrap();
            let answer = answer(&question).to_vec().unwrap();
            socket.send_to(&answer, from).await.unwrap();
        }
    });
    address
}

fn answer(question: &Message) -> Message {
    let query = question.queries.first().unwrap().clone();
    let name = query.name().clone();
    let mut answer = Message::new(question.metadata.id, MessageType::Response, OpCode::Query);
    answer.metadata.response_code = match name.to_ascii().as_str() {
        "api.test." | "empty.test." => ResponseCode::NoError,
        "refused.test." => ResponseCode::Refused,
        "broken.test." => ResponseCode::ServFail,
        _ => ResponseCode::NXDomain,
    };
    if name.to_ascii() == "api.test." {
        let data = match query.query_type() {
            hickory_resolver::proto::rr::RecordType::A => RData::A(A::new(192, 0, 2, 1)),
            _ => RData::AAAA(AAAA::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
        };
        answer.add_answer(Record::from_rdata(name, 60, data));
    }
    answer.add_query(query);
    answer
}

#[tokio::test]
async fn given_name_servers_are_asked() {
    let resolver = NameServers::new([name_server().await]).unwrap();
    let found = resolver.resolve("api.test").await.unwrap();
    let expected: [IpAddr; 2] = ["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
    assert_eq!(found, expected);
    for (name, expected) in [
        ("missing.test", DnsFailure::NotFound),
        ("empty.test", DnsFailure::NotFound),
        ("broken.test", DnsFailure::Temporary),
        ("refused.test", DnsFailure::Failed),
        // The machine's hosts file is ignored.
        ("localhost.localdomain", DnsFailure::NotFound),
    ] {
        assert_eq!(resolver.resolve(name).await, Err(expected), "{name}");
    }
}

#[test]
fn an_empty_list_of_name_servers_is_refused() {
    assert!(matches!(NameServers::new([]), Err(NameServersError::Empty)));
}

#[tokio::test]
async fn a_certificate_is_verified_for_the_name_and_not_for_the_address() {
    let authority = Authority::new();
    for (name, is_accepted) in [("api.test", true), ("127.0.0.1", false)] {
        let config = authority.server_with(&[], &[name], |_| {});
        let echo = crate::test_support::echo;
        let server = serve_tls(config, move |stream, _| echo(stream)).await;
        let origin = api(Scheme::Https, server.address.port());
        let config = EgressConfig {
            resolver: Script::new([Ok(&["127.0.0.1"][..])]),
            ..authority.config()
        };
        let result = connect(&egress_with(config), &origin).await;
        assert_eq!(result.is_ok(), is_accepted, "{name}");
    }
}
