//! A run: a program that the embedder watches, feeds, ends and waits for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sandbox_net_egress::account::HostMemory;
use sandbox_net_gateway::audit::{AuditLog, Follow};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::Instrument as _;

use crate::engine::Turn;
use crate::error::Error;
use crate::guest::{Ended, Guest};
use crate::pipe::OutputReader;
use crate::piped::Piped;
use crate::root::Root;
use crate::runtime;
use crate::script::Outcome;
use crate::script_file::ScriptFile;
use crate::stdin_pipe::StdinWriter;
use crate::stdio::Sink;

/// How long to wait for output that the time limit cut off.
const OUTPUT_GRACE: Duration = Duration::from_millis(100);

/// A program that runs in a [`Sandbox`](crate::Sandbox).
///
/// The program goes on by itself, on threads of the engine; nothing has to be polled. **Dropping the
/// value ends the program**, as [`kill`](Self::kill) does. It keeps the sandbox's files until then,
/// also if the [`Sandbox`](crate::Sandbox) itself is dropped first;
/// [`Sandbox::close`](crate::Sandbox::close) ends all runs.
///
/// ```no_run
/// # async fn example(sandbox: sandbox_net::Sandbox) -> Result<(), sandbox_net::Error> {
/// use sandbox_net::{Output, RunOptions};
///
/// let options = RunOptions::new().stdout(Output::Piped).unbuffered();
/// let mut run = sandbox.start("for n in range(3): print(n)", options).await?;
/// let mut stdout = run.stdout().expect("it is piped");
/// while let Some(bytes) = stdout.next().await {
///     print!("{}", String::from_utf8_lossy(&bytes));
/// }
/// let outcome = run.wait().await?;
/// assert_eq!(outcome.exit_code(), 0);
/// # Ok(())
/// # }
/// ```
#[must_use = "dropping a run ends its program"]
pub struct Run {
    stdin: Option<StdinWriter>,
    stdout: Piped,
    stderr: Piped,
    audit: AuditLog,
    killed: CancellationToken,
    driver: Option<JoinHandle<Result<Outcome, Error>>>,
}

/// Ends a run from elsewhere, such as another task.
#[derive(Clone, Debug)]
pub struct KillHandle {
    killed: CancellationToken,
}

impl KillHandle {
    /// Ends the program: see [`Run::kill`].
    pub fn kill(&self) {
        self.killed.cancel();
    }
}

/// What a run needs besides its interpreter, until it has ended.
pub(crate) struct Started {
    /// `None` if its time was over before it began.
    pub(crate) guest: Option<Guest>,
    pub(crate) until: Option<Instant>,
    pub(crate) start: Instant,
    pub(crate) audit: AuditLog,
    pub(crate) stdout: Sink,
    pub(crate) stderr: Sink,
    pub(crate) keeps: Keeps,
}

/// What a run holds until its end, and nobody looks at.
pub(crate) struct Keeps {
    pub(crate) _turn: Turn,
    pub(crate) _script: Option<ScriptFile>,
    pub(crate) _root: Arc<Root>,
    pub(crate) _tracked: TaskTrackerToken,
}

/// The embedder's ends of the streams that are piped.
pub(crate) struct Streams {
    pub(crate) stdin: Option<StdinWriter>,
    pub(crate) stdout: Option<OutputReader>,
    pub(crate) stderr: Option<OutputReader>,
    /// The most bytes that are captured of each.
    pub(crate) limit: usize,
    pub(crate) memory: HostMemory,
}

impl Run {
    /// Starts the task that sees a run to its end.
    pub(crate) fn start(started: Started, streams: Streams, killed: CancellationToken) -> Self {
        let audit = started.audit.clone();
        let span = tracing::info_span!(
            target: "sandbox_net::run",
            "run",
            sandbox_net.sandbox = audit.sandbox(),
            process.exit.code = tracing::field::Empty,
            sandbox_net.ended = tracing::field::Empty,
        );
        let driver = started.drive(killed.clone()).instrument(span);
        let piped = |reader| Piped::new(reader, &streams.memory, streams.limit);
        Self {
            stdin: streams.stdin,
            stdout: piped(streams.stdout),
            stderr: piped(streams.stderr),
            audit,
            killed,
            driver: Some(tokio::spawn(driver)),
        }
    }

