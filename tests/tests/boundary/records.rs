//! Records of what was allowed stay, whatever else a guest does.

use std::future::pending;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sandbox_net::policy::{Budgets, Document};
use sandbox_net::{
    Amendments, AuditLine, AuditSink, DecisionHook, Exit, HookAnswer, HookError, HookRequest,
    Outcome, Sandbox, SandboxBuilder, Stage, Verdict,
};
use sandbox_net_tests::{DnsAnswer, Report, Servers, run_to_end};

/// Much longer than every wait here.
const PATIENCE: Duration = Duration::from_secs(180);

/// A builder with these rules, and with budgets that do not interfere with these tests.
fn builder(allow: &[&str]) -> SandboxBuilder {
    let document = Document {
        allow: allow
            .iter()
            .map(|rule| rule.parse().expect("a rule"))
            .collect(),
        budgets: Budgets {
            denials: Some(1_000_000),
            lookups: Some(1_000_000),
            connections_per_second: Some(1_000_000),
            ..Budgets::default()
        },
        ..Document::default()
    };
    Sandbox::builder().policy(document).time_limit(PATIENCE)
}

/// Runs `records.py` to its end.
async fn end_of(builder: SandboxBuilder, arguments: &[&str]) -> Outcome {
    let builder = arguments.iter().fold(builder, |all, one| all.arg(*one));
    let sandbox = builder.build().await.expect("a sandbox");
    run_to_end(&sandbox, "boundary/records.py").await
}

#[track_caller]
fn report(outcome: &Outcome) -> Report {
    Report::of_success(
        "sandbox",
        outcome.exit_code(),
        &outcome.stdout,
        &outcome.stderr,
    )
}

fn lines(path: &Path) -> Vec<AuditLine> {
    let text = std::fs::read_to_string(path).expect("the audit log");
    let line = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    text.lines().map(line).collect()
}

/// How many denials a log reports, individually or as a count.
fn denials(lines: &[AuditLine]) -> u64 {
    let of = |line: &AuditLine| match line {
        AuditLine::Decision(it) => u64::from(it.verdict == Verdict::Deny),
        AuditLine::Lookup(it) => u64::from(it.verdict == Verdict::Deny),
        AuditLine::Dropped(it) => it.count,
        _ => 0,
    };
    lines.iter().map(of).sum()
}

/// Checks that file and memory have the requests, and the number of all denials.
#[tokio::test]
async fn a_flood_of_denials_displaces_no_request_and_costs_a_megabyte_at_most() {
    let servers = Servers::start().await;
    let origin = servers.http.origin();
    let urls = [1, 2, 3].map(|number| format!("{origin}/bytes/{number}"));
    for (how, count) in [
        ("malformed", 15_000),
        ("denied", 15_000),
        ("looked_up", 3_000),
    ] {
        let directory = tempfile::TempDir::new().expect("a directory");
        let path = directory.path().join("audit.jsonl");
        let number = count.to_string();
        let mut arguments = vec![how, &*number, "denied.test", "443"];
        arguments.extend(urls.iter().map(String::as_str));
        let outcome = end_of(builder(&[&origin]).audit_file(&path), &arguments).await;
        for url in &urls {
            assert_eq!(report(&outcome).result(url), 200, "{how}");
        }
        let recorded = |target: &String| {
            let decisions = outcome.decisions.iter();
            let allowed =
                decisions.filter(|it| it.verdict == Verdict::Allow && it.target == *target);
            let exchanges = outcome.exchanges.iter().filter(|it| it.target == *target);
            (allowed.count(), exchanges.count())
        };
        assert_eq!(urls.each_ref().map(recorded), [(1, 1); 3], "{how}");
        let kept = (outcome.decisions.iter().map(|it| it.verdict))
            .chain(outcome.lookups.iter().map(|it| it.verdict))
            .filter(|verdict| *verdict == Verdict::Deny)
            .count() as u64;
        let dropped = outcome.dropped.decisions + outcome.dropped.lookups;
        assert!(kept >= 100 && dropped > 0, "{how}: {kept} and {dropped}");
        assert_eq!(kept + dropped, count, "{how}");
        assert_eq!(outcome.dropped.exchanges, 0);

        let lines = lines(&path);
        assert_eq!(denials(&lines), count, "{how}");
        let exchanges = lines
            .iter()
            .filter(|line| matches!(line, AuditLine::Exchange(_)));
        assert_eq!(exchanges.count(), urls.len(), "{how}");
        let size = std::fs::metadata(&path).expect("the audit log").len();
        assert!(size < 1 << 20, "{how}: {size} bytes");
    }
}

#[tokio::test]
async fn an_ordinary_number_of_denials_is_recorded_one_by_one() {
    let outcome = end_of(
        builder(&["https://allowed.test"]),
        &["denied", "500", "denied.test", "443"],
    )
    .await;
    assert_eq!(outcome.decisions.len(), 500);
    assert!(outcome.dropped.is_empty());
    assert!(
        outcome
            .decisions
            .iter()
            .all(|it| it.target == "denied.test:443")
    );
}

