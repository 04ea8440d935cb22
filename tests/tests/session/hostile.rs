//! What a hostile program does to its own half of the protocol, and to its limits, ends its session at most.

use std::time::Duration;

use sandbox_net::{Error, Exit, Output, Sandbox, Session, SessionOptions, TurnEnd, TurnOptions};
use sandbox_net_tests::Servers;

use crate::{session, text, turn};

/// Much longer than any turn here.
const PATIENCE: Duration = Duration::from_secs(60);

/// Makes the program answer with what this Python code says instead of the shim.
async fn answers(session: &mut Session, body: &str) {
    let code = format!(
        "import struct, sandbox_net.session as s\n\
         room, real = s._mailbox._room, s._mailbox.put\n\
         def write(number, length, address, body=b'', begins=b'SNTR'):\n\
         \x20   struct.pack_into('<4sIII', room, 0, begins, number, length, address)\n\
         \x20   room[16:16 + len(body)] = body\n\
         class Mailbox:\n\
         \x20   def put(self, number, body):\n\
         \x20       {body}\n\
         s._mailbox = Mailbox()"
    );
    // The turn that replaces the mailbox answers with it already.
    let outcome = tokio::time::timeout(PATIENCE, session.exec(code)).await;
    let outcome = outcome.expect("no wedge").expect("a turn");
    assert!(
        matches!(outcome.end, TurnEnd::Ended(Exit::Trap(_))),
        "{body}: {outcome:?}"
    );
    let error = session.exec("1").await.expect_err("it has ended");
    assert!(matches!(error, Error::SessionEnded { .. }), "{error}");
}

#[tokio::test]
async fn a_reply_that_is_none_ends_the_session() {
    let sandbox = Sandbox::builder().build().await.expect("a sandbox");
    for body in [
        // Nothing at all, another number, another beginning.
        "pass",
        "write(number + 1, 1, 0, b'\\0')",
        "write(number, 1, 0, b'\\0', b'NONE')",
        // Outside of the memory, at its end, around its end.
        "write(number, 64, 0xFFFF_FFF0)",
        "write(number, 1 << 20, 0x7FFF_FFFF)",
        "write(number, 16 << 20, 0x2000000)",
        "write(number, 0xFFFF_FFFF, 1)",
        "write(number, 0xFFFF_FFFF, 0)",
        "write(number, 5000, 0)",
        // Fields that are none, or cut short, or endless.
        "write(number, 0, 0)",
        "write(number, 1, 0, b'\\x77')",
        "write(number, 6, 0, b'\\0?\\0\\0\\0\\0')",
        "write(number, 6, 0, b'\\0T\\xff\\xff\\xff\\xff')",
        "write(number, 3, 0, b'\\0T\\x01')",
        "raise SystemError('no reply')",
    ] {
        let mut session = sandbox.session().await.expect("a session");
        answers(&mut session, body).await;
    }
    // An exit without a code is 0, and the control: the sandbox goes on.
    let mut session = sandbox.session().await.expect("a session");
    assert_eq!(text(&mut session, "6 * 7").await, "42");
}

#[tokio::test]
async fn a_program_may_break_everything_it_finds() {
    for code in [
        "import sys; sys.stdout = sys.stderr = None",
        "import sys; sys.stdout = 3; sys.stderr = object()",
        "import sys; sys.stdout.close()",
        "import sys, io; sys.stdout = io.StringIO(); print('lost')",
        "import sys; sys.modules.clear()",
        "import sys; del sys.modules['__main__']",
        "globals().clear()",
        "import linecache; linecache.cache = None",
        "import sys; sys.displayhook = sys.excepthook = None",
        "import builtins; builtins.repr = builtins.eval = builtins.compile = None",
        "import gc; gc.disable(); gc.freeze()",
        "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)",
        "import sandbox_net.session as s; s.turn = s._turn = None",
        "import sandbox_net.display as d; d.show = None",
        "import sys\nf = sys._getframe()\nwhile f.f_back: f = f.f_back\nf.f_globals.clear()",
        "import sys\nf = sys._getframe()\nwhile f.f_back: f = f.f_back\nf.f_globals['turn'] = None",
        "import threading; threading._shutdown = None",
        "import asyncio; asyncio.Runner = None",
    ] {
        let (_sandbox, mut session) = session().await;
        for code in [code, "1 + 1", "1 / 0", "await 3", "f'{1}'", "def f(): pass"] {
            match tokio::time::timeout(PATIENCE, session.exec(code)).await {
                Err(_) => panic!("{code}: wedged"),
                Ok(Err(error)) => assert!(matches!(error, Error::SessionEnded { .. }), "{error}"),
                Ok(Ok(_)) => {}
            }
        }
        let closed = tokio::time::timeout(PATIENCE, session.close()).await;
        closed.expect("no wedge").expect("an outcome");
    }
}

