//! The limits of turns and sessions, and what ends them.

use std::time::Duration;

use sandbox_net::{
    Error, Exit, Output, Sandbox, SessionOptions, Stdin, TurnEnd, TurnOptions, Verdict,
};
use sandbox_net_tests::Servers;
use tokio::io::AsyncWriteExt as _;

use crate::{session, text, turn};

/// Much longer than any turn here.
const PATIENCE: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(200);

#[tokio::test]
async fn each_turn_has_its_records_and_its_requests() {
    let servers = Servers::start().await;
    let origin = servers.http.origin();
    let sandbox = Sandbox::builder().allow(&origin).build().await;
    let sandbox = sandbox.expect("a sandbox");
    let mut session = sandbox.session().await.expect("a session");
    let code = format!(
        "import http.client\nc = http.client.HTTPConnection('{}')\ndef get(path):\n    c.request('GET', path)\n    \
         r = c.getresponse()\n    r.read()\n    return r.status\n\nget('/get?1')",
        servers.http.address()
    );
    let outcome = turn(&mut session, &code).await;
    assert_eq!(outcome.value.expect("a status").text, "200");
    let paths = |records: &[sandbox_net::ExchangeRecord]| -> Vec<String> {
        records
            .iter()
            .map(|it| it.target.replace(&origin, ""))
            .collect()
    };
    assert_eq!(paths(&outcome.exchanges), ["/get"]);
    // The same connection in the next turn, whose records are its own.
    let outcome = turn(&mut session, "get('/status/404')").await;
    assert_eq!(outcome.value.expect("a status").text, "404");
    assert_eq!(paths(&outcome.exchanges), ["/status/404"]);
    assert_eq!(servers.http.connections(), 1);
    assert!(
        outcome
            .decisions
            .iter()
            .all(|it| it.verdict == Verdict::Allow)
    );
    let outcome = turn(&mut session, "1").await;
    assert_eq!((outcome.decisions.len(), outcome.exchanges.len()), (0, 0));
    // A limit of one turn's requests is no limit of the next one's.
    let options = TurnOptions::new().request_limit(1);
    let code = "[get('/get'), get('/get')]";
    let outcome = session.exec_with(code, options).await.expect("a turn");
    let error = outcome.exception.expect("a refusal");
    assert!(error.message.contains("requests"), "{}", error.message);
    assert_eq!(
        text(&mut session, "c.close(); [get('/get'), get('/get')]").await,
        "[200, 200]"
    );
    let outcome = session
        .exec_with("get('/get')", TurnOptions::new().request_limit(0))
        .await;
    assert_eq!(outcome.expect("a turn").end, TurnEnd::Raised);
}

#[tokio::test]
async fn the_output_of_a_turn_is_read_while_it_runs_and_ends_with_it() {
    let (_sandbox, mut session) = session().await;
    let options = || TurnOptions::new().stdout(Output::Piped);
    let code = "print('first')\nwhile not open('/home/go').read(): pass\nprint('last', end='')\n42";
    let sandbox = &_sandbox;
    sandbox.write_file("/home/go", "").await.expect("a file");
    let mut turn = session.start(code, options()).await.expect("a turn");
    let mut stdout = turn.stdout().expect("it is piped");
    assert!(turn.stdout().is_none() && turn.stderr().is_none());
    assert_eq!(stdout.next().await.as_deref(), Some(&b"first\n"[..]));
    sandbox.write_file("/home/go", "now").await.expect("a file");
    assert_eq!(stdout.next().await.as_deref(), Some(&b"last"[..]));
    assert_eq!(stdout.next().await, None);
    let outcome = turn.wait().await.expect("an outcome");
    assert_eq!(outcome.value.expect("a value").text, "42");
    assert_eq!(outcome.stdout, b"");
    assert_eq!(text(&mut session, "43").await, "43");
}

