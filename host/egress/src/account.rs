//! Counts the memory of the host that is held on behalf of one guest.
//!
//! One account bounds everything that a guest or its peers can make the host keep: whoever keeps
//! something first takes a [`Reservation`] of its real cost, and returns it by dropping it. What is
//! taken from an account within another one is taken from both.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::limit::Limit;
use sandbox_net_policy::Budgets;

/// No buffer is larger than one over this number of the account.
const PARTS: usize = 128;

/// The account of one sandbox. Clones share the account.
#[derive(Debug, Clone)]
pub struct HostMemory(Arc<Account>);

#[derive(Debug)]
struct Account {
    limit: usize,
    used: AtomicUsize,
    /// The account of a whole process, if there is one.
    total: Option<HostMemory>,
}

/// Bytes that are reserved from an account until this is dropped.
#[derive(Debug)]
pub struct Reservation {
    memory: HostMemory,
    bytes: usize,
}

impl Default for HostMemory {
    fn default() -> Self {
        Self::new(Budgets::HOST_MEMORY)
    }
}

impl HostMemory {
    /// Makes an account of `limit` bytes.
    pub fn new(limit: u64) -> Self {
        Self::within(limit, None)
    }

    /// Makes an account of `limit` bytes, each of which is also taken from `total`.
    pub fn within(limit: u64, total: Option<HostMemory>) -> Self {
        Self(Arc::new(Account {
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
            used: AtomicUsize::new(0),
            total,
        }))
    }

    /// Reserves `bytes`.
    ///
    /// # Errors
    ///
    /// [`Limit::HostMemory`] if the account does not have them, [`Limit::TotalHostMemory`] if the one
    /// that it is within does not; then nothing is reserved.
    pub fn reserve(&self, bytes: usize) -> Result<Reservation, Limit> {
        self.take(bytes)?;
        Ok(Reservation {
            memory: self.clone(),
            bytes,
        })
    }

    /// Reserves a buffer of `least` to `most` bytes: `most` while the account is full, and less as
    /// it empties, so that a thousand buffers fit where a few large ones would have been quicker.
    ///
    /// # Errors
    ///
    /// As [`reserve`](Self::reserve), if not even `least` is free.
    pub fn reserve_share(&self, least: usize, most: usize) -> Result<Reservation, Limit> {
        self.reserve(self.share(least, most))
    }

    /// `most` times the square of the part of the account that is free, and at least `least`. It is
    /// always a small part of a small account.
    ///
    /// With the square, `n` buffers leave `1 / (1 + n * most / limit)` of the account.
    pub fn share(&self, least: usize, most: usize) -> usize {
        let (free, limit) = (self.left() as u128, self.0.limit.max(1) as u128);
        let most = most.min(self.0.limit / PARTS).max(least);
        let share = most as u128 * free / limit * free / limit;
        let share = usize::try_from(share).unwrap_or(usize::MAX);
        let share = share.clamp(least, most);
        match &self.0.total {
            Some(total) => total.share(least, share),
            None => share,
        }
    }

    /// The bytes that are free.
    pub fn free(&self) -> usize {
        let total = self.0.total.as_ref().map_or(usize::MAX, Self::free);
        self.left().min(total)
    }

    fn left(&self) -> usize {
        self.0.limit - self.used()
    }

    /// Whether one over `part` of the account stays free when `bytes` are taken, and of the one that it is
    /// within.
    pub fn leaves(&self, bytes: usize, part: usize) -> bool {
        let left = bytes.saturating_add(self.0.limit / part);
        let total = self.0.total.as_ref();
        left <= self.left() && total.is_none_or(|total| total.leaves(bytes, part))
    }

    /// Which of the two limits has less left: the one that a refusal is about, where only the refusal
    /// is known.
    pub fn nearest(&self) -> Limit {
        match &self.0.total {
            Some(total) if total.left() < self.left() => Limit::TotalHostMemory,
            _ => Limit::HostMemory,
        }
    }

    /// The bytes that are reserved.
    pub fn used(&self) -> usize {
        self.0.used.load(Ordering::Relaxed)
    }

    /// The bytes of the account.
    pub fn limit(&self) -> usize {
        self.0.limit
    }

