//! Counts how much of its budgets a sandbox has used.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use sandbox_net_egress::{Limit, Wire};
use sandbox_net_policy::{Budgets, Host};

/// What one sandbox has used, in all its runs.
pub(super) struct Meter {
    budgets: Budgets,
    state: Mutex<State>,
    up: Bytes,
    down: Bytes,
    lookups: AtomicU64,
    denials: AtomicU64,
}

/// This many connections may carry no request if few requests are allowed: clients keep a spare
/// one, try two at once, or check whether a server is there.
const SPARE: u64 = 100;

/// What was used up so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spent {
    pub(super) requests: u64,
    pub(super) bytes_up: u64,
    pub(super) bytes_down: u64,
    pub(super) hosts: u64,
    /// Since the first use of the network.
    pub(super) time: Duration,
    pub(super) lookups: u64,
    pub(super) denials: u64,
}

/// An opened connection. It counts as unused until it carries a request.
pub(super) struct Opened {
    meter: Arc<Meter>,
    has_carried: AtomicBool,
}

#[derive(Default)]
struct State {
    requests: u64,
    /// Connections that have not carried a request, open or closed.
    bare: u64,
    bare_in_second: Option<Bucket>,
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
    /// Something did not fit; from then on nothing fits, however small.
    is_over: AtomicBool,
}

/// A token bucket: it holds what may begin in one second, and fills at that rate.
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

    /// What was used up so far.
    pub(super) fn spent(&self) -> Spent {
        let state = self.state();
        let since = |begun: Instant| Instant::now().saturating_duration_since(begun);
        Spent {
            requests: state.requests,
            bytes_up: self.up.used.load(Ordering::Relaxed),
            bytes_down: self.down.used.load(Ordering::Relaxed),
            hosts: state.hosts.len() as u64,
            time: state.begun.map_or(Duration::ZERO, since),
            lookups: self.lookups.load(Ordering::Relaxed),
            denials: self.denials.load(Ordering::Relaxed),
        }
    }

    /// Counts a host before it is connected to or looked up.
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

    /// Counts a connection before it is opened. One on an existing session counts too: nothing is
    /// dialled, but it makes a line in the log. It counts until it carries a request.
    fn open(&self) -> Result<(), Limit> {
        let mut state = self.state();
        let most = self.budgets.requests.map(|most| most.max(SPARE));
        if most.is_some_and(|most| state.bare >= most) {
            return Err(Limit::Requests);
        }
        if !Bucket::take(&mut state.bare_in_second, self.connection_rate()) {
            return Err(Limit::ConnectionRate);
        }
        state.bare += 1;
        Ok(())
    }

    /// Uncounts a connection that has carried a request, which has budgets of its own.
    fn carried(&self) {
        let rate = self.connection_rate();
        let mut state = self.state();
        state.bare = state.bare.saturating_sub(1);
        Bucket::put_back(&mut state.bare_in_second, rate);
    }

    /// Counts the host of a lookup. The query itself is counted when it is sent.
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

    /// Checks that this many bytes still fit into the outgoing ones. They are counted when they are
    /// sent.
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
    /// waits and retries is not an attack.
    pub(super) fn limited(&self, limit: Limit) {
        if !limit.passes() {
            self.denied();
        }
    }

    /// Checks that not everything is denied because of too many denials.
    pub(super) fn check_denials(&self) -> Result<(), Limit> {
        let most = self.budgets.denials.unwrap_or(Budgets::DENIALS);
        match self.denials.load(Ordering::Relaxed) < most {
            true => Ok(()),
            false => Err(Limit::Denials),
        }
    }

    /// When the network ends, once it was used.
    pub(super) fn deadline(&self) -> Option<Instant> {
        // The clock is read by `spent`, too.
        let begun = *self.state().begun.get_or_insert_with(Instant::now);
        let time = self.budgets.time?;
        // Beyond what the clock can say there is no end.
        begun.checked_add(time)
    }

    /// Does the work within the remaining time.
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

    /// Refuses to dial if no byte may be sent or received any more: what a peer sends before the
    /// connection closes would have crossed the wire nevertheless.
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

impl Opened {
    /// Counts a connection.
    pub(super) fn new(meter: &Arc<Meter>) -> Result<Self, Limit> {
        meter.open()?;
        Ok(Self {
            meter: Arc::clone(meter),
            has_carried: AtomicBool::new(false),
        })
    }

    /// Notes that it carries a request, which was counted.
    pub(super) fn carries(&self) {
        if !self.has_carried.swap(true, Ordering::Relaxed) {
            self.meter.carried();
        }
    }
}

impl Bytes {
    /// Counts bytes; returns the sum.
    fn add(&self, bytes: u64) -> u64 {
        let before = self.used.fetch_add(bytes, Ordering::Relaxed);
        before.saturating_add(bytes)
    }

    /// Checks that this many more would fit.
    fn has_room(&self, bytes: u64, most: Option<u64>) -> Option<()> {
        let Some(most) = most else { return Some(()) };
        let used = self.used.load(Ordering::Relaxed);
        let fits = used.checked_add(bytes).is_some_and(|sum| sum <= most);
        if !fits {
            self.is_over.store(true, Ordering::Relaxed);
        }
        (!self.is_over.load(Ordering::Relaxed)).then_some(())
    }

    /// Counts bytes if all of them fit.
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

    /// Puts one back.
    fn put_back(bucket: &mut Option<Self>, rate: u32) {
        if let Some(bucket) = bucket {
            bucket.tokens = (bucket.tokens + 1.0).min(f64::from(rate));
        }
    }
}

#[cfg(test)]
mod tests;
