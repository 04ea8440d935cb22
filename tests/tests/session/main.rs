//! Sessions: many turns in one interpreter.

mod attacked;
mod blocking;
mod forks;
mod hostile;
mod interrupts;
mod limits;
mod program;
mod saved;
mod turns;
mod unused;
mod values;

use sandbox_net::{Sandbox, Session, TurnOutcome};

/// A session of a sandbox without a network.
async fn session() -> (Sandbox, Session) {
    let sandbox = Sandbox::builder().build().await.expect("a sandbox");
    let session = sandbox.session().await.expect("a session");
    (sandbox, session)
}

/// Runs a turn, whatever comes of it.
async fn turn(session: &mut Session, code: &str) -> TurnOutcome {
    let outcome = session.exec(code).await;
    outcome.unwrap_or_else(|error| panic!("{code}: {error}"))
}

/// The text of a turn's value.
async fn text(session: &mut Session, code: &str) -> String {
    let outcome = turn(session, code).await;
    let value = outcome.value.as_ref();
    let text = value.map(|value| value.text.clone());
    text.unwrap_or_else(|| panic!("{code}: {outcome:?}"))
}
