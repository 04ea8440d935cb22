//! The same without `async`.

use std::io::Read as _;

use sandbox_net::{Error, Exit, Output, Sandbox, TurnEnd, TurnOptions, blocking};

#[test]
fn a_session_without_async_does_the_same() {
    let sandbox = blocking::Sandbox::build(Sandbox::builder()).expect("a sandbox");
    let mut session = sandbox.session().expect("a session");
    session.exec("x = 20").expect("a turn");
    let outcome = session.exec("x + 1").expect("a turn");
    assert_eq!(outcome.value.expect("a value").text, "21");
    let options = TurnOptions::new().stdout(Output::Piped);
    let mut turn = session.start("print('read'); 5", options).expect("a turn");
    let mut text = String::new();
    let mut stdout = turn.stdout().expect("it is piped");
    stdout.read_to_string(&mut text).expect("text");
    assert_eq!(text, "read\n");
    let outcome = turn.wait().expect("an outcome");
    assert_eq!(outcome.value.expect("a value").text, "5");
    assert_eq!(session.complete("le").expect("words").candidates, ["len("]);
    assert!(session.needs_more("def f():").expect("an answer"));
    // From another thread, while this one waits.
    let handle = session.interrupt_handle();
    let options = TurnOptions::new().stdout(Output::Piped);
    let code = "import time; print('waits', flush=True); time.sleep(600)";
    let mut turn = session.start(code, options).expect("a turn");
    let mut stdout = turn.stdout().expect("it is piped");
    let interrupting = std::thread::spawn(move || {
        stdout.read_exact(&mut [0; 6]).expect("text");
        handle.interrupt();
    });
    let outcome = turn.wait().expect("an outcome");
    assert_eq!(outcome.end, TurnEnd::Interrupted);
    interrupting.join().expect("no panic");
    let outcome = session.close().expect("an outcome");
    assert_eq!(outcome.exit, Exit::Code(0));
}

#[test]
fn what_is_piped_and_not_read_is_captured() {
    let builder = Sandbox::builder().stdout(Output::Piped);
    let sandbox = blocking::Sandbox::build(builder).expect("a sandbox");
    let mut session = sandbox.session().expect("a session");
    let outcome = session.exec("print('x' * 100_000)").expect("a turn");
    assert_eq!(outcome.stdout.len(), 100_001);
    let turn = session.start("print('y' * 100_000)", TurnOptions::new());
    let outcome = turn.expect("a turn").wait().expect("an outcome");
    assert_eq!((outcome.stdout.len(), outcome.truncated), (100_001, false));
    session.exec("exit(4)").expect("a turn");
    let error = session.exec("1").expect_err("it has ended");
    assert!(
        matches!(
            error,
            Error::SessionEnded {
                exit: Exit::Code(4)
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn a_blocking_session_holds_the_thread_of_another_runtime() {
    let sandbox = blocking::Sandbox::build(Sandbox::builder()).expect("a sandbox");
    let mut session = sandbox.session().expect("a session");
    let outcome = session
        .exec("import time; time.sleep(0.05); 1")
        .expect("a turn");
    assert_eq!(outcome.value.expect("a value").text, "1");
}
