//! The monotonic clock of a guest: it goes on in a copy from where it was.

use std::time::{Duration, Instant};

use wasmtime_wasi::HostMonotonicClock;

/// A clock that shows `before` at its start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
    before: Duration,
}

impl Clock {
    pub(crate) fn after(before: Duration) -> Self {
        Self {
            start: Instant::now(),
            before,
        }
    }

    /// What it shows.
    pub(crate) fn shows(&self) -> Duration {
        self.before.saturating_add(self.start.elapsed())
    }
}

impl HostMonotonicClock for Clock {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        u64::try_from(self.shows().as_nanos()).unwrap_or(u64::MAX)
    }
}