    fn take(&self, bytes: usize) -> Result<(), Limit> {
        let fits = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= self.0.limit);
        let taken = self
            .0
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits);
        taken.map_err(|_| Limit::HostMemory)?;
        let Some(total) = &self.0.total else {
            return Ok(());
        };
        total.take(bytes).map_err(|_| {
            self.0.used.fetch_sub(bytes, Ordering::Relaxed);
            Limit::TotalHostMemory
        })
    }

    fn give_back(&self, bytes: usize) {
        self.0.used.fetch_sub(bytes, Ordering::Relaxed);
        if let Some(total) = &self.0.total {
            total.give_back(bytes);
        }
    }
}

impl Reservation {
    /// The bytes that it has.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Reserves `bytes` more.
    ///
    /// # Errors
    ///
    /// As [`HostMemory::reserve`]; the reservation then stays as it was.
    pub fn grow(&mut self, bytes: usize) -> Result<(), Limit> {
        self.memory.take(bytes)?;
        self.bytes += bytes;
        Ok(())
    }

    /// Grows the reservation to `bytes` if it is smaller.
    ///
    /// # Errors
    ///
    /// As [`grow`](Self::grow).
    pub fn grow_to(&mut self, bytes: usize) -> Result<(), Limit> {
        self.grow(bytes.saturating_sub(self.bytes))
    }

    /// Grows or shrinks the reservation to `bytes`.
    ///
    /// # Errors
    ///
    /// As [`grow`](Self::grow).
    pub fn change_to(&mut self, bytes: usize) -> Result<(), Limit> {
        self.shrink_to(bytes);
        self.grow_to(bytes)
    }

    /// Shrinks the reservation to `bytes` if it is larger.
    pub fn shrink_to(&mut self, bytes: usize) {
        let surplus = self.bytes.saturating_sub(bytes);
        self.memory.give_back(surplus);
        self.bytes -= surplus;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.memory.give_back(self.bytes);
    }
}

/// What a block of `length` bytes costs on the heap: no allocator uses less than this.
pub const fn block(length: usize) -> usize {
    let with_header = (length + 8).next_multiple_of(16);
    if with_header < 32 { 32 } else { with_header }
}

/// What a list of byte strings costs: each element has an entry in the list and a block of its own.
pub fn strings<'a>(list: impl IntoIterator<Item = &'a [u8]>) -> usize {
    let cost = |bytes: &[u8]| size_of::<Vec<u8>>() + block(bytes.len());
    list.into_iter().map(cost).sum()
}