/// A sink that takes this many lines, and keeps them.
#[derive(Clone)]
struct Room {
    left: usize,
    taken: Arc<Mutex<Vec<AuditLine>>>,
}

impl AuditSink for Room {
    fn write(&self, line: &AuditLine) -> io::Result<()> {
        let mut taken = self.taken.lock().expect("no panic");
        if taken.len() >= self.left {
            return Err(io::ErrorKind::StorageFull.into());
        }
        taken.push(line.clone());
        Ok(())
    }
}

#[tokio::test]
async fn with_a_full_disk_nothing_is_sent_that_has_no_line() {
    for room in [0, 1, 3, 1000] {
        let servers = Servers::start().await;
        servers.dns.set("n0.a.test", [IpAddr::from([127, 0, 0, 1])]);
        let address = servers.http.address();
        let sink = Room {
            left: room,
            taken: Arc::default(),
        };
        let port = address.port().to_string();
        for arguments in [
            ["looked_up", "8", "a.test", &port],
            ["at_once", "30", "127.0.0.1", &port],
        ] {
            let builder = builder(&["*.a.test", &format!("http://{address}")])
                .dns_servers([servers.dns.address()])
                .audit_sink(sink.clone());
            let outcome = end_of(builder, &arguments).await;
            assert_eq!(outcome.exit_code(), 0, "{}", outcome.stderr_text());
        }
        let taken = sink.taken.lock().expect("no panic").clone();
        let before = |stage: Option<Stage>| {
            let is_first = |line: &&AuditLine| match (line, stage) {
                (AuditLine::Decision(it), Some(stage)) => it.stage == stage && !it.update,
                (AuditLine::Lookup(it), None) => !it.update,
                _ => false,
            };
            taken.iter().filter(is_first).count()
        };
        let mut names: Vec<_> = servers.dns.questions().await;
        names.sort_by(|a, b| a.name.cmp(&b.name));
        names.dedup_by(|a, b| a.name == b.name);
        assert!(names.len() <= before(None), "{room}: {names:?} {taken:?}");
        let connections = servers.http.connections();
        assert!(
            connections <= before(Some(Stage::Connect)),
            "{room}: {connections}"
        );
        match room {
            0 => assert_eq!((names.len(), connections), (0, 0)),
            1000 => assert_eq!((names.len(), connections), (8, 30)),
            _ => assert!(names.len() + connections <= room),
        }
    }
}

/// A hook made of a function; `None` means that it never answers.
struct Answering<F>(F);

impl<F: Fn(&HookRequest) -> Option<HookAnswer> + Send + Sync> DecisionHook for Answering<F> {
    async fn decide(&self, request: &HookRequest) -> Result<HookAnswer, HookError> {
        match (self.0)(request) {
            Some(answer) => Ok(answer),
            None => pending().await,
        }
    }
}

/// A hook that returns these amendments at one stage, and allows everything.
fn amending(at: Stage, amendments: Amendments) -> impl DecisionHook + 'static {
    Answering(move |request: &HookRequest| {
        Some(match request.stage == at {
            true => HookAnswer::Allow(amendments.clone()),
            false => HookAnswer::allow(),
        })
    })
}

/// On a runtime of one thread: a run that the time limit ended is not dropped yet when it passes.
#[tokio::test]
async fn requests_that_nobody_granted_are_recorded_as_abandoned_without_gaps() {
    const COUNT: usize = 30;
    let servers = Servers::start().await;
    let (origin, port) = (
        servers.http.origin(),
        servers.http.address().port().to_string(),
    );
    let never = || Answering(|_: &HookRequest| None);
    let asking = || Sandbox::builder().ask(origin.as_str());
    let verdicts = |outcome: &Outcome, verdict| {
        let connects = outcome
            .decisions
            .iter()
            .filter(|it| it.stage == Stage::Connect);
        connects.filter(|it| it.verdict == verdict).count()
    };
    for (how, limit) in [
        ("waiting", Duration::from_millis(500)),
        ("given_up", PATIENCE),
    ] {
        for allowing in [false, true] {
            let taken = Room {
                left: usize::MAX,
                taken: Arc::default(),
            };
            // Something that a rule allows also waits for the hook.
            let builder = match allowing {
                true => Sandbox::builder().allow(origin.as_str()).hook(never()),
                false => asking().hook(never()),
            };
            let builder = builder.time_limit(limit).audit_sink(taken.clone());
            let arguments = [how, &COUNT.to_string(), "127.0.0.1", &port];
            let outcome = end_of(builder, &arguments).await;
            assert_eq!(outcome.exit == Exit::TimeLimit, how == "waiting");
            assert_eq!(
                verdicts(&outcome, Verdict::Abandoned),
                COUNT,
                "{how}: {outcome:?}"
            );
            assert_eq!(outcome.decisions.len(), COUNT);
            let written = taken.taken.lock().expect("no panic");
            assert_eq!(written.len(), COUNT, "before `run` returned");
            let text = serde_json::to_string(&written[0]).expect("a line");
            assert!(text.contains("\"verdict\":\"abandoned\""), "{text}");
        }
    }
    assert_eq!(servers.http.connections(), 0);
    // A grant counts as allowed, even if the program never used it.
    let arguments = ["at_once", "3", "127.0.0.1", &port];
    let granting = asking().hook(Answering(|_: &HookRequest| Some(HookAnswer::allow())));
    let outcome = end_of(granting.time_limit(PATIENCE), &arguments).await;
    assert_eq!(verdicts(&outcome, Verdict::Allow), 3);
    assert!(outcome.decisions.iter().all(|it| it.address.is_some()));
}

