//! Slow and stuck sinks: what waits for them is bounded, and nothing else waits.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use futures_util::FutureExt;

use super::*;
use sandbox_net_policy::DenyReason;

/// A sink that takes nothing while it is shut, and notes the thread that calls it.
#[derive(Default)]
struct Gate {
    is_open: Mutex<bool>,
    opened: Condvar,
    entered: AtomicUsize,
    slow: Duration,
    taken: Mutex<Vec<(ThreadId, AuditLine)>>,
}

impl AuditSink for Gate {
    fn write(&self, line: &AuditLine) -> std::io::Result<()> {
        self.entered.fetch_add(1, Ordering::SeqCst);
        let shut = self
            .opened
            .wait_while(self.is_open.lock().unwrap(), |it| !*it);
        drop(shut.unwrap());
        std::thread::sleep(self.slow);
        let taken = (std::thread::current().id(), line.clone());
        self.taken.lock().unwrap().push(taken);
        Ok(())
    }
}

impl Gate {
    fn new(is_open: bool, slow: Duration) -> Arc<Self> {
        Arc::new(Self {
            is_open: Mutex::new(is_open),
            slow,
            ..Self::default()
        })
    }

    fn shut() -> Arc<Self> {
        Self::new(false, Duration::ZERO)
    }

    fn open(&self) {
        *self.is_open.lock().unwrap() = true;
        self.opened.notify_all();
    }

    fn lines(&self) -> Vec<AuditLine> {
        let taken = self.taken.lock().unwrap();
        taken.iter().map(|(_, line)| line.clone()).collect()
    }
}

/// Opens the gate even if a test fails, so that nothing stays blocked.
struct Opens(Arc<Gate>);

impl Drop for Opens {
    fn drop(&mut self) {
        self.0.open();
    }
}

fn log(sandbox: &str, sinks: &[&Arc<Gate>]) -> AuditLog {
    let sinks = sinks
        .iter()
        .map(|sink| Arc::clone(sink) as Arc<dyn AuditSink>);
    AuditLog::with(AuditSettings {
        sandbox: sandbox.to_owned(),
        sinks: sinks.collect(),
        ..AuditSettings::default()
    })
}

fn connect(log: &AuditLog, host: &str) -> PendingDecision {
    let subject = Subject {
        stage: Stage::Connect,
        host: None,
        target: format!("{host}:443"),
        port: 443,
        method: None,
        tls: TlsOverrides::default(),
    };
    log.decided(subject, Ok("rule"))
}

fn deny(log: &AuditLog) {
    let denial = Denial {
        reason: DenyReason::NoRule,
        rule: "default-deny".to_owned(),
        message: String::new(),
        address: None,
    };
    drop(log.looked_up("b.test".to_owned(), Err(&denial)));
}

#[tokio::test]
async fn what_waits_for_a_sink_holds_nobody_else_and_goes_on_when_every_sink_has_it() {
    let (quick, shut) = (Gate::new(true, Duration::ZERO), Gate::shut());
    let _opens = Opens(Arc::clone(&shut));
    let (one, other) = (log("one", &[&quick, &shut]), log("other", &[&quick]));
    let mut waiting = connect(&one, "a.test");
    {
        let mut commit = std::pin::pin!(waiting.commit());
        assert_eq!(commit.as_mut().now_or_never(), None, "nothing is done yet");
        // The runtime has one thread.
        for number in 0..100 {
            let mut decided = connect(&other, &format!("n{number}.test"));
            assert_eq!(decided.commit().await, Ok(()));
        }
        assert_eq!(commit.as_mut().now_or_never(), None);
        assert!(shut.lines().is_empty());
        shut.open();
        assert_eq!(commit.await, Ok(()));
    }
    assert_eq!(shut.lines().len(), 1);
    drop(waiting);
    assert_eq!(one.decisions()[0].verdict, Verdict::Allow);
}

