//! How long a guest has computed, and whether it computes more than it waits.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What a guest may compute in one go before others go first.
const BURST: Duration = Duration::from_millis(100);
/// What part of the time that passes it may compute again: one of so many.
const SHARE: u32 = 16;

/// The processor time of one guest.
#[derive(Debug)]
pub(crate) struct Usage {
    used: AtomicU64,
    credit: Mutex<Credit>,
}

/// What is left of the burst.
#[derive(Debug)]
struct Credit {
    left: Duration,
    at: Instant,
}

impl Usage {
    pub(crate) fn new() -> Self {
        Self {
            used: AtomicU64::new(0),
            credit: Mutex::new(Credit {
                left: BURST,
                at: Instant::now(),
            }),
        }
    }

    /// Adds the time of one turn.
    pub(crate) fn charge(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.used.fetch_add(nanos, Ordering::Relaxed);
        let mut credit = self.credit.lock().unwrap_or_else(PoisonError::into_inner);
        credit.spend(time, Instant::now());
    }

    /// The time of all turns that have ended.
    pub(crate) fn used(&self) -> Duration {
        Duration::from_nanos(self.used.load(Ordering::Relaxed))
    }

    /// Whether it has used up what it may compute in one go.
    pub(crate) fn is_computing(&self) -> bool {
        let credit = self.credit.lock().unwrap_or_else(PoisonError::into_inner);
        credit.left.is_zero()
    }
}

impl Credit {
    fn spend(&mut self, time: Duration, now: Instant) {
        let passed = now.saturating_duration_since(self.at);
        let left = self.left.saturating_add(passed / SHARE).min(BURST);
        self.left = left.saturating_sub(time);
        self.at = now;
    }
}

/// The processor time of this thread.
#[cfg(unix)]
pub(super) fn thread_time() -> Duration {
    use rustix::time::{ClockId, clock_gettime};

    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u32::try_from(time.tv_nsec).unwrap_or(0);
    Duration::new(seconds, nanos)
}

/// The time of the clock on the wall, where there is no other one.
#[cfg(not(unix))]
pub(super) fn thread_time() -> Duration {
    static START: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
    START.elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_computes_without_end_uses_its_credit_up_and_who_waits_gets_it_back() {
        let start = Instant::now();
        let mut credit = Credit {
            left: BURST,
            at: start,
        };
        let slice = Duration::from_millis(2);
        let mut now = start;
        for _ in 0..60 {
            now += slice;
            credit.spend(slice, now);
        }
        assert!(credit.left.is_zero());
        now += Duration::from_secs(1);
        credit.spend(Duration::ZERO, now);
        assert_eq!(credit.left, Duration::from_secs(1) / SHARE);
        now += Duration::from_secs(60);
        credit.spend(slice, now);
        assert_eq!(credit.left, BURST - slice);
    }

    #[test]
    fn a_guest_that_mostly_waits_never_counts_as_one_that_computes() {
        let mut now = Instant::now();
        let mut credit = Credit {
            left: BURST,
            at: now,
        };
        for _ in 0..1000 {
            now += Duration::from_millis(32);
            credit.spend(Duration::from_millis(2), now);
            assert!(!credit.left.is_zero());
        }
    }
}
