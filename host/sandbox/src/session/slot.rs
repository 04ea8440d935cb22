//! Where a session's interpreter is between turns.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::live::Live;
use crate::script::Exit;

/// The place of one interpreter. Whoever has a turn takes it out.
pub(super) struct Slot {
    state: Mutex<State>,
    changed: Notify,
}

enum State {
    Idle(Box<Live>),
    /// A turn has it.
    Busy,
    Ended(Exit),
}

impl Slot {
    pub(super) fn of(live: Box<Live>) -> Self {
        Self {
            state: Mutex::new(State::Idle(live)),
            changed: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the interpreter, once no turn has it.
    ///
    /// # Errors
    ///
    /// How the session has ended.
    pub(super) async fn take(&self) -> Result<Box<Live>, Exit> {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if let Some(taken) = self.try_take() {
                return taken;
            }
            changed.await;
        }
    }

    /// Takes the interpreter at once; none if a turn has it.
    pub(super) fn try_take(&self) -> Option<Result<Box<Live>, Exit>> {
        let mut state = self.state();
        match std::mem::replace(&mut *state, State::Busy) {
            State::Idle(live) => Some(Ok(live)),
            State::Busy => None,
            State::Ended(exit) => {
                *state = State::Ended(exit.clone());
                Some(Err(exit))
            }
        }
    }

    /// Gives the interpreter back after a turn, unless the session has ended meanwhile.
    pub(super) fn put_back(&self, live: Box<Live>) {
        let mut state = self.state();
        let refused = match &*state {
            State::Ended(_) => Some(live),
            State::Idle(_) | State::Busy => {
                *state = State::Idle(live);
                None
            }
        };
        drop(state);
        drop(refused);
        self.changed.notify_waiters();
    }

    /// Ends the session, unless it has ended; frees an interpreter that no turn has.
    pub(super) fn end(&self, exit: Exit) {
        let mut state = self.state();
        let old = match &*state {
            State::Ended(_) => return,
            State::Idle(_) | State::Busy => std::mem::replace(&mut *state, State::Ended(exit)),
        };
        drop(state);
        drop(old);
        self.changed.notify_waiters();
    }

    /// How the session has ended; None while it goes on.
    pub(super) fn ended(&self) -> Option<Exit> {
        match &*self.state() {
            State::Ended(exit) => Some(exit.clone()),
            State::Idle(_) | State::Busy => None,
        }
    }
}