#[tokio::test]
async fn what_is_given_up_while_it_waits_for_a_sink_was_abandoned() {
    let shut = Gate::shut();
    let _opens = Opens(Arc::clone(&shut));
    let log = log("one", &[&shut]);
    let mut decided = connect(&log, "a.test");
    assert_eq!(decided.commit().now_or_never(), None);
    drop(decided);
    let mut lookup = log.looked_up("a.test".to_owned(), Ok("rule"));
    assert_eq!(lookup.commit().now_or_never(), None);
    drop(lookup);
    let (decision, looked_up) = (log.decisions().remove(0), log.lookups().remove(0));
    assert_eq!(decision.verdict, Verdict::Abandoned);
    assert_eq!(
        (looked_up.verdict, looked_up.outcome),
        (Verdict::Abandoned, None)
    );
    shut.open();
    log.settle().await;
    assert!(!log.is_broken());
    let told = shut.lines().into_iter().map(|line| match line {
        AuditLine::Decision(it) => (it.verdict, it.update),
        AuditLine::Lookup(it) => (it.verdict, it.update),
        other => panic!("{other:?}"),
    });
    let allowed = (Verdict::Allow, false);
    let given_up = (Verdict::Abandoned, true);
    // A second line corrects each.
    let expected = [allowed, given_up, allowed, given_up];
    assert_eq!(told.collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn a_sink_that_never_returns_costs_one_thread_and_bounded_memory_that_is_given_back() {
    const MEMORY: u64 = 8 << 20;
    let shut = Gate::shut();
    let _opens = Opens(Arc::clone(&shut));
    let memory = HostMemory::new(MEMORY);
    let log = log("one", &[&shut]);
    log.hold_in(&memory);
    for round in 0..3 {
        let run = log.next_run();
        for number in 0..20_000 {
            let mut decided = connect(&run, &format!("n{number}.test"));
            // Refills the task's budget of tokio.
            tokio::task::yield_now().await;
            let is_waiting = decided.commit().now_or_never().is_none();
            assert!(round == 0 || !is_waiting, "the log is broken");
            drop(decided);
            deny(&run);
        }
        let begun = Instant::now();
        run.settle().await;
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(5), "{took:?}");
        assert!(run.is_broken(), "lines are lost");
        assert!(run.decisions().len() > 100, "records are kept");
        drop(run);
        // Only the line that the sink is writing is left.
        assert!(memory.used() < 4 << 10, "{}", memory.used());
    }
    assert_eq!(shut.entered.load(Ordering::SeqCst), 1);
    // Another log that shares the sink waits for the same thread.
    let other = self::log("other", &[&shut]);
    let mut decided = connect(&other, "a.test");
    assert_eq!(decided.commit().now_or_never(), None);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(shut.entered.load(Ordering::SeqCst), 1);
    shut.open();
    assert_eq!(decided.commit().await, Ok(()));
}

#[tokio::test]
async fn what_waits_in_one_run_does_not_grow_without_end() {
    let shut = Gate::shut();
    let _opens = Opens(Arc::clone(&shut));
    let log = log("one", &[&shut]);
    for number in 0..20_000 {
        let mut decided = connect(&log, &format!("n{number}.test"));
        tokio::task::yield_now().await;
        assert_eq!(decided.commit().now_or_never(), None);
        drop(decided);
        deny(&log);
    }
    shut.open();
    log.settle().await;
    assert!(!log.is_broken(), "nothing was lost: the rest is counted");
    let lines = shut.lines();
    assert!(lines.len() < 2 * 4096 + 100, "{}", lines.len());
    let denials = |line: &AuditLine| match line {
        AuditLine::Lookup(it) => u64::from(it.verdict == Verdict::Deny),
        AuditLine::Dropped(it) if it.verdict == Verdict::Deny => it.count,
        _ => 0,
    };
    assert_eq!(lines.iter().map(denials).sum::<u64>(), 20_000);
}

#[tokio::test]
async fn a_slow_sink_gets_everything_before_a_run_is_over() {
    let slow = Gate::new(true, Duration::from_millis(2));
    let log = log("one", &[&slow]);
    for number in 0..800 {
        deny(&log);
        // What is about to be done keeps its place among the denials.
        if number % 100 == 0 {
            let mut decided = connect(&log, "a.test");
            assert_eq!(decided.commit().await, Ok(()));
        }
    }
    let begun = Instant::now();
    log.settle().await;
    assert_eq!((slow.lines().len(), log.is_broken()), (808, false));
    assert!(begun.elapsed() < Duration::from_secs(9));
}

#[tokio::test]
async fn a_sink_that_several_sandboxes_share_has_one_thread_and_each_ones_order() {
    let shared = Gate::new(true, Duration::ZERO);
    let logs = ["one", "two", "three"].map(|name| log(name, &[&shared]));
    for number in 0..100 {
        for log in &logs {
            let mut decided = connect(log, &format!("n{number}.test"));
            assert_eq!(decided.commit().await, Ok(()));
            decided.dialled("127.0.0.1:443".parse().unwrap());
        }
    }
    for log in &logs {
        log.settle().await;
        let lines = shared.lines().into_iter().filter_map(|line| match line {
            AuditLine::Decision(it) if it.sandbox == log.sandbox() => {
                Some((it.sequence, it.update))
            }
            _ => None,
        });
        let expected = (0..100).flat_map(|number| [(number, false), (number, true)]);
        assert!(lines.eq(expected), "{}", log.sandbox());
    }
    let threads: HashSet<_> = {
        let taken = shared.taken.lock().unwrap();
        taken.iter().map(|(thread, _)| *thread).collect()
    };
    assert_eq!(threads.len(), 1);
    // A sink that nobody needs is dropped.
    drop(logs);
    let begun = Instant::now();
    while Arc::strong_count(&shared) > 1 {
        assert!(begun.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_run_that_is_dropped_holds_its_thread_for_a_moment_alone() {
    let shut = Gate::shut();
    let _opens = Opens(Arc::clone(&shut));
    let begun = Instant::now();
    for number in 0..30 {
        let log = log(&format!("sandbox {number}"), &[&shut]);
        let at_end = log.at_end();
        let mut decided = connect(&log, "a.test");
        assert_eq!(decided.commit().now_or_never(), None);
        drop((decided, at_end));
        assert!(number == 0 || log.is_broken());
    }
    // All of them together wait for the sink once.
    assert!(begun.elapsed() < Duration::from_secs(1));
}

/// A sink that panics.
struct Panics;

impl AuditSink for Panics {
    fn write(&self, _: &AuditLine) -> std::io::Result<()> {
        panic!("a fault of the embedder's")
    }
}

#[tokio::test]
async fn a_sink_that_panics_has_lost_its_line() {
    let log = AuditLog::with(AuditSettings {
        sinks: vec![Arc::new(Panics)],
        ..AuditSettings::default()
    });
    for _ in 0..2 {
        let committed = connect(&log, "a.test").commit().await;
        assert_eq!(committed, Err(Unrecorded::Sink));
    }
    log.settle().await;
}
