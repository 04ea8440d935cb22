//! What a hook can be made of, and what it is shown.

use std::sync::Mutex;
use std::time::Duration;

use http_body_util::{BodyExt, Empty};

use super::*;
use crate::gateway::Gateway;
use crate::request::{Request, RequestHead, Timeouts};
use crate::shared_hook::SharedHook;
use sandbox_net_egress::test_support::tls::{Authority, serve_tls};
use sandbox_net_egress::test_support::{Server, config, echo};
use sandbox_net_egress::{BodyKind, EgressError, GuestTlsOptions, Reuse};
use sandbox_net_policy::{Document, Endpoint, Policy, Scheme, Verification};

const LIMIT: Duration = Duration::from_secs(20);

/// A hook with a state of its own.
#[derive(Default)]
struct Kept(Mutex<Vec<HookRequest>>);

impl DecisionHook for Kept {
    async fn decide(&self, request: &HookRequest) -> Result<HookAnswer, HookError> {
        tokio::task::yield_now().await;
        self.0.lock().unwrap().push(request.clone());
        Ok(HookAnswer::allow())
    }
}

async fn refusing(_: HookRequest) -> Result<HookAnswer, HookError> {
    Ok(HookAnswer::deny("a function"))
}

async fn connects(hook: impl DecisionHook + 'static) -> Result<(), EgressError> {
    let server = Server::echo().await;
    let endpoint = server.http().endpoint;
    let policy = Policy::allow([endpoint.to_string().parse().unwrap()]);
    let gateway = Gateway::builder().hook(hook, LIMIT).build(policy, config());
    let connecting = gateway.connect(endpoint, None, Reuse::Close)?;
    connecting.await.map(drop)
}

