//! A session's interpreter while a turn has it.

use std::sync::Arc;

use super::live::Live;
use super::slot::Slot;
use crate::script::Exit;

/// An interpreter out of its place. Whoever drops it in the midst of a turn ends the session.
pub(super) struct Taken {
    slot: Arc<Slot>,
    /// There is one until this is consumed.
    live: Option<Box<Live>>,
}

const THERE: &str = "it is there until it is consumed";

impl Taken {
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

    /// It can take another turn.
    pub(super) fn put_back(mut self) {
        let live = self.live.take().expect(THERE);
        self.slot.put_back(live);
    }

    /// It takes no other turn.
    pub(super) fn into_live(mut self) -> Box<Live> {
        self.live.take().expect(THERE)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if self.live.take().is_some() {
            self.slot.end(Exit::Killed);
        }
    }
}