#[tokio::test]
async fn a_time_limit_ends_a_turn_that_computes_and_one_that_waits() {
    for code in [
        "while True: pass",
        "import time; time.sleep(300)",
        "import asyncio; await asyncio.sleep(300)",
    ] {
        let (_sandbox, mut session) = session().await;
        let options = TurnOptions::new().time_limit(SHORT);
        let outcome = tokio::time::timeout(PATIENCE, session.exec_with(code, options)).await;
        let outcome = outcome.expect("no wedge").expect("a turn");
        assert_eq!(outcome.end, TurnEnd::TimeLimit, "{code}");
        assert!(outcome.duration >= SHORT, "{code}");
    }
    let options = TurnOptions::new().time_limit(Duration::ZERO);
    let (_sandbox, mut session) = session().await;
    let error = session.exec_with("1", options).await.expect_err("zero");
    assert!(
        error
            .to_string()
            .starts_with("the time limit can't be used: it is zero"),
        "{error}"
    );
    assert_eq!(text(&mut session, "1").await, "1");
}

#[tokio::test]
async fn the_cpu_limit_is_one_of_all_turns_together() {
    let sandbox = Sandbox::builder().build().await.expect("a sandbox");
    let options = SessionOptions::new().cpu_limit(Duration::from_millis(400));
    let mut session = sandbox.session_with(options).await.expect("a session");
    let code = "for _ in range(1_000_000): pass";
    let mut turns = 0;
    let end = loop {
        let outcome = turn(&mut session, code).await;
        turns += 1;
        if outcome.end != TurnEnd::Done {
            break outcome.end;
        }
        assert!(turns < 1000);
    };
    assert_eq!(end, TurnEnd::Ended(Exit::CpuLimit));
    assert!(turns > 1, "one turn alone is within it");
    assert_eq!(session.ended(), Some(Exit::CpuLimit));
}

#[tokio::test]
async fn who_no_longer_waits_for_a_turn_ends_it() {
    let (sandbox, mut session) = session().await;
    let exec = session.exec("import time\nwhile True: time.sleep(0.01)");
    assert!(tokio::time::timeout(SHORT, exec).await.is_err());
    // Whatever became of the session, it says so, and nothing waits for ever.
    let next = tokio::time::timeout(PATIENCE, session.exec("1 + 1")).await;
    match next.expect("no wedge") {
        Ok(outcome) => assert_eq!(outcome.value.expect("a value").text, "2"),
        Err(error) => assert!(matches!(error, Error::SessionEnded { .. }), "{error}"),
    }
    let turn = session.start("while True: pass", TurnOptions::new()).await;
    drop(turn);
    drop(session);
    tokio::time::timeout(PATIENCE, sandbox.close())
        .await
        .expect("no wedge")
        .expect("it is closed");
}

#[tokio::test]
async fn closing_the_sandbox_ends_its_sessions_also_those_between_turns() {
    let (sandbox, mut idle) = session().await;
    let mut busy = sandbox.session().await.expect("a session");
    let ending = tokio::spawn(async move { busy.exec("while True: pass").await });
    tokio::time::sleep(SHORT).await;
    tokio::time::timeout(PATIENCE, sandbox.close())
        .await
        .expect("no wedge")
        .expect("it is closed");
    let outcome = ending.await.expect("no panic").expect("a turn");
    assert_eq!(outcome.end, TurnEnd::Ended(Exit::Killed));
    let error = idle.exec("1").await.expect_err("it has ended");
    assert_eq!(
        error.to_string(),
        "the session has ended (killed): start another one"
    );
    let outcome = idle.close().await.expect("an outcome");
    assert_eq!(outcome.exit, Exit::Killed);
}

