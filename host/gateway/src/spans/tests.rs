//! One request is a tree of spans, and no span has a secret or more of a URL than the log.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http_body_util::{BodyExt, Empty};
use tokio::sync::Notify;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Instrument, Metadata, Subscriber};
use tracing_core::span::Current;

use super::*;
use crate::audit::{AuditLog, AuditSettings};
use crate::gateway::Gateway;
use crate::hook::{HookAnswer, HookRequest};
use crate::lookup::Looking;
use crate::request::{Request, RequestHead, Timeouts};
use crate::secrets::Vault;
use sandbox_net_egress::test_support::tls::{Authority, serve_tls};
use sandbox_net_egress::test_support::{Server, config, echo, ok, read_request, write};
use sandbox_net_egress::{BodyKind, DnsFailure, EgressConfig, EgressError, Resolve};
use sandbox_net_policy::{Document, Endpoint, Host, Origin, Policy, Scheme};

const VALUE: &str = "real-value-1234";

/// A span, as a subscriber sees it.
#[derive(Debug, Clone)]
struct Seen {
    metadata: &'static Metadata<'static>,
    fields: BTreeMap<&'static str, String>,
    /// The name of the span that it is in.
    parent: Option<&'static str>,
    holders: usize,
}

/// Remembers every span. For tests that have one thread.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<(Vec<Seen>, Vec<u64>)>>);

impl Spans {
    /// Collects from now on.
    fn collect() -> (Self, DefaultGuard) {
        let spans = Self::default();
        let guard = tracing::subscriber::set_default(spans.clone());
        (spans, guard)
    }

    fn all(&self) -> Vec<Seen> {
        self.0.lock().unwrap().0.clone()
    }

    fn named(&self, name: &str) -> Vec<Seen> {
        let all = self.all().into_iter();
        all.filter(|seen| seen.metadata.name() == name).collect()
    }

    fn one(&self, name: &str) -> Seen {
        let mut named = self.named(name);
        assert_eq!(named.len(), 1, "{name}: {:?}", self.all());
        named.remove(0)
    }
}

impl Seen {
    fn get(&self, field: &str) -> Option<&str> {
        self.fields.get(field).map(String::as_str)
    }

    fn assert(&self, fields: &[(&str, &str)]) {
        for (name, value) in fields {
            assert_eq!(self.get(name), Some(*value), "{name} of {self:?}");
        }
    }
}

struct Fields<'a>(&'a mut BTreeMap<&'static str, String>);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

impl Subscriber for Spans {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_span()
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let (seen, entered) = &mut *self.0.lock().unwrap();
        let inside = span.is_contextual().then(|| entered.last().copied());
        let parent = span.parent().map(Id::into_u64).or(inside.flatten());
        let mut fields = BTreeMap::new();
        span.record(&mut Fields(&mut fields));
        seen.push(Seen {
            metadata: span.metadata(),
            fields,
            parent: parent.map(|id| seen[index(id)].metadata.name()),
            holders: 1,
        });
        Id::from_u64(seen.len() as u64)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let (seen, _) = &mut *self.0.lock().unwrap();
        values.record(&mut Fields(&mut seen[index(span.into_u64())].fields));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, span: &Id) {
        self.0.lock().unwrap().1.push(span.into_u64());
    }

    fn exit(&self, span: &Id) {
        let (_, entered) = &mut *self.0.lock().unwrap();
        let last = entered.iter().rposition(|id| *id == span.into_u64());
        entered.remove(last.unwrap());
    }

    fn clone_span(&self, span: &Id) -> Id {
        self.0.lock().unwrap().0[index(span.into_u64())].holders += 1;
        span.clone()
    }

    fn try_close(&self, span: Id) -> bool {
        let holders = &mut self.0.lock().unwrap().0[index(span.into_u64())].holders;
        *holders -= 1;
        *holders == 0
    }

    fn current_span(&self) -> Current {
        let (seen, entered) = &*self.0.lock().unwrap();
        match entered.last() {
            Some(id) => Current::new(Id::from_u64(*id), seen[index(*id)].metadata),
            None => Current::none(),
        }
    }
}

fn index(id: u64) -> usize {
    usize::try_from(id).unwrap() - 1
}

/// Leads every name but `missing.test` to this machine.
struct Names;

impl Resolve for Names {
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, DnsFailure>> {
        Box::pin(async move {
            match name {
                "missing.test" => Err(DnsFailure::NotFound),
                _ => Ok(vec![[127, 0, 0, 1].into()]),
            }
        })
    }
}

fn named(mut config: EgressConfig) -> EgressConfig {
    config.resolver = Arc::new(Names);
    config
}

fn get(origin: Origin, path: &str, field: &str) -> Request {
    Request {
        origin,
        head: RequestHead {
            method: b"GET".to_vec(),
            path: path.into(),
            fields: vec![(b"Authorization".to_vec(), field.into())],
        },
        kind: BodyKind::None,
        timeouts: Timeouts::default(),
    }
}

