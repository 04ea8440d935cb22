//! Attacks on the limits, in a session and in its fork: each says what ended it, everything beside it goes
//! on, and the host has back what it took.

use std::time::Duration;

use sandbox_net::{
    Engine, Error, Exit, ForkOptions, Sandbox, Session, SessionOptions, TurnEnd, TurnOptions,
    TurnOutcome,
};
use sandbox_net_tests::{Servers, private_memory};

use crate::{text, turn};

/// Much longer than any turn here.
const PATIENCE: Duration = Duration::from_secs(120);
/// The memory of each session.
const MEMORY: usize = 128 << 20;
/// The disk of each, in bytes.
const DISK: u64 = 4 << 20;
/// The processor time of each.
const CPU: Duration = Duration::from_secs(3);

/// An attack in one turn.
struct Attack {
    name: &'static str,
    /// `HOST` and `PORT` are those of an allowed server.
    code: &'static str,
    /// The time limit of the turn, in milliseconds.
    limit: Option<u64>,
    ends: Ends,
}

/// How it ends.
#[derive(Clone, Debug)]
enum Ends {
    /// With this exception, and the session goes on.
    Raised(&'static str),
    /// At the time limit, and the session goes on.
    AtLimit,
    /// At the time limit, with the session.
    WithSession,
    /// By itself, with this value.
    Value(&'static str),
    /// By itself, with output or a value that was cut.
    Cut,
    /// The session has ended so.
    Over(Exit),
    /// The interpreter has stopped, or has raised an exception.
    Stopped,
}

const fn attack(name: &'static str, code: &'static str, ends: Ends) -> Attack {
    Attack {
        name,
        code,
        limit: None,
        ends,
    }
}

const fn limited(name: &'static str, code: &'static str, ends: Ends) -> Attack {
    Attack {
        name,
        code,
        limit: Some(300),
        ends,
    }
}

const ATTACKS: &[Attack] = &[
    attack(
        "a memory bomb of many values",
        "held = []\nwhile True: held.append(bytes(1 << 20))",
        Ends::Raised("MemoryError"),
    ),
    attack(
        "a memory bomb of one value",
        "held = b'x'\nwhile True: held += held",
        Ends::Raised("MemoryError"),
    ),
    limited("an endless loop", "while True: pass", Ends::AtLimit),
    limited(
        "an endless wait",
        "import time\nwhile True: time.sleep(60)",
        Ends::AtLimit,
    ),
    limited(
        "an endless loop that catches everything",
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        Ends::WithSession,
    ),
    attack(
        "a loop without a time limit",
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        Ends::Over(Exit::CpuLimit),
    ),
    limited(
        "a flood of output",
        "import sys\nwhile True: print('x' * 1000); sys.stderr.write('y' * 1000)",
        Ends::AtLimit,
    ),
    attack(
        "much output",
        "for _ in range(3000): print('x' * 1000)",
        Ends::Cut,
    ),
    attack("a large value", "'x' * (8 << 20)", Ends::Cut),
    attack(
        "ten thousand sockets",
        "
import socket
held, refused = [], 0
for _ in range(10_000):
    try: held.append(socket.create_connection(('HOST', PORT)))
    except OSError: refused += 1
    if refused > 100: break

refused > 100 and 0 < len(held) < 10_000",
        Ends::Value("True"),
    ),
    attack(
        "a full disk",
        "open('/home/big', 'wb', buffering=0).write(bytes(8 << 20)); open('/home/more', 'wb').write(b'x' * 99_999)",
        Ends::Raised("OSError"),
    ),
    attack(
        "ten thousand files that stay open",
        "held = []\nwhile True: held.append(open(f'/home/f{len(held)}', 'w'))",
        Ends::Raised("OSError"),
    ),
    attack(
        "threads without an end",
        "
import threading, time
def forever():
    while True: time.sleep(0.01)
held = [threading.Thread(target=forever, daemon=True) for _ in range(1000)]
for thread in held: thread.start()
",
        Ends::Value(""),
    ),
    attack(
        "a stack without an end",
        "import sys\nsys.setrecursionlimit(10**8)\ndef f(n): return f(n + 1) + 1\nf(0)",
        Ends::Stopped,
    ),
    attack(
        "an end at once",
        "import os; os._exit(7)",
        Ends::Over(Exit::Code(7)),
    ),
];

impl Ends {
    fn is(&self, outcome: &TurnOutcome) -> bool {
        let raised = outcome.exception.as_ref().map(|error| &*error.type_name);
        let value = outcome.value.as_ref().map_or("", |value| &*value.text);
        let stopped = matches!(outcome.end, TurnEnd::Raised | TurnEnd::Ended(Exit::Trap(_)));
        match self {
            Self::Raised(kind) => outcome.end == TurnEnd::Raised && raised == Some(*kind),
            Self::AtLimit | Self::WithSession => outcome.end == TurnEnd::TimeLimit,
            Self::Value(text) => outcome.end == TurnEnd::Done && value == *text,
            Self::Cut => outcome.end == TurnEnd::Done && outcome.truncated,
            Self::Over(exit) => outcome.end == TurnEnd::Ended(exit.clone()),
            Self::Stopped => stopped,
        }
    }

    /// How the session has ended, if it has.
    fn ended(&self) -> Option<Exit> {
        match self {
            Self::WithSession => Some(Exit::TimeLimit),
            Self::Over(exit) => Some(exit.clone()),
            _ => None,
        }
    }
}

impl Attack {
    /// Carries it out, and checks what it comes to.
    async fn carry_out(&self, session: &mut Session, servers: &Servers) {
        let name = self.name;
        let address = servers.http.address();
        let code = self.code.replace("HOST", &address.ip().to_string());
        let code = code.replace("PORT", &address.port().to_string());
        let mut options = TurnOptions::new()
            .capture_limit(1 << 20)
            .reply_limit(1 << 20);
        if let Some(limit) = self.limit {
            options = options.time_limit(Duration::from_millis(limit));
        }
        let outcome = tokio::time::timeout(PATIENCE, session.exec_with(code, options)).await;
        let outcome = outcome.expect("no wedge").expect("a turn");
        let (end, error) = (&outcome.end, &outcome.exception);
        assert!(self.ends.is(&outcome), "{name}: {end:?} {error:?}");
        assert!(outcome.memory <= MEMORY, "{name}: {}", outcome.memory);
        match end {
            TurnEnd::Ended(Exit::Trap(_)) => assert!(session.ended().is_some(), "{name}"),
            _ => assert_eq!(session.ended(), self.ends.ended(), "{name}"),
        }
        match session.ended() {
            Some(exit) => assert_over(session, &exit).await,
            None => {
                turn(session, "held = None").await;
                assert_eq!(text(session, "x + 22").await, "42", "{name}");
            }
        }
    }
}

/// The session does nothing any more, and says why.
async fn assert_over(session: &mut Session, exit: &Exit) {
    let nowhere = std::env::temp_dir().join("a-session-that-is-over");
    let refusals = [
        session.exec("1").await.err(),
        session.start("1", TurnOptions::new()).await.err(),
        session.complete("pri").await.err(),
        session.needs_more("if x:").await.err(),
        session.fork().await.err(),
        session.fork_many(3, ForkOptions::new()).await.err(),
        session.save(&nowhere).await.err(),
    ];
    for (number, refusal) in refusals.into_iter().enumerate() {
        match refusal {
            Some(Error::SessionEnded { exit: said }) => assert_eq!(said, *exit, "{number}"),
            other => panic!("{number}: {other:?}"),
        }
    }
    assert!(!nowhere.exists());
    session.interrupt_handle().interrupt();
    assert_eq!(session.ended().as_ref(), Some(exit));
}

/// Sandboxes, running programs, and bytes of the guests and of the host for them.
fn used(engine: &Engine) -> [u64; 4] {
    let usage = engine.usage();
    let used = [
        usage.sandboxes,
        usage.running,
        usage.memory,
        usage.host_memory,
    ];
    used.map(|amount| amount.used)
}

async fn until_used(engine: &Engine, what: &str, expected: [u64; 4]) {
    let begun = std::time::Instant::now();
    while used(engine) != expected {
        let now = used(engine);
        assert!(
            begun.elapsed() < PATIENCE,
            "{what}: {now:?}, not {expected:?}"
        );
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn an_attack_in_a_session_or_in_its_fork_ends_that_alone() {
    let servers = Servers::start().await;
    let engine = Engine::builder().threads(2).build().await.unwrap();
    let sandbox = Sandbox::builder()
        .engine(engine.clone())
        .allow(servers.http.origin())
        .disk_limit(DISK);
    let sandbox = sandbox.build().await.unwrap();
    let options = SessionOptions::new().memory_limit(MEMORY).cpu_limit(CPU);
    // The first one prepares the interpreter.
    drop(sandbox.session().await.unwrap());
    for attack in ATTACKS {
        let name = attack.name;
        let before = used(&engine);
        let mut session = sandbox.session_with(options.clone()).await.unwrap();
        turn(&mut session, "x = 20; import socket").await;
        let mut fork = session.fork().await.unwrap();
        let mut sibling = session.fork().await.unwrap();
        attack.carry_out(&mut fork, &servers).await;
        assert_eq!(text(&mut session, "x + 1").await, "21", "{name}");
        assert_eq!(text(&mut sibling, "x + 2").await, "22", "{name}");
        attack.carry_out(&mut session, &servers).await;
        let get = format!(
            "import urllib.request; urllib.request.urlopen('{}/get').status",
            servers.http.origin()
        );
        assert_eq!(text(&mut sibling, &get).await, "200", "{name}");
        let mut last = sibling.fork().await.unwrap();
        assert_eq!(text(&mut last, "x + 3").await, "23", "{name}");
        drop((session, fork, sibling, last));
        until_used(&engine, name, before).await;
    }
}

/// In a process of its own, whose memory is counted.
#[cfg(target_os = "linux")]
#[test]
fn forks_that_have_filled_their_memory_leave_none_behind() {
    let this = std::env::current_exe().unwrap();
    let test = "attacked::fill_their_memory_and_are_dropped";
    let child = std::process::Command::new(this)
        .args(["--exact", "--ignored", "--nocapture", test])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{said}");
    let passed = String::from_utf8_lossy(&child.stdout).contains("1 passed");
    assert!(passed, "it was run");
}

#[cfg(target_os = "linux")]
#[tokio::test]
#[ignore = "counts what its whole process has"]
async fn fill_their_memory_and_are_dropped() {
    let engine = Engine::builder().threads(2).build().await.unwrap();
    let sandbox = Sandbox::builder().engine(engine.clone());
    let sandbox = sandbox.memory_limit(MEMORY).build().await.unwrap();
    let mut session = sandbox.session().await.unwrap();
    turn(&mut session, "x = 20").await;
    let mut before = 0;
    for round in 0..4 {
        let mut forks = session.fork_many(3, ForkOptions::new()).await.unwrap();
        for fork in &mut forks {
            let code = "held = []\nwhile True: held.append(b'x' * (1 << 20))";
            let outcome = turn(fork, code).await;
            let error = outcome.exception.expect("an exception");
            assert_eq!(error.type_name, "MemoryError");
        }
        let full = private_memory();
        drop(forks);
        if round == 0 {
            // What is made once in a process is made by now.
            before = private_memory();
        }
        // The control: it was there.
        assert!(full > before + (150 << 20), "{full} {before}");
        let begun = std::time::Instant::now();
        while private_memory() > before + (16 << 20) {
            let now = private_memory();
            assert!(
                begun.elapsed() < PATIENCE,
                "round {round}: {now}, not {before}"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(text(&mut session, "x").await, "20");
    }
}
