//! Calls the interface as a guest does, against a real server.

use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::p2::{DynInputStream, Pollable, StreamError};

use super::types::{
    BodyKind, ConnectOptions, DenyReason, DnsFailure, ErrorCode, IpAddress, RequestHead,
};
use super::wit::{Host, HostConnection, HostExchange, HostLookup};
use crate::ctx::{SandboxNetCtx, SandboxNetCtxView};
use sandbox_net_egress::{EgressConfig, Resolve, Roots, TlsConfig};
use sandbox_net_gateway::{AuditLog, Gateway};
use sandbox_net_policy::Policy;

/// Resolves every name but `missing.test` to 127.0.0.1, and `*.public.test` also to other addresses
/// before and after that one.
#[derive(Default)]
struct Names(Mutex<Vec<String>>);

impl Resolve for Names {
    fn resolve<'a>(
        &'a self,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Vec<std::net::IpAddr>, sandbox_net_egress::DnsFailure>> {
        self.0.lock().unwrap().push(name.to_owned());
        let answer = match name {
            "missing.test" => Err(sandbox_net_egress::DnsFailure::NotFound),
            name if name.ends_with(".public.test") => Ok(vec![
                [93, 184, 216, 34].into(),
                [127, 0, 0, 1].into(),
                "2606:2800:220:1::1".parse().unwrap(),
                [93, 184, 216, 34].into(),
            ]),
            _ => Ok(vec![[127, 0, 0, 1].into()]),
        };
        Box::pin(std::future::ready(answer))
    }
}

/// A guest's own side of the interface.
struct Guest {
    ctx: SandboxNetCtx,
    table: ResourceTable,
    names: Arc<Names>,
    audit: AuditLog,
}

impl Guest {
    fn new(rules: &[String]) -> Self {
        let policy = Policy::allow(rules.iter().map(|rule| rule.parse().unwrap()));
        let mut config = EgressConfig::new(TlsConfig::new(Roots::Bundled, []).unwrap());
        let names = Arc::new(Names::default());
        config.resolver = names.clone();
        let audit = AuditLog::new();
        Self {
            ctx: SandboxNetCtx::new(Gateway::new(policy, config, audit.clone())),
            table: ResourceTable::new(),
            names,
            audit,
        }
    }