#[tokio::test]
async fn a_hook_is_a_type_a_function_a_closure_or_a_shared_one_that_its_owner_keeps() {
    let kept = Arc::new(Kept::default());
    assert_eq!(connects(Arc::clone(&kept)).await, Ok(()));
    assert_eq!(kept.0.lock().unwrap().len(), 1);
    assert_eq!(connects(Kept::default()).await, Ok(()));

    let count = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&count);
    let closure = move |request: HookRequest| {
        let counted = Arc::clone(&counted);
        async move {
            *counted.lock().unwrap() += 1;
            Ok(match request.stage {
                Stage::Connect => HookAnswer::allow(),
                _ => HookAnswer::deny("a closure"),
            })
        }
    };
    assert_eq!(connects(closure).await, Ok(()));
    assert_eq!(*count.lock().unwrap(), 1);

    assert!(connects(refusing).await.is_err());
    assert!(connects(SharedHook::new(refusing)).await.is_err());
    let shared = SharedHook::new(Arc::clone(&kept));
    assert_eq!(connects(shared.clone()).await, Ok(()));
    assert_eq!(kept.0.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_hook_is_shown_the_tls_settings_that_the_program_asked_for() {
    let stranger = Authority::new();
    let server = serve_tls(stranger.server(&[]), |stream, _| echo(stream)).await;
    let origin = server.https();
    let document = Document {
        allow: vec![origin.to_string().parse().unwrap()],
        tls: vec![format!("unverified {origin}").parse().unwrap()],
        ..Document::default()
    };
    let hook = Arc::new(Kept::default());
    let builder = Gateway::builder().hook(Arc::clone(&hook), LIMIT);
    let gateway = builder.build(document.into(), config());
    let link = gateway.connect(origin.endpoint, None, Reuse::Close);
    let link = link.unwrap().await.unwrap();
    let options = GuestTlsOptions {
        verification: Verification::None,
        ..GuestTlsOptions::default()
    };
    let (link, handshake) = gateway.start_tls(&link, None, &options).unwrap();
    handshake.await.unwrap();
    let outgoing = crate::Outgoing {
        link,
        head: RequestHead {
            method: b"GET".to_vec(),
            path: b"/".to_vec(),
            fields: Vec::new(),
        },
        kind: BodyKind::None,
        completion: crate::Completion::new(),
        takes_unframed: false,
        between_bytes: None,
    };
    let empty = Empty::new().map_err(|never| match never {});
    gateway.send(outgoing, empty.boxed_unsync()).await.unwrap();
    let asked = hook.0.lock().unwrap();
    let seen: Vec<_> = asked.iter().map(|it| (it.stage, &it.tls[..])).collect();
    let unverified = &[TlsOverride::Unverified][..];
    assert_eq!(
        seen,
        [
            (Stage::Connect, &[][..]),
            (Stage::Tls, unverified),
            (Stage::Request, unverified)
        ]
    );
}

#[tokio::test]
async fn a_hook_is_told_how_often_it_was_asked_for_this_method_and_path() {
    let server = Server::echo().await;
    let policy = Policy::allow([server.http().to_string().parse().unwrap()]);
    let hook = Arc::new(Kept::default());
    let builder = Gateway::builder().hook(Arc::clone(&hook), LIMIT);
    let gateway = builder.build(policy, config());
    for (run, method, path) in [
        (0, "GET", "/a?1"),
        (0, "GET", "/a?2"),
        (1, "GET", "/a"),
        (1, "POST", "/a"),
        (1, "GET", "/b"),
    ] {
        let request = Request {
            origin: server.http(),
            head: RequestHead {
                method: method.into(),
                path: path.into(),
                fields: Vec::new(),
            },
            kind: BodyKind::None,
            timeouts: Timeouts::default(),
        };
        let gateway = match run {
            0 => gateway.clone(),
            _ => gateway.next_run(),
        };
        let empty = Empty::new().map_err(|never| match never {});
        let response = gateway.fetch(request, empty.boxed_unsync()).await.unwrap();
        response.body.collect().await.unwrap();
    }
    let asked = hook.0.lock().unwrap();
    let counts = |stage| {
        let asked = asked.iter().filter(move |it| it.stage == stage);
        asked.map(|it| it.asked_before).collect::<Vec<_>>()
    };
    assert_eq!(counts(Stage::Request), [0, 1, 2, 0, 0]);
    assert_eq!(counts(Stage::Connect), [0, 1, 2, 3, 4]);
}

#[test]
fn requests_are_the_same_if_the_hook_sees_no_difference() {
    let one = HookRequest {
        sandbox: "agent-7".into(),
        stage: Stage::Request,
        origin: Origin {
            scheme: Scheme::Https,
            endpoint: Endpoint::new("a.test", 443).unwrap(),
        },
        method: None,
        path: None,
        fields: Vec::new(),
        tls: Vec::new(),
        rule: "https://a.test".to_owned(),
        is_asked: true,
        asked_before: 0,
        waiting: Waiting::default(),
    };
    let changes: [fn(&mut HookRequest); 9] = [
        |it| it.sandbox = "agent-8".into(),
        |it| it.stage = Stage::Tls,
        |it| it.origin.scheme = Scheme::Http,
        |it| it.method = Some(Vec::new()),
        |it| it.path = Some(Vec::new()),
        |it| it.fields.push((b"a".to_vec(), b"b".to_vec())),
        |it| it.tls.push(TlsOverride::OwnRoots),
        |it| it.rule.clear(),
        |it| it.is_asked = false,
    ];
    for change in changes {
        let mut other = one.clone();
        change(&mut other);
        assert!(!one.is_same(&other), "{other:?}");
    }
    let mut again = one.clone();
    again.asked_before = 1;
    assert!(one.is_same(&again));
}

#[test]
fn a_request_is_shown_without_what_makes_it_long() {
    let long = |byte: u8| vec![byte; 100_000];
    let request = HookRequest {
        sandbox: "agent-7".into(),
        stage: Stage::Request,
        origin: Origin {
            scheme: Scheme::Https,
            endpoint: Endpoint::new("a.test", 443).unwrap(),
        },
        method: Some(b"GET\n".to_vec()),
        path: Some(long(b'p')),
        fields: vec![(long(b'n'), long(b'v')); 1000],
        tls: vec![TlsOverride::OwnRoots],
        rule: "https://a.test".to_owned(),
        is_asked: true,
        asked_before: 7,
        waiting: Waiting::default(),
    };
    let shown = format!("{request:?}");
    assert!(shown.len() < 32 << 10, "{}", shown.len());
    for part in [
        "sandbox: \"agent-7\"",
        "stage: Request",
        "origin: https://a.test,",
        "method: Some(GET\\n)",
        "more_fields: 968",
        "tls: [OwnRoots]",
        "rule: \"https://a.test\"",
        "is_asked: true",
        "asked_before: 7",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}
