//! A grant is asked for once, and a hook that fails is to blame itself.

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};

use http_body_util::{BodyExt, Empty};
use tokio::sync::Notify;

use super::*;
use crate::audit::{DecisionRecord, HookReason, Reason, Stage, Verdict};
use crate::gateway::Gateway;
use crate::hook::{Amendments, HookError};
use crate::link::Link;
use crate::request::{Request, RequestHead, Timeouts};
use sandbox_net_egress::test_support::{Server, config};
use sandbox_net_egress::{BodyKind, EgressError, Reuse};
use sandbox_net_policy::{Document, Endpoint, Mode};

const LIMIT: Duration = Duration::from_secs(20);

/// Remembers what it is asked, and answers when it is told to.
#[derive(Default)]
struct Slow {
    asked: Mutex<Vec<HookRequest>>,
    open: AtomicUsize,
    go_on: Notify,
    denies: bool,
}

/// Counts a future that is not dropped.
struct Open<'a>(&'a AtomicUsize);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl DecisionHook for Slow {
    async fn decide(&self, request: &HookRequest) -> Result<HookAnswer, HookError> {
        self.asked.lock().unwrap().push(request.clone());
        self.open.fetch_add(1, Ordering::SeqCst);
        let _open = Open(&self.open);
        self.go_on.notified().await;
        Ok(match self.denies {
            true => HookAnswer::deny("not today"),
            false => HookAnswer::allow(),
        })
    }
}

impl Slow {
    fn asked(&self) -> Vec<HookRequest> {
        self.asked.lock().unwrap().clone()
    }

    fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }
}

fn asking(rules: &[String]) -> Policy {
    let document = Document {
        ask: rules.iter().map(|rule| rule.parse().unwrap()).collect(),
        ..Document::default()
    };
    document.into()
}

fn gateway(hook: impl DecisionHook + 'static, policy: Policy) -> Gateway {
    let builder = Gateway::builder().hook(hook, LIMIT);
    builder.build(policy, config())
}

