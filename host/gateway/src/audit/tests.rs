//! What is kept and written of a sandbox's actions and denials.

use std::sync::Mutex;

use super::*;
use sandbox_net_policy::DenyReason;

/// A sink that takes this many lines, and then no more.
#[derive(Default)]
pub(super) struct Lines {
    lines: Mutex<Vec<AuditLine>>,
    room: Option<usize>,
}

impl AuditSink for Lines {
    fn write(&self, line: &AuditLine) -> std::io::Result<()> {
        let mut lines = self.lines.lock().unwrap();
        if self.room.is_some_and(|room| lines.len() >= room) {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        lines.push(line.clone());
        Ok(())
    }
}

impl Lines {
    fn taken(&self) -> Vec<AuditLine> {
        self.lines.lock().unwrap().clone()
    }

    fn bytes(&self) -> usize {
        let lines = self.taken();
        lines
            .iter()
            .map(|line| serde_json::to_string(line).unwrap().len() + 1)
            .sum()
    }
}

pub(super) fn log(room: Option<usize>) -> (AuditLog, Arc<Lines>) {
    let sink = Arc::new(Lines {
        room,
        ..Lines::default()
    });
    let log = AuditLog::with(AuditSettings {
        sandbox: "one".to_owned(),
        sinks: vec![sink.clone()],
        ..AuditSettings::default()
    });
    (log, sink)
}

pub(super) fn subject(stage: Stage, target: impl Into<String>) -> Subject {
    Subject {
        stage,
        host: None,
        target: target.into(),
        port: 443,
        method: (stage == Stage::Request).then(|| "GET".to_owned()),
        tls: TlsOverrides::default(),
    }
}

fn denial(reason: DenyReason) -> Denial {
    Denial {
        reason,
        rule: "default-deny".to_owned(),
        message: String::new(),
        address: None,
    }
}

/// A request that is allowed and ends; returns whether it was allowed.
pub(super) async fn request(log: &AuditLog, target: impl Into<String>) -> Result<(), Unrecorded> {
    let mut decided = log.decided(subject(Stage::Request, target), Ok("rule"));
    if let Err(why) = decided.commit().await {
        decided.refused("budget:host-memory", Reason::Budget(BudgetReason::Budget));
        return Err(why);
    }
    PendingRequest::new(log, &decided, tracing::Span::none()).finish();
    Ok(())
}

/// How many denials the lines of a sink report.
fn denials(lines: &[AuditLine]) -> u64 {
    let of = |line: &AuditLine| match line {
        AuditLine::Decision(it) => u64::from(it.verdict == Verdict::Deny),
        AuditLine::Lookup(it) => u64::from(it.verdict == Verdict::Deny),
        AuditLine::Dropped(it) => it.count,
        AuditLine::Exchange(_) => 0,
    };
    lines.iter().map(of).sum()
}

#[tokio::test]
async fn no_number_of_denials_displaces_what_was_allowed_and_each_is_counted() {
    type Deny = fn(&AuditLog, usize);
    let floods: [(&str, Deny); 5] = [
        ("lookups of one name", |log, _| {
            drop(log.looked_up("b.test".to_owned(), Err(&denial(DenyReason::NoRule))));
        }),
        ("lookups of many long names", |log, number| {
            let name = format!("{number}{}", "x".repeat(100_000));
            drop(log.looked_up(name, Err(&denial(DenyReason::Malformed))));
        }),
        ("connections", |log, number| {
            let subject = subject(Stage::Connect, format!("h{number}.test:443"));
            drop(log.decided(subject, Err(&denial(DenyReason::NoRule))));
        }),
        ("requests beyond a budget", |log, _| {
            let mut decided = log.decided(subject(Stage::Request, "https://a.test/"), Ok("rule"));
            decided.refused("budget:requests", Reason::Budget(BudgetReason::Budget));
        }),
        ("what was given up", |log, _| {
            drop(log.decided(subject(Stage::Connect, "a.test:443"), Ok("rule")));
        }),
    ];
    const COUNT: u64 = 40_000;
    for (name, deny) in floods {
        let (log, sink) = log(None);
        for number in 0..COUNT {
            deny(&log, usize::try_from(number).unwrap());
        }
        for number in 0..3 {
            let target = format!("https://a.test/{number}");
            request(&log, target).await.unwrap();
        }
        let allowed = log.decisions().into_iter();
        let allowed = allowed.filter(|it| it.verdict == Verdict::Allow).count();
        assert_eq!((allowed, log.exchanges().len()), (3, 3), "{name}");
        let denied = log.decisions().len() + log.lookups().len() - allowed;
        assert!((100..=1000).contains(&denied), "{name}: {denied}");
        let dropped = log.dropped();
        let missing = dropped.decisions + dropped.lookups;
        assert_eq!(missing + denied as u64, COUNT, "{name}");
        assert_eq!(dropped.exchanges, 0);
        log.settle().await;
        drop(log);
        let lines = sink.taken();
        let abandoned = lines.iter().filter(
            |line| matches!(line, AuditLine::Decision(it) if it.verdict == Verdict::Abandoned),
        );
        assert_eq!(denials(&lines) + abandoned.count() as u64, COUNT, "{name}");
        assert!(sink.bytes() < 1 << 20, "{name}: {} bytes", sink.bytes());
    }
}

#[tokio::test]
async fn a_few_denials_are_kept_and_written_whole() {
    let (log, sink) = log(None);
    for number in 0..900 {
        let subject = subject(Stage::Connect, format!("h{number}.test:443"));
        drop(log.decided(subject, Err(&denial(DenyReason::NoRule))));
    }
    assert_eq!(
        (log.decisions().len(), log.dropped().is_empty()),
        (900, true)
    );
    log.settle().await;
    drop(log);
    assert_eq!(sink.taken().len(), 900);
}

#[tokio::test]
async fn what_finds_no_room_in_memory_is_not_allowed_unless_a_sink_has_it() {
    const COUNT: u64 = 20_000;
    let target = |number: u64| format!("https://a.test/{number}{}", "x".repeat(TARGET));
    let log = AuditLog::new();
    let mut refused = 0;
    for number in 0..COUNT {
        let is_refused = request(&log, target(number)).await == Err(Unrecorded::Memory);
        refused += u64::from(is_refused);
    }
    let kept = log.exchanges().len() as u64;
    assert!(kept > 1000 && kept + refused == COUNT, "{kept} {refused}");
    let allowed = log.decisions().into_iter();
    let allowed = allowed.filter(|it| it.verdict == Verdict::Allow);
    assert_eq!(allowed.count() as u64, kept, "each has its exchange");
    assert_eq!(
        log.dropped().decisions + log.decisions().len() as u64,
        COUNT
    );
    assert_eq!(log.count(), COUNT);

    let (log, sink) = self::log(None);
    for number in 0..COUNT {
        request(&log, target(number)).await.unwrap();
    }
    log.settle().await;
    let (dropped, kept) = (log.dropped(), log.exchanges().len() as u64);
    assert!(kept > 1000);
    assert_eq!(
        (dropped.decisions, dropped.exchanges),
        (COUNT - kept, COUNT - kept)
    );
    assert_eq!(sink.taken().len() as u64, 2 * COUNT);
}

#[tokio::test]
async fn records_are_held_in_the_hosts_memory_for_the_sandbox() {
    let memory = HostMemory::new(1 << 20);
    let log = AuditLog::new();
    log.hold_in(&memory);
    let run = log.next_run();
    let target = |number: u64| format!("https://a.test/{number}");
    let mut allowed = 0;
    while allowed < 10_000 && request(&run, target(allowed)).await.is_ok() {
        allowed += 1;
    }
    assert!((300..3000).contains(&allowed), "{allowed}");
    // Half of the memory is left to everything else.
    assert!(memory.used() > 400 << 10 && memory.free() > 400 << 10);
    // What has no room is counted, including denials.
    let rest = memory.reserve(memory.free()).unwrap();
    for _ in 0..10 {
        drop(run.looked_up("b.test".to_owned(), Err(&denial(DenyReason::NoRule))));
    }
    assert_eq!((run.lookups().len(), run.dropped().lookups), (0, 10));
    assert!(
        request(&run, target(0)).await.is_ok(),
        "it is like one before"
    );
    drop(rest);
    drop(run);
    assert_eq!(memory.used(), 0);
}

#[tokio::test]
async fn what_is_alike_goes_on_without_a_sink_and_is_counted_where_memory_is_full() {
    const COUNT: u64 = 60_000;
    let log = AuditLog::new();
    let targets = ["https://a.test/1", "https://a.test/2"];
    for number in 0..COUNT {
        let target = targets[usize::try_from(number % 2).unwrap()];
        request(&log, target).await.unwrap();
    }
    let other = request(&log, "https://a.test/3").await;
    assert_eq!(other, Err(Unrecorded::Memory));
    // Names that were never requested before.
    let mut full = 0;
    for number in 0..10 {
        let mut lookup = log.looked_up(format!("n{number}.test"), Ok("rule"));
        full += u64::from(lookup.commit().await == Err(Unrecorded::Memory));
    }
    assert!(full > 0);
    let (decisions, dropped) = (log.decisions(), log.dropped());
    let allowed = decisions.iter().filter(|it| it.verdict == Verdict::Allow);
    let (mut kept, mut repeats) = (0, 0);
    for record in allowed {
        kept += 1;
        repeats += record.repeats;
    }
    assert!(kept > 1000 && repeats > 1000, "{kept} {repeats}");
    assert_eq!((kept + repeats, repeats), (COUNT, dropped.decisions));
    assert_eq!(log.exchanges().len() as u64 + dropped.exchanges, COUNT);

    // A repeat that is denied after all is a denial.
    let mut decided = log.decided(subject(Stage::Request, targets[0]), Ok("rule"));
    decided.commit().await.unwrap();
    decided.overruled(&denial(DenyReason::Address));
    drop(decided);
    let again = log.decisions();
    assert_eq!(again.iter().map(|it| it.repeats).sum::<u64>(), repeats);
    assert_eq!(again.len(), decisions.len() + 1);
    assert_eq!(log.dropped(), dropped);
}

#[tokio::test]
async fn a_line_is_written_before_what_it_is_about_and_completed_after() {
    let (log, sink) = log(None);
    let mut decided = log.decided(subject(Stage::Connect, "a.test:443"), Ok("rule"));
    assert!(sink.taken().is_empty());
    decided.commit().await.unwrap();
    let [AuditLine::Decision(before)] = &sink.taken()[..] else {
        panic!("a line before the connection");
    };
    assert_eq!(
        (before.verdict, before.address, before.update),
        (Verdict::Allow, None, false)
    );
    let address = "127.0.0.1:443".parse().unwrap();
    decided.dialled(address);
    drop(decided);
    log.settle().await;
    let [_, AuditLine::Decision(after)] = &sink.taken()[..] else {
        panic!("a line after it");
    };
    assert_eq!((after.address, after.update), (Some(address), true));
    assert_eq!(
        (after.sequence, after.verdict),
        (before.sequence, Verdict::Allow)
    );
    // Memory has one record, and it is complete.
    let kept = log.decisions();
    assert_eq!(
        (kept.len(), kept[0].address, kept[0].update),
        (1, Some(address), false)
    );

    let mut decided = log.decided(subject(Stage::Connect, "a.test:443"), Ok("rule"));
    decided.commit().await.unwrap();
    let refused = Denial {
        address: Some([10, 0, 0, 1].into()),
        ..denial(DenyReason::Address)
    };
    decided.overruled(&refused);
    drop(decided);
    let kept = log.decisions().remove(1);
    assert_eq!(
        (kept.verdict, kept.reason),
        (Verdict::Deny, Some(DenyReason::Address.into()))
    );
    assert_eq!(kept.address, Some("10.0.0.1:443".parse().unwrap()));

    // Nothing changes after the first line, so there is no second one.
    log.settle().await;
    let count = sink.taken().len();
    let mut decided = log.decided(subject(Stage::Tls, "https://a.test"), Ok("rule"));
    decided.dialled(address);
    decided.commit().await.unwrap();
    decided.dialled(address);
    drop(decided);
    log.settle().await;
    assert_eq!(sink.taken().len(), count + 1);

    let mut lookup = log.looked_up("a.test".to_owned(), Ok("rule"));
    lookup.commit().await.unwrap();
    let Some(AuditLine::Lookup(before)) = sink.taken().pop() else {
        panic!("a line before the question");
    };
    assert_eq!(
        (before.outcome.as_deref(), before.update),
        (Some("asked"), false)
    );
    lookup.ended("found".to_owned());
    drop(lookup);
    log.settle().await;
    let Some(AuditLine::Lookup(after)) = sink.taken().pop() else {
        panic!("a line after the answer");
    };
    assert_eq!(
        (after.outcome.as_deref(), after.update),
        (Some("found"), true)
    );
    assert_eq!((after.sequence, log.lookups().len()), (before.sequence, 1));
}

#[tokio::test]
async fn what_nobody_granted_is_abandoned_and_never_allowed() {
    let (log, sink) = log(None);
    for stage in [Stage::Connect, Stage::Tls, Stage::Request] {
        drop(log.decided(subject(stage, "https://a.test"), Ok("asking")));
    }
    let mut reported = log.decided(subject(Stage::Connect, "a.test:443"), Ok("asking"));
    reported.reported(&denial(DenyReason::NoRule));
    drop(reported);
    drop(log.looked_up("a.test".to_owned(), Ok("rule")));
    for record in log.decisions() {
        assert_eq!((record.verdict, record.reason), (Verdict::Abandoned, None));
    }
    assert_eq!(log.lookups()[0].verdict, Verdict::Abandoned);
    log.settle().await;
    assert_eq!(sink.taken().len(), 5);
    let text = serde_json::to_string(&sink.taken()[0]).unwrap();
    assert!(text.contains("\"verdict\":\"abandoned\""), "{text}");
}

#[tokio::test]
async fn a_sink_that_loses_a_line_breaks_the_log_of_every_run_and_that_very_thing_is_not_done() {
    for room in 0..4 {
        let (log, sink) = log(Some(room));
        let next = log.next_run();
        // Each makes two lines.
        for number in 0..4 {
            let is_recorded = request(&next, "https://a.test/").await;
            assert_eq!(is_recorded.is_ok(), 2 * number < room, "{room} {number}");
        }
        assert!(log.is_broken() && sink.taken().len() == room);
        let mut lookup = log.looked_up("a.test".to_owned(), Ok("rule"));
        assert_eq!(lookup.commit().await, Err(Unrecorded::Sink));
    }
}

#[tokio::test]
async fn the_end_of_a_run_waits_for_records_in_the_making() {
    let (log, _) = log(None);
    for number in 0..30 {
        let decided = log.decided(
            subject(Stage::Connect, format!("h{number}.test:443")),
            Ok("x"),
        );
        let task = tokio::spawn(async move {
            std::future::pending::<()>().await;
            drop(decided);
        });
        task.abort();
    }
    assert!(log.decisions().is_empty());
    log.settle().await;
    assert_eq!(log.decisions().len(), 30);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_never_ends_keeps_no_run_from_its_end() {
    let (log, _) = log(None);
    let decided = log.decided(subject(Stage::Connect, "a.test:443"), Ok("x"));
    log.settle().await;
    drop(decided);
}
