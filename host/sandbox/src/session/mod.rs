//! Sessions: many turns in one interpreter.

mod begin;
mod copies;
mod fork;
mod interrupts;
mod live;
mod loan;
mod options;
mod outcome;
mod output;
mod saved;
mod shared;
mod slot;
mod taken;
mod turn;
mod value;
mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

pub use self::fork::ForkOptions;
pub use self::interrupts::InterruptHandle;
pub use self::options::{SessionOptions, TurnOptions};
pub use self::outcome::{PythonException, TurnEnd, TurnOutcome};
pub use self::turn::Turn;
pub use self::value::Value;

use self::begin::Reads;
use self::live::{Body, Live};
use self::output::Switch;
use self::shared::{Ends, Shared};
use self::slot::Slot;
use self::turn::{Done, Job};
use self::wire::{Operation, Tag, UNBUFFERED};
use crate::engine::Usage;
use crate::error::Error;
use crate::guest::Guest;
use crate::runtime;
use crate::sandbox::Sandbox;
use crate::script::{Exit, Outcome};
use crate::stdin_pipe::StdinWriter;

/// What a sandbox makes a session of.
pub(crate) use self::fork::Origin;
pub(crate) use self::live::Keeps;
pub(crate) use self::shared::Settings;

/// The most bytes of a turn's source text.
const SOURCE: usize = 16 << 20;

/// One interpreter that runs source texts one after the other, in turns, and keeps what they define.
///
/// The program runs only within turns: its threads and tasks stand still between them. Dropping the value
/// ends the session at once, and frees everything that it has; [`close`](Self::close) ends the program as
/// the end of a script does. [`Sandbox::close`](crate::Sandbox::close) ends all sessions.
///
/// A turn is one source text. Its last statement, if it is an expression, is the turn's
/// [value](TurnOutcome::value), and is `_` in the next turn. `await` is allowed at the top level: all
/// turns have one event loop, which runs while a turn awaits something.
///
/// ```no_run
/// # async fn example(sandbox: sandbox_net::Sandbox) -> Result<(), sandbox_net::Error> {
/// let mut session = sandbox.session().await?;
/// session.exec("x = 20").await?;
/// let outcome = session.exec("x + 1").await?;
/// assert_eq!(outcome.value.expect("an expression").text, "21");
/// let outcome = session.exec("x / 0").await?;
/// assert_eq!(outcome.exception.expect("an error").type_name, "ZeroDivisionError");
/// session.close().await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "dropping a session ends it"]
pub struct Session {
    shared: Arc<Shared>,
    stdin: Option<StdinWriter>,
    start: Instant,
    usage: Arc<Usage>,
    origin: Origin,
    /// The sandbox of a fork.
    own: Option<Box<Sandbox>>,
    _ends: Ends,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("sandbox", &self.shared.gateway.audit().sandbox())
            .field("ended", &self.ended())
            .finish_non_exhaustive()
    }
}

/// What a session begins with.
pub(crate) struct Begin {
    pub(crate) guest: Guest,
    pub(crate) keeps: Keeps,
    pub(crate) settings: Settings,
    pub(crate) stdin: Option<StdinWriter>,
    /// What its forks are made of.
    pub(crate) origin: Origin,
    /// Of the sandbox.
    pub(crate) closing: CancellationToken,
}

impl Session {
    /// Makes the interpreter ready for its first turn.
    pub(crate) async fn begin(begin: Begin) -> Result<Self, Error> {
        let program = Program {
            arguments: begin.guest.args.get(1..).unwrap_or_default(),
            variables: &begin.guest.env,
        };
        let program = serde_json::to_string(&program).map_err(|e| Error::Start(e.to_string()))?;
        let flags = if begin.origin.is_unbuffered {
            UNBUFFERED
        } else {
            0
        };
        let session = Self::of(begin, |_| ()).await?;
        let done = session.ask(Operation::Start, &program, flags).await?;
        match done.outcome.end {
            TurnEnd::Done => Ok(session),
            _ => Err(Error::Start(why(&done.outcome))),
        }
    }

