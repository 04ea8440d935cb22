//! Forks that nothing has been asked of yet: what is their parent's they give up before anything else.

use std::collections::HashSet;
use std::time::Duration;

use sandbox_net::{
    Engine, Error, Exit, ForkOptions, Output, Sandbox, Session, TurnEnd, TurnOptions, TurnOutcome,
};

use crate::{session, text, turn};

/// A file that is open, and what says whether it still is, and draws a number, where a program looks at it.
const HOLDS: &str = "
import asyncio, atexit, random, threading, time
random.seed(1)
kept = open('/home/kept', 'w+')
def state(): return f'{kept.closed} {random.random()}'
class Probe:
    def __dir__(self): return ['closed' if kept.closed else 'open']
probe = Probe()
";
/// The number that a copy draws that does not begin anew.
const STALE: &str = "0.13436424411240122";

async fn holding() -> (Sandbox, Session) {
    let (sandbox, mut session) = session().await;
    turn(&mut session, HOLDS).await;
    (sandbox, session)
}

fn gave_up(state: &str) {
    let state = state.trim().trim_matches('\'');
    assert!(state.starts_with("True 0."), "{state}");
    assert!(!state.contains(STALE), "{state}");
}

async fn fork(session: &mut Session) -> Session {
    session.fork().await.expect("a fork")
}

#[tokio::test]
async fn whatever_a_fork_is_asked_first_finds_it_without_what_is_its_parents() {
    let (sandbox, mut parent) = holding().await;
    let shared = text(&mut parent, "random.getstate() and random.seed(1); state()").await;
    assert!(shared.contains(STALE), "the control: {shared}");
    turn(&mut parent, "random.seed(1)").await;

    let mut executes = fork(&mut parent).await;
    gave_up(&text(&mut executes, "state()").await);
    gave_up(&text(&mut executes, "state()").await);

    let mut watched = fork(&mut parent).await;
    let options = TurnOptions::new().stdout(Output::Piped);
    let started = watched.start("print(state())", options).await.unwrap();
    gave_up(&started.wait().await.unwrap().stdout_text());

    let mut completes = fork(&mut parent).await;
    let found = completes.complete("probe.").await.unwrap().candidates;
    assert_eq!(found, ["probe.closed"]);

    let mut asks = fork(&mut parent).await;
    assert!(asks.needs_more("if x:").await.unwrap());
    gave_up(&text(&mut asks, "state()").await);

    let mut forks = fork(&mut parent).await;
    gave_up(&text(&mut fork(&mut forks).await, "state()").await);
    let mut last = fork(&mut fork(&mut forks).await).await;
    gave_up(&text(&mut last, "state()").await);
    gave_up(&text(&mut forks, "state()").await);

    let mut saves = fork(&mut parent).await;
    let directory = tempfile::tempdir().unwrap();
    let saved = directory.path().join("saved");
    saves.save(&saved).await.unwrap();
    let mut loaded = Session::load(&sandbox, &saved).await.unwrap();
    gave_up(&text(&mut loaded, "state()").await);
    gave_up(&text(&mut saves, "state()").await);

    let at_exit = "_ = atexit.register(lambda: print(state()))";
    turn(&mut parent, at_exit).await;
    let ends = fork(&mut parent).await;
    gave_up(&ends.close().await.unwrap().stdout_text());

    drop(fork(&mut parent).await);
    assert!(text(&mut parent, "state()").await.starts_with("'False "));
}

#[tokio::test]
async fn threads_and_tasks_that_stand_still_go_on_after_it() {
    let (_sandbox, mut parent) = session().await;
    turn(&mut parent, HOLDS).await;
    let code = "
seen = []
async def task():
    await asyncio.sleep(0.01)
    seen.append(state())
def thread():
    time.sleep(0.01)
    seen.append(state())
threading.Thread(target=thread).start()
running = asyncio.ensure_future(task())
await asyncio.sleep(0)
seen.clear()
random.seed(1)
len(seen)
";
    assert_eq!(text(&mut parent, code).await, "0");
    let mut child = fork(&mut parent).await;
    let found = text(&mut child, "await running; time.sleep(0.05); seen").await;
    assert_eq!(found.matches("True 0.").count(), 2, "{found}");
    assert!(!found.contains(STALE), "{found}");
}

#[tokio::test]
async fn the_first_turns_of_fifty_forks_draw_different_numbers() {
    let (_sandbox, mut parent) = session().await;
    let code = "
import random, uuid, secrets, os, tempfile, numpy
uuid.uuid1()
random.seed(1)
numpy.random.seed(1)
";
    turn(&mut parent, code).await;
    let mut forks = parent.fork_many(50, ForkOptions::new()).await.unwrap();
    let mut found = HashSet::new();
    let code = "[random.random(), uuid.uuid4().hex, uuid.uuid1().hex, secrets.token_hex(), os.urandom(8).hex(), \
                tempfile.mktemp(), numpy.random.random()]";
    for fork in &mut forks {
        let value = turn(fork, code).await.value.unwrap().json.unwrap();
        let values: Vec<serde_json::Value> = serde_json::from_str(&value.to_string()).unwrap();
        found.extend(values.iter().map(ToString::to_string));
    }
    assert_eq!(found.len(), 50 * 7);
    let code = "[random.random(), numpy.random.random()]";
    let own = text(&mut parent, code).await;
    assert!(own.starts_with(&format!("[{STALE}")), "the control: {own}");
    // A generator of another kind is the program's own.
    let code = "numpy.random.set_bit_generator(numpy.random.PCG64(1)); numpy.random.random()";
    turn(&mut parent, code).await;
    let mut child = fork(&mut parent).await;
    let next = text(&mut child, "numpy.random.random()").await;
    assert_eq!(text(&mut parent, "numpy.random.random()").await, next);
}

