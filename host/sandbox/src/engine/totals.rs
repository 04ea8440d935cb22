//! What all sandboxes of an engine have together: how many they are, their programs' memory, and what
//! the host holds for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sandbox_net_egress::account::HostMemory;
use sandbox_net_gateway::Amount;
use serde::Serialize;

use super::bounds::EngineBounds;
use super::full::EngineFull;

/// How much an engine's sandboxes have together, of what its
/// [builder](crate::EngineBuilder) allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct EngineUsage {
    /// Sandboxes: [`max_sandboxes`](crate::EngineBuilder::max_sandboxes).
    pub sandboxes: Amount,
    /// Programs that run: [`max_running`](crate::EngineBuilder::max_running).
    pub running: Amount,
    /// Programs that wait for their turn: [`max_waiting`](crate::EngineBuilder::max_waiting).
    pub waiting: Amount,
    /// Bytes of the programs' memory: [`total_memory`](crate::EngineBuilder::total_memory).
    pub memory: Amount,
    /// Bytes of the host's memory: [`total_host_memory`](crate::EngineBuilder::total_host_memory).
    pub host_memory: Amount,
}

/// The counts of one engine, or of a part of one.
#[derive(Debug)]
pub(super) struct Totals {
    sandboxes: Arc<Total>,
    memory: Arc<Total>,
    host_memory: HostMemory,
    bounds: EngineBounds,
}

/// A count that never exceeds what is allowed.
#[derive(Debug)]
pub(crate) struct Total {
    most: u64,
    used: AtomicU64,
    /// The count that this one is a part of.
    whole: Option<Arc<Total>>,
}

/// A part of a count, until this is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    of: Arc<Total>,
    amount: u64,
}

impl Totals {
    pub(super) fn new(bounds: EngineBounds) -> Self {
        Self::within(bounds, None)
    }

    /// Counts of which each is also counted in those of the `whole`.
    pub(super) fn within(bounds: EngineBounds, whole: Option<&Self>) -> Self {
        let host_memory = bounds.host_memory.unwrap_or(u64::MAX);
        Self {
            sandboxes: Total::within(bounds.sandboxes, whole.map(|it| &it.sandboxes)),
            memory: Total::within(bounds.memory, whole.map(|it| &it.memory)),
            host_memory: HostMemory::within(host_memory, whole.map(|it| it.host_memory.clone())),
            bounds,
        }
    }

    /// Counts one more sandbox.
    pub(super) fn sandbox(&self) -> Result<Share, EngineFull> {
        let full = |of: &Total| EngineFull::Sandboxes { most: of.most };
        Total::take(&self.sandboxes, 1).ok_or_else(|| full(self.sandboxes.without_room(1)))
    }

    /// Takes the memory that a program begins with.
    pub(super) fn memory(&self, needed: u64) -> Result<Share, EngineFull> {
        let full = |of: &Total| EngineFull::Memory {
            most: of.most,
            used: of.used(),
            needed,
        };
        Total::take(&self.memory, needed).ok_or_else(|| full(self.memory.without_room(needed)))
    }

    /// The account that all accounts of sandboxes are within.
    pub(super) fn host_memory(&self) -> &HostMemory {
        &self.host_memory
    }

    pub(super) fn usage(&self, running: Amount, waiting: Amount) -> EngineUsage {
        let bounds = &self.bounds;
        EngineUsage {
            sandboxes: Amount::new(self.sandboxes.used(), bounds.sandboxes),
            running,
            waiting,
            memory: Amount::new(self.memory.used(), bounds.memory),
            host_memory: Amount::new(self.host_memory.used() as u64, bounds.host_memory),
        }
    }
}

impl Total {
    #[cfg(test)]
    pub(super) fn new(most: Option<u64>) -> Arc<Self> {
        Self::within(most, None)
    }

    fn within(most: Option<u64>, whole: Option<&Arc<Self>>) -> Arc<Self> {
        Arc::new(Self {
            most: most.unwrap_or(u64::MAX),
            used: AtomicU64::new(0),
            whole: whole.cloned(),
        })
    }

    pub(super) fn take(total: &Arc<Self>, amount: u64) -> Option<Share> {
        total.add(amount).then(|| Share {
            of: Arc::clone(total),
            amount,
        })
    }

