//! The embedder's hook is asked about every request, and only a valid answer counts.

use std::future::{pending, ready};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sandbox_net::{
    Amendments, DecisionHook, HookAnswer, HookError, HookRequest, Sandbox, SandboxBuilder, Stage,
    Verdict,
};
use sandbox_net_tests::{Servers, run};
use serde_json::{Value, json};
use tokio::sync::{Barrier, Notify};

use crate::{assert_denied, assert_status, builder, document, fetch, get, get_with};

pub(crate) type Answering = Pin<Box<dyn Future<Output = Result<HookAnswer, HookError>> + Send>>;

const CLIENTS: [&str; 3] = ["urllib", "requests", "http.client"];

/// A hook made of a function, which keeps its questions.
pub(crate) struct Told<F> {
    answer: F,
    asked: Arc<Mutex<Vec<HookRequest>>>,
}

impl<F: Fn(HookRequest) -> Answering + Send + Sync> DecisionHook for Told<F> {
    async fn decide(&self, request: &HookRequest) -> Result<HookAnswer, HookError> {
        self.asked.lock().expect("no panic").push(request.clone());
        (self.answer)(request.clone()).await
    }
}

/// The questions so far.
pub(crate) type Asked = Arc<Mutex<Vec<HookRequest>>>;

/// A hook made of this function, and its questions.
pub(crate) fn told<F>(answer: F) -> (Told<F>, Asked)
where
    F: Fn(HookRequest) -> Answering + Send + Sync,
{
    let asked = Asked::default();
    (
        Told {
            answer,
            asked: Arc::clone(&asked),
        },
        asked,
    )
}

/// A hook that answers at once.
fn at_once(
    answer: impl Fn(&HookRequest) -> HookAnswer + Send + Sync + 'static,
) -> (impl DecisionHook + 'static, Asked) {
    told(move |request: HookRequest| -> Answering { Box::pin(ready(Ok(answer(&request)))) })
}

fn policy(lines: String) -> SandboxBuilder {
    builder().policy(document(&lines))
}

async fn built(builder: SandboxBuilder) -> Sandbox {
    builder.build().await.expect("a sandbox")
}

/// The requests that a hook was asked about, as the server would record their targets.
fn targets(asked: &Asked) -> Vec<String> {
    let asked = asked.lock().expect("no panic");
    let requests = asked.iter().filter(|one| one.stage == Stage::Request);
    let path = |one: &HookRequest| one.path.clone().unwrap_or_default();
    requests
        .map(|one| String::from_utf8_lossy(&path(one)).into_owned())
        .collect()
}

fn deny_unless_plain(request: &HookRequest) -> HookAnswer {
    let is_marked = request
        .fields
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case(b"x-marked"));
    match (request.method.as_deref(), request.path.as_deref()) {
        (Some(b"POST"), _) => HookAnswer::deny("this agent only reads"),
        (_, Some(b"/bytes/7")) => HookAnswer::deny("not this\r\npath"),
        _ if is_marked => HookAnswer::deny("not this field"),
        _ => HookAnswer::allow(),
    }
}

#[tokio::test]
async fn a_hook_narrows_by_method_path_and_field_and_the_program_reads_why() {
    let servers = Servers::start().await;
    let origin = servers.http.origin();
    let (hook, asked) = at_once(deny_unless_plain);
    let sandbox = built(
        policy(format!("allow = ['{origin}']"))
            .hook(hook)
            .name("agent-7"),
    )
    .await;
    let mut cases = Vec::new();
    for client in CLIENTS {
        let case = |name: &str| format!("{client} {name}");
        cases.push(get_with(client, &case("allowed"), origin.clone() + "/get"));
        cases.push(
            json!({ "case": case("method"), "client": client, "url": origin.clone() + "/get",
            "method": "POST", "body": "x" }),
        );
        cases.push(get_with(client, &case("path"), origin.clone() + "/bytes/7"));
        cases.push(
            json!({ "case": case("field"), "client": client, "url": origin.clone() + "/get",
            "headers": { "X-Marked": "1" } }),
        );
    }
    let (report, outcome) = fetch(&sandbox, &cases).await;
    for client in CLIENTS {
        assert_status(&report, &format!("{client} allowed"), 200);
        for (case, why) in [
            ("method", "this agent only reads"),
            ("path", "not this  path"),
            ("field", "not this field"),
        ] {
            let case = format!("{client} {case}");
            assert_denied(&report, &case, "hook");
            let text = report.error(&case, "PermissionError")["text"].to_string();
            assert!(text.contains(why), "{case}: {text}");
        }
    }
    assert_eq!(servers.http.requests().len(), CLIENTS.len());
    assert_eq!(targets(&asked).len(), cases.len());
    let asked = asked.lock().expect("no panic");
    assert!(
        asked
            .iter()
            .all(|one| &*one.sandbox == "agent-7" && !one.is_asked && one.rule == origin)
    );
    assert_eq!(outcome.exchanges.len(), CLIENTS.len());
}