#[tokio::test]
async fn the_end_of_a_session_is_that_of_a_program() {
    let (_sandbox, mut session) = session().await;
    let code = "import atexit, threading\natexit.register(print, 'at exit')\n\
                t = threading.Thread(target=print, args=('thread',))\nt.start()\nprint('turn', end='')";
    turn(&mut session, code).await;
    let outcome = session.close().await.expect("an outcome");
    assert_eq!(outcome.exit, Exit::Code(0));
    assert_eq!(outcome.stdout_text(), "thread\nat exit\n");
    // `exit` ends it within the turn.
    for (code, exit, stderr) in [
        (
            "import atexit; atexit.register(print, 'end'); exit()",
            0,
            "",
        ),
        (
            "import atexit; atexit.register(print, 'end'); raise SystemExit('why')",
            1,
            "why\n",
        ),
        (
            "import atexit; atexit.register(print, 'end'); import sys; sys.exit(300)",
            44,
            "",
        ),
    ] {
        let (_sandbox, mut session) = crate::session().await;
        let outcome = turn(&mut session, code).await;
        assert_eq!(outcome.end, TurnEnd::Ended(Exit::Code(exit)), "{code}");
        assert_eq!(outcome.stdout_text(), "end\n", "{code}");
        assert_eq!(outcome.stderr_text(), stderr, "{code}");
        let error = session.exec("1").await.expect_err("it has ended");
        assert_eq!(
            error.to_string(),
            format!("the session has ended (exit code {exit}): start another one")
        );
        let outcome = session.close().await.expect("an outcome");
        assert_eq!(outcome.exit, Exit::Code(exit));
    }
}

#[tokio::test]
async fn a_session_has_arguments_variables_and_input_of_its_own() {
    let sandbox = Sandbox::builder().arg("one").env("A", "1").build().await;
    let sandbox = sandbox.expect("a sandbox");
    let options = SessionOptions::new()
        .arg("two")
        .env("B", "2")
        .stdin(Stdin::Piped);
    let mut session = sandbox.session_with(options).await.expect("a session");
    let mut stdin = session.stdin().expect("it is piped");
    assert!(session.stdin().is_none());
    stdin.write_all(b"a line\n").await.expect("room");
    assert_eq!(
        text(&mut session, "import sys, os; sys.argv").await,
        "['', 'one', 'two']"
    );
    assert_eq!(
        text(&mut session, "os.environ['A'] + os.environ['B']").await,
        "'12'"
    );
    assert_eq!(text(&mut session, "input()").await, "'a line'");
    drop(stdin);
    let outcome = turn(&mut session, "input()").await;
    assert_eq!(
        outcome.exception.expect("an exception").type_name,
        "EOFError"
    );
    let error = sandbox
        .session_with(SessionOptions::new().memory_limit(1))
        .await;
    assert!(
        error
            .expect_err("too little")
            .to_string()
            .starts_with("the memory limit can't be used")
    );
}

#[tokio::test]
async fn a_deadline_ends_sessions_that_nobody_uses() {
    let deadline = std::time::Instant::now() + Duration::from_secs(5);
    let sandbox = Sandbox::builder().deadline(deadline).build().await;
    let mut session = sandbox
        .expect("a sandbox")
        .session()
        .await
        .expect("a session");
    let outcome = tokio::time::timeout(PATIENCE, session.exec("while True: pass")).await;
    let outcome = outcome.expect("no wedge").expect("a turn");
    assert_eq!(outcome.end, TurnEnd::TimeLimit);
    let error = session.exec("1").await.expect_err("it is over");
    assert!(matches!(error, Error::SessionEnded { .. }), "{error}");
}

#[tokio::test]
async fn a_line_is_completed_from_what_the_program_has() {
    let (_sandbox, mut session) = session().await;
    turn(&mut session, "import json\nlong_name = 'text'").await;
    let found = session.complete("print(long_n").await.expect("completions");
    assert_eq!(
        (&*found.word, &*found.candidates),
        ("long_n", &["long_name".to_owned()][..])
    );
    let found = session.complete("x = json.du").await.expect("completions");
    assert_eq!(found.candidates, ["json.dump(", "json.dumps("]);
    let found = session.complete("1 + ").await.expect("completions");
    assert_eq!(found.word, "");
    for (code, needs_more) in [
        ("x = 1", false),
        ("def f():", true),
        ("def f():\n    pass", true),
        ("def f():\n    pass\n", false),
        ("x = (", true),
        ("x = )", false),
        ("await y", false),
        ("x = '''", true),
    ] {
        assert_eq!(
            session.needs_more(code).await.expect("an answer"),
            needs_more,
            "{code:?}"
        );
    }
}
