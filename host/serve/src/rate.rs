//! How many programs a tenant may start within any minute.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);

/// The starts of the last minute.
#[derive(Debug)]
pub(crate) struct Rate {
    most: Option<usize>,
    starts: Mutex<VecDeque<Instant>>,
}

impl Rate {
    pub(crate) fn new(most: Option<usize>) -> Self {
        Self {
            most,
            starts: Mutex::default(),
        }
    }

    /// Counts a start, or says after how many seconds there may be one.
    pub(crate) fn start(&self, now: Instant) -> Result<(), u64> {
        let Some(most) = self.most else {
            return Ok(());
        };
        let mut starts = self.starts.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(first) = starts.front()
            && now.duration_since(*first) >= MINUTE
        {
            starts.pop_front();
        }
        match starts.front() {
            Some(first) if starts.len() >= most => {
                let left = MINUTE.saturating_sub(now.duration_since(*first));
                Err(left.as_secs() + 1)
            }
            _ => {
                starts.push_back(now);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_minute_has_more_starts_than_may_be() {
        let rate = Rate::new(Some(2));
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        assert_eq!(rate.start(at(0)), Ok(()));
        assert_eq!(rate.start(at(30)), Ok(()));
        assert_eq!(rate.start(at(50)), Err(11));
        assert_eq!(rate.start(at(60)), Ok(()));
        assert_eq!(rate.start(at(61)), Err(30));
        assert_eq!(Rate::new(None).start(begin), Ok(()));
    }
}