async fn fetch(gateway: &Gateway, request: Request) -> Result<u16, EgressError> {
    let empty = Empty::new().map_err(|never| match never {});
    let response = gateway.fetch(request, empty.boxed_unsync()).await?;
    let status = response.head.unwrap().status;
    response.body.collect().await?;
    Ok(status)
}

async fn secure(authority: &Authority) -> (Server, Origin) {
    let server = authority.server_with(&[], &["named.test"], |_| {});
    let server = serve_tls(server, |stream, _| echo(stream)).await;
    let endpoint = Endpoint::new("named.test", server.address.port()).unwrap();
    let scheme = Scheme::Https;
    (server, Origin { scheme, endpoint })
}

#[tokio::test]
async fn one_request_is_a_tree_of_spans_without_its_query_its_fields_or_its_secrets() {
    let authority = Authority::new();
    let (server, origin) = secure(&authority).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    std::fs::write(&file, VALUE).unwrap();
    let keys = format!(
        "version = 1\n[[secret]]\nname = 'key'\nrule = '{origin}'\nsource.file = '{}'\n[end]",
        file.display()
    );
    let port = server.address.port().to_string();
    for queries in [false, true] {
        let document = Document {
            allow: vec![format!("{origin} to 127.0.0.1").parse().unwrap()],
            secrets: Document::parse(&keys).unwrap().secrets,
            ..Document::default()
        };
        let vault = Vault::open(&document.secrets).unwrap();
        let placeholder = vault.variables().next().unwrap().1.to_owned();
        let audit = AuditLog::with(AuditSettings {
            sandbox: "agent-7".to_owned(),
            queries,
            ..AuditSettings::default()
        });
        let builder = Gateway::builder().secrets(vault).audit(audit);
        let gateway = builder.build(document.into(), named(authority.config()));
        let (spans, _guard) = Spans::collect();
        let run = tracing::info_span!("run");
        let request = get(origin.clone(), "/a/b?key=in-the-query", &placeholder);
        let status = fetch(&gateway, request).instrument(run.clone()).await;
        assert_eq!(status, Ok(200));

        let url = match queries {
            true => format!("{origin}/a/b?key=in-the-query"),
            false => format!("{origin}/a/b"),
        };
        let request = spans.one("request");
        request.assert(&[
            ("otel.name", "GET"),
            ("otel.kind", "client"),
            ("sandbox_net.sandbox", "agent-7"),
            ("server.address", "named.test"),
            ("server.port", &port),
            ("http.request.method", "GET"),
            ("url.full", &url),
            ("http.response.status_code", "200"),
            ("network.peer.address", "127.0.0.1"),
            ("network.peer.port", &port),
            ("network.protocol.version", "1.1"),
            ("tls.protocol.version", "1.3"),
        ]);
        assert_eq!(request.get("error.type"), None);
        let dns = spans.one("dns");
        dns.assert(&[("otel.kind", "client"), ("dns.question.name", "named.test")]);
        let dial = spans.one("dial");
        dial.assert(&[
            ("otel.kind", "client"),
            ("network.peer.address", "127.0.0.1"),
            ("network.peer.port", &port),
            ("network.transport", "tcp"),
        ]);
        spans.one("tls").assert(&[
            ("server.address", "named.test"),
            ("network.peer.port", &port),
            ("tls.protocol.name", "tls"),
            ("tls.protocol.version", "1.3"),
        ]);
        let decisions = spans.named("decision");
        let stages: Vec<_> = decisions
            .iter()
            .map(|it| it.get("sandbox_net.stage").unwrap())
            .collect();
        assert_eq!(stages, ["connect", "tls", "request"]);
        for decision in &decisions {
            decision.assert(&[
                ("sandbox_net.verdict", "allow"),
                ("server.address", "named.test"),
                ("server.port", &port),
            ]);
        }
        assert_eq!(decisions[2].get("url.full"), Some(&*url));

        // Which is in which, and all are over.
        let tree: Vec<_> = spans
            .all()
            .iter()
            .map(|it| (it.metadata.name(), it.parent))
            .collect();
        let decision = Some("decision");
        let expected = [
            ("run", None),
            ("decision", Some("run")),
            ("dns", decision),
            ("dial", decision),
            ("decision", Some("run")),
            ("tls", decision),
            ("request", Some("run")),
            ("decision", Some("request")),
        ];
        assert_eq!(tree, expected);
        drop(run);
        for seen in spans.all() {
            assert_eq!(seen.holders, 0, "{seen:?}");
            assert!(
                seen.metadata.name() == "run"
                    || seen.metadata.target().starts_with("sandbox_net::")
            );
            let text = format!("{:?}", seen.fields);
            assert!(
                !text.contains(VALUE) && !text.contains(&placeholder),
                "{text}"
            );
            assert_eq!(
                text.contains("in-the-query"),
                queries && text.contains("url.full"),
                "{text}"
            );
        }
    }
}