    pub(crate) fn audit(&self) -> &AuditLog {
        &self.audit
    }

    /// Takes the program's stdin; `None` unless it is [`Stdin::Piped`](crate::Stdin::Piped), and the
    /// second time. Dropping it is the end of the input.
    pub fn stdin(&mut self) -> Option<StdinWriter> {
        self.stdin.take()
    }

    /// Takes the program's stdout; `None` unless it is [`Output::Piped`](crate::Output::Piped), and the
    /// second time.
    pub fn stdout(&mut self) -> Option<OutputReader> {
        self.stdout.take()
    }

    /// Takes the program's stderr, as [`stdout`](Self::stdout) does.
    pub fn stderr(&mut self) -> Option<OutputReader> {
        self.stderr.take()
    }

    /// The decisions, requests and lookups of the program as they are made, from the first one on. Any
    /// number may follow a run; none of them holds it up. They end with the run.
    pub fn records(&self) -> Follow {
        self.audit.follow()
    }

    /// Ends the program: its exit is then [`Exit::Killed`](crate::Exit::Killed), unless it has ended
    /// by itself. [`wait`](Self::wait) still gives the whole outcome.
    pub fn kill(&self) {
        self.killed.cancel();
    }

    /// A handle that ends the program, to be kept elsewhere. It does not keep the run.
    pub fn kill_handle(&self) -> KillHandle {
        KillHandle {
            killed: self.killed.clone(),
        }
    }

    /// Waits for the program's end.
    ///
    /// Closes its stdin and captures its piped output in the outcome, where nobody has taken these
    /// streams: a program never waits for somebody who is not there.
    ///
    /// Cancel safe: the program goes on, and a later call gives the outcome, once.
    ///
    /// # Errors
    ///
    /// If the interpreter could not start, if the tokio runtime was shut down before
    /// ([`Error::Runtime`]), and [`Error::AlreadyWaited`] if the outcome was returned before. Whatever the program did is an [`Outcome`].
    pub async fn wait(&mut self) -> Result<Outcome, Error> {
        self.stdin = None;
        let driver = self.driver.as_mut().ok_or(Error::AlreadyWaited)?;
        let (ended, (), ()) = tokio::join!(driver, self.stdout.drain(), self.stderr.drain());
        self.driver = None;
        let mut outcome = ended.map_err(|error| runtime::unfinished(&error))??;
        for (piped, bytes) in [
            (&mut self.stdout, &mut outcome.stdout),
            (&mut self.stderr, &mut outcome.stderr),
        ] {
            if let Some((captured, is_truncated)) = piped.captured() {
                outcome.truncated |= is_truncated;
                *bytes = captured;
            }
        }
        Ok(outcome)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.killed.cancel();
    }
}

impl std::fmt::Debug for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Run")
            .field("sandbox", &self.audit.sandbox())
            .finish_non_exhaustive()
    }
}

impl Started {
    /// Sees the run to its end.
    async fn drive(self, killed: CancellationToken) -> Result<Outcome, Error> {
        let Self {
            guest,
            until,
            start,
            audit,
            stdout,
            stderr,
            keeps,
        } = self;
        let _counts = audit.at_end();
        let ended = match guest {
            Some(guest) => {
                let streams = (stdout.clone(), stderr.clone());
                guest.run(streams, until, &killed).await
            }
            None => Ok(Ended::default()),
        };
        // The connections ended with the interpreter, so their records are complete.
        audit.settle().await;
        // Output that the time limit cut off gets a moment to arrive.
        let stderr_end = stderr.last();
        let ((stdout, cut), (stderr, also_cut)) =
            tokio::join!(stdout.end(OUTPUT_GRACE), stderr.end(OUTPUT_GRACE));
        drop(keeps);
        let ended = ended?;
        let span = tracing::Span::current();
        span.record("process.exit.code", ended.exit.code());
        span.record("sandbox_net.ended", ended.exit.as_str());
        Ok(Outcome {
            exit: ended.exit,
            truncated: cut || also_cut,
            stdout,
            stderr,
            stderr_end,
            duration: start.elapsed(),
            memory: ended.memory,
            cpu: ended.cpu,
            handles: ended.handles,
            decisions: audit.decisions(),
            exchanges: audit.exchanges(),
            lookups: audit.lookups(),
            dropped: audit.dropped(),
        })
    }
}
