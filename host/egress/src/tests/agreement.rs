//! What is dialled and sent is what was decided.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use proptest::prelude::*;
use tokio::net::TcpListener;

use crate::body_kind::BodyKind;
use crate::client::Client;
use crate::config::EgressConfig;
use crate::error::{DnsFailure, EgressError};
use crate::h1::Reuse;
use crate::resolve::Resolve;
use crate::test_support::{config, ok, read_request, write};
use sandbox_net_policy::{
    Decision, Document, Endpoint, Operation, Origin, Policy, Rule, Scheme, decide,
};

/// A resolver with one answer for every name, which remembers what it was asked.
struct Scripted {
    answer: Vec<IpAddr>,
    asked: Mutex<Vec<String>>,
}

impl Resolve for Scripted {
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, DnsFailure>> {
        self.asked.lock().unwrap().push(name.to_owned());
        Box::pin(std::future::ready(Ok(self.answer.clone())))
    }
}

/// A request as it arrived, and the address that it arrived at.
type Arrived = Arc<Mutex<Vec<(IpAddr, String)>>>;

/// Listens at all of [`ADDRESSES`], on one port.
async fn listen() -> (u16, Arrived) {
    let arrived = Arrived::default();
    let listeners = loop {
        if let Some(listeners) = on_one_port().await {
            break listeners;
        }
    };
    let port = listeners[0].local_addr().unwrap().port();
    for listener in listeners {
        let seen = Arc::clone(&arrived);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let address = stream.local_addr().unwrap().ip();
                let request = read_request(&mut stream).await;
                seen.lock().unwrap().push((address, request));
                write(&mut stream, ok("").as_bytes()).await;
            }
        });
    }
    (port, arrived)
}

/// `None` if another address has the port of the first one in use.
async fn on_one_port() -> Option<Vec<TcpListener>> {
    let mut listeners = Vec::new();
    let mut port = 0;
    for address in ADDRESSES {
        let listener = TcpListener::bind((IpAddr::from(address), port))
            .await
            .ok()?;
        port = listener.local_addr().ok()?.port();
        listeners.push(listener);
    }
    Some(listeners)
}

/// Loopback addresses to which no other test connects at a port that it believes to be free.
const ADDRESSES: [[u8; 4]; 4] = [
    [127, 77, 0, 1],
    [127, 77, 0, 2],
    [127, 77, 0, 3],
    [127, 77, 0, 4],
];

fn address() -> impl Strategy<Value = IpAddr> {
    prop::sample::select(ADDRESSES.to_vec()).prop_map(IpAddr::from)
}

/// Rules about few names and addresses, `PORT` being the server's.
fn rule() -> impl Strategy<Value = String> {
    let methods = prop::sample::select(vec!["", "GET ", "POST "]);
    let host = prop::sample::select(vec![
        "a.test",
        "*.a.test",
        "any",
        "127.0.0.0/8",
        "127.77.0.2",
    ]);
    let path = prop::sample::select(vec!["", "/a/**", "/a", "/**"]);
    let to = prop::sample::select(vec![
        "",
        " to 127.77.0.1",
        " to 127.77.0.2,127.77.0.3",
        " to 127.0.0.0/8",
    ]);
    (methods, host, path, to).prop_map(|(m, h, p, t)| format!("{m}{h}:PORT{p}{t}"))
}

fn policy(allow: &[String], deny: &[String], port: u16) -> Policy {
    let filled = |rule: &String| rule.replace("PORT", &port.to_string());
    let document = Document {
        allow: allow
            .iter()
            .filter_map(|rule| filled(rule).parse().ok())
            .collect(),
        deny: deny
            .iter()
            .filter_map(|rule| Rule::parse_deny(&filled(rule)).ok())
            .collect(),
        ..Document::default()
    };
    document.into()
}

/// Connects and sends, as far as the policy permits.
async fn send(
    egress: &Client,
    policy: &Policy,
    origin: &Origin,
    method: &str,
    path: &str,
) -> Result<(), EgressError> {
    let route = policy.check_connect(origin.endpoint.clone());
    let mut connection = egress
        .connect(route.map_err(EgressError::Denied)?, None, None, Reuse::Pool)
        .await?;
    let line = policy.check_request(origin, method.as_bytes(), path.as_bytes(), &[]);
    let line = line.map_err(EgressError::Denied)?;
    let body = http_body_util::Empty::<bytes::Bytes>::new();
    connection.send(line, BodyKind::None, body).await.map(drop)
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(300)
    })]

    #[test]
    fn what_is_dialled_and_sent_is_what_was_decided(
        allow in prop::collection::vec(rule(), 0..4),
        deny in prop::collection::vec(rule(), 0..2),
        answer in prop::collection::vec(address(), 0..4),
        host in prop::sample::select(vec!["a.test", "b.a.test", "c.test", "127.77.0.1", "127.77.0.2"]),
        method in prop::sample::select(vec!["GET", "POST", "HEAD"]),
        path in prop::sample::select(vec!["/a", "/a/b?x=/../y", "/b/../a/c", "/a/%2e%2e/b", "//a"]),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let asked = Arc::new(Scripted { answer: answer.clone(), asked: Mutex::default() });
        let (result, arrived, policy, origin) = runtime.block_on(async {
            let (port, arrived) = listen().await;
            let policy = policy(&allow, &deny, port);
            let origin = Origin {
                scheme: Scheme::Http,
                endpoint: Endpoint::new(host, port).unwrap(),
            };
            let resolver: Arc<dyn Resolve> = Arc::clone(&asked) as _;
            let egress = Client::new(EgressConfig { resolver, ..config() });
            let result = send(&egress, &policy, &origin, method, path).await;
            (result, arrived, policy, origin)
        });
        let request = Operation::Request {
            origin: &origin,
            method: method.as_bytes(),
            path: path.as_bytes(),
            fields: &[],
        };
        let is_allowed = matches!(decide(&request, &policy), Decision::Allow { .. });
        let connect = policy.check_connect(origin.endpoint.clone());
        let arrived = arrived.lock().unwrap();
        // A connection whose address is not the request's is closed without a request.
        let heads: Vec<_> = arrived.iter().filter(|(_, head)| !head.is_empty()).collect();
        match result {
            Ok(()) => {
                prop_assert!(is_allowed);
                let [(address, head)] = heads[..] else {
                    return Err(TestCaseError::fail(format!("not one request: {arrived:?}")));
                };
                let line = policy.check_request(&origin, method.as_bytes(), path.as_bytes(), &[]);
                prop_assert!(line.unwrap().permits(*address), "{}", address);
                let expected = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n", origin.authority());
                prop_assert!(head.starts_with(&expected), "{}", head);
            }
            // The request was not sent, whatever was connected to meanwhile.
            Err(error) => prop_assert!(heads.is_empty(), "{}", error),
        }
        for (address, _) in arrived.iter() {
            let literal = host.parse() == Ok(*address);
            prop_assert!(literal || answer.contains(address), "{}", address);
        }
        // Names that no rule allows are never looked up.
        if connect.is_err() {
            prop_assert!(asked.asked.lock().unwrap().is_empty() && arrived.is_empty());
        }
    }
}
