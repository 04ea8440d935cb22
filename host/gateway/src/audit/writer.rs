//! Gives lines to a sink from a thread of its own, so that a blocked sink holds that thread and
//! nothing else.

use std::collections::VecDeque;
use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::AuditSink;
use super::waiting::{Line, Waiting};

/// How long an idle thread stays.
const IDLE: Duration = Duration::from_secs(1);

/// The queues of this process. A sink has one queue and one thread, even if many sandboxes share it:
/// a sink that never returns costs one thread.
static QUEUES: Mutex<Vec<Weak<Queue>>> = Mutex::new(Vec::new());

/// Connects one log to a sink. The thread starts with the first line, and ends when no log needs
/// it.
pub(super) struct Writer(Arc<Queue>);

/// The lines that wait for a sink, in order.
struct Queue {
    sink: Arc<dyn AuditSink>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    /// Number of logs that may still write here.
    users: usize,
    has_thread: bool,
    /// Since when the sink has been writing its current line.
    since: Option<Instant>,
}

struct Job {
    line: Arc<Line>,
    done: Option<oneshot::Sender<bool>>,
}

impl Writer {
    pub(super) fn of(sink: Arc<dyn AuditSink>) -> Self {
        let mut queues = QUEUES.lock().unwrap_or_else(PoisonError::into_inner);
        queues.retain(|queue| queue.strong_count() > 0);
        let is_its =
            |queue: &Arc<Queue>| std::ptr::addr_eq(Arc::as_ptr(&queue.sink), Arc::as_ptr(&sink));
        let known = queues.iter().filter_map(Weak::upgrade).find(is_its);
        let queue = known.unwrap_or_else(|| {
            let queue = Arc::new(Queue {
                sink,
                state: Mutex::default(),
                changed: Condvar::new(),
            });
            queues.push(Arc::downgrade(&queue));
            queue
        });
        queue.state().users += 1;
        Self(queue)
    }

    /// Queues a line. Reports nothing.
    pub(super) fn push(&self, line: Arc<Line>) {
        self.add(Job { line, done: None });
    }

    /// Queues a line; reports whether the sink took it. Reports nothing if the line is dropped.
    pub(super) fn push_and_tell(&self, line: Arc<Line>) -> oneshot::Receiver<bool> {
        let (done, told) = oneshot::channel();
        let done = Some(done);
        self.add(Job { line, done });
        told
    }

    fn add(&self, job: Job) {
        let mut state = self.0.state();
        if !state.has_thread {
            let queue = Arc::clone(&self.0);
            let thread = thread::Builder::new().name("sandbox-net audit".to_owned());
            if let Err(error) = thread.spawn(move || queue.work()) {
                drop(state);
                return job.end(Err(error));
            }
            state.has_thread = true;
        }
        state.jobs.push_back(job);
        drop(state);
        self.0.changed.notify_one();
    }

    /// How long the sink has been writing its current line.
    pub(super) fn stuck_for(&self) -> Duration {
        let since = self.0.state().since;
        since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Drops the lines of a run that the sink does not have yet.
    pub(super) fn forget(&self, run: &Arc<Waiting>) {
        let mut state = self.0.state();
        let jobs = std::mem::take(&mut state.jobs);
        let (gone, rest): (VecDeque<_>, _) = jobs.into_iter().partition(|job| job.line.is_of(run));
        state.jobs = rest;
        drop(state);
        drop(gone);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.state().users -= 1;
        self.0.changed.notify_one();
    }
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        while let Some(job) = self.next() {
            let writing = AssertUnwindSafe(|| self.sink.write(job.line.line()));
            let written = std::panic::catch_unwind(writing);
            let panicked = |_| Err(io::Error::other("the sink panicked"));
            job.end(written.unwrap_or_else(panicked));
        }
    }

    /// The next line; `None` if the thread is no longer needed.
    fn next(&self) -> Option<Job> {
        let begun = Instant::now();
        let mut state = self.state();
        state.since = None;
        loop {
            if let Some(job) = state.jobs.pop_front() {
                state.since = Some(Instant::now());
                return Some(job);
            }
            let left = IDLE.saturating_sub(begun.elapsed());
            if state.users == 0 || left.is_zero() {
                state.has_thread = false;
                return None;
            }
            let woken = self.changed.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Job {
    /// Notes that the sink has taken or lost the line.
    fn end(self, written: io::Result<()>) {
        if let Err(error) = &written {
            self.line.lost(error);
        }
        if let Some(done) = self.done {
            // The waiter may be gone.
            let _ = done.send(written.is_ok());
        }
    }
}