/// Lets every other task go on until nothing is left to do.
async fn until(is_so: impl Fn() -> bool) {
    for _ in 0..10_000 {
        if is_so() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("it never came to that");
}

async fn connect(gateway: &Gateway, endpoint: &Endpoint) -> Result<Link, EgressError> {
    gateway.connect(endpoint.clone(), None, Reuse::Close)?.await
}

fn decisions(gateway: &Gateway, stage: Stage) -> Vec<DecisionRecord> {
    let decisions = gateway.audit().decisions().into_iter();
    decisions.filter(|it| it.stage == stage).collect()
}

fn verdicts(gateway: &Gateway) -> Vec<Verdict> {
    let decisions = gateway.audit().decisions().into_iter();
    decisions.map(|it| it.verdict).collect()
}

fn get(server: &Server, path: &str, fields: &[(&str, &str)]) -> Request {
    let field = |(name, value): &(&str, &str)| ((*name).into(), (*value).into());
    Request {
        origin: server.http(),
        head: RequestHead {
            method: b"GET".to_vec(),
            path: path.into(),
            fields: fields.iter().map(field).collect(),
        },
        kind: BodyKind::None,
        timeouts: Timeouts::default(),
    }
}

async fn fetched(gateway: &Gateway, request: Request) -> Result<u16, EgressError> {
    let empty = Empty::new().map_err(|never| match never {});
    let response = gateway.fetch(request, empty.boxed_unsync()).await?;
    let status = response.head.unwrap().status;
    response.body.collect().await.unwrap();
    Ok(status)
}

#[tokio::test]
async fn guests_that_ask_for_the_same_at_once_share_one_question() {
    for denies in [false, true] {
        let server = Server::echo().await;
        let endpoint = server.http().endpoint;
        let hook = Arc::new(Slow {
            denies,
            ..Slow::default()
        });
        let gateway = gateway(Arc::clone(&hook), asking(&[endpoint.to_string()]));
        let connecting: Vec<_> = (0..5)
            .map(|_| {
                gateway
                    .connect(endpoint.clone(), None, Reuse::Close)
                    .unwrap()
            })
            .collect();
        let waiting = || gateway.shared.questions.as_ref().map(|it| it.waiting());
        until(|| waiting() == Some(5)).await;
        assert_eq!(hook.asked().len(), 1);
        hook.go_on.notify_one();
        for connection in connecting {
            assert_eq!(connection.await.is_ok(), !denies);
        }
        let expected = [if denies {
            Verdict::Deny
        } else {
            Verdict::Allow
        }; 5];
        assert_eq!(verdicts(&gateway), expected);
        // Everybody has the answer, so it is no answer to a later question.
        let again = gateway.connect(endpoint.clone(), None, Reuse::Close);
        until(|| hook.asked().len() == 2).await;
        assert_eq!(hook.asked()[1].asked_before, 1);
        drop(again);
    }
}

#[tokio::test]
async fn what_differs_in_anything_that_the_hook_sees_is_another_question() {
    let server = Server::echo().await;
    let hook = Arc::new(Slow::default());
    let gateway = gateway(Arc::clone(&hook), asking(&[server.http().to_string()]));
    let mut fetching = Vec::new();
    for request in [
        get(&server, "/a", &[]),
        get(&server, "/a", &[]),
        get(&server, "/a?b", &[]),
        get(&server, "/a", &[("X-A", "1")]),
        get(&server, "/b", &[]),
    ] {
        let gateway = gateway.clone();
        fetching.push(tokio::spawn(
            async move { fetched(&gateway, request).await },
        ));
    }
    // All wait for one connection's grant, and then for those of four requests.
    until(|| hook.asked().len() == 1).await;
    hook.go_on.notify_one();
    let requests = || hook.asked().iter().filter(|it| it.path.is_some()).count();
    while requests() < 4 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(requests(), 4);
    // The query and the fields make no other grant, for the count.
    let counts: Vec<_> = hook.asked().iter().map(|it| it.asked_before).collect();
    assert_eq!(counts.iter().sum::<u64>(), 3, "{counts:?}");
    while !fetching.iter().all(tokio::task::JoinHandle::is_finished) {
        hook.go_on.notify_one();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for one in fetching {
        assert_eq!(one.await.unwrap(), Ok(200));
    }
    assert_eq!(hook.asked().len(), 5);
}

/// Questions about what a rule allows may have answers that differ, and are as many as requests.
#[tokio::test]
async fn what_a_rule_allows_is_asked_each_time_and_ends_with_its_guest() {
    let server = Server::echo().await;
    let endpoint = server.http().endpoint;
    let hook = Arc::new(Slow::default());
    let policy = Policy::allow([endpoint.to_string().parse().unwrap()]);
    let gateway = gateway(Arc::clone(&hook), policy);
    let connecting: Vec<_> = (0..3)
        .map(|_| {
            gateway
                .connect(endpoint.clone(), None, Reuse::Close)
                .unwrap()
        })
        .collect();
    until(|| hook.open() == 3).await;
    let mut counts: Vec<_> = hook.asked().iter().map(|it| it.asked_before).collect();
    counts.sort_unstable();
    assert_eq!(counts, [0, 1, 2]);
    drop(connecting);
    until(|| hook.open() == 0).await;
}

#[tokio::test]
async fn a_question_outlives_its_guest_and_the_next_one_gets_the_answer() {
    let server = Server::echo().await;
    let endpoint = server.http().endpoint;
    let hook = Arc::new(Slow::default());
    let gateway = gateway(Arc::clone(&hook), asking(&[endpoint.to_string()]));
    // The next guest asks before the answer, in a later run.
    let given_up = gateway.connect(endpoint.clone(), None, Reuse::Close);
    until(|| hook.open() == 1).await;
    drop(given_up);
    until(|| verdicts(&gateway) == [Verdict::Abandoned]).await;
    let next = gateway.next_run();
    let waiting = next.connect(endpoint.clone(), None, Reuse::Close).unwrap();
    tokio::task::yield_now().await;
    hook.go_on.notify_one();
    assert!(waiting.await.is_ok());
    assert_eq!(verdicts(&next), [Verdict::Allow]);
    assert_eq!(hook.asked().len(), 1);

    // The next guest asks after the answer, which counts once.
    let given_up = gateway.connect(endpoint.clone(), None, Reuse::Close);
    until(|| hook.open() == 1).await;
    drop(given_up);
    until(|| verdicts(&gateway) == [Verdict::Abandoned; 2]).await;
    hook.go_on.notify_one();
    until(|| hook.open() == 0).await;
    assert!(connect(&gateway, &endpoint).await.is_ok());
    assert_eq!(hook.asked().len(), 2);
    let asked = gateway.connect(endpoint.clone(), None, Reuse::Close);
    until(|| hook.asked().len() == 3).await;
    drop(asked);
    let expected = [Verdict::Abandoned, Verdict::Abandoned, Verdict::Allow];
    assert_eq!(verdicts(&gateway)[..3], expected);
}

#[tokio::test]
async fn a_hook_learns_that_nobody_waits_and_may_withdraw_its_question() {
    let server = Server::echo().await;
    let endpoint = server.http().endpoint;
    let withdrawn = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&withdrawn);
    let hook = move |request: HookRequest| {
        let count = Arc::clone(&count);
        async move {
            request.abandoned().await;
            count.fetch_add(1, Ordering::SeqCst);
            Ok(HookAnswer::deny("nobody waited"))
        }
    };
    let gateway = gateway(hook, asking(&[endpoint.to_string()]));
    let open = || gateway.shared.questions.as_ref().map(|it| it.waiting());
    let connecting = gateway.connect(endpoint.clone(), None, Reuse::Close);
    until(|| open() == Some(1)).await;
    assert_eq!(withdrawn.load(Ordering::SeqCst), 0);
    drop(connecting);
    until(|| withdrawn.load(Ordering::SeqCst) == 1).await;
}

/// On another thread the hook may be asked before the guest goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_question_is_never_withdrawn_while_its_guest_waits() {
    let server = Server::echo().await;
    let endpoint = server.http().endpoint;
    let hook = |request: HookRequest| async move {
        tokio::select! {
            biased;
            () = request.abandoned() => Ok(HookAnswer::deny("nobody waited")),
            () = tokio::task::yield_now() => Ok(HookAnswer::allow()),
        }
    };
    for _ in 0..2000 {
        let gateway = gateway(hook, asking(&[endpoint.to_string()]));
        assert!(connect(&gateway, &endpoint).await.is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_nobody_fetches_is_kept_until_the_deadline() {
    let endpoint = Endpoint::new("192.0.2.1", 80).unwrap();
    for denies in [false, true] {
        let hook = Arc::new(Slow {
            denies,
            ..Slow::default()
        });
        let gateway = gateway(Arc::clone(&hook), asking(&[endpoint.to_string()]));
        drop(gateway.connect(endpoint.clone(), None, Reuse::Close));
        let given_up = gateway.connect(endpoint.clone(), None, Reuse::Close);
        until(|| hook.open() == 1).await;
        drop(given_up);
        hook.go_on.notify_one();
        until(|| hook.open() == 0).await;
        let kept = || gateway.shared.questions.as_ref().map(|it| it.kept());
        assert_eq!(kept(), Some(1));
        let used = gateway.memory().used();
        tokio::time::sleep(LIMIT).await;
        until(|| kept() == Some(0)).await;
        assert!(used - gateway.memory().used() >= QUESTION);
        let asked = gateway.connect(endpoint.clone(), None, Reuse::Close);
        until(|| hook.asked().len() == 2).await;
        drop(asked);
    }
}

#[tokio::test(start_paused = true)]
async fn a_question_that_nobody_answers_is_late_for_all_who_wait() {
    let endpoint = Endpoint::new("192.0.2.1", 80).unwrap();
    let hook = Arc::new(Slow::default());
    let gateway = gateway(Arc::clone(&hook), asking(&[endpoint.to_string()]));
    let first = gateway
        .connect(endpoint.clone(), None, Reuse::Close)
        .unwrap();
    tokio::time::sleep(LIMIT / 2).await;
    let began = Instant::now();
    let second = gateway
        .connect(endpoint.clone(), None, Reuse::Close)
        .unwrap();
    for one in [first, second] {
        let Err(EgressError::Denied(denial)) = one.await else {
            panic!("not denied");
        };
        assert!(
            denial.message.contains("did not answer in time"),
            "{denial}"
        );
    }
    assert!(began.elapsed() < LIMIT);
    until(|| hook.open() == 0).await;
    assert_eq!(hook.asked().len(), 1);
}

#[tokio::test]
async fn so_many_questions_stay_open_for_which_nobody_waits_and_no_more() {
    const MORE: usize = 10;
    let hook = Arc::new(Slow::default());
    let document = Document {
        mode: Mode::Ask,
        ..Document::default()
    };
    let gateway = gateway(Arc::clone(&hook), document.into());
    let before = gateway.memory().used();
    for number in 0..MAX_ABANDONED + MORE {
        let endpoint = Endpoint::new("192.0.2.1", 1000 + u16::try_from(number).unwrap());
        let given_up = gateway.connect(endpoint.unwrap(), None, Reuse::Close);
        until(|| hook.asked().len() == number + 1).await;
        drop(given_up);
        until(|| gateway.audit().count() == number as u64 + 1).await;
    }
    until(|| hook.open() == MAX_ABANDONED).await;
    assert!(gateway.memory().used() - before >= MAX_ABANDONED * QUESTION);
    // They end with the sandbox.
    drop(gateway);
    until(|| hook.open() == 0).await;
}

#[tokio::test]
async fn another_policy_asks_anew() {
    let server = Server::echo().await;
    let endpoint = server.http().endpoint;
    let hook = Arc::new(Slow::default());
    let policy = || asking(&[endpoint.to_string()]);
    let gateway = gateway(Arc::clone(&hook), policy());
    let first = gateway.connect(endpoint.clone(), None, Reuse::Close);
    until(|| hook.open() == 1).await;
    gateway.replace_policy(policy()).unwrap();
    let second = gateway.connect(endpoint.clone(), None, Reuse::Close);
    until(|| hook.open() == 2).await;
    drop((first, second));
}

#[tokio::test]
async fn a_question_without_memory_to_share_it_ends_with_its_guest() {
    let server = Server::echo().await;
    let endpoint = server.http().endpoint;
    let hook = Arc::new(Slow::default());
    let mut config = config();
    config.max_host_memory = Some(64 << 10);
    let builder = Gateway::builder().hook(Arc::clone(&hook), LIMIT);
    let gateway = builder.build(asking(&[endpoint.to_string()]), config);
    let connecting = gateway.connect(endpoint.clone(), None, Reuse::Close);
    let held = gateway.memory().reserve(gateway.memory().free());
    until(|| hook.open() == 1).await;
    drop((connecting, held));
    until(|| hook.open() == 0).await;
}

#[tokio::test]
async fn a_hook_that_fails_is_recorded_with_its_text_and_a_panics_text_is_not_told() {
    type Fault = fn() -> futures_util::future::BoxFuture<'static, Result<HookAnswer, HookError>>;
    let cases: [(Fault, &str, &str); 4] = [
        (
            || Box::pin(async { Err("the office is closed".into()) }),
            "the office is closed",
            "it failed: the office is closed",
        ),
        (
            || Box::pin(async { panic!("database at 10.0.0.1 is away") }),
            "panicked: database at 10.0.0.1 is away",
            "it failed",
        ),
        (
            || Box::pin(async { panic!("{} is away", "the database") }),
            "panicked: the database is away",
            "it failed",
        ),
        (
            || Box::pin(pending()),
            "no answer before the deadline",
            "it did not answer in time",
        ),
    ];
    let server = Server::echo().await;
    for (fault, recorded, told) in cases {
        for stage in [Stage::Connect, Stage::Request] {
            for asks in [false, true] {
                let hook = move |request: HookRequest| async move {
                    match request.stage == stage {
                        true => fault().await,
                        false => Ok(HookAnswer::allow()),
                    }
                };
                let rule = server.http().to_string();
                let policy = match asks {
                    true => asking(&[rule]),
                    false => Policy::allow([rule.parse().unwrap()]),
                };
                let builder = Gateway::builder().hook(hook, Duration::from_millis(50));
                let gateway = builder.build(policy, config());
                let Err(EgressError::Denied(denial)) =
                    fetched(&gateway, get(&server, "/", &[])).await
                else {
                    panic!("not denied: {recorded}");
                };
                let text = format!("the hook refused: {told}");
                assert!(denial.message.contains(&text), "{denial}");
                assert!(!denial.message.contains("away"), "{denial}");
                let record = decisions(&gateway, stage).remove(0);
                assert_eq!(record.verdict, Verdict::Deny);
                assert_eq!(record.reason, Some(Reason::Hook(HookReason::HookFailed)));
                assert_eq!(record.hook_error.as_deref(), Some(recorded));
            }
        }
    }
    // A denial is the hook's right, and no fault.
    let hook = |_: HookRequest| async { Ok(HookAnswer::deny("no")) };
    let gateway = gateway(hook, asking(&[server.http().to_string()]));
    assert!(connect(&gateway, &server.http().endpoint).await.is_err());
    let record = decisions(&gateway, Stage::Connect).remove(0);
    assert_eq!(record.reason.map(Reason::as_str), Some("hook"));
    assert_eq!(record.hook_error, None);
}

#[tokio::test]
async fn all_who_share_a_question_get_its_amendments() {
    let (wrong, right) = (Server::echo().await, Server::echo().await);
    let rule = format!("named.test:{} to 127.0.0.1", right.address.port());
    let hook = |_: HookRequest| async {
        let address = [127, 0, 0, 1].into();
        Ok(HookAnswer::Allow(Amendments::default().dial(address)))
    };
    let gateway = gateway(hook, asking(&[rule]));
    let endpoint = Endpoint::new("named.test", right.address.port()).unwrap();
    let connecting = [(); 3].map(|()| gateway.connect(endpoint.clone(), None, Reuse::Close));
    for one in connecting {
        assert_eq!(one.unwrap().await.unwrap().address, Some(right.address));
    }
    assert_eq!(wrong.accepted(), 0);
}