/// What a list of fields costs.
pub fn fields(list: &[(Vec<u8>, Vec<u8>)]) -> usize {
    strings(
        list.iter()
            .flat_map(|(name, value)| [&name[..], &value[..]]),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_dropped_is_free_again_and_what_does_not_fit_takes_nothing() {
        let memory = HostMemory::new(100);
        let mut first = memory.reserve(60).unwrap();
        assert_eq!(memory.reserve(41).unwrap_err(), Limit::HostMemory);
        assert_eq!(memory.reserve(usize::MAX).unwrap_err(), Limit::HostMemory);
        assert_eq!(first.grow(41), Err(Limit::HostMemory));
        assert_eq!((first.bytes(), memory.used()), (60, 60));
        let rest = memory.clone().reserve(40).unwrap();
        assert_eq!(memory.free(), 0);
        first.shrink_to(50);
        first.shrink_to(70);
        assert_eq!((first.bytes(), memory.free()), (50, 10));
        assert_eq!(first.grow_to(60), Ok(()));
        assert_eq!(first.grow_to(10), Ok(()));
        assert_eq!((first.bytes(), memory.free()), (60, 0));
        assert_eq!(first.change_to(61), Err(Limit::HostMemory));
        assert_eq!((first.change_to(20), memory.free()), (Ok(()), 40));
        assert_eq!((first.change_to(60), memory.free()), (Ok(()), 0));
        drop((first, rest));
        assert_eq!(memory.used(), 0);
    }

    #[test]
    fn a_thousand_buffers_fit_where_a_few_would_be_large() {
        let memory = HostMemory::new(64 << 20);
        let held: Vec<_> = (0..1000)
            .map(|_| memory.reserve_share(8 << 10, 256 << 10).unwrap())
            .collect();
        assert_eq!(held[0].bytes(), 256 << 10);
        assert!(held.iter().is_sorted_by(|a, b| a.bytes() >= b.bytes()));
        assert!(memory.free() > 8 << 20, "{}", memory.free());
    }

    #[test]
    fn what_several_accounts_take_together_is_bounded_by_the_one_that_they_are_within() {
        let total = HostMemory::new(100);
        let [one, two] = [80, 80].map(|limit| HostMemory::within(limit, Some(total.clone())));
        let mut held = one.reserve(70).unwrap();
        assert_eq!((one.free(), two.free(), total.used()), (10, 30, 70));
        assert_eq!(two.reserve(31).unwrap_err(), Limit::TotalHostMemory);
        assert!(two.leaves(5, 4) && !two.leaves(6, 4) && !one.leaves(1, 8));
        assert_eq!(two.used(), 0, "nothing of what did not fit stays taken");
        assert_eq!(one.reserve(11).unwrap_err(), Limit::HostMemory);
        let rest = two.reserve(30).unwrap();
        assert_eq!(held.grow(1), Err(Limit::TotalHostMemory));
        assert_eq!((held.bytes(), one.used(), total.used()), (70, 70, 100));
        assert_eq!(two.share(1, 10), 1, "the total is used up");
        assert_eq!(two.nearest(), Limit::TotalHostMemory);
        held.shrink_to(20);
        assert_eq!(total.used(), 50);
        assert_eq!(one.nearest(), Limit::TotalHostMemory);
        drop((held, rest));
        assert_eq!(one.nearest(), Limit::HostMemory);
        assert_eq!((one.used(), two.used(), total.used()), (0, 0, 0));
    }

    #[test]
    fn an_account_of_nothing_gives_nothing() {
        let memory = HostMemory::new(0);
        assert!(memory.reserve(0).is_ok());
        assert_eq!(memory.reserve_share(1, 2).unwrap_err(), Limit::HostMemory);
    }

    #[test]
    fn small_elements_cost_more_than_their_bytes() {
        assert_eq!([block(0), block(1), block(24), block(25)], [32, 32, 32, 48]);
        let one = (b"a".to_vec(), b"b".to_vec());
        assert_eq!(fields(&[one.clone(), one]), 2 * 2 * (24 + 32));
    }

    proptest! {
        /// In any order of reservations and drops the account knows what is held, and that is never
        /// more than the limit.
        #[test]
        fn the_account_always_knows_what_is_held(
            limit in 0_usize..1000,
            steps in prop::collection::vec((0_usize..4, 0_usize..400, 0_usize..8), 0..100),
        ) {
            let memory = HostMemory::new(limit as u64);
            let mut held: Vec<Reservation> = Vec::new();
            for (step, bytes, at) in steps {
                let at = at.min(held.len().saturating_sub(1));
                match (step, held.get_mut(at)) {
                    (1, Some(one)) => drop(one.grow(bytes)),
                    (2, Some(one)) => one.shrink_to(bytes),
                    (3, Some(_)) => drop(held.swap_remove(at)),
                    _ => held.extend(memory.reserve(bytes).ok()),
                }
                let sum: usize = held.iter().map(Reservation::bytes).sum();
                prop_assert_eq!(memory.used(), sum);
                prop_assert!(sum <= limit);
                prop_assert_eq!(memory.free(), limit - sum);
            }
            drop(held);
            prop_assert_eq!(memory.used(), 0);
        }
    }

    #[test]
    fn threads_that_race_never_take_more_than_there_is() {
        let memory = HostMemory::new(1000);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let own = HostMemory::within(600, Some(memory.clone()));
                    for size in (0..2000).map(|n| n % 700) {
                        if let Ok(held) = own.reserve(size) {
                            assert!(memory.used() <= 1000 && held.bytes() == size);
                        }
                        if let Ok(held) = memory.reserve(size) {
                            assert!(memory.used() <= 1000 && held.bytes() == size);
                        }
                    }
                    assert_eq!(own.used(), 0);
                });
            }
        });
        assert_eq!(memory.used(), 0);
    }
}