#[tokio::test]
async fn a_hook_that_fails_panics_or_never_answers_denies_at_every_door() {
    let servers = Servers::start().await;
    servers
        .dns
        .set("named.test", [IpAddr::from([127, 0, 0, 1])]);
    let origin = servers.https.origin();
    let port = servers.http.address().port();
    let faults: [fn() -> Answering; 3] = [
        || Box::pin(ready(Err("the office is closed".into()))),
        || Box::pin(async { panic!("a hook of a test panics") }),
        || Box::pin(pending()),
    ];
    for (index, fault) in faults.into_iter().enumerate() {
        for stage in [Stage::Connect, Stage::Tls, Stage::Request] {
            let before = servers.https.connections();
            let (hook, asked) = told(move |request: HookRequest| match request.stage == stage {
                true => fault(),
                false => Box::pin(ready(Ok(HookAnswer::allow()))),
            });
            let rules = json!([origin, format!("http://named.test:{port} to 127.0.0.1")]);
            let sandbox = policy(format!("allow = {rules}"))
                .hook(hook)
                .hook_deadline(Duration::from_millis(100))
                .dns_servers([servers.dns.address()])
                .trust_ca_pem(servers.ca.root_pem());
            let mut cases = vec![get("https", origin.clone() + "/get")];
            if stage == Stage::Connect {
                cases.push(get("named", format!("http://named.test:{port}/get")));
            }
            let (report, outcome) = fetch(&built(sandbox).await, &cases).await;
            for case in &cases {
                assert_denied(&report, case["case"].as_str().expect("a name"), "hook");
            }
            let text = report.error("https", "PermissionError")["text"].to_string();
            assert_eq!(text.contains("the office is closed"), index == 0, "{text}");
            assert!(!asked.lock().expect("no panic").is_empty());
            let is_connected = servers.https.connections() > before;
            assert_eq!(is_connected, stage != Stage::Connect, "{index} {stage:?}");
            assert!(outcome.exchanges.is_empty());
        }
    }
    assert_eq!(
        servers.https.requests().len() + servers.http.connections(),
        0
    );
    assert_eq!(servers.dns.questions().await, []);
}

#[tokio::test]
async fn a_hook_grants_what_a_rule_or_the_mode_asks_for_and_nothing_else() {
    let servers = Servers::start().await;
    let (http, forbidden) = (servers.http.origin(), servers.forbidden.origin());
    let url = http.clone() + "/get";
    // A rule that denies one scheme leaves the other allowed, and so the connection.
    let no_scheme = servers.forbidden.address();
    let grant = |_: &HookRequest| HookAnswer::allow();
    let refuse = |_: &HookRequest| HookAnswer::deny("nobody is there");
    let cases = [
        get("asked", &url),
        get("not asked", forbidden.clone() + "/get"),
    ];
    for (lines, name) in [
        (format!("ask = ['{http}']"), http.as_str()),
        (format!("mode = 'ask'\ndeny = ['{no_scheme}']"), "ask-mode"),
    ] {
        let (hook, asked) = at_once(grant);
        let (report, outcome) = fetch(&built(policy(lines.clone()).hook(hook)).await, &cases).await;
        assert_status(&report, "asked", 200);
        report.error("not asked", "PermissionError");
        for one in asked.lock().expect("no panic").iter() {
            assert!(one.is_asked && one.rule == name, "{}", one.rule);
            assert_eq!(one.origin.to_string(), http);
        }
        assert!(outcome.exchanges.iter().all(|one| one.status == Some(200)));

        let (hook, asked) = at_once(refuse);
        let (report, _) = fetch(&built(policy(lines.clone()).hook(hook)).await, &cases).await;
        assert_denied(&report, "asked", "hook");
        report.error("not asked", "PermissionError");
        assert_eq!(asked.lock().expect("no panic").len(), 1);

        let (report, _) = fetch(&built(policy(lines)).await, &cases).await;
        assert_denied(&report, "asked", "hook");
    }
    // Beside a rule that asks, the hook is not asked about the rest, nor about what a rule denies.
    let (hook, asked) = at_once(grant);
    let lines = format!("ask = ['{http}']\ndeny = ['GET {http}/bytes/**']");
    let cases = [
        get("denied", http.clone() + "/bytes/1"),
        get("no rule", forbidden + "/"),
    ];
    let (report, _) = fetch(&built(policy(lines).hook(hook)).await, &cases).await;
    assert_denied(&report, "denied", "deny-rule");
    assert_denied(&report, "no rule", "no-rule");
    assert_eq!(targets(&asked), Vec::<String>::new());
    assert_eq!(servers.http.requests().len(), 2);
    assert_eq!(servers.forbidden.connections().await, 0);
}

