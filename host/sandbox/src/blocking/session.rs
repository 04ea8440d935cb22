//! Sessions whose calls block.

use super::streams::{Reader, Writer};
use super::threads::here;
use crate::error::Error;
use crate::script::{Exit, Outcome};
use crate::session::{Completions, InterruptHandle, TurnOptions, TurnOutcome};

/// A [`Session`](crate::Session) whose calls block. Dropping it ends the session.
///
/// ```no_run
/// use sandbox_net::{Sandbox, blocking};
///
/// # fn main() -> Result<(), sandbox_net::Error> {
/// let sandbox = blocking::Sandbox::build(Sandbox::builder())?;
/// let mut session = sandbox.session()?;
/// session.exec("x = 20")?;
/// assert_eq!(session.exec("x + 1")?.value.expect("an expression").text, "21");
/// session.close()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "dropping a session ends it"]
pub struct Session(pub(super) crate::session::Session);

impl Session {
    /// Runs a source text to its end: see [`Session::exec`](crate::Session::exec).
    ///
    /// # Errors
    ///
    /// As for that function.
    pub fn exec(&mut self, code: impl Into<String>) -> Result<TurnOutcome, Error> {
        here(self.0.exec(code))?
    }

    /// Runs a source text to its end: see [`Session::exec_with`](crate::Session::exec_with).
    ///
    /// # Errors
    ///
    /// As for that function.
    pub fn exec_with(
        &mut self,
        code: impl Into<String>,
        options: TurnOptions,
    ) -> Result<TurnOutcome, Error> {
        here(self.0.exec_with(code, options))?
    }

    /// Starts a turn that goes on by itself: see [`Session::start`](crate::Session::start).
    ///
    /// # Errors
    ///
    /// As for that function.
    pub fn start(
        &mut self,
        code: impl Into<String>,
        options: TurnOptions,
    ) -> Result<Turn<'_>, Error> {
        here(self.0.start(code, options))?.map(Turn)
    }

    /// Lists how a line may go on: see [`Session::complete`](crate::Session::complete).
    ///
    /// # Errors
    ///
    /// As for that function.
    pub fn complete(&mut self, line: &str) -> Result<Completions, Error> {
        here(self.0.complete(line))?
    }

    /// Whether a source text needs more lines: see
    /// [`Session::needs_more`](crate::Session::needs_more).
    ///
    /// # Errors
    ///
    /// As for that function.
    pub fn needs_more(&mut self, code: &str) -> Result<bool, Error> {
        here(self.0.needs_more(code))?
    }

    /// Takes the writer of the session's stdin: see [`Session::stdin`](crate::Session::stdin).
    pub fn stdin(&mut self) -> Option<Writer> {
        self.0.stdin().map(|stdin| Writer(Some(stdin)))
    }

    /// A handle that interrupts the turn that runs, from another thread.
    pub fn interrupt_handle(&self) -> InterruptHandle {
        self.0.interrupt_handle()
    }

    /// How the session has ended; `None` while it goes on.
    pub fn ended(&self) -> Option<Exit> {
        self.0.ended()
    }

    /// Ends the program as the end of a script does: see [`Session::close`](crate::Session::close).
    ///
    /// # Errors
    ///
    /// As for that function.
    pub fn close(self) -> Result<Outcome, Error> {
        here(self.0.close())?
    }
}

/// A [`Turn`](crate::Turn) whose calls block. Dropping it interrupts the turn.
#[derive(Debug)]
#[must_use = "dropping a turn interrupts it"]
pub struct Turn<'a>(crate::session::Turn<'a>);

impl Turn<'_> {
    /// Takes the turn's stdout: see [`Turn::stdout`](crate::Turn::stdout).
    pub fn stdout(&mut self) -> Option<Reader> {
        self.0.stdout().map(Reader::new)
    }

    /// Takes the turn's stderr: see [`Turn::stderr`](crate::Turn::stderr).
    pub fn stderr(&mut self) -> Option<Reader> {
        self.0.stderr().map(Reader::new)
    }

    /// Waits for the turn's end: see [`Turn::wait`](crate::Turn::wait).
    ///
    /// # Errors
    ///
    /// As for that function.
    pub fn wait(self) -> Result<TurnOutcome, Error> {
        here(self.0.wait())?
    }
}