    fn add(&self, amount: u64) -> bool {
        let fits = |used: u64| used.checked_add(amount).filter(|sum| *sum <= self.most);
        let order = Ordering::Relaxed;
        if self.used.fetch_update(order, order, fits).is_err() {
            return false;
        }
        let is_in_whole = self.whole.as_ref().is_none_or(|whole| whole.add(amount));
        if !is_in_whole {
            self.used.fetch_sub(amount, order);
        }
        is_in_whole
    }

    fn give_back(&self, amount: u64) {
        self.used.fetch_sub(amount, Ordering::Relaxed);
        if let Some(whole) = &self.whole {
            whole.give_back(amount);
        }
    }

    /// The count that has no room for this: a part, or its whole.
    fn without_room(&self, amount: u64) -> &Self {
        let fits = self.used().saturating_add(amount) <= self.most;
        match &self.whole {
            Some(whole) if fits => whole.without_room(amount),
            _ => self,
        }
    }

    fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }
}

impl Share {
    /// Grows it to `amount` if it is smaller. Returns whether there was room; if not, it stays as it was.
    pub(super) fn grow_to(&mut self, amount: u64) -> bool {
        let more = amount.saturating_sub(self.amount);
        let fits = self.of.add(more);
        if fits {
            self.amount += more;
        }
        fits
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.of.give_back(self.amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_is_free_again_and_what_does_not_fit_takes_nothing() {
        let total = Total::new(Some(10));
        let mut one = Total::take(&total, 6).unwrap();
        assert!(Total::take(&total, 5).is_none());
        assert!(Total::take(&total, u64::MAX).is_none());
        let two = Total::take(&total, 3).unwrap();
        assert!(!one.grow_to(8));
        assert!(one.grow_to(7) && one.grow_to(2));
        assert_eq!((one.amount, total.used()), (7, 10));
        drop(one);
        assert_eq!(total.used(), 3);
        drop(two);
        assert_eq!(total.used(), 0);
    }

    #[test]
    fn what_a_part_takes_is_taken_from_the_whole_and_neither_has_more_than_it_may() {
        let whole = Total::new(Some(10));
        let [one, two] = [6, 8].map(|most| Total::within(Some(most), Some(&whole)));
        let mut held = Total::take(&one, 5).unwrap();
        assert!(Total::take(&one, 2).is_none(), "the part is full");
        assert!(std::ptr::eq(one.without_room(2), &raw const *one));
        assert!(Total::take(&two, 6).is_none(), "the whole is full");
        assert!(std::ptr::eq(two.without_room(6), &raw const *whole));
        assert_eq!((one.used(), two.used(), whole.used()), (5, 0, 5));
        let other = Total::take(&two, 5).unwrap();
        assert!(!held.grow_to(6));
        assert_eq!((one.used(), two.used(), whole.used()), (5, 5, 10));
        drop(other);
        assert!(held.grow_to(6) && !held.grow_to(7));
        drop(held);
        assert_eq!((one.used(), two.used(), whole.used()), (0, 0, 0));
    }

    #[test]
    fn threads_that_race_never_take_more_than_there_is() {
        let total = Total::new(Some(1000));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for amount in (0..2000).map(|n| n % 700) {
                        if let Some(mut share) = Total::take(&total, amount) {
                            share.grow_to(amount + 100);
                            assert!(total.used() <= 1000);
                        }
                    }
                });
            }
        });
        assert_eq!(total.used(), 0);
    }

    #[test]
    fn each_refusal_says_what_is_full_and_what_to_raise() {
        let totals = Totals::new(EngineBounds {
            sandboxes: Some(1),
            memory: Some(100 << 20),
            host_memory: None,
        });
        let _one = totals.sandbox().unwrap();
        let text = "the engine has 1 sandbox, as many as it may have: drop one, or raise the engine's \
                    max_sandboxes";
        assert_eq!(totals.sandbox().unwrap_err().to_string(), text);
        let _held = totals.memory(60 << 20).unwrap();
        let text = "the engine's programs hold 60.0 MiB of the 100.0 MiB that they may have together, and \
                    another one begins with 41.0 MiB: wait until one has ended, or raise the engine's \
                    total_memory";
        assert_eq!(totals.memory(41 << 20).unwrap_err().to_string(), text);
        let running = Amount::new(0, None);
        let usage = totals.usage(running, running);
        assert_eq!(
            (usage.sandboxes.left, usage.memory.left),
            (Some(0), Some(40 << 20))
        );
        assert_eq!(usage.host_memory.limit, None);
    }
}
