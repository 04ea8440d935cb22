//! A session's interpreter while it is looked at between turns.

use std::sync::Arc;

use super::live::Live;
use super::slot::Slot;

/// An interpreter out of its place, in which nothing is done. It is given back when this is dropped.
pub(super) struct Loan {
    slot: Arc<Slot>,
    /// There is one until the drop.
    live: Option<Box<Live>>,
}

const THERE: &str = "it is there until the drop";

impl Loan {
    pub(super) fn new(slot: Arc<Slot>, live: Box<Live>) -> Self {
        let live = Some(live);
        Self { slot, live }
    }

    pub(super) fn live(&self) -> &Live {
        self.live.as_deref().expect(THERE)
    }

    pub(super) fn live_mut(&mut self) -> &mut Live {
        self.live.as_deref_mut().expect(THERE)
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        if let Some(live) = self.live.take() {
            self.slot.put_back(live);
        }
    }
}
