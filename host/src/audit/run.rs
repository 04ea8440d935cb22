//! The log of one run: where its lines go, and which records are still in the making.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::kept::{Denied, Full, Kept, Slot};
use super::{AuditLine, Shared, trace};
use crate::account::HostMemory;

/// The longest that the end of a run waits for records in the making: what makes them has ended, but
/// the runtime has not dropped it yet.
const PATIENCE: Duration = Duration::from_secs(1);

/// Why something is not recorded, and so not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unrecorded {
    /// A sink has lost a line.
    Sink,
    /// There is no room in memory, and no sink that has it.
    Memory,
}

/// A record that was written before what it is about is done.
#[derive(Debug, Clone, Copy)]
pub(super) struct Written {
    pub(super) slot: Slot,
}

impl Written {
    /// Whether the record of its exchange has room, too.
    pub(super) fn is_kept(self) -> bool {
        matches!(self.slot, Slot::Own(_))
    }
}

/// The log of one run.
#[derive(Default)]
pub(super) struct Run {
    pub(super) shared: Arc<Shared>,
    kept: Mutex<Kept>,
    open: watch::Sender<usize>,
}

/// Says that a record is in the making, for as long as it lives.
pub(super) struct Open(Arc<Run>);

impl Run {
    pub(super) fn new(shared: Arc<Shared>) -> Arc<Self> {
        Arc::new(Self {
            shared,
            kept: Mutex::default(),
            open: watch::Sender::default(),
        })
    }

    pub(super) fn open(self: &Arc<Self>) -> Open {
        self.open.send_modify(|open| *open += 1);
        Open(Arc::clone(self))
    }

    /// Waits until no record is in the making any more, and writes the numbers of what was counted.
    pub(super) async fn settle(&self) {
        let mut open = self.open.subscribe();
        let settled = open.wait_for(|open| *open == 0);
        if tokio::time::timeout(PATIENCE, settled).await.is_err() {
            tracing::warn!(target: "sandbox_net::audit", "records were still in the making when their run ended");
        }
        self.tell_counts();
    }

    /// Records what is about to be done. It may be done only where this succeeds. The error has
    /// where the line is, if some sink has it.
    pub(super) fn commit(
        &self,
        line: &AuditLine,
        has_exchange: bool,
    ) -> Result<Written, (Unrecorded, Option<Written>)> {
        if self.is_broken() {
            return Err((Unrecorded::Sink, None));
        }
        let has_sinks = !self.shared.sinks.is_empty();
        let allowed = self
            .kept()
            .allow(line, has_exchange, has_sinks, self.memory());
        let slot = allowed.map_err(|Full| (Unrecorded::Memory, None))?;
        let written = Written { slot };
        match self.write(line) {
            true => Ok(written),
            false => Err((Unrecorded::Sink, Some(written))),
        }
    }

    /// Completes what was written.
    pub(super) fn update(&self, written: Written, kept: AuditLine, line: &AuditLine) {
        self.kept().update(written.slot, kept, self.memory());
        self.write(line);
    }

    /// Records the end of something whose decision has taken the room for it.
    pub(super) fn finish(&self, line: AuditLine, has_room: bool) {
        self.write(&line);
        let mut kept = self.kept();
        match has_room {
            true => {
                kept.keep(line);
            }
            false => kept.drop_one(&line),
        }
    }

    /// Records a denial, or counts it.
    pub(super) fn deny(&self, line: &AuditLine) {
        let denied = self.kept().deny(line, self.memory());
        match denied {
            Denied::Kept => {
                self.write(line);
            }
            Denied::Counted(Some(record)) => {
                self.write(&AuditLine::Dropped(record));
            }
            Denied::Counted(None) => {}
        }
    }

    fn memory(&self) -> Option<&HostMemory> {
        self.shared.memory.get()
    }

    pub(super) fn is_broken(&self) -> bool {
        self.shared.is_broken.load(Ordering::Acquire)
    }

    pub(super) fn kept(&self) -> MutexGuard<'_, Kept> {
        // A panic elsewhere cannot leave a record half written.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a line to every sink; whether all have it.
    fn write(&self, line: &AuditLine) -> bool {
        trace(line);
        let mut is_written = true;
        for sink in &self.shared.sinks {
            if let Err(error) = sink.write(line) {
                tracing::error!(target: "sandbox_net::audit", %error, "an audit line is lost");
                self.shared.is_broken.store(true, Ordering::Release);
                is_written = false;
            }
        }
        is_written
    }

    /// Writes the numbers of what was counted.
    pub(super) fn tell_counts(&self) {
        let counts = self.kept().take_counts();
        for record in counts {
            self.write(&AuditLine::Dropped(record));
        }
    }
}

/// Writes what was counted when a run is dropped, whoever has its log by then.
pub(crate) struct AtEnd(pub(super) Arc<Run>);

impl Drop for AtEnd {
    fn drop(&mut self) {
        self.0.tell_counts();
    }
}

/// For logs without a sandbox's run.
impl Drop for Run {
    fn drop(&mut self) {
        self.tell_counts();
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.send_modify(|open| *open -= 1);
    }
}
