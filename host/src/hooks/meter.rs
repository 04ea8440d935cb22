//! How much of its budgets a sandbox has used.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::egress::Limit;
use crate::policy::{Budgets, Host};

/// What one sandbox has used, in all its runs.
pub(super) struct Meter {
    budgets: Budgets,
    state: Mutex<State>,
    up: AtomicU64,
    down: AtomicU64,
}

#[derive(Default)]
struct State {
    requests: u64,
    hosts: HashSet<Host>,
    begun: Option<Instant>,
    rate: Option<Bucket>,
}

/// A token bucket: it holds the requests of one second, and fills as fast.
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Meter {
    pub(super) fn new(budgets: Budgets) -> Self {
        Self {
            budgets,
            state: Mutex::default(),
            up: AtomicU64::new(0),
            down: AtomicU64::new(0),
        }
    }

    pub(super) fn budgets(&self) -> &Budgets {
        &self.budgets
    }

    /// Counts a host that is to be connected to.
    pub(super) fn connect(&self, host: &Host) -> Result<(), Limit> {
        self.check_time()?;
        let Some(most) = self.budgets.hosts else {
            return Ok(());
        };
        let mut state = self.state();
        if state.hosts.contains(host) {
            return Ok(());
        }
        if state.hosts.len() as u64 >= u64::from(most) {
            return Err(Limit::Hosts);
        }
        state.hosts.insert(host.clone());
        Ok(())
    }

    /// Whether a host may be looked up: that is not counted, but a host that could not be connected
    /// to any more is not asked about either.
    pub(super) fn lookup(&self, host: &Host) -> Result<(), Limit> {
        self.check_time()?;
        let Some(most) = self.budgets.hosts else {
            return Ok(());
        };
        let state = self.state();
        let is_full = state.hosts.len() as u64 >= u64::from(most);
        match is_full && !state.hosts.contains(host) {
            true => Err(Limit::Hosts),
            false => Ok(()),
        }
    }

    /// Counts a request.
    pub(super) fn request(&self) -> Result<(), Limit> {
        self.check_time()?;
        let mut state = self.state();
        if self
            .budgets
            .requests
            .is_some_and(|most| state.requests >= most)
        {
            return Err(Limit::Requests);
        }
        if let Some(rate) = self.budgets.requests_per_second {
            let full = || Bucket {
                tokens: f64::from(rate),
                at: Instant::now(),
            };
            let bucket = state.rate.get_or_insert_with(full);
            if !bucket.take(f64::from(rate)) {
                return Err(Limit::RequestRate);
            }
        }
        state.requests += 1;
        Ok(())
    }

    /// Counts bytes of requests.
    pub(super) fn up(&self, bytes: u64) -> Result<(), Limit> {
        add(&self.up, bytes, self.budgets.bytes_up).ok_or(Limit::BytesUp)
    }

    /// Counts bytes of responses.
    pub(super) fn down(&self, bytes: u64) -> Result<(), Limit> {
        add(&self.down, bytes, self.budgets.bytes_down).ok_or(Limit::BytesDown)
    }

    /// When the network ends, once it was used.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let time = self.budgets.time?;
        let mut state = self.state();
        let begun = *state.begun.get_or_insert_with(Instant::now);
        // Beyond what the clock can say there is no end.
        begun.checked_add(time)
    }

    /// Does the work, as far as the time goes.
    pub(super) async fn within_time<T>(&self, work: impl Future<Output = T>) -> Result<T, Limit> {
        match self.deadline() {
            Some(deadline) => tokio::time::timeout_at(deadline, work)
                .await
                .map_err(|_| Limit::Time),
            None => Ok(work.await),
        }
    }

    fn check_time(&self) -> Result<(), Limit> {
        match self.deadline() {
            Some(deadline) if deadline <= Instant::now() => Err(Limit::Time),
            _ => Ok(()),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bucket {
    fn take(&mut self, rate: f64) -> bool {
        let now = Instant::now();
        let passed: Duration = now.saturating_duration_since(self.at);
        self.tokens = (self.tokens + passed.as_secs_f64() * rate).min(rate);
        self.at = now;
        if self.tokens < 1.0 {
            return false;
        }
        self.tokens -= 1.0;
        true
    }
}

/// Adds where the sum stays within the bound; none where it would not. What did not fit is counted
/// too, so that nothing smaller fits after it.
fn add(used: &AtomicU64, bytes: u64, most: Option<u64>) -> Option<()> {
    let before = used.fetch_add(bytes, Ordering::Relaxed);
    let sum = before.saturating_add(bytes);
    most.is_none_or(|most| sum <= most).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> Host {
        Host::parse(text).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn each_budget_ends_at_its_own_number() {
        let meter = Meter::new(Budgets {
            requests: Some(5),
            requests_per_second: Some(2),
            bytes_up: Some(10),
            hosts: Some(1),
            time: Some(Duration::from_secs(60)),
            ..Budgets::default()
        });
        assert_eq!(meter.connect(&host("a.test")), Ok(()));
        assert_eq!(meter.connect(&host("a.test")), Ok(()));
        assert_eq!(meter.connect(&host("b.test")), Err(Limit::Hosts));
        assert_eq!((meter.request(), meter.request()), (Ok(()), Ok(())));
        assert_eq!(meter.request(), Err(Limit::RequestRate));
        tokio::time::advance(Duration::from_millis(600)).await;
        assert_eq!(meter.request(), Ok(()));
        assert_eq!(meter.request(), Err(Limit::RequestRate));
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!((meter.request(), meter.request()), (Ok(()), Ok(())));
        assert_eq!(meter.request(), Err(Limit::Requests));
        assert_eq!(meter.up(10), Ok(()));
        assert_eq!(meter.up(1), Err(Limit::BytesUp));
        assert_eq!(meter.down(u64::MAX), Ok(()));
        let forever = meter.within_time(std::future::pending::<()>());
        assert_eq!(forever.await, Err(Limit::Time));
        assert_eq!(meter.request(), Err(Limit::Time));
        assert_eq!(meter.connect(&host("a.test")), Err(Limit::Time));
    }

    #[test]
    fn a_budget_of_nothing_allows_nothing() {
        let meter = Meter::new(Budgets {
            requests: Some(0),
            bytes_down: Some(0),
            hosts: Some(0),
            ..Budgets::default()
        });
        assert_eq!(meter.request(), Err(Limit::Requests));
        assert_eq!(meter.down(1), Err(Limit::BytesDown));
        assert_eq!(meter.connect(&host("a.test")), Err(Limit::Hosts));
    }
}
