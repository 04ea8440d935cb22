//! A session's interpreter while a turn has it.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use super::live::Live;
use super::loan::{Loan, THERE};
use super::slot::Slot;
use crate::script::Exit;

/// An interpreter out of its place. Whoever drops it in the midst of a turn ends the session.
pub(super) struct Taken(Loan);

impl Taken {
    pub(super) fn new(slot: Arc<Slot>, live: Box<Live>) -> Self {
        Self(Loan::new(slot, live))
    }

    /// It can take another turn.
    pub(super) fn put_back(mut self) {
        let live = self.0.take().expect(THERE);
        self.0.slot().put_back(live);
    }

    /// It takes no other turn.
    pub(super) fn into_live(mut self) -> Box<Live> {
        self.0.take().expect(THERE)
    }
}

impl Deref for Taken {
    type Target = Loan;

    fn deref(&self) -> &Loan {
        &self.0
    }
}

impl DerefMut for Taken {
    fn deref_mut(&mut self) -> &mut Loan {
        &mut self.0
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if self.0.take().is_some() {
            self.0.slot().end(Exit::Killed);
        }
    }
}
