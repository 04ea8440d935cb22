//! One turn, from the request to its outcome.

use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sandbox_net_gateway::Gateway;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::interrupts::Running;
use super::live::{Answer, Body};
use super::outcome::{PythonException, TurnEnd, TurnOutcome};
use super::shared::Shared;
use super::taken::Taken;
use super::value::Value;
use super::why;
use super::wire::{Kind, NoReply, Operation, Reply, Request, Tag};
use crate::drain::LAST;
use crate::engine::{Interrupt, Turn as Place, Usage, first_slice};
use crate::error::Error;
use crate::guest::{Stop, passed};
use crate::handles::Handles;
use crate::pipe::OutputReader;
use crate::piped::Piped;
use crate::runtime;
use crate::script::{Exit, Outcome};
use crate::stdio::Sink;

/// How long a turn that was interrupted may take to end.
const GRACE: Duration = Duration::from_secs(1);
/// How long to wait for output that nobody has taken.
const OUTPUT_GRACE: Duration = Duration::from_millis(100);
/// How long to wait at the end of a turn for records of what has ended in it.
const RECORDS: Duration = Duration::from_millis(100);

/// How a session has ended that could not begin as a fork, but for what it said.
const NO_FORK: &str = "the fork could not begin";

/// A turn of a [`Session`](crate::Session) that goes on by itself, to be watched. **Dropping it
/// interrupts the turn**; if it has not ended a second later, the session ends.
///
/// ```no_run
/// # async fn example(sandbox: sandbox_net::Sandbox) -> Result<(), sandbox_net::Error> {
/// use sandbox_net::{Output, TurnOptions};
///
/// let mut session = sandbox.session().await?;
/// let options = TurnOptions::new().stdout(Output::Piped);
/// let mut turn = session.start("for n in range(3): print(n)", options).await?;
/// let mut stdout = turn.stdout().expect("it is piped");
/// while let Some(bytes) = stdout.next().await {
///     print!("{}", String::from_utf8_lossy(&bytes));
/// }
/// let outcome = turn.wait().await?;
/// assert!(outcome.is_done());
/// # Ok(())
/// # }
/// ```
#[must_use = "dropping a turn interrupts it"]
pub struct Turn<'a> {
    /// A session has one turn at a time.
    _session: PhantomData<&'a mut ()>,
    stdout: Piped,
    stderr: Piped,
    abandoned: CancellationToken,
    driver: JoinHandle<Result<Done, Error>>,
}

impl std::fmt::Debug for Turn<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Turn").finish_non_exhaustive()
    }
}

impl Turn<'_> {
    pub(super) fn new(
        abandoned: CancellationToken,
        driver: JoinHandle<Result<Done, Error>>,
        Readers { stdout, stderr }: Readers,
    ) -> Self {
        Self {
            _session: PhantomData,
            stdout,
            stderr,
            abandoned,
            driver,
        }
    }

    /// Takes the turn's stdout; `None` unless it is [`Output::Piped`](crate::Output::Piped), and the
    /// second time. It ends with the turn.
    pub fn stdout(&mut self) -> Option<OutputReader> {
        self.stdout.take()
    }

    /// Takes the turn's stderr, as [`stdout`](Self::stdout) does.
    pub fn stderr(&mut self) -> Option<OutputReader> {
        self.stderr.take()
    }

    /// Waits for the turn's end. Piped output that nobody has taken is captured in the outcome.
    ///
    /// # Errors
    ///
    /// If the tokio runtime was shut down before ([`Error::Runtime`]), and if a fork can't begin with its first
    /// turn ([`Error::Start`]). Whatever the program did is a [`TurnOutcome`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future interrupts the turn.
    pub async fn wait(mut self) -> Result<TurnOutcome, Error> {
        let (ended, (), ()) =
            tokio::join!(&mut self.driver, self.stdout.drain(), self.stderr.drain());
        let mut done = ended.map_err(|error| runtime::unfinished(&error))??;
        for (piped, bytes) in [
            (&mut self.stdout, &mut done.outcome.stdout),
            (&mut self.stderr, &mut done.outcome.stderr),
        ] {
            if let Some((captured, is_truncated)) = piped.captured() {
                done.outcome.truncated |= is_truncated;
                *bytes = captured;
            }
        }
        Ok(done.outcome)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.abandoned.cancel();
    }
}

/// The embedder's ends of a turn's streams.
pub(super) struct Readers {
    pub(super) stdout: Piped,
    pub(super) stderr: Piped,
}

/// A turn that is about to begin, besides its interpreter.
pub(super) struct Work {
    pub(super) shared: Arc<Shared>,
    pub(super) gateway: Gateway,
    pub(super) stdout: Sink,
    pub(super) stderr: Sink,
    pub(super) start: Instant,
    pub(super) until: Option<Instant>,
    /// Nobody waits for it any more.
    pub(super) abandoned: CancellationToken,
    pub(super) running: Running,
    pub(super) place: Place,
    pub(super) usage: Arc<Usage>,
    /// The processor time that was used before.
    pub(super) before: Duration,
    pub(super) stop: Arc<Stop>,
    pub(super) interrupt: Interrupt,
}

