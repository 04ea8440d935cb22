//! Runs a statement, and tells what came of it.

use std::io::{self, Write as _};

use sandbox_net::{Exit, InterruptHandle, PythonException, Session, TurnEnd, TurnOutcome};

use crate::printable::printable;
use crate::supervise::say;
use crate::{Failure, missing_module, no_network};

/// What is remembered from turn to turn.
pub(super) struct Talk {
    denies_everything: bool,
    has_failed: bool,
}

impl Talk {
    pub(super) fn new(denies_everything: bool) -> Self {
        Self {
            denies_everything,
            has_failed: false,
        }
    }

    /// Whether the last turn has not run to its end.
    pub(super) fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// Runs a turn, which Ctrl-C interrupts; returns the exit code if the session is over.
    pub(super) async fn turn(
        &mut self,
        session: &mut Session,
        interrupts: &InterruptHandle,
        code: String,
    ) -> Result<Option<u8>, Failure> {
        let turn = session.exec(code);
        let outcome = tokio::select! {
            outcome = turn => outcome?,
            never = interrupted(interrupts) => never?,
        };
        self.has_failed = !outcome.is_done();
        self.show(&outcome)?;
        let exit = session.ended();
        Ok(exit.map(|exit| exit.code().to_le_bytes()[0]))
    }

    fn show(&self, outcome: &TurnOutcome) -> io::Result<()> {
        if let Some(value) = &outcome.value {
            let mut stdout = io::stdout().lock();
            writeln!(stdout, "{}", value.text)?;
            stdout.flush()?;
        }
        if let Some(error) = &outcome.exception {
            io::stderr().lock().write_all(error.traceback.as_bytes())?;
            if let Some(hint) = self.hint(error) {
                say(&hint);
            }
        }
        match &outcome.end {
            TurnEnd::TimeLimit => say("the time limit ended the statement"),
            TurnEnd::Ended(Exit::CpuLimit) => say("the CPU limit ended the session"),
            TurnEnd::Ended(Exit::Killed) => say("the session was ended"),
            TurnEnd::Ended(Exit::Trap(why)) => {
                say(&format!(
                    "the interpreter could not go on: {}",
                    printable(why)
                ));
            }
            _ => {}
        }
        for reached in outcome.budgets_reached() {
            say(&reached.message);
        }
        Ok(())
    }

    fn hint(&self, error: &PythonException) -> Option<String> {
        let said = error.traceback.as_bytes();
        missing_module::hint(said).or_else(|| {
            let is_missed = self.denies_everything && no_network::is_missed(said);
            is_missed.then(|| no_network::HINT.to_owned())
        })
    }
}

/// Interrupts the turn at each Ctrl-C. It never returns but with an error.
async fn interrupted(interrupts: &InterruptHandle) -> io::Result<TurnOutcome> {
    loop {
        tokio::signal::ctrl_c().await?;
        interrupts.interrupt();
    }
}