    fn view(&mut self) -> SandboxNetCtxView<'_> {
        SandboxNetCtxView {
            ctx: &mut self.ctx,
            table: &mut self.table,
        }
    }

    async fn ready<T: Pollable>(&mut self, resource: &Resource<T>) {
        self.table.get_mut(resource).unwrap().ready().await;
    }

    /// Looks a name up and waits for the result.
    async fn resolve(&mut self, host: &str) -> Result<(), ErrorCode> {
        let lookup = self.view().resolve(host.to_owned()).unwrap()?;
        let again = Resource::new_own(lookup.rep());
        self.ready(&lookup).await;
        let status = HostLookup::status(&mut self.view(), lookup).unwrap();
        let same = HostLookup::status(&mut self.view(), Resource::new_borrow(again.rep()));
        assert_eq!(format!("{status:?}"), format!("{:?}", same.unwrap()));
        HostLookup::drop(&mut self.view(), again).unwrap();
        status.expect("it was ready")
    }

    /// Reads the rest of a body.
    async fn read(&mut self, stream: &Resource<DynInputStream>) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let stream = self.table.get_mut(stream).unwrap();
            stream.ready().await;
            match stream.read(1000) {
                Ok(bytes) => body.extend_from_slice(&bytes),
                Err(StreamError::Closed) => return body,
                Err(other) => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_lookup_tells_how_it_ended() {
    let mut guest = Guest::new(&["a.test".to_owned(), "missing.test".to_owned()]);
    assert!(guest.resolve("a.test").await.is_ok());
    let missing = guest.resolve("missing.test").await;
    assert!(matches!(missing, Err(ErrorCode::Dns(DnsFailure::NotFound))));
    let Err(ErrorCode::Denied(denial)) = guest.resolve("b.test").await else {
        panic!("no rule allows it");
    };
    assert_eq!(denial.reason, DenyReason::NoRule);
    assert!(denial.message.contains("add the rule 'https://b.test'"));
    for host in ["a..test", "127.1", "[::1]", ""] {
        let result = guest.resolve(host).await;
        assert!(matches!(result, Err(ErrorCode::Invalid(_))), "{host}");
    }
    assert!(guest.resolve("169.254.169.254").await.is_ok());
    assert_eq!(*guest.names.0.lock().unwrap(), ["a.test", "missing.test"]);
    assert_eq!(guest.audit.lookups().len(), 7);
    assert_eq!(guest.table.iter_mut().count(), 0);
}

#[tokio::test]
async fn a_lookup_tells_the_public_addresses_that_may_be_dialled_and_no_others() {
    let told = vec![
        IpAddress::Ipv4((93, 184, 216, 34)),
        IpAddress::Ipv6((0x2606, 0x2800, 0x220, 1, 0, 0, 0, 1)),
    ];
    let loopback = vec![
        IpAddress::Ipv4((127, 0, 0, 1)),
        IpAddress::Ipv6((0, 0, 0, 0, 0, 0, 0, 1)),
    ];
    for (rule, name, expected) in [
        ("a.public.test", "a.public.test", told.clone()),
        ("*.public.test:81", "A.public.test.", told.clone()),
        (
            "a.public.test to public,127.0.0.1",
            "a.public.test",
            told.clone(),
        ),
        ("a.public.test to 127.0.0.1", "a.public.test", vec![]),
        (
            "a.public.test to 93.184.216.34",
            "a.public.test",
            told[..1].to_vec(),
        ),
        ("any", "a.public.test", told),
        ("a.test to 127.0.0.1", "a.test", vec![]),
        ("localhost:81", "localhost", loopback),
        ("93.184.216.34", "93.184.216.34", vec![]),
        ("missing.test", "missing.test", vec![]),
    ] {
        let mut guest = Guest::new(&[rule.to_owned()]);
        let lookup = guest.view().resolve(name.to_owned()).unwrap().unwrap();
        let it = || Resource::new_borrow(lookup.rep());
        guest.ready(&lookup).await;
        for _ in 0..2 {
            let addresses = guest.view().addresses(it()).unwrap();
            assert_eq!(format!("{addresses:?}"), format!("{expected:?}"), "{rule}");
        }
        assert!(
            HostLookup::status(&mut guest.view(), it())
                .unwrap()
                .is_some()
        );
    }
}

#[tokio::test]
async fn a_lookup_that_is_not_over_tells_nothing_and_what_it_tells_is_counted() {
    let mut guest = Guest::new(&["a.public.test".to_owned()]);
    let lookup = guest.view().resolve("a.public.test".to_owned());
    let lookup = lookup.unwrap().unwrap();
    let it = || Resource::new_borrow(lookup.rep());
    assert!(
        guest.view().addresses(it()).unwrap().is_empty(),
        "not asked yet"
    );
    guest.ready(&lookup).await;
    assert_eq!(guest.view().addresses(it()).unwrap().len(), 2);
    let used = guest.ctx.gateway().memory().used();
    HostLookup::drop(&mut guest.view(), lookup).unwrap();
    assert!(guest.ctx.gateway().memory().used() < used);
}

/// Asks for a body of four bytes before reading it, and answers with it and a trailer.
async fn serve() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        assert!(head.windows(9).any(|window| window == b"\r\nExpect:"));
        stream
            .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")
            .await
            .unwrap();
        let mut body = [0; 4];
        stream.read_exact(&mut body).await.unwrap();
        let answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n";
        let answer = [answer, &body[..], b"\r\n0\r\nDigest: x\r\n\r\n"].concat();
        stream.write_all(&answer).await.unwrap();
        std::future::pending::<()>().await;
    });
    port
}