#[tokio::test]
async fn a_failure_is_a_code_and_not_a_message() {
    let server = Server::answering("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await;
    let closed = Server::echo().await.address.port();
    let at = |host: &str, port| Origin {
        scheme: Scheme::Http,
        endpoint: Endpoint::new(host, port).unwrap(),
    };
    let rules = ["any:1-65535 to 127.0.0.1", "127.0.0.1:1-65535"];
    let policy = || Policy::allow(rules.map(|rule| rule.parse().unwrap()));
    for (origin, policy, name, error) in [
        (server.http(), policy(), "request", "404"),
        (at("127.0.0.1", closed), policy(), "dial", "refused"),
        (at("missing.test", 80), policy(), "dns", "dns"),
        (server.http(), Policy::deny_all(), "decision", "no-rule"),
    ] {
        let gateway = Gateway::new(policy, named(config()), AuditLog::new());
        let (spans, _guard) = Spans::collect();
        let _ = fetch(&gateway, get(origin, "/", "")).await;
        let seen = spans.named(name).pop().unwrap();
        seen.assert(&[("error.type", error), ("otel.status_code", "ERROR")]);
        for seen in spans.all() {
            assert_eq!(seen.holders, 0, "{seen:?}");
        }
    }
}

#[tokio::test]
async fn a_connection_that_has_to_be_made_again_is_dialled_in_the_request() {
    let hang_up = Arc::new(Notify::new());
    let told = Arc::clone(&hang_up);
    let server = Server::start(move |mut stream, _| {
        let told = Arc::clone(&told);
        async move {
            read_request(&mut stream).await;
            write(&mut stream, ok("").as_bytes()).await;
            told.notified().await;
        }
    })
    .await;
    let policy = Policy::allow([server.http().to_string().parse().unwrap()]);
    let gateway = Gateway::new(policy, config(), AuditLog::new());
    let (spans, _guard) = Spans::collect();
    for _ in 0..2 {
        assert_eq!(fetch(&gateway, get(server.http(), "/", "")).await, Ok(200));
        // The connection is kept by now.
        hang_up.notify_one();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let parents: Vec<_> = spans.named("dial").iter().map(|it| it.parent).collect();
    assert_eq!(parents, [Some("decision"), Some("request")]);
}

#[tokio::test]
async fn what_a_guest_gives_up_closes_its_spans_though_the_question_goes_on() {
    let server = Server::echo().await;
    let document = Document {
        ask: vec![server.http().to_string().parse().unwrap()],
        ..Document::default()
    };
    let hook = |_: HookRequest| std::future::pending::<Result<HookAnswer, _>>();
    let builder = Gateway::builder().hook(hook, Duration::from_secs(20));
    let gateway = builder.build(document.into(), config());
    let (spans, _guard) = Spans::collect();
    let given_up = gateway.connect(
        server.http().endpoint,
        None,
        sandbox_net_egress::Reuse::Close,
    );
    while spans.named("hook").is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(spans.one("hook").parent, None);
    drop(given_up);
    while gateway.audit().count() == 0 {
        tokio::task::yield_now().await;
    }
    tokio::task::yield_now().await;
    let decision = spans.one("decision");
    decision.assert(&[("sandbox_net.verdict", "abandoned")]);
    assert_eq!(decision.holders, 0);
    assert!(spans.one("hook").holders > 0);
    drop(gateway);
    while spans.one("hook").holders > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_lookup_has_a_span_with_its_verdict_and_its_query_is_in_it() {
    let policy = Policy::allow(["a.test".parse().unwrap()]);
    let gateway = Gateway::new(policy, named(config()), AuditLog::new());
    for (name, verdict, is_asked) in [("a.test", "allow", true), ("b.test", "deny", false)] {
        let (spans, _guard) = Spans::collect();
        if let Ok(Looking::Asking(task)) = gateway.lookup(Host::parse(name).unwrap()) {
            task.await.unwrap();
        }
        let lookup = spans.one("lookup");
        lookup.assert(&[
            ("dns.question.name", name),
            ("sandbox_net.verdict", verdict),
        ]);
        let parents: Vec<_> = spans.named("dns").iter().map(|it| it.parent).collect();
        assert_eq!(
            parents,
            if is_asked {
                vec![Some("lookup")]
            } else {
                vec![]
            }
        );
    }
}

#[test]
fn methods_are_those_of_the_conventions_or_other() {
    for (of, expected) in [("GET", "GET"), ("get", "_OTHER"), ("PROPFIND", "_OTHER")] {
        assert_eq!(method(of), expected);
    }
}