/// What the guest is asked for.
pub(super) struct Job {
    pub(super) operation: Operation,
    pub(super) text: String,
    pub(super) flags: u8,
    pub(super) most: u32,
}

/// Why the host ended a turn.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Why {
    TimeLimit,
    Interrupt,
    Killed,
}

/// What the guest's thread leaves.
struct Left {
    taken: Taken,
    /// None where it was stopped.
    answer: Option<Answer>,
}

impl Left {
    /// Whether it was a fork that could not begin.
    fn is_no_fork(&self) -> bool {
        self.answer.is_some() && self.taken.live().is_due()
    }
}

impl Work {
    /// Runs the turn on this thread as long as it does not wait, and then on the guests'.
    ///
    /// # Errors
    ///
    /// [`Error::Start`] from a fork that can't begin, and [`Error::Runtime`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future interrupts the turn, which is seen to its end by a task.
    pub(super) async fn run(self, taken: Taken, job: Job) -> Result<Done, Error> {
        let mut guest = Box::pin(self.guest(taken, job));
        if let Some(left) = first_slice(&self.usage, guest.as_mut()).await {
            return self.finish(left, None).await;
        }
        let abandons = self.abandoned.clone().drop_guard();
        let done = tokio::spawn(self.watch(guest)).await;
        drop(abandons.disarm());
        done.map_err(|error| runtime::unfinished(&error))?
    }

    /// Runs the turn on the guests' threads.
    pub(super) fn spawn(self, taken: Taken, job: Job) -> JoinHandle<Result<Done, Error>> {
        let guest = Box::pin(self.guest(taken, job));
        tokio::spawn(self.watch(guest))
    }

    /// What the guest does.
    fn guest(&self, mut taken: Taken, job: Job) -> impl Future<Output = Left> + Send + 'static {
        self.shared.stdout.to(Some(self.stdout.clone()));
        self.shared.stderr.to(Some(self.stderr.clone()));
        taken.live_mut().begin(self.gateway.clone());
        let streams = (self.stdout.clone(), self.stderr.clone());
        asked(taken, job, Arc::clone(&self.stop), streams)
    }

    /// Sees the turn to its end.
    async fn watch(
        self,
        guest: Pin<Box<impl Future<Output = Left> + Send + 'static>>,
    ) -> Result<Done, Error> {
        let threads = self.shared.engine.threads();
        let task = threads.run(Arc::clone(&self.usage), guest);
        let watched = Watched {
            shared: &self.shared,
            stop: &self.stop,
            until: self.until,
            abandoned: &self.abandoned,
            running: &self.running,
            interrupt: &self.interrupt,
        };
        let (left, why) = watched.ended(task).await;
        self.finish(left, why).await
    }

    /// What came of it, now that the guest does nothing more.
    async fn finish(self, mut left: Left, stopped: Option<Why>) -> Result<Done, Error> {
        drop(self.running);
        let is_no_fork = left.is_no_fork();
        if stopped.is_some() {
            left.taken.live_mut().withdraw_interrupt();
        }
        self.shared.stdout.to(None);
        self.shared.stderr.to(None);
        let mut done = ended(left, stopped, &self.shared);
        drop(self.place);
        let outcome = &mut done.outcome;
        outcome.cpu = self.usage.used().saturating_sub(self.before);
        outcome.duration = self.start.elapsed();
        let audit = self.gateway.audit();
        audit.pause(RECORDS).await;
        let ((stdout, cut), (stderr, also_cut)) =
            tokio::join!(self.stdout.end(OUTPUT_GRACE), self.stderr.end(OUTPUT_GRACE));
        outcome.truncated |= cut || also_cut;
        (outcome.stdout, outcome.stderr) = (stdout, stderr);
        outcome.decisions = audit.decisions();
        outcome.exchanges = audit.exchanges();
        outcome.lookups = audit.lookups();
        outcome.dropped = audit.dropped();
        match is_no_fork {
            true => Err(Error::Start(why(outcome))),
            false => Ok(done),
        }
    }
}

/// What came of a request.
pub(super) struct Done {
    pub(super) outcome: TurnOutcome,
    pub(super) body: Option<Body>,
    /// What the guest held when its session ended.
    pub(super) handles: Handles,
}

impl Done {
    /// Of a session that has ended so.
    pub(super) fn of(exit: Exit) -> Self {
        let mut outcome = TurnOutcome::new();
        outcome.end = TurnEnd::Ended(exit);
        Self {
            outcome,
            body: None,
            handles: Handles::default(),
        }
    }

