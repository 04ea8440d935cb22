//! Limits the memory of a run, and records how much it used.

use wasmtime::ResourceLimiter;

use super::totals::Share;

/// Elements that a table of the interpreter may have; one of its tables has about 13,000 functions.
const TABLE_ELEMENTS: usize = 1 << 20;

/// The bound of all linear memories of a guest together, and the most that they used.
#[derive(Debug)]
pub(crate) struct Limits {
    most: usize,
    held: usize,
    /// What of it is taken from the memory of all guests of the engine, until the store is dropped.
    share: Option<Share>,
}

impl Limits {
    /// Lets the guest have `most` bytes.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            held: 0,
            share: None,
        }
    }

    /// What it has is taken from what all guests have together. `share` is what it begins with.
    pub(crate) fn sharing(self, share: Share) -> Self {
        Self {
            share: Some(share),
            ..self
        }
    }

    /// It begins with `bytes` that wasmtime does not ask about.
    pub(crate) fn beginning_with(self, bytes: usize) -> Self {
        Self {
            held: bytes,
            ..self
        }
    }

    /// The bytes that the guest has. Memories do not shrink, so this is also the most it ever had.
    pub(crate) fn held(&self) -> usize {
        self.held
    }
}

impl ResourceLimiter for Limits {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let held = self.held.saturating_add(desired.saturating_sub(current));
        let share = self.share.as_mut();
        let fits = held <= self.most && share.is_none_or(|share| share.grow_to(held as u64));
        if fits {
            self.held = held;
        }
        Ok(fits)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS)
    }
}

#[cfg(test)]
mod tests {
    use super::super::totals::Total;
    use super::*;

    #[test]
    fn what_all_memories_have_together_is_bounded() {
        let mut limits = Limits::new(100);
        for (current, desired, fits, held) in [
            (0, 60, true, 60),
            (0, 41, false, 60),
            (0, 40, true, 100),
            (60, 61, false, 100),
        ] {
            let answer = limits.memory_growing(current, desired, None).unwrap();
            assert_eq!((answer, limits.held()), (fits, held));
        }
    }

    #[test]
    fn what_several_guests_have_together_is_bounded_and_free_again_when_one_is_dropped() {
        let total = Total::new(Some(100));
        let guest = || {
            let share = Total::take(&total, 40).unwrap();
            let mut limits = Limits::new(90).beginning_with(30).sharing(share);
            // The rest of what it begins with.
            assert!(limits.memory_growing(0, 10, None).unwrap());
            limits
        };
        let (mut one, mut two) = (guest(), guest());
        assert!(one.memory_growing(10, 30, None).unwrap());
        assert!(!two.memory_growing(10, 11, None).unwrap());
        assert_eq!((one.held(), two.held()), (60, 40));
        drop(one);
        assert!(two.memory_growing(10, 60, None).unwrap());
        assert!(!two.memory_growing(60, 61, None).unwrap(), "its own limit");
        drop(two);
        assert!(Total::take(&total, 100).is_some());
    }

    #[test]
    fn what_a_memory_begins_with_counts_although_nobody_asked_for_it() {
        let mut limits = Limits::new(100).beginning_with(30);
        assert_eq!(limits.held(), 30);
        assert!(!limits.memory_growing(0, 71, None).unwrap());
        assert!(limits.memory_growing(0, 70, None).unwrap());
        assert!(!limits.memory_growing(100, 101, None).unwrap());
        assert_eq!(limits.held(), 100);
    }
}