#[tokio::test]
async fn what_the_interpreter_does_not_survive_ends_the_session_and_no_other() {
    let sandbox = Sandbox::builder().build().await.expect("a sandbox");
    let mut other = sandbox.session().await.expect("a session");
    turn(&mut other, "x = 1").await;
    for (code, exit) in [
        ("import os; os._exit(7)", Exit::Code(7)),
        ("import os; os.abort()", Exit::Code(134)),
    ] {
        let mut session = sandbox.session().await.expect("a session");
        let outcome = turn(&mut session, code).await;
        let TurnEnd::Ended(found) = &outcome.end else {
            panic!("{code}: {outcome:?}");
        };
        assert!(
            *found == exit || matches!(found, Exit::Trap(_)),
            "{code}: {found:?}"
        );
        assert_eq!(session.ended().as_ref(), Some(found));
    }
    // Deep recursion is an exception, and if not, the end of this session alone.
    let mut session = sandbox.session().await.expect("a session");
    let code = "import sys\nsys.setrecursionlimit(10**8)\ndef f(n): return f(n + 1) + 1\n\nf(0)";
    let outcome = turn(&mut session, code).await;
    assert!(
        matches!(outcome.end, TurnEnd::Raised | TurnEnd::Ended(Exit::Trap(_))),
        "{outcome:?}"
    );
    assert_eq!(text(&mut other, "x + 1").await, "2");
}

#[tokio::test]
async fn a_memory_bomb_is_a_memory_error_and_the_session_goes_on() {
    let sandbox = Sandbox::builder().build().await.expect("a sandbox");
    let options = SessionOptions::new().memory_limit(128 << 20);
    let mut session = sandbox.session_with(options).await.expect("a session");
    let outcome = turn(
        &mut session,
        "held = []\nwhile True: held.append(bytes(1 << 20))",
    )
    .await;
    let error = outcome.exception.expect("an exception");
    assert_eq!(error.type_name, "MemoryError");
    assert!(outcome.memory <= 128 << 20, "{}", outcome.memory);
    // There is hardly room even for a turn's text.
    let outcome = turn(&mut session, "len(held) > 10; del held").await;
    assert_eq!(outcome.end, TurnEnd::Done, "{:?}", outcome.exception);
    let outcome = turn(&mut session, "'x' * (1 << 30)").await;
    assert_eq!(
        outcome.exception.expect("an exception").type_name,
        "MemoryError"
    );
    assert_eq!(text(&mut session, "1 + 1").await, "2");
}

#[tokio::test]
async fn a_flood_of_output_is_cut_and_one_that_nobody_reads_ends_at_the_time_limit() {
    let (_sandbox, mut session) = session().await;
    let options = TurnOptions::new().capture_limit(1000);
    let code =
        "for _ in range(20_000): print('x' * 1000)\nimport sys\nsys.stderr.write('y' * 5000)";
    let outcome = session.exec_with(code, options).await.expect("a turn");
    assert!(outcome.truncated);
    assert_eq!((outcome.stdout.len(), outcome.stderr.len()), (1000, 1000));
    let options = TurnOptions::new()
        .stdout(Output::Piped)
        .time_limit(Duration::from_millis(300));
    let mut turn = session
        .start("while True: print('x' * 1000)", options)
        .await
        .expect("a turn");
    let unread = turn.stdout();
    let outcome = tokio::time::timeout(PATIENCE, turn.wait()).await;
    let outcome = outcome.expect("no wedge").expect("an outcome");
    assert_eq!(outcome.end, TurnEnd::TimeLimit);
    drop(unread);
}

#[tokio::test]
async fn ten_thousand_sockets_in_a_turn_are_refused_and_the_next_turn_works() {
    let servers = Servers::start().await;
    let origin = servers.http.origin();
    let sandbox = Sandbox::builder().allow(&origin).build().await;
    let sandbox = sandbox.expect("a sandbox");
    let mut session = sandbox.session().await.expect("a session");
    let address = servers.http.address();
    let code = format!(
        "import socket\nheld, refused = [], 0\nfor _ in range(10_000):\n    try:\n        \
         held.append(socket.create_connection(('{}', {})))\n    except OSError:\n        refused += 1\n        \
         if refused > 100: break\n\nlen(held) < 10_000",
        address.ip(),
        address.port()
    );
    assert_eq!(text(&mut session, &code).await, "True");
    let code = format!(
        "for s in held: s.close()\n\ndel held\nimport urllib.request\nurllib.request.urlopen('{origin}/get').status"
    );
    assert_eq!(text(&mut session, &code).await, "200");
}
