//! What a program may expect of an interactive interpreter.

use sandbox_net::TurnEnd;

use crate::{session, text, turn};

/// The traceback of a turn that raises.
async fn traceback(session: &mut sandbox_net::Session, code: &str) -> String {
    let outcome = turn(session, code).await;
    assert_eq!(outcome.end, TurnEnd::Raised, "{code}: {outcome:?}");
    outcome.exception.expect("an exception").traceback
}

#[tokio::test]
async fn a_traceback_has_the_lines_of_every_turn_in_it_and_none_of_the_shims() {
    let (_sandbox, mut session) = session().await;
    turn(&mut session, "def half(n):\n    return 1 / n").await;
    turn(&mut session, "def twice(n):\n    return half(n) + half(n)").await;
    let said = traceback(&mut session, "x = 0\ntwice(x)").await;
    let expected = "\
Traceback (most recent call last):
  File \"<turn 3>\", line 2, in <module>
    twice(x)
    ~~~~~^^^
  File \"<turn 2>\", line 2, in twice
    return half(n) + half(n)
           ~~~~^^^
  File \"<turn 1>\", line 2, in half
    return 1 / n
           ~~^~~
ZeroDivisionError: division by zero
";
    assert_eq!(said, expected);
    let said = traceback(&mut session, "if x\n  pass").await;
    let expected = "  File \"<turn 4>\", line 1\n    if x\n        ^\nSyntaxError: expected ':'\n";
    assert_eq!(said, expected);
    let said = traceback(&mut session, "import json; json.loads('{')").await;
    assert!(
        said.contains("json.decoder.JSONDecodeError: Expecting"),
        "{said}"
    );
    assert!(!said.contains("sandbox_net"), "{said}");
    let outcome = turn(&mut session, "json.loads('{')").await;
    let error = outcome.exception.as_ref().expect("an exception");
    assert_eq!(error.type_name, "json.decoder.JSONDecodeError");
    assert_eq!(
        outcome.stderr_text(),
        "",
        "the traceback is not printed too"
    );
    // Its source is there although hundreds of turns came after it.
    for _ in 0..300 {
        turn(&mut session, "x += 1").await;
    }
    let code = "import inspect\ninspect.getsource(half)";
    assert_eq!(
        text(&mut session, code).await,
        r"'def half(n):\n    return 1 / n'"
    );
    assert_eq!(text(&mut session, "x").await, "300");
}

#[tokio::test]
async fn await_is_allowed_at_the_top_and_all_turns_have_one_loop() {
    let (_sandbox, mut session) = session().await;
    let code =
        "import asyncio\nasync def later(n):\n    await asyncio.sleep(0.001)\n    return n * 2";
    turn(&mut session, code).await;
    assert_eq!(text(&mut session, "await later(21)").await, "42");
    let code =
        "loop = asyncio.get_running_loop()\ntask = asyncio.create_task(later(4))\nawait later(1)";
    assert_eq!(text(&mut session, code).await, "2");
    // A task of one turn goes on in another.
    assert_eq!(text(&mut session, "await task").await, "8");
    let code = "loop is asyncio.get_running_loop() and [n async for n in (await later(i) for i in [1, 2])]";
    let outcome = turn(&mut session, code).await;
    assert_eq!(
        outcome.value.map(|value| value.text).as_deref(),
        Some("[2, 4]"),
        "{:?}",
        outcome.exception
    );
    // Without an await the turn has no running loop, so that `asyncio.run` works.
    assert_eq!(text(&mut session, "asyncio.run(later(5))").await, "10");
    let said = traceback(
        &mut session,
        "async def fails():\n    raise ValueError('no')\n\nawait fails()",
    )
    .await;
    let expected = "\
Traceback (most recent call last):
  File \"<turn 7>\", line 4, in <module>
    await fails()
  File \"<turn 7>\", line 2, in fails
    raise ValueError('no')
ValueError: no
";
    assert_eq!(said, expected);
    let code = "import contextvars\nv = contextvars.ContextVar('v')\nv.set(3)";
    turn(&mut session, code).await;
    assert_eq!(
        text(&mut session, "await asyncio.sleep(0)\nv.get()").await,
        "3"
    );
}

#[tokio::test]
async fn the_program_is_main_and_looks_like_one() {
    let (_sandbox, mut session) = session().await;
    let code = "class Point:\n    def __init__(self, x):\n        self.x = x\n\nimport pickle, sys";
    turn(&mut session, code).await;
    for (code, expected) in [
        ("pickle.loads(pickle.dumps(Point(4))).x", "4"),
        ("__name__", "'__main__'"),
        ("sys.modules['__main__'].Point is Point", "True"),
        ("sys.argv", "['']"),
        (
            "[f for f in dir() if not f.startswith('__')]",
            "['Point', 'pickle', 'sys']",
        ),
        ("sys.path[0]", "''"),
        ("import os; os.getcwd()", "'/home'"),
        ("1\n# a comment at the end", "1"),
        ("'a' 'b'; 'c'", "'c'"),
        ("_", "'c'"),
    ] {
        assert_eq!(text(&mut session, code).await, expected, "{code}");
    }
    for code in [
        "",
        "# nothing",
        "None",
        "x = 1",
        "def f(): pass",
        "for _i in 'ab': _i",
    ] {
        let outcome = turn(&mut session, code).await;
        assert_eq!(
            (outcome.end, outcome.value),
            (TurnEnd::Done, None),
            "{code}"
        );
    }
    assert_eq!(text(&mut session, "_").await, "'c'");
    turn(&mut session, "from __future__ import annotations").await;
    let code = "def f(x: not_defined): pass\n\nf.__annotations__";
    assert_eq!(text(&mut session, code).await, "{'x': 'not_defined'}");
    // The hooks of an interactive interpreter are called.
    turn(
        &mut session,
        "sys.displayhook = lambda value: print('shown', value)",
    )
    .await;
    let outcome = turn(&mut session, "5").await;
    assert_eq!(outcome.stdout_text(), "shown 5\n");
    assert_eq!(outcome.value.map(|value| value.text).as_deref(), Some("5"));
    turn(
        &mut session,
        "sys.excepthook = lambda *error: print('raised', error[1])",
    )
    .await;
    let outcome = turn(&mut session, "1 / 0").await;
    assert_eq!(outcome.stdout_text(), "raised division by zero\n");
    assert_eq!(
        text(&mut session, "type(sys.last_exc).__name__").await,
        "'ZeroDivisionError'"
    );
}
