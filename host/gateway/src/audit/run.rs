//! The log of one run: where its lines go, and which records are not complete yet.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::kept::{Denied, Full, Kept, Slot, size};
use super::waiting::{Line, Room, Waiting};
use super::writer::Writer;
use super::{AuditLine, DroppedRecord, Shared, trace};
use crate::bounds::{Bounds, ReachedBudget};
use sandbox_net_egress::account::{HostMemory, Reservation};

/// The longest that the end of a run waits for incomplete records: their work has ended, but the
/// runtime has not dropped it yet. Also the longest that a sink may take for one line.
const PATIENCE: Duration = Duration::from_secs(1);
/// The longest that the end of a run waits for sinks that take line after line.
const MOST_PATIENCE: Duration = Duration::from_secs(10);
/// How often the wait checks for progress.
const LOOK: Duration = Duration::from_millis(50);
/// The longest that dropping a run blocks its thread until its lines are written.
const DROPPED: Duration = Duration::from_millis(100);

/// Why something is not recorded, and so must not be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unrecorded {
    /// A sink has lost a line.
    Sink,
    /// There is no room in memory, and no sink that has it.
    Memory,
}

/// A record of what is about to be done, which a sink may have by now.
pub(super) struct Written {
    slot: Slot,
    /// The memory of the lines that will complete it.
    held: Option<Arc<Reservation>>,
    /// Whether every sink has it; only then it may be done.
    pub(super) is_certain: bool,
}

impl Written {
    /// The lines that will follow it.
    pub(super) fn following(&self) -> Following {
        Following {
            is_kept: matches!(self.slot, Slot::Own(_)),
            held: self.held.clone(),
        }
    }
}

/// What a decision has reserved for the record of its request.
#[derive(Default)]
pub(super) struct Following {
    is_kept: bool,
    held: Option<Arc<Reservation>>,
}

/// The log of one run.
pub(super) struct Run {
    pub(super) shared: Arc<Shared>,
    kept: Mutex<Kept>,
    open: watch::Sender<usize>,
    waiting: Arc<Waiting>,
    /// What each limit allows in this run, where that is less than in others.
    pub(super) bounds: OnceLock<Arc<Bounds>>,
    /// Whether the log is complete; changes with each record.
    news: watch::Sender<bool>,
}

/// Marks a record as incomplete for as long as it lives.
pub(super) struct Open(Arc<Run>);

impl Default for Run {
    fn default() -> Self {
        Self::of(Arc::default())
    }
}

impl Run {
    pub(super) fn new(shared: Arc<Shared>) -> Arc<Self> {
        Arc::new(Self::of(shared))
    }

    fn of(shared: Arc<Shared>) -> Self {
        Self {
            kept: Mutex::default(),
            open: watch::Sender::default(),
            waiting: Waiting::new(&shared.is_broken),
            bounds: OnceLock::new(),
            news: watch::Sender::default(),
            shared,
        }
    }

    /// The budget that a decision's rule or an exchange's error names.
    pub(super) fn budget(&self, of: Option<&str>) -> Option<ReachedBudget> {
        self.bounds()?.of(of?)
    }

    fn bounds(&self) -> Option<&Arc<Bounds>> {
        self.bounds.get().or_else(|| self.shared.bounds.get())
    }

    /// Changes with each record; true once the log is complete.
    pub(super) fn news(&self) -> watch::Receiver<bool> {
        self.news.subscribe()
    }

    fn tell_followers(&self) {
        self.news.send_modify(|_| ());
    }

    pub(super) fn open(self: &Arc<Self>) -> Open {
        self.open.send_modify(|open| *open += 1);
        Open(Arc::clone(self))
    }

    /// Waits until no record is incomplete, at most so long.
    pub(super) async fn pause(&self, most: Duration) {
        let mut open = self.open.subscribe();
        if *open.borrow() > 0 {
            let _ = tokio::time::timeout(most, open.wait_for(|open| *open == 0)).await;
        }
    }