    /// What came of a session that ended with this.
    pub(super) fn outcome_of_session(self, duration: Duration, cpu: Duration) -> Outcome {
        let Self {
            outcome, handles, ..
        } = self;
        let exit = match outcome.end {
            TurnEnd::Ended(exit) => exit,
            TurnEnd::TimeLimit => Exit::TimeLimit,
            _ => Exit::Killed,
        };
        let last = outcome.stderr.len().saturating_sub(LAST);
        Outcome {
            exit,
            stderr_end: outcome.stderr[last..].to_vec(),
            stdout: outcome.stdout,
            stderr: outcome.stderr,
            truncated: outcome.truncated,
            duration,
            cpu,
            memory: outcome.memory,
            handles,
            decisions: outcome.decisions,
            exchanges: outcome.exchanges,
            lookups: outcome.lookups,
            dropped: outcome.dropped,
        }
    }
}

/// Asks the guest, on its thread.
async fn asked(
    mut taken: Taken,
    job: Job,
    stop: Arc<Stop>,
    (stdout, stderr): (Sink, Sink),
) -> Left {
    let request = Request {
        operation: job.operation,
        number: 0,
        most: job.most,
        flags: job.flags,
        text: &job.text,
    };
    let answered = async {
        let answer = taken.live_mut().ask(request).await;
        tokio::join!(stdout.written(), stderr.written());
        answer
    };
    let answer = stop.or(answered).await;
    Left { taken, answer }
}

/// A turn on the guests' threads.
struct Watched<'a> {
    shared: &'a Shared,
    stop: &'a Stop,
    until: Option<Instant>,
    abandoned: &'a CancellationToken,
    running: &'a Running,
    interrupt: &'a Interrupt,
}

impl Watched<'_> {
    /// Waits for the end, and sees to it where somebody wants it.
    async fn ended(&self, mut task: impl Future<Output = Left> + Unpin) -> (Left, Option<Why>) {
        let mut why = None;
        let mut was_interrupted = false;
        let mut stop_at = None;
        loop {
            let reason = tokio::select! {
                biased;
                left = &mut task => {
                    return (left, why.or(was_interrupted.then_some(Why::Interrupt)));
                }
                () = self.shared.closing.cancelled(), if why != Some(Why::Killed) => Why::Killed,
                () = passed(stop_at), if stop_at.is_some() => {
                    self.stop.ask();
                    stop_at = None;
                    continue;
                }
                () = passed(self.until), if why.is_none() => Why::TimeLimit,
                () = self.abandoned.cancelled(), if why.is_none() => Why::Interrupt,
                () = self.running.asked() => {
                    // The program may go on if it catches this.
                    self.interrupt.ask();
                    was_interrupted = true;
                    continue;
                }
            };
            if reason == Why::Killed {
                self.stop.ask();
            } else {
                stop_at = Some(Instant::now() + self.interrupt());
            }
            why = Some(reason);
        }
    }

    /// Interrupts the turn; returns how long it may take to end.
    fn interrupt(&self) -> Duration {
        self.interrupt.ask();
        GRACE
    }
}

/// What became of the turn, and of the session.
fn ended(left: Left, why: Option<Why>, shared: &Shared) -> Done {
    let is_no_fork = left.is_no_fork();
    let Left { taken, answer } = left;
    let mut done = Done {
        outcome: TurnOutcome::new(),
        body: None,
        handles: Handles::default(),
    };
    let outcome = &mut done.outcome;
    outcome.memory = taken.live().held();
    let exit = match answer {
        Some(Answer::Reply(reply)) => {
            let read = replied(&reply, outcome);
            done.body = Some(reply);
            read.err().map(|error| Exit::Trap(error.to_string()))
        }
        Some(Answer::NoRoom) => {
            outcome.truncated = true;
            None
        }
        Some(Answer::Interrupted) => {
            outcome.end = TurnEnd::Interrupted;
            outcome.exception = Some(PythonException::interrupt());
            None
        }
        Some(Answer::Ended(exit)) => Some(exit),
        None => Some(match why {
            Some(Why::TimeLimit) => Exit::TimeLimit,
            _ => Exit::Killed,
        }),
    };
    let exit = exit.or_else(|| is_no_fork.then(|| Exit::Trap(NO_FORK.to_owned())));
    match exit {
        None => taken.put_back(),
        Some(exit) => {
            shared.slot.end(exit.clone());
            done.handles = taken.into_live().handles();
            outcome.end = TurnEnd::Ended(exit);
        }
    }
    match why {
        Some(Why::TimeLimit) => outcome.end = TurnEnd::TimeLimit,
        Some(Why::Interrupt) if outcome.end == TurnEnd::Ended(Exit::Killed) => {
            outcome.end = TurnEnd::Interrupted;
        }
        _ => {}
    }
    done
}

/// What the reply says.
fn replied(body: &Body, outcome: &mut TurnOutcome) -> Result<(), NoReply> {
    let reply = Reply::parse(&body.bytes)?;
    outcome.truncated |= reply.has(Tag::Truncated);
    match reply.kind {
        Kind::Done => outcome.value = Value::of(&reply),
        Kind::Raised | Kind::Interrupted => {
            outcome.exception = Some(PythonException::of(&reply));
            outcome.end = match reply.kind {
                Kind::Raised => TurnEnd::Raised,
                _ => TurnEnd::Interrupted,
            };
        }
    }
    Ok(())
}
