//! How much of its budgets a sandbox has used.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::egress::{Limit, Wire};
use crate::policy::{Budgets, Host};

/// What one sandbox has used, in all its runs.
pub(super) struct Meter {
    budgets: Budgets,
    state: Mutex<State>,
    up: Bytes,
    down: Bytes,
    lookups: AtomicU64,
    denials: AtomicU64,
}

#[derive(Default)]
struct State {
    requests: u64,
    hosts: HashSet<Host>,
    begun: Option<Instant>,
    requests_in_second: Option<Bucket>,
    connections_in_second: Option<Bucket>,
    questions_in_second: Option<Bucket>,
}

/// Bytes in one direction.
#[derive(Default)]
struct Bytes {
    used: AtomicU64,
    /// Something did not fit: nothing smaller fits after it.
    is_over: AtomicBool,
}

/// A token bucket: it holds what may begin in one second, and fills as fast.
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Meter {
    pub(super) fn new(budgets: Budgets) -> Self {
        Self {
            budgets,
            state: Mutex::default(),
            up: Bytes::default(),
            down: Bytes::default(),
            lookups: AtomicU64::new(0),
            denials: AtomicU64::new(0),
        }
    }

    pub(super) fn budgets(&self) -> &Budgets {
        &self.budgets
    }

    /// Counts a host that is to be connected to, or that is to be asked for.
    pub(super) fn connect(&self, host: &Host) -> Result<(), Limit> {
        self.check_time()?;
        self.check_bytes()?;
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

    /// Counts the host of a lookup. The question itself is counted when it is asked.
    pub(super) fn lookup(&self, host: &Host) -> Result<(), Limit> {
        if self.lookups.load(Ordering::Relaxed) >= self.most_lookups() {
            return Err(Limit::Lookups);
        }
        self.connect(host)
    }

    /// Counts a request.
    pub(super) fn request(&self) -> Result<(), Limit> {
        self.check_time()?;
        self.check_bytes()?;
        let mut state = self.state();
        if self
            .budgets
            .requests
            .is_some_and(|most| state.requests >= most)
        {
            return Err(Limit::Requests);
        }
        if let Some(rate) = self.budgets.requests_per_second
            && !Bucket::take(&mut state.requests_in_second, rate)
        {
            return Err(Limit::RequestRate);
        }
        state.requests += 1;
        Ok(())
    }

    /// Whether so many bytes would still fit into those that go out. They are counted when they go.
    pub(super) fn has_room_up(&self, bytes: u64) -> Result<(), Limit> {
        self.up
            .has_room(bytes, self.budgets.bytes_up)
            .ok_or(Limit::BytesUp)
    }

    /// Counts an attempt that was denied.
    pub(super) fn denied(&self) {
        self.denials.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an attempt that a limit refused as denied, unless it may succeed later: a program that
    /// waits and tries again is no attack.
    pub(super) fn limited(&self, limit: Limit) {
        if !limit.passes() {
            self.denied();
        }
    }

    /// Whether nothing is allowed any more, since so much was denied.
    pub(super) fn check_denials(&self) -> Result<(), Limit> {
        let most = self.budgets.denials.unwrap_or(Budgets::DENIALS);
        match self.denials.load(Ordering::Relaxed) < most {
            true => Ok(()),
            false => Err(Limit::Denials),
        }
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

    /// Where no byte can come or go any more nobody is dialled: what a peer has sent by the time that
    /// the connection closes would have crossed the wire all the same.
    fn check_bytes(&self) -> Result<(), Limit> {
        self.room()?;
        match self.up.is_over.load(Ordering::Relaxed) {
            true => Err(Limit::BytesUp),
            false => Ok(()),
        }
    }

    fn connection_rate(&self) -> u32 {
        self.budgets.connection_rate()
    }

    fn most_lookups(&self) -> u64 {
        self.budgets.lookups.unwrap_or(Budgets::LOOKUPS)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wire for Meter {
    fn room(&self) -> Result<usize, Limit> {
        let Some(most) = self.budgets.bytes_down else {
            return Ok(usize::MAX);
        };
        let left = most.checked_sub(self.down.used.load(Ordering::Relaxed));
        let left = left.ok_or(Limit::BytesDown)?;
        Ok(usize::try_from(left).map_or(usize::MAX, |left| left.saturating_add(1)))
    }

    fn read(&self, bytes: usize) -> Result<(), Limit> {
        let used = self.down.add(bytes as u64);
        match self.budgets.bytes_down.is_none_or(|most| used <= most) {
            true => Ok(()),
            false => Err(Limit::BytesDown),
        }
    }

    fn write(&self, bytes: usize) -> Result<(), Limit> {
        self.up
            .take(bytes as u64, self.budgets.bytes_up)
            .ok_or(Limit::BytesUp)
    }

    fn unwritten(&self, bytes: usize) {
        self.up.used.fetch_sub(bytes as u64, Ordering::Relaxed);
    }

    fn dial(&self) -> Result<(), Limit> {
        let rate = self.connection_rate();
        match Bucket::take(&mut self.state().connections_in_second, rate) {
            true => Ok(()),
            false => Err(Limit::ConnectionRate),
        }
    }

    fn ask(&self) -> Result<(), Limit> {
        let rate = self.connection_rate();
        if !Bucket::take(&mut self.state().questions_in_second, rate) {
            return Err(Limit::ConnectionRate);
        }
        let most = self.most_lookups();
        let count = |asked: u64| (asked < most).then_some(asked + 1);
        self.lookups
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, count)
            .map_or(Err(Limit::Lookups), |_| Ok(()))
    }
}

impl Bytes {
    /// Counts bytes; the sum.
    fn add(&self, bytes: u64) -> u64 {
        let before = self.used.fetch_add(bytes, Ordering::Relaxed);
        before.saturating_add(bytes)
    }

    /// Whether so many more would fit.
    fn has_room(&self, bytes: u64, most: Option<u64>) -> Option<()> {
        let Some(most) = most else { return Some(()) };
        let used = self.used.load(Ordering::Relaxed);
        let fits = used.checked_add(bytes).is_some_and(|sum| sum <= most);
        if !fits {
            self.is_over.store(true, Ordering::Relaxed);
        }
        (!self.is_over.load(Ordering::Relaxed)).then_some(())
    }

    /// Counts bytes that fit, and none that do not.
    fn take(&self, bytes: u64, most: Option<u64>) -> Option<()> {
        let Some(most) = most else {
            self.add(bytes);
            return Some(());
        };
        let sum = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= most);
        if self.is_over.load(Ordering::Relaxed) {
            return None;
        }
        let taken = self
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, sum);
        if taken.is_err() {
            self.is_over.store(true, Ordering::Relaxed);
        }
        taken.ok().map(drop)
    }
}

impl Bucket {
    /// Takes one out of the bucket, which begins full.
    fn take(bucket: &mut Option<Self>, rate: u32) -> bool {
        let (now, rate) = (Instant::now(), f64::from(rate));
        let bucket = bucket.get_or_insert(Self {
            tokens: rate,
            at: now,
        });
        let passed: Duration = now.saturating_duration_since(bucket.at);
        bucket.tokens = (bucket.tokens + passed.as_secs_f64() * rate).min(rate);
        bucket.at = now;
        if bucket.tokens < 1.0 {
            return false;
        }
        bucket.tokens -= 1.0;
        true
    }
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
        assert_eq!((meter.has_room_up(10), meter.write(10)), (Ok(()), Ok(())));
        meter.unwritten(4);
        assert_eq!(meter.write(4), Ok(()));
        assert_eq!(meter.read(usize::MAX), Ok(()));
        assert_eq!(meter.room(), Ok(usize::MAX));
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
        assert_eq!(meter.connect(&host("a.test")), Err(Limit::Hosts));
        assert_eq!(meter.room(), Ok(1), "to see whether there is an end");
        assert_eq!(meter.read(0), Ok(()));
        assert_eq!(meter.read(1), Err(Limit::BytesDown));
        assert_eq!(meter.room(), Err(Limit::BytesDown));
    }

    #[test]
    fn what_does_not_fit_ends_the_bytes_that_go_out_and_is_not_sent() {
        let meter = Meter::new(Budgets {
            bytes_up: Some(10),
            ..Budgets::default()
        });
        assert_eq!(meter.write(6), Ok(()));
        assert_eq!(meter.write(5), Err(Limit::BytesUp));
        assert_eq!(meter.write(1), Err(Limit::BytesUp));
        meter.unwritten(6);
        assert_eq!(meter.write(1), Err(Limit::BytesUp));
        assert_eq!(meter.has_room_up(0), Err(Limit::BytesUp));
        assert_eq!(meter.request(), Err(Limit::BytesUp));
        assert_eq!(meter.connect(&host("a.test")), Err(Limit::BytesUp));
    }

    #[test]
    fn bytes_that_come_in_end_one_byte_beyond_the_budget() {
        let meter = Meter::new(Budgets {
            bytes_down: Some(10),
            ..Budgets::default()
        });
        assert_eq!((meter.room(), meter.read(4)), (Ok(11), Ok(())));
        assert_eq!((meter.room(), meter.read(6)), (Ok(7), Ok(())));
        assert_eq!((meter.room(), meter.read(0)), (Ok(1), Ok(())));
        assert_eq!(meter.connect(&host("a.test")), Ok(()));
        assert_eq!(meter.read(1), Err(Limit::BytesDown));
        assert_eq!(meter.room(), Err(Limit::BytesDown));
        assert_eq!(meter.request(), Err(Limit::BytesDown));
        assert_eq!(meter.connect(&host("a.test")), Err(Limit::BytesDown));
    }

    #[tokio::test(start_paused = true)]
    async fn names_connections_and_denials_are_bounded_where_no_budget_says_so_too() {
        let budgets = |lookups, connections_per_second, denials| Budgets {
            lookups,
            connections_per_second,
            denials,
            ..Budgets::default()
        };
        for (budgets, lookups, connections, denials) in [
            (budgets(Some(3), Some(2), Some(1)), 3, 2, 1),
            (
                Budgets::default(),
                Budgets::LOOKUPS,
                u64::from(Budgets::CONNECTIONS_PER_SECOND),
                Budgets::DENIALS,
            ),
        ] {
            let meter = Meter::new(budgets);
            for asked in 0..lookups {
                if asked > 0 && asked % connections == 0 {
                    assert_eq!(meter.ask(), Err(Limit::ConnectionRate));
                    tokio::time::advance(Duration::from_secs(1)).await;
                }
                assert_eq!(meter.lookup(&host("a.test")), Ok(()));
                assert_eq!(meter.ask(), Ok(()));
            }
            tokio::time::advance(Duration::from_secs(1)).await;
            assert_eq!(meter.ask(), Err(Limit::Lookups));
            assert_eq!(meter.lookup(&host("a.test")), Err(Limit::Lookups));
            for _ in 0..2 {
                assert!((0..connections).all(|_| meter.dial().is_ok()));
                assert_eq!(meter.dial(), Err(Limit::ConnectionRate));
                tokio::time::advance(Duration::from_secs(1)).await;
            }
            for _ in 0..denials {
                assert_eq!(meter.check_denials(), Ok(()));
                meter.denied();
            }
            assert_eq!(meter.check_denials(), Err(Limit::Denials));
        }
        assert_eq!(
            Meter::new(budgets(Some(0), None, Some(0))).ask(),
            Err(Limit::Lookups)
        );
    }

    #[test]
    fn a_program_that_waits_for_its_turn_is_not_shut_out() {
        let meter = Meter::new(Budgets {
            denials: Some(1),
            ..Budgets::default()
        });
        for limit in [
            Limit::RequestRate,
            Limit::ConnectionRate,
            Limit::Connections,
            Limit::HostMemory,
        ] {
            meter.limited(limit);
            assert_eq!(meter.check_denials(), Ok(()), "{limit:?}");
        }
        meter.limited(Limit::Hosts);
        assert_eq!(meter.check_denials(), Err(Limit::Denials));
    }

    #[test]
    fn a_host_that_is_asked_for_is_counted_like_one_that_is_connected_to() {
        let meter = Meter::new(Budgets {
            hosts: Some(1),
            ..Budgets::default()
        });
        assert_eq!(meter.lookup(&host("a.test")), Ok(()));
        assert_eq!(meter.connect(&host("a.test")), Ok(()));
        assert_eq!(meter.lookup(&host("b.test")), Err(Limit::Hosts));
        assert_eq!(meter.connect(&host("b.test")), Err(Limit::Hosts));
    }
}
