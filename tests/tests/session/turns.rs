//! What turns leave to the next ones, and what they show.

use sandbox_net::{Exit, TurnEnd};

use crate::{session, text, turn};

#[tokio::test]
async fn a_turn_sees_what_the_ones_before_it_defined() {
    let (_sandbox, mut session) = session().await;
    let outcome = turn(&mut session, "x = 1").await;
    assert_eq!(outcome.end, TurnEnd::Done);
    assert_eq!(outcome.value, None);
    assert_eq!(text(&mut session, "x + 1").await, "2");
    assert_eq!(text(&mut session, "_ + 40").await, "42");
    let outcome = turn(
        &mut session,
        "print('out'); import sys; print('err', file=sys.stderr)",
    )
    .await;
    assert_eq!(outcome.stdout_text(), "out\n");
    assert_eq!(outcome.stderr_text(), "err\n");
    let outcome = turn(
        &mut session,
        "def f(y):\n    return y / 0\n\nprint('again')\nf(x)",
    )
    .await;
    assert_eq!(outcome.stdout_text(), "again\n");
    let error = outcome.exception.expect("an exception");
    assert_eq!(error.type_name, "ZeroDivisionError");
    assert_eq!(error.message, "division by zero");
    println!("{}", error.traceback);
    let outcome = turn(&mut session, "exit(3)").await;
    assert_eq!(outcome.end, TurnEnd::Ended(Exit::Code(3)));
    let error = session.exec("x").await.expect_err("it has ended");
    assert_eq!(
        error.to_string(),
        "the session has ended (exit code 3): start another one"
    );
}