    /// Makes the interpreter; `changes` does the rest.
    async fn of(begin: Begin, changes: impl FnOnce(&mut Live)) -> Result<Self, Error> {
        let start = Instant::now();
        let (stdout, stderr) = (Switch::default(), Switch::default());
        let (engine, gateway) = (begin.guest.engine.clone(), begin.guest.gateway.clone());
        let streams = (stdout.clone(), stderr.clone());
        let mut live = Live::new(begin.guest, streams, begin.keeps).await?;
        changes(&mut live);
        let (closing, usage) = (begin.closing, Arc::clone(&live.usage));
        let shared = Arc::new(Shared {
            engine,
            slot: Arc::new(Slot::of(Box::new(live))),
            interrupts: Arc::default(),
            gateway,
            stdout,
            stderr,
            settings: begin.settings,
            closing: closing.clone(),
        });
        tokio::spawn(shared::ends(Arc::clone(&shared)));
        let ends = Ends {
            slot: Arc::clone(&shared.slot),
            closing,
            runtime: Handle::current(),
        };
        Ok(Self {
            shared,
            stdin: begin.stdin,
            start,
            usage,
            origin: begin.origin,
            own: None,
            _ends: ends,
        })
    }

    /// Runs a source text to its end: [`exec_with`](Self::exec_with) without options.
    ///
    /// # Errors
    ///
    /// As for that function.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future interrupts the turn. If it has not ended a second later, the session ends.
    pub async fn exec(&mut self, code: impl Into<String>) -> Result<TurnOutcome, Error> {
        self.exec_with(code, TurnOptions::new()).await
    }

    /// Runs a source text to its end.
    ///
    /// It begins on the caller's thread, for four milliseconds at most: turns that are over by then take
    /// no other.
    ///
    /// # Errors
    ///
    /// [`Error::SessionEnded`] after the session's end, an [`Error`] where an option can't be enforced,
    /// there is no memory for the streams ([`Error::HostMemory`]), as many programs wait for their turn as
    /// may ([`Error::Busy`]), a [fork](Self::fork_with) can't begin with its first operation
    /// ([`Error::Start`]), and outside of a tokio runtime with timers ([`Error::Runtime`]). Whatever the
    /// program does is a [`TurnOutcome`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future interrupts the turn. If it has not ended a second later, the session ends.
    pub async fn exec_with(
        &mut self,
        code: impl Into<String>,
        options: TurnOptions,
    ) -> Result<TurnOutcome, Error> {
        let job = self.job(code.into(), &options)?;
        let (work, taken, job, _) = self.shared.turn(job, &options, Reads::No).await?;
        Ok(work.run(taken, job).await?.outcome)
    }