#[tokio::test]
async fn a_guest_waits_for_the_word_of_the_peer_and_finds_the_fields_behind_the_body() {
    let port = serve().await;
    let mut guest = Guest::new(&[format!("http://api.test:{port} to 127.0.0.1")]);
    guest.resolve("api.test").await.unwrap();
    let options = ConnectOptions { timeout: None };
    let connection = guest.view().connect("api.test".to_owned(), port, options);
    let connection = connection.unwrap().unwrap();
    guest.ready(&connection).await;
    let borrowed = || Resource::new_borrow(connection.rep());
    let status = HostConnection::status(&mut guest.view(), borrowed()).unwrap();
    assert!(matches!(status, Some(Ok(()))), "{status:?}");
    assert_eq!(*guest.names.0.lock().unwrap(), ["api.test"], "one question");
    let head = RequestHead {
        method: b"PUT".to_vec(),
        path: b"/".to_vec(),
        fields: vec![(b"Expect".to_vec(), b"100-continue".to_vec())],
    };
    let exchange = guest.view().request(borrowed(), head, BodyKind::Sized(4));
    let exchange = exchange.unwrap().unwrap();
    let it = || Resource::new_borrow(exchange.rep());
    guest.ready(&exchange).await;
    let told: Vec<bool> = (0..2)
        .map(|_| HostExchange::continued(&mut guest.view(), it()).unwrap())
        .collect();
    assert_eq!(told, [true, false]);
    assert!(guest.view().head(it()).unwrap().is_none());
    let stream = guest.view().body(it()).unwrap().unwrap();
    let output = guest.table.get_mut(&stream).unwrap();
    output.ready().await;
    output.check_write().unwrap();
    output.write("four".into()).unwrap();
    guest.table.delete(stream).unwrap();
    guest.view().finish_body(it()).unwrap().unwrap();
    // It waits for the head now.
    guest.ready(&exchange).await;
    let head = guest.view().head(it()).unwrap().unwrap().unwrap();
    assert_eq!(head.status, 200);
    assert!(guest.view().trailers(it()).unwrap().is_none(), "not yet");
    let body = guest.view().response_body(it()).unwrap().unwrap();
    assert_eq!(guest.read(&body).await, b"four");
    let expected = vec![(b"Digest".to_vec(), b"x".to_vec())];
    for _ in 0..2 {
        let told = guest.view().trailers(it()).unwrap().unwrap().unwrap();
        assert_eq!(told, expected);
    }
}

/// Answers every request with something that is not an HTTP head, without end.
async fn serve_odd() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                stream.read_u8().await.unwrap();
                stream.write_all(ODD).await.unwrap();
                let _ = stream.read_to_end(&mut Vec::new()).await;
            });
        }
    });
    port
}

const ODD: &[u8] = b"HTTP/1.1 200 OK\r\nX-A : 1\r\n\r\nbody";

#[tokio::test]
async fn a_bad_head_is_an_error_for_a_guest_that_does_not_ask_for_what_came() {
    let port = serve_odd().await;
    let mut guest = Guest::new(&[format!("http://api.test:{port} to 127.0.0.1")]);
    let options = ConnectOptions { timeout: None };
    let connection = guest.view().connect("api.test".to_owned(), port, options);
    let connection = connection.unwrap().unwrap();
    guest.ready(&connection).await;
    for asks in [false, true, false] {
        let head = RequestHead {
            method: b"GET".to_vec(),
            path: b"/".to_vec(),
            fields: Vec::new(),
        };
        let on = Resource::new_borrow(connection.rep());
        let exchange = guest.view().request(on, head, BodyKind::None);
        let exchange = exchange.unwrap().unwrap();
        let it = || Resource::new_borrow(exchange.rep());
        let too_early = guest.view().response_body(it()).unwrap();
        assert!(matches!(too_early, Err(ErrorCode::Invalid(_))));
        guest.ready(&exchange).await;
        let head = guest.view().head(it()).unwrap();
        let Some(Err(ErrorCode::Protocol(failure))) = head else {
            panic!("{head:?}");
        };
        assert_eq!(failure.received, b"", "it comes once");
        assert!(failure.message.contains("malformed"), "{failure:?}");
        if asks {
            let body = guest.view().response_body(it()).unwrap().unwrap();
            let mut got = Vec::new();
            while got.len() < ODD.len() {
                let stream = guest.table.get_mut(&body).unwrap();
                stream.ready().await;
                got.extend_from_slice(&stream.read(1000).unwrap());
            }
            assert_eq!(got, ODD);
            guest.table.delete(body).unwrap();
            let again = guest.view().response_body(it()).unwrap();
            assert!(matches!(again, Err(ErrorCode::Closed)));
        }
        HostExchange::drop(&mut guest.view(), exchange).unwrap();
    }
    let exchanges = guest.audit.exchanges();
    let recorded: Vec<_> = exchanges
        .iter()
        .map(|one| (one.status, one.error.as_deref()))
        .collect();
    assert_eq!(recorded, [(None, Some("protocol")); 3]);
}
