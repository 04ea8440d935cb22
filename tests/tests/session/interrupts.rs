//! Turns that are interrupted, by a limit, a handle, or because nobody waits for them any more.

use std::time::Duration;

use sandbox_net::{Exit, Output, Sandbox, SessionOptions, Stdin, TurnEnd, TurnOptions};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{session, text, turn};

const SOON: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_time_limit_raises_keyboard_interrupt_where_the_program_executes_and_where_it_waits() {
    let (_sandbox, mut session) = session().await;
    turn(
        &mut session,
        "import time, threading, asyncio, queue; x = 0",
    )
    .await;
    for code in [
        "while True: x += 1",
        "sum(1 for _ in iter(int, 1))",
        "time.sleep(600)",
        "threading.Event().wait(600)",
        "queue.Queue().get(timeout=600)",
        "await asyncio.sleep(600)",
        "'a' * (1 << 20) and [time.sleep(0.01) for _ in range(100_000)]",
    ] {
        let options = TurnOptions::new().time_limit(SOON);
        let outcome = session.exec_with(code, options).await.unwrap();
        assert_eq!(outcome.end, TurnEnd::TimeLimit, "{code}: {outcome:?}");
        let error = outcome.exception.expect(code);
        assert_eq!(error.type_name, "KeyboardInterrupt", "{code}");
        assert_eq!(session.ended(), None, "{code}");
        // The next turn is none of its business.
        assert_eq!(text(&mut session, "1 + 1").await, "2", "{code}");
    }
    assert_eq!(text(&mut session, "x > 0").await, "True");
}

#[tokio::test]
async fn who_does_not_let_itself_be_interrupted_ends_the_session() {
    let (_sandbox, mut session) = session().await;
    let stubborn = "
while True:
    try:
        while True: pass
    except BaseException: pass
";
    let options = TurnOptions::new().time_limit(SOON);
    let outcome = session.exec_with(stubborn, options).await.unwrap();
    assert_eq!(outcome.end, TurnEnd::TimeLimit);
    assert_eq!(session.ended(), Some(Exit::TimeLimit));
    let error = session.exec("1").await.unwrap_err().to_string();
    assert!(error.contains("the session has ended"), "{error}");
}

#[tokio::test]
async fn a_handle_interrupts_the_turn_that_runs_and_no_other() {
    let (_sandbox, mut session) = session().await;
    let handle = session.interrupt_handle();
    handle.interrupt();
    assert_eq!(text(&mut session, "1 + 1").await, "2");
    let asks = tokio::spawn({
        let handle = handle.clone();
        async move {
            tokio::time::sleep(SOON).await;
            handle.interrupt();
        }
    });
    let outcome = turn(&mut session, "while True: pass").await;
    assert_eq!(outcome.end, TurnEnd::Interrupted, "{outcome:?}");
    asks.await.unwrap();
    // The program may handle it, and the turn goes on.
    let code = "
import time
try:
    print('waits', flush=True)
    time.sleep(600)
except KeyboardInterrupt:
    print('cleaned up')
7
";
    let options = TurnOptions::new().stdout(Output::Piped);
    let mut turn = session.start(code, options).await.unwrap();
    let mut stdout = turn.stdout().unwrap();
    let asks = tokio::spawn(async move {
        stdout.read_exact(&mut [0; 6]).await.unwrap();
        handle.interrupt();
        let mut rest = String::new();
        stdout.read_to_string(&mut rest).await.unwrap();
        rest
    });
    let outcome = turn.wait().await.unwrap();
    assert_eq!(asks.await.unwrap(), "cleaned up\n");
    assert_eq!(outcome.value.unwrap().text, "7");
    assert_eq!(outcome.end, TurnEnd::Done);
}

#[tokio::test]
async fn a_turn_that_nobody_waits_for_is_interrupted_and_the_session_goes_on() {
    let (_sandbox, mut session) = session().await;
    let code = "import time\nfor n in range(100_000): time.sleep(0.01)";
    let given_up = tokio::time::timeout(SOON, session.exec(code)).await;
    assert!(given_up.is_err());
    assert_eq!(text(&mut session, "n < 1000").await, "True");
    let running = session.start(code, TurnOptions::new()).await.unwrap();
    tokio::time::sleep(SOON).await;
    drop(running);
    assert_eq!(text(&mut session, "n < 1000").await, "True");
}

#[tokio::test]
async fn who_waits_for_input_is_interrupted_and_loses_none_of_it() {
    let sandbox = Sandbox::builder().build().await.unwrap();
    let options = SessionOptions::new().stdin(Stdin::Piped);
    let mut session = sandbox.session_with(options).await.unwrap();
    let mut stdin = session.stdin().unwrap();
    for code in [
        "input()",
        "import sys; sys.stdin.readline()",
        "sys.stdin.buffer.raw.read(9)",
    ] {
        let options = TurnOptions::new().time_limit(SOON);
        let outcome = session.exec_with(code, options).await.unwrap();
        let error = outcome.exception.expect(code);
        assert_eq!(error.type_name, "KeyboardInterrupt", "{code}");
    }
    stdin.write_all(b"line\n").await.unwrap();
    assert_eq!(text(&mut session, "input()").await, "'line'");
}
