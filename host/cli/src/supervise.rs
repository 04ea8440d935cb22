//! Runs a command and ends it at its time limit and at a signal, even if something blocks.
//!
//! The command runs on threads of its own; this one only waits. So a blocking call of the host
//! keeps neither the time limit nor Ctrl-C from ending the process.

use std::io;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::{Failure, one_line};

/// How long after the time limit a command that has not ended by itself is stopped.
const LATE: Duration = Duration::from_secs(1);
/// How long a stopped command may take to clean up.
const CLEANUP: Duration = Duration::from_secs(2);
/// How long the tasks of its runs may take to end.
const QUIET: Duration = Duration::from_millis(500);
/// How long a last message to the user may take, because its reader may not read.
const LAST_WORD: Duration = Duration::from_secs(1);
/// The exit code of a command that its time limit ended.
const TIME_LIMIT: u8 = 124;

/// When the command has to have ended; no limit while it is unset.
#[derive(Clone)]
pub(crate) struct Deadline(Arc<watch::Sender<Option<Instant>>>);

impl Deadline {
    pub(crate) fn set(&self, deadline: Option<Instant>) {
        self.0.send_replace(deadline);
    }
}

/// Runs the future of `work` to its end, or until it has to end.
pub(crate) fn run<F>(work: impl FnOnce(Deadline) -> F) -> Result<u8, Failure>
where
    F: Future<Output = Result<u8, Failure>> + Send + 'static,
{
    run_with(true, work)
}

/// The same; Ctrl-C ends it only if `is_interrupted`.
pub(crate) fn run_with<F>(
    is_interrupted: bool,
    work: impl FnOnce(Deadline) -> F,
) -> Result<u8, Failure>
where
    F: Future<Output = Result<u8, Failure>> + Send + 'static,
{
    let workers = Runtime::new()?;
    let here = Builder::new_current_thread().enable_all().build()?;
    let mut signals = {
        let _here = here.enter();
        Signals::new(is_interrupted)?
    };
    let (deadline, changed) = watch::channel(None);
    let mut task = workers.spawn(work(Deadline(Arc::new(deadline))));
    let (code, left) = here.block_on(async {
        tokio::select! {
            done = &mut task => (done.unwrap_or_else(|error| Err(error.into())), CLEANUP),
            () = passed(changed) => {
                let left = end(&mut task, &mut signals).await;
                say("the time limit ended the program");
                (Ok(TIME_LIMIT), left)
            }
            code = signals.next() => {
                let left = end(&mut task, &mut signals).await;
                (Ok(code), left)
            }
        }
    });
    quiet(&workers, left.min(QUIET));
    // The files of a dropped sandbox are removed in a thread of the runtime. Threads that wait for
    // something outside end with the process.
    workers.shutdown_timeout(left);
    code
}

/// Waits until the tasks of dropped runs have ended: a program that still waits for a timer of a runtime
/// that is shut down would panic.
fn quiet(workers: &Runtime, most: Duration) {
    let begun = Instant::now();
    while workers.metrics().num_alive_tasks() > 0 && begun.elapsed() < most {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Lets the command clean up, unless that takes too long or there is another signal; returns the
/// remaining time.
async fn end(task: &mut JoinHandle<Result<u8, Failure>>, signals: &mut Signals) -> Duration {
    let start = Instant::now();
    task.abort();
    tokio::select! {
        _ = task => CLEANUP.saturating_sub(start.elapsed()),
        () = tokio::time::sleep(CLEANUP) => Duration::ZERO,
        _ = signals.next() => Duration::ZERO,
    }
}

/// Waits for the deadline, which may change meanwhile, and a little longer.
async fn passed(mut deadline: watch::Receiver<Option<Instant>>) {
    loop {
        let at = *deadline.borrow_and_update();
        let late = async {
            match at.and_then(|at| at.checked_add(LATE)) {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = late => return,
            changed = deadline.changed() => {
                if changed.is_err() {
                    // The command has dropped the deadline, so it sets no other.
                    return std::future::pending().await;
                }
            }
        }
    }
}

/// The signals that end the process.
#[cfg(unix)]
struct Signals {
    /// `None` if it is for something else.
    interrupt: Option<tokio::signal::unix::Signal>,
    terminate: tokio::signal::unix::Signal,
    /// `None` if the process was started with it ignored, as under `nohup`; then it stays ignored.
    hangup: Option<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
impl Signals {
    fn new(is_interrupted: bool) -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};

        let interrupt = is_interrupted.then(|| signal(SignalKind::interrupt()));
        Ok(Self {
            interrupt: interrupt.transpose()?,
            terminate: signal(SignalKind::terminate())?,
            hangup: match crate::signals::is_ignored(SignalKind::hangup()) {
                true => None,
                false => Some(signal(SignalKind::hangup())?),
            },
        })
    }

    /// Waits for the next one; returns its exit code.
    async fn next(&mut self) -> u8 {
        tokio::select! {
            Some(_) = received(&mut self.interrupt) => 130,
            _ = self.terminate.recv() => 143,
            Some(_) = received(&mut self.hangup) => 129,
        }
    }
}

#[cfg(unix)]
async fn received(signal: &mut Option<tokio::signal::unix::Signal>) -> Option<()> {
    signal.as_mut()?.recv().await
}

#[cfg(not(unix))]
struct Signals {
    is_interrupted: bool,
}

#[cfg(not(unix))]
impl Signals {
    fn new(is_interrupted: bool) -> io::Result<Self> {
        Ok(Self { is_interrupted })
    }

    async fn next(&mut self) -> u8 {
        match self.is_interrupted.then(tokio::signal::ctrl_c) {
            Some(interrupt) if interrupt.await.is_ok() => 130,
            _ => std::future::pending().await,
        }
    }
}

/// Writes a message to the user on stderr, unless nobody reads it.
pub(crate) fn say(text: &str) {
    let line = format!("sandbox-net: {text}\n");
    let (done, end) = mpsc::channel::<()>();
    let said = thread::Builder::new().spawn(move || {
        // If stderr is closed, nothing can be done. The lock of stderr may be held by a thread that
        // waits for the same reader.
        #[cfg(unix)]
        let _ = rustix::io::write(io::stderr(), line.as_bytes());
        #[cfg(not(unix))]
        let _ = io::Write::write_all(&mut io::stderr(), line.as_bytes());
        drop(done);
    });
    if said.is_ok() {
        let _ = end.recv_timeout(LAST_WORD);
    }
}

/// Tells the user why the tool itself failed.
pub(crate) fn say_failure(error: &(dyn std::error::Error + 'static)) {
    let mut text = one_line(error);
    #[cfg(unix)]
    if text.contains(&format!(
        "(os error {})",
        rustix::io::Errno::MFILE.raw_os_error()
    )) {
        text.push_str("; raise the number of files that a process may open: ulimit -n 1024");
    }
    say(&text);
}