#[tokio::test]
async fn a_hook_chooses_an_address_that_the_rule_opens_and_no_other() {
    let servers = Servers::start().await;
    let port = servers.http.address().port();
    let url = format!("http://moved.test:{port}/get");
    for (address, is_open) in [
        ([127, 0, 0, 1], true),
        ([127, 0, 0, 2], false),
        ([10, 0, 0, 1], false),
    ] {
        let (hook, _) = at_once(move |request| match request.stage {
            Stage::Connect => HookAnswer::Allow(Amendments::default().dial(address.into())),
            _ => HookAnswer::allow(),
        });
        let sandbox = policy(format!("allow = ['http://moved.test:{port} to 127.0.0.1']"))
            .hook(hook)
            .dns_servers([servers.dns.address()]);
        let (report, outcome) = fetch(&built(sandbox).await, &[get("moved", &url)]).await;
        match is_open {
            true => assert_status(&report, "moved", 200),
            false => assert_denied(&report, "moved", "address"),
        }
        let dialled = outcome
            .exchanges
            .iter()
            .filter_map(|one| one.address)
            .next();
        assert_eq!(dialled.is_some(), is_open);
    }
    assert_eq!(
        servers.dns.questions().await,
        [],
        "the name was never resolved"
    );
    let request = &servers.http.requests()[0];
    assert_eq!(
        request.header("host"),
        Some(format!("moved.test:{port}").as_str())
    );
    assert_eq!(servers.http.connections(), 1);
}

#[tokio::test]
async fn a_hook_adds_and_replaces_fields_and_a_bad_one_denies() {
    let servers = Servers::start().await;
    let origin = servers.http.origin();
    let amended = |fields: Vec<(&'static str, &'static str)>, stage: Stage| {
        at_once(move |request: &HookRequest| match request.stage == stage {
            true => HookAnswer::Allow(
                fields
                    .iter()
                    .fold(Amendments::default(), |all, (name, value)| {
                        all.field(*name, *value)
                    }),
            ),
            false => HookAnswer::allow(),
        })
        .0
    };
    let good = amended(
        vec![("X-Added", "by the host"), ("user-agent", "replaced")],
        Stage::Request,
    );
    let sandbox = built(policy(format!("allow = ['{origin}']")).hook(good)).await;
    let cases = CLIENTS.map(|client| get_with(client, client, origin.clone() + "/get"));
    fetch(&sandbox, &cases).await;
    for request in servers.http.requests() {
        assert_eq!(request.header("x-added"), Some("by the host"));
        let agents = request
            .headers
            .iter()
            .filter(|(name, _)| name == "user-agent");
        assert_eq!(
            agents
                .map(|(_, value)| value.as_slice())
                .collect::<Vec<_>>(),
            [b"replaced"]
        );
    }
    assert_eq!(servers.http.requests().len(), CLIENTS.len());

    for (name, value, stage) in [
        ("X-Bad", "1\r\nX-Injected: 1", Stage::Request),
        ("X-Bad\r\nX-Injected", "1", Stage::Request),
        ("X Bad", "1", Stage::Request),
        ("Host", "other.test", Stage::Request),
        ("Upgrade", "websocket", Stage::Request),
        ("Proxy-Authorization", "Basic eDp5", Stage::Request),
        ("Transfer-Encoding", "chunked", Stage::Request),
        ("X-Early", "1", Stage::Connect),
    ] {
        let sandbox =
            policy(format!("allow = ['{origin}']")).hook(amended(vec![(name, value)], stage));
        let (report, _) = fetch(
            &built(sandbox).await,
            &[get("bad", origin.clone() + "/get")],
        )
        .await;
        report.error("bad", "PermissionError");
    }
    let (late, _) = at_once(|request| match request.stage {
        Stage::Request => HookAnswer::Allow(Amendments::default().dial([127, 0, 0, 1].into())),
        _ => HookAnswer::allow(),
    });
    let sandbox = built(policy(format!("allow = ['{origin}']")).hook(late)).await;
    let (report, _) = fetch(&sandbox, &[get("late", origin.clone() + "/get")]).await;
    assert_denied(&report, "late", "hook");
    assert_eq!(
        servers.http.requests().len(),
        CLIENTS.len(),
        "nothing else was sent"
    );
}