    /// Starts a turn that goes on by itself, so that its output can be read meanwhile.
    ///
    /// # Errors
    ///
    /// As for [`exec_with`](Self::exec_with).
    pub async fn start(
        &mut self,
        code: impl Into<String>,
        options: TurnOptions,
    ) -> Result<Turn<'_>, Error> {
        let job = self.job(code.into(), &options)?;
        let (work, taken, job, readers) = self.shared.turn(job, &options, Reads::Yes).await?;
        Ok(Turn::new(
            work.abandoned.clone(),
            work.spawn(taken, job),
            readers,
        ))
    }

    fn job(&self, text: String, options: &TurnOptions) -> Result<Job, Error> {
        runtime::check()?;
        options.check()?;
        job(Operation::Execute, text, options)
    }

    /// Lists how a line may go on, by what the program has defined: the word that is meant, as it is in
    /// `line`, and what may stand in its place. To look at attributes runs code of theirs.
    ///
    /// ```no_run
    /// # async fn example(sandbox: sandbox_net::Sandbox) -> Result<(), sandbox_net::Error> {
    /// let mut session = sandbox.session().await?;
    /// session.exec("import json").await?;
    /// let found = session.complete("x = json.du").await?;
    /// assert_eq!(found.word, "json.du");
    /// assert!(found.candidates.contains(&"json.dumps(".to_owned()));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`exec_with`](Self::exec_with).
    pub async fn complete(&mut self, line: &str) -> Result<Completions, Error> {
        let done = self.ask(Operation::Complete, line, 0).await?;
        let mut items = items(&done).into_iter();
        Ok(Completions {
            word: items.next().unwrap_or_default(),
            candidates: items.collect(),
        })
    }

    /// Whether a source text needs more lines, as at a prompt: it ends within a block or an open bracket.
    ///
    /// # Errors
    ///
    /// As for [`exec_with`](Self::exec_with).
    pub async fn needs_more(&mut self, code: &str) -> Result<bool, Error> {
        let done = self.ask(Operation::IsComplete, code, 0).await?;
        Ok(items(&done).first().is_some_and(|answer| answer == "no"))
    }

    /// Takes the writer of the session's stdin; `None` unless it is [`Stdin::Piped`](crate::Stdin::Piped),
    /// and the second time. Dropping it is the end of the input.
    pub fn stdin(&mut self) -> Option<StdinWriter> {
        self.stdin.take()
    }

    /// A handle that interrupts the turn that runs, to be kept elsewhere.
    pub fn interrupt_handle(&self) -> InterruptHandle {
        InterruptHandle {
            interrupts: Arc::clone(&self.shared.interrupts),
        }
    }

    /// How the session has ended; `None` while it goes on.
    pub fn ended(&self) -> Option<Exit> {
        self.shared.slot.ended()
    }

    /// Ends the program as the end of a script does: tasks and threads end, callbacks of `atexit` run, and
    /// what is buffered is written. The outcome has what was written and asked for meanwhile. If the
    /// session had ended before, it says how.
    ///
    /// The limits of a turn apply.
    ///
    /// # Errors
    ///
    /// As for [`exec_with`](Self::exec_with), besides the session's end.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the session all the same.
    pub async fn close(mut self) -> Result<Outcome, Error> {
        self.stdin = None;
        let done = match self.ask(Operation::End, "", 0).await {
            Err(Error::SessionEnded { exit }) => Done::of(exit),
            done => done?,
        };
        if let Some(own) = self.own.take() {
            own.close().await?;
        }
        Ok(done.outcome_of_session(self.start.elapsed(), self.usage.used()))
    }

    async fn ask(&self, operation: Operation, text: &str, flags: u8) -> Result<Done, Error> {
        runtime::check()?;
        let options = TurnOptions::new();
        let job = Job {
            flags,
            ..job(operation, text.to_owned(), &options)?
        };
        let (work, taken, job, _) = self.shared.turn(job, &options, Reads::No).await?;
        work.run(taken, job).await
    }
}

/// What a program begins with.
#[derive(serde::Serialize)]
struct Program<'a> {
    arguments: &'a [String],
    variables: &'a BTreeMap<String, String>,
}

/// How a line may go on: see [`Session::complete`].
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Completions {
    /// The word that is meant, with the dots in it; empty if there is none.
    pub word: String,
    /// What may stand in its place, 200 at most.
    pub candidates: Vec<String>,
}

fn job(operation: Operation, text: String, options: &TurnOptions) -> Result<Job, Error> {
    if text.len() > SOURCE {
        let why = "it is longer than 16 MiB; write it to a file with write_file, and import that";
        return Err(Error::Setting {
            name: "turn's source text",
            why: why.to_owned(),
        });
    }
    Ok(Job {
        operation,
        text,
        flags: 0,
        most: options.most(),
    })
}

/// Why the first request failed.
fn why(outcome: &TurnOutcome) -> String {
    let how = match (&outcome.exception, &outcome.end) {
        (Some(error), _) => &error.traceback,
        (None, TurnEnd::Ended(Exit::Trap(how))) => how,
        (None, end) => end.as_str(),
    };
    let said = outcome.stderr_text();
    format!("{how}\n{said}").trim().to_owned()
}

fn items(done: &Done) -> Vec<String> {
    let Some(reply) = done.body.as_ref().and_then(Body::reply) else {
        return Vec::new();
    };
    let items = reply.fields().filter(|(tag, _)| *tag == Tag::Item);
    items
        .map(|(_, text)| String::from_utf8_lossy(text).into_owned())
        .collect()
}