/// Begins to give up files, and takes its time.
const SLOW: &str = "
import io, time
class Slow(io.FileIO):
    def __setattr__(self, name, value):
        if name == 'read':
            until = time.monotonic() + 0.5
            while time.monotonic() < until: pass
        super().__setattr__(name, value)
kept = Slow('/home/kept', 'w')
";

#[tokio::test]
async fn an_interrupt_waits_until_a_fork_has_begun() {
    let (_sandbox, mut parent) = session().await;
    turn(&mut parent, SLOW).await;
    let mut child = fork(&mut parent).await;
    let handle = child.interrupt_handle();
    let asks = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        handle.interrupt();
    });
    let outcome = turn(&mut child, "while True: pass").await;
    assert_eq!(outcome.end, TurnEnd::Interrupted, "{outcome:?}");
    asks.await.unwrap();
    let error = turn(&mut child, "kept.write(b'x')").await.exception;
    let message = error.expect("it is closed").message;
    assert!(message.contains("open it again"), "{message}");
    // So does a time limit.
    let mut limited = fork(&mut parent).await;
    let options = TurnOptions::new().time_limit(Duration::from_millis(50));
    let outcome = limited.exec_with("while True: pass", options).await;
    assert_eq!(outcome.unwrap().end, TurnEnd::TimeLimit);
    assert_eq!(limited.ended(), None);
    assert_eq!(text(&mut limited, "kept.closed").await, "True");
}

/// Makes forks fail, as a program may that replaces what it finds.
const SABOTAGE: &str = "
import sandbox_net.forked
def fails(*_): raise RuntimeError('no fork of mine')
sandbox_net.forked.start = fails
";

/// That a first operation failed, and the session has ended.
async fn has_failed<T: std::fmt::Debug>(result: Result<T, Error>, session: &mut Session) {
    let error = result.expect_err("it can't begin");
    assert!(matches!(error, Error::Start(_)), "{error:?}");
    assert!(error.to_string().contains("no fork of mine"), "{error}");
    let ended = session.ended();
    assert!(matches!(ended, Some(Exit::Trap(_))), "{ended:?}");
    let next = session.exec("1").await;
    assert!(matches!(next, Err(Error::SessionEnded { .. })), "{next:?}");
}

#[tokio::test]
async fn a_fork_that_cannot_begin_fails_with_its_first_operation_and_has_ended() {
    let (sandbox, mut parent) = session().await;
    turn(&mut parent, SABOTAGE).await;

    let mut executes = fork(&mut parent).await;
    let outcome = executes.exec("print('ran')").await;
    has_failed(outcome, &mut executes).await;

    let mut watched = fork(&mut parent).await;
    let started = watched.start("print('ran')", TurnOptions::new()).await;
    let outcome: Result<TurnOutcome, _> = started.unwrap().wait().await;
    has_failed(outcome, &mut watched).await;

    let mut completes = fork(&mut parent).await;
    let found = completes.complete("x").await;
    has_failed(found, &mut completes).await;

    // Nothing is asked of one that is forked or saved.
    let mut forks = fork(&mut parent).await;
    let mut again = fork(&mut forks).await;
    let outcome = again.exec("print('ran')").await;
    has_failed(outcome, &mut again).await;
    let directory = tempfile::tempdir().unwrap();
    let saved = directory.path().join("saved");
    forks.save(&saved).await.unwrap();
    let loaded = Session::load(&sandbox, &saved).await;
    assert!(matches!(loaded, Err(Error::Start(_))), "{loaded:?}");

    let closed = forks.close().await;
    assert!(matches!(closed, Err(Error::Start(_))), "{closed:?}");
    assert_eq!(text(&mut parent, "1 + 1").await, "2");
}

#[tokio::test]
async fn of_many_forks_there_are_all_or_none() {
    const MEMORY: u64 = 400 << 20;
    let engine = Engine::builder().total_memory(MEMORY).build();
    let engine = engine.await.unwrap();
    let sandbox = Sandbox::builder().engine(engine.clone());
    let sandbox = sandbox.build().await.unwrap();
    let mut parent = sandbox.session().await.unwrap();
    turn(&mut parent, "x = bytes(40 << 20)").await;
    let before = engine.usage();
    let refused = parent.fork_many(40, ForkOptions::new()).await;
    assert!(matches!(refused, Err(Error::Full(_))), "{refused:?}");
    let after = engine.usage();
    assert_eq!(after.memory.used, before.memory.used);
    let forks = parent.fork_many(3, ForkOptions::new()).await.unwrap();
    assert_eq!(forks.len(), 3);
    assert_eq!(text(&mut parent, "len(x)").await, (40 << 20).to_string());
}
