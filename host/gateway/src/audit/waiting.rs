//! Queued lines for the sinks, and what they take of their sandbox.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::AuditLine;
use sandbox_net_egress::account::Reservation;

/// The most lines of one sandbox that wait for a sink, not counting updates of lines that wait or
/// were written: each has two at most.
const PLACES: usize = 4096;

/// Places for lines that wait.
pub(super) struct Places(Arc<Semaphore>);

/// What a line holds until every sink has it; nothing if there is no sink.
#[derive(Default)]
pub(super) struct Room {
    pub(super) place: Option<OwnedSemaphorePermit>,
    /// Reserved once for a decision and for all lines that complete it.
    pub(super) held: Option<Arc<Reservation>>,
}

/// The lines of one run that some sink does not have yet.
pub(super) struct Waiting {
    lines: watch::Sender<usize>,
    /// Nobody waits for the lines any more, and no more are accepted.
    is_given_up: AtomicBool,
    is_broken: Arc<AtomicBool>,
}

/// A queued line.
pub(super) struct Line {
    line: AuditLine,
    _room: Room,
    // Keep this field last: when it is dropped everything else is freed already.
    waits: Waits,
}

struct Waits(Arc<Waiting>);

impl Default for Places {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(PLACES)))
    }
}

impl Places {
    /// Waits for a place.
    pub(super) async fn wait(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0).acquire_owned().await.ok()
    }

    /// Takes a place, if one is free.
    pub(super) fn take(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0).try_acquire_owned().ok()
    }
}

impl Waiting {
    /// Makes the waiting lines of a run whose log `is_broken` is about.
    pub(super) fn new(is_broken: &Arc<AtomicBool>) -> Arc<Self> {
        Arc::new(Self {
            lines: watch::Sender::default(),
            is_given_up: AtomicBool::new(false),
            is_broken: Arc::clone(is_broken),
        })
    }

    pub(super) fn count(&self) -> usize {
        *self.lines.borrow()
    }

    /// Waits until every sink has every line.
    pub(super) async fn written(&self) {
        // The sender is `self`: it can't have gone.
        let _ = self.lines.subscribe().wait_for(|lines| *lines == 0).await;
    }

    pub(super) fn give_up(&self) {
        self.is_given_up.store(true, Ordering::Release);
    }

    pub(super) fn is_given_up(&self) -> bool {
        self.is_given_up.load(Ordering::Acquire)
    }

    /// Marks the log as broken after a lost line: nothing may be done any more.
    pub(super) fn break_log(&self) {
        self.is_broken.store(true, Ordering::Release);
    }
}

impl Line {
    pub(super) fn new(line: AuditLine, room: Room, run: &Arc<Waiting>) -> Arc<Self> {
        run.lines.send_modify(|lines| *lines += 1);
        Arc::new(Self {
            line,
            _room: room,
            waits: Waits(Arc::clone(run)),
        })
    }

    pub(super) fn line(&self) -> &AuditLine {
        &self.line
    }

    pub(super) fn is_of(&self, run: &Arc<Waiting>) -> bool {
        Arc::ptr_eq(&self.waits.0, run)
    }

    /// A sink has failed.
    pub(super) fn lost(&self, error: &io::Error) {
        tracing::error!(target: "sandbox_net::audit", %error, "an audit line is lost");
        self.waits.0.break_log();
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.lines.send_modify(|lines| *lines -= 1);
    }
}