#[tokio::test]
async fn the_hook_is_asked_once_for_every_request_that_a_server_gets() {
    let servers = Servers::start().await;
    let (http, https, http2) = (
        servers.http.origin(),
        servers.https.origin(),
        servers.http2.origin(),
    );
    let (hook, asked) = at_once(|_| HookAnswer::allow());
    let rules = json!([http, https, http2]);
    let sandbox = policy(format!("allow = {rules}"))
        .hook(hook)
        .trust_ca_pem(servers.ca.root_pem());
    let mut cases: Vec<Value> = Vec::new();
    for origin in [&http, &https, &http2] {
        for client in CLIENTS {
            let number = cases.len();
            cases.push(get_with(
                client,
                &format!("{number}"),
                format!("{origin}/get?{number}"),
            ));
            let to = format!("{origin}/redirect/302?to=/get%3Fredirected{number}");
            cases.push(get_with(client, &format!("{number} redirect"), to));
        }
    }
    for number in 0..3 {
        cases.push(get_with(
            "frames",
            &format!("frames {number}"),
            format!("{http}/bytes/{number}"),
        ));
        cases.push(get_with(
            "requests",
            &format!("session {number}"),
            format!("{http}/status/404"),
        ));
    }
    fetch(&built(sandbox).await, &cases).await;

    let mut seen: Vec<String> = Vec::new();
    for server in [&servers.http, &servers.https, &servers.http2] {
        seen.extend(server.requests().into_iter().map(|one| one.target));
    }
    let mut asked = targets(&asked);
    // All clients but http.client follow the redirect.
    assert_eq!(seen.len(), 3 * (3 + 3 + 2) + 6, "{seen:?}");
    seen.sort();
    asked.sort();
    assert_eq!(asked, seen);
}

/// The person answers when the program has given up and its run is over.
#[tokio::test]
async fn a_person_is_asked_once_although_the_program_gave_up_and_is_run_again() {
    const CODE: &str = r#"
import http.client, sys
client = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=0.3)
try:
    client.request("GET", "/get")
    print(client.getresponse().status)
except OSError as error:
    print(type(error).__name__)
"#;
    let servers = Servers::start().await;
    let answer = Arc::new(Notify::new());
    let waiting = Arc::clone(&answer);
    let (hook, asked) = told(move |request: HookRequest| -> Answering {
        let waiting = Arc::clone(&waiting);
        Box::pin(async move {
            if request.stage == Stage::Connect {
                waiting.notified().await;
            }
            Ok(HookAnswer::allow())
        })
    });
    let sandbox = policy(format!("ask = ['{}']", servers.http.origin()))
        .hook(hook)
        .arg(servers.http.address().port().to_string());
    let sandbox = built(sandbox).await;
    let outcome = sandbox.run(CODE).await.expect("a run");
    assert_eq!(outcome.stdout_text(), "TimeoutError\n", "{outcome:?}");
    assert_eq!(outcome.decisions.len(), 1);
    assert_eq!(outcome.decisions[0].verdict, Verdict::Abandoned);
    answer.notify_one();
    let outcome = sandbox.run(CODE).await.expect("a run");
    assert_eq!(outcome.stdout_text(), "200\n", "{outcome:?}");
    let connects = asked.lock().expect("no panic");
    let connects = connects.iter().filter(|it| it.stage == Stage::Connect);
    assert_eq!(connects.count(), 1);
}

/// Each waits in the hook until all are there: if they were asked one by one, none would continue.
#[tokio::test]
async fn requests_wait_for_the_hook_together() {
    const COUNT: usize = 20;
    let servers = Servers::start().await;
    let origin = servers.http.origin();
    let doors = Arc::new([Barrier::new(COUNT), Barrier::new(COUNT)]);
    let (hook, asked) = told(move |request: HookRequest| -> Answering {
        let doors = Arc::clone(&doors);
        Box::pin(async move {
            doors[usize::from(request.stage == Stage::Request)]
                .wait()
                .await;
            Ok(HookAnswer::allow())
        })
    });
    let sandbox = policy(format!("allow = ['{origin}']"))
        .hook(hook)
        .arg(origin)
        .arg(COUNT.to_string());
    let (report, _) = run(&built(sandbox).await, "together.py").await;
    assert_eq!(report.result("statuses"), &json!(vec![200; COUNT]));
    assert_eq!(servers.http.requests().len(), COUNT);
    assert_eq!(targets(&asked).len(), COUNT);
}