    /// Waits until no record is incomplete, writes the counts, and waits until every sink has every
    /// line.
    pub(super) async fn settle(&self) {
        let mut open = self.open.subscribe();
        let settled = open.wait_for(|open| *open == 0);
        if tokio::time::timeout(PATIENCE, settled).await.is_err() {
            tracing::warn!(target: "sandbox_net::audit", "records were still in the making when their run ended");
        }
        // Wait for queued lines first, so that there are places for the counts.
        let begun = Instant::now();
        if self.written(begun).await {
            self.tell_counts();
        }
        if !self.written(begun).await {
            self.give_up();
        }
        self.news.send_replace(true);
    }

    /// Waits for the sinks as long as they take lines; returns whether they have all.
    async fn written(&self, begun: Instant) -> bool {
        loop {
            let written = self.waiting.written();
            if tokio::time::timeout(LOOK, written).await.is_ok() {
                return true;
            }
            if begun.elapsed() >= MOST_PATIENCE || self.stuck_for() >= PATIENCE {
                return false;
            }
        }
    }

    /// Ends a run that is dropped, without waiting for long. The lines that were not written yet
    /// are written later.
    fn end_now(&self) {
        self.news.send_replace(true);
        self.tell_counts();
        let begun = Instant::now();
        // A stuck sink blocks a thread only once for this long.
        while self.waiting.count() > 0 && self.stuck_for() < DROPPED {
            if begun.elapsed() >= DROPPED {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        if self.waiting.count() > 0 {
            self.give_up();
        }
    }

    /// How long a sink has been writing its current line.
    fn stuck_for(&self) -> Duration {
        let sinks = self.shared.sinks.iter();
        let stuck = sinks.map(Writer::stuck_for);
        stuck.max().unwrap_or_default()
    }

    /// Drops the lines that wait, and frees their memory.
    fn give_up(&self) {
        self.waiting.give_up();
        self.lose(self.waiting.count(), "a sink did not take them in time");
        for sink in &self.shared.sinks {
            sink.forget(&self.waiting);
        }
    }

    fn lose(&self, lines: usize, why: &str) {
        tracing::error!(target: "sandbox_net::audit", lines, why, "audit lines are lost");
        self.waiting.break_log();
    }

    /// Records what is about to be done. It may be done only if this succeeds. `written` tells where
    /// the record is from the moment a sink may have it, even if this future is dropped.
    pub(super) async fn commit(
        &self,
        line: AuditLine,
        has_exchange: bool,
        written: &mut Option<Written>,
    ) -> Result<(), Unrecorded> {
        if self.is_broken() {
            return Err(Unrecorded::Sink);
        }
        let has_sinks = self.has_sinks();
        let mut room = Room::default();
        if has_sinks {
            // The line itself, its update, and the line of its request.
            let lines = if has_exchange { 3 } else { 2 };
            room.held = self.hold(&line, lines).map_err(|Full| Unrecorded::Memory)?;
            room.place = self.shared.places.wait().await;
        }
        let allowed = self
            .kept()
            .allow(&line, has_exchange, has_sinks, self.memory());
        self.tell_followers();
        let written = written.insert(Written {
            slot: allowed.map_err(|Full| Unrecorded::Memory)?,
            held: room.held.clone(),
            is_certain: false,
        });
        let mut are_told = true;
        for told in self.hand_over(line, room, Writer::push_and_tell) {
            are_told &= told.await.unwrap_or(false);
        }
        // An earlier line may be lost, too.
        written.is_certain = are_told && !self.is_broken();
        match written.is_certain {
            true => Ok(()),
            false => Err(Unrecorded::Sink),
        }
    }

    /// Completes what was written.
    pub(super) fn update(&self, written: &Written, kept: AuditLine, line: AuditLine) {
        self.kept().update(written.slot, kept, self.memory());
        self.tell_followers();
        self.pass_on_after(line, written.held.clone());
    }

    /// Records the end of something whose decision has reserved the room for it.
    pub(super) fn finish(&self, line: AuditLine, following: &Following) {
        self.pass_on_after(line.clone(), following.held.clone());
        let mut kept = self.kept();
        match following.is_kept {
            true => {
                kept.keep(line);
            }
            false => kept.drop_one(&line),
        }
        drop(kept);
        self.tell_followers();
    }

    /// Records a denial, or counts it.
    pub(super) fn deny(&self, line: AuditLine) {
        let room = self.room(&line);
        let denied = self.kept().deny(&line, room.is_ok(), self.memory());
        self.tell_followers();
        match (denied, room) {
            (Denied::Kept, Ok(room)) => self.pass_on(line, room),
            (Denied::Counted(Some(record)), _) => {
                if let Err(record) = self.tell(record) {
                    self.kept().put_back(&record);
                }
            }
            (Denied::Kept, Err(Full)) | (Denied::Counted(None), _) => {}
        }
    }

    fn memory(&self) -> Option<&HostMemory> {
        self.shared.memory.get()
    }

    pub(super) fn is_broken(&self) -> bool {
        self.shared.is_broken.load(Ordering::Acquire)
    }

    fn has_sinks(&self) -> bool {
        !self.shared.sinks.is_empty()
    }

    pub(super) fn kept(&self) -> MutexGuard<'_, Kept> {
        // A panic elsewhere cannot leave a record half written.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reserves memory for this many lines that are about as long as this one.
    fn hold(&self, line: &AuditLine, lines: usize) -> Result<Option<Arc<Reservation>>, Full> {
        let Some(memory) = self.memory() else {
            return Ok(None);
        };
        let held = memory.reserve(lines * size(line));
        held.map(|held| Some(Arc::new(held))).map_err(|_| Full)
    }

    /// Room for a line that nobody waits for.
    fn room(&self, line: &AuditLine) -> Result<Room, Full> {
        if !self.has_sinks() {
            return Ok(Room::default());
        }
        let place = Some(self.shared.places.take().ok_or(Full)?);
        let held = self.hold(line, 1)?;
        Ok(Room { place, held })
    }

    /// Hands a line to every sink.
    fn hand_over<T>(
        &self,
        line: AuditLine,
        room: Room,
        push: impl Fn(&Writer, Arc<Line>) -> T,
    ) -> Vec<T> {
        trace(&line);
        if !self.has_sinks() {
            return Vec::new();
        }
        if self.waiting.is_given_up() {
            self.lose(1, "a sink did not take those before it in time");
            return Vec::new();
        }
        let line = Line::new(line, room, &self.waiting);
        let sinks = self.shared.sinks.iter();
        sinks.map(|sink| push(sink, Arc::clone(&line))).collect()
    }

    fn pass_on(&self, line: AuditLine, room: Room) {
        self.hand_over(line, room, Writer::push);
    }

    /// Passes on an update of another line, sharing its memory.
    fn pass_on_after(&self, line: AuditLine, held: Option<Arc<Reservation>>) {
        self.pass_on(line, Room { place: None, held });
    }

    /// Passes on a count of denials, if there is room.
    fn tell(&self, record: DroppedRecord) -> Result<(), DroppedRecord> {
        let line = AuditLine::Dropped(record.clone());
        let room = self.room(&line).map_err(|Full| record)?;
        self.pass_on(line, room);
        Ok(())
    }

    /// Writes the counts.
    fn tell_counts(&self) {
        let counts = self.kept().take_counts();
        let told = counts.into_iter().map(|record| self.tell(record));
        let lost = told.filter(Result::is_err).count();
        if lost > 0 {
            self.lose(lost, "there is no room for them");
        }
    }
}

/// Writes the counts when a run is dropped, whoever has its log by then.
pub struct AtEnd(pub(super) Arc<Run>);

impl std::fmt::Debug for AtEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AtEnd")
    }
}

impl Drop for AtEnd {
    fn drop(&mut self) {
        self.0.end_now();
    }
}

/// Ends logs that have no sandbox's run.
impl Drop for Run {
    fn drop(&mut self) {
        self.end_now();
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.send_modify(|open| *open -= 1);
    }
}