#[tokio::test]
async fn what_was_asked_is_recorded_although_no_answer_came_before_the_limit() {
    let servers = Servers::start().await;
    servers.dns.set("silent.test", DnsAnswer::Silence);
    let builder = Sandbox::builder()
        .allow("http://silent.test:80")
        .dns_servers([servers.dns.address()])
        .time_limit(Duration::from_millis(500));
    let outcome = end_of(builder, &["waiting", "30", "silent.test", "80"]).await;
    assert_eq!(outcome.exit, Exit::TimeLimit);
    let allowed = outcome
        .decisions
        .iter()
        .filter(|it| it.verdict == Verdict::Allow);
    assert_eq!(allowed.count(), 30, "{outcome:?}");
}

#[tokio::test]
async fn what_a_hook_does_wrong_is_recorded_as_the_hooks() {
    let servers = Servers::start().await;
    let (origin, address) = (servers.http.origin(), servers.http.address());
    let url = format!("{origin}/get");
    let port = address.port().to_string();
    for (name, value) in [
        ("X-Bad", "1\r\nX-Injected: 1"),
        ("X Bad", "1"),
        ("Host", "other.test"),
        ("Upgrade", "websocket"),
        ("Transfer-Encoding", "chunked"),
    ] {
        let amended = Amendments::default()
            .field("X-Good", "1")
            .field(name, value);
        let hook = amending(Stage::Request, amended);
        let outcome = end_of(
            Sandbox::builder().allow(origin.as_str()).hook(hook),
            &["at_once", "0", "127.0.0.1", &port, &url],
        )
        .await;
        let report = report(&outcome);
        let denial = report.error(&url, "PermissionError");
        assert_eq!(denial["deny_reason"], "hook", "{name}");
        let said = denial["text"].to_string();
        assert!(
            said.contains(&format!("it gave a field '{name}' that can't be sent")),
            "{said}"
        );
        let last = outcome.decisions.last().expect("a decision");
        let reason = last.reason.map(|reason| reason.to_string());
        assert_eq!((last.stage, last.verdict), (Stage::Request, Verdict::Deny));
        assert_eq!(
            (reason.as_deref(), last.rule.as_str()),
            (Some("hook"), origin.as_str())
        );
        assert!(outcome.exchanges.is_empty());
    }
    assert_eq!(servers.http.requests().len(), 0);

    // An address that the policy does not allow is recorded with the refusal.
    let amended = Amendments::default().dial([10, 0, 0, 1].into());
    let moved = amending(Stage::Connect, amended);
    let outcome = end_of(
        Sandbox::builder().allow("http://moved.test").hook(moved),
        &["at_once", "1", "moved.test", "80"],
    )
    .await;
    let [denied] = &outcome.decisions[..] else {
        panic!("{:?}", outcome.decisions);
    };
    let reason = denied.reason.map(|reason| reason.to_string());
    assert_eq!(
        (denied.verdict, reason.as_deref()),
        (Verdict::Deny, Some("address"))
    );
    assert_eq!(
        denied.address,
        Some("10.0.0.1:80".parse().expect("an address"))
    );
}

/// As when the future that waits for it is dropped.
#[tokio::test]
async fn a_dropped_run_has_recorded_its_counts() {
    let directory = tempfile::TempDir::new().expect("a directory");
    let path = directory.path().join("audit.jsonl");
    let builder = builder(&["https://allowed.test"]).audit_file(&path);
    let builder = ["denied", "3000000", "denied.test", "443"]
        .into_iter()
        .fold(builder, SandboxBuilder::arg);
    let sandbox = builder.build().await.expect("a sandbox");
    let counted = || {
        lines(&path)
            .iter()
            .any(|line| matches!(line, AuditLine::Dropped(_)))
    };
    tokio::select! {
        outcome = run_to_end(&sandbox, "boundary/records.py") => panic!("{outcome:?}"),
        () = async {
            while lines(&path).len() < 1000 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            // The program continues meanwhile, on a machine that has other work too.
            tokio::time::sleep(Duration::from_secs(1)).await;
        } => {}
    }
    // The run ends on a thread of its own.
    let recorded = async {
        while !counted() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let recorded = tokio::time::timeout(Duration::from_secs(20), recorded).await;
    assert!(recorded.is_ok());
}
