//! A session's interpreter out of its place.

use std::sync::Arc;

use super::live::Live;
use super::slot::Slot;

/// An interpreter that is looked at between turns: nothing is done in it. It is given back when this is
/// dropped.
pub(super) struct Loan {
    slot: Arc<Slot>,
    /// There is one until it is given back or taken.
    live: Option<Box<Live>>,
}

pub(super) const THERE: &str = "it is there until it is consumed";

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

    /// The interpreter, which is then not given back.
    pub(super) fn take(&mut self) -> Option<Box<Live>> {
        self.live.take()
    }

    pub(super) fn slot(&self) -> &Slot {
        &self.slot
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        if let Some(live) = self.live.take() {
            self.slot.put_back(live);
        }
    }
}
