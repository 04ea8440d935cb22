//! Bounds the total cost of comparing paths in one decision.

use std::cell::Cell;

/// The steps that each comparison of a reading with a pattern may always take: the number of rules
/// is up to the operator.
pub(super) const FREE: usize = 16;

/// The steps beyond these that all comparisons of one decision may take together.
pub(super) const ALLOWANCE: usize = 1 << 14;

/// Counts steps: one for each segment that is compared, and for each place where a part of a
/// pattern may begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Steps {
    free: Cell<usize>,
    left: Cell<usize>,
    #[cfg(any(test, fuzzing))]
    taken: Cell<usize>,
}

/// There are no more steps: it is unknown whether a path matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exhausted;

impl Steps {
    pub(super) fn new() -> Self {
        Self {
            free: Cell::new(FREE),
            left: Cell::new(ALLOWANCE),
            #[cfg(any(test, fuzzing))]
            taken: Cell::new(0),
        }
    }

    /// Begins a comparison.
    pub(super) fn begin(&self) {
        self.free.set(FREE);
    }

    /// Takes one step.
    pub(super) fn take(&self) -> Result<(), Exhausted> {
        #[cfg(any(test, fuzzing))]
        self.taken.set(self.taken.get() + 1);
        let from = if self.free.get() > 0 {
            &self.free
        } else {
            &self.left
        };
        match from.get().checked_sub(1) {
            Some(left) => {
                from.set(left);
                Ok(())
            }
            None => Err(Exhausted),
        }
    }

    /// Whether the steps were not enough.
    pub(super) fn are_exhausted(&self) -> bool {
        self.left.get() == 0
    }

    /// The steps that were taken.
    #[cfg(any(test, fuzzing))]
    pub(super) fn taken(&self) -> usize {
        self.taken.get()
    }
}
