//! What a pool tells about itself.

use std::time::Duration;

use serde::Serialize;

/// What a [`Pool`](crate::Pool) does at the moment, and what it has done since it was built.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PoolStats {
    /// Sandboxes that are ready.
    pub ready: usize,
    /// Sandboxes that were given to callers and are not yet gone, with their runs.
    pub in_use: usize,
    /// Callers that wait.
    pub waiting: usize,
    /// Sandboxes that are being made.
    pub making: usize,
    /// Sandboxes that were made.
    pub made: u64,
    /// Sandboxes that could not be made.
    pub failed: u64,
    /// Why the last one that could not be made could not; `None` since one was made again.
    pub last_failure: Option<String>,
    /// Sandboxes that were given to callers.
    pub given: u64,
    /// Those among them for which nobody had to wait.
    pub given_at_once: u64,
    /// Callers that were refused, because too many waited or none was ready.
    pub refused: u64,
    /// How long it takes to make one.
    pub making_time: MakingTime,
    /// Whether the pool was closed.
    pub closed: bool,
}

/// How long it takes a pool to make a sandbox. In JSON these are seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MakingTime {
    /// The mean of all.
    #[serde(serialize_with = "seconds")]
    pub mean: Duration,
    /// The last one's.
    #[serde(serialize_with = "seconds")]
    pub last: Duration,
    /// The slowest one's.
    #[serde(serialize_with = "seconds")]
    pub longest: Duration,
}

fn seconds<S: serde::Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(time.as_secs_f64())
}

/// What was counted.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) made: u64,
    pub(super) failed: u64,
    pub(super) last_failure: Option<String>,
    pub(super) given: u64,
    pub(super) given_at_once: u64,
    pub(super) refused: u64,
    total: Duration,
    last: Duration,
    longest: Duration,
}

impl Counts {
    pub(super) fn made(&mut self, took: Duration) {
        self.made += 1;
        self.last_failure = None;
        self.total += took;
        self.last = took;
        self.longest = self.longest.max(took);
    }

    pub(super) fn failed(&mut self, why: String) {
        self.failed += 1;
        self.last_failure = Some(why);
    }

    pub(super) fn making_time(&self) -> MakingTime {
        let made = u32::try_from(self.made).unwrap_or(u32::MAX).max(1);
        MakingTime {
            mean: self.total / made,
            last: self.last,
            longest: self.longest,
        }
    }
}
