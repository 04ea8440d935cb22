//! A bounded queue: so many go on at once, so many wait, and one more is refused.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many go on, and how many wait for that.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    places: Arc<Semaphore>,
    turns: Arc<Semaphore>,
    running: usize,
    most: usize,
}

/// One that waits or goes on. Dropping it leaves.
#[derive(Debug)]
pub(crate) struct Place {
    turns: Arc<Semaphore>,
    _place: Option<OwnedSemaphorePermit>,
}

/// One that goes on.
#[derive(Debug)]
pub(crate) struct Turn {
    _turn: Option<OwnedSemaphorePermit>,
    _place: Place,
}

impl Gate {
    pub(crate) fn new(running: usize, waiting: usize) -> Self {
        let most = running.saturating_add(waiting).min(Semaphore::MAX_PERMITS);
        let running = running.min(most);
        Self {
            places: Arc::new(Semaphore::new(most)),
            turns: Arc::new(Semaphore::new(running)),
            running,
            most,
        }
    }

    /// Takes a place; `None` if all are taken.
    pub(crate) fn enter(&self) -> Option<Place> {
        let place = self.enter_anyway();
        place._place.is_some().then_some(place)
    }

    /// Waits like the others, but is not refused: for what is bounded otherwise, and frees what it has.
    pub(crate) fn enter_anyway(&self) -> Place {
        Place {
            turns: Arc::clone(&self.turns),
            _place: Arc::clone(&self.places).try_acquire_owned().ok(),
        }
    }

    /// How many go on.
    pub(crate) fn running(&self) -> usize {
        self.running - self.turns.available_permits().min(self.running)
    }

    /// How many have a place.
    pub(crate) fn inside(&self) -> usize {
        self.most - self.places.available_permits().min(self.most)
    }

    /// How many have a place and do not go on yet.
    pub(crate) fn waiting(&self) -> usize {
        self.inside().saturating_sub(self.running())
    }

    pub(crate) fn is_full(&self) -> bool {
        self.places.available_permits() == 0
    }
}

impl Place {
    /// Waits for its turn, behind those that came before.
    pub(crate) async fn turn(self) -> Turn {
        // The semaphore is never closed.
        let turn = Arc::clone(&self.turns).acquire_owned().await.ok();
        Turn {
            _turn: turn,
            _place: self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn so_many_go_on_so_many_wait_and_one_more_is_refused() {
        let gate = Gate::new(1, 1);
        let first = gate.enter().expect("a place").turn().await;
        let second = gate.enter().expect("a place to wait");
        assert!(gate.enter().is_none() && gate.is_full());
        assert_eq!((gate.running(), gate.waiting()), (1, 1));
        let mut second = Box::pin(second.turn());
        let waits = futures_util::poll!(&mut second);
        assert!(waits.is_pending());
        drop(first);
        let second = second.await;
        assert_eq!((gate.running(), gate.waiting()), (1, 0));
        drop(second);
        assert_eq!((gate.running(), gate.waiting()), (0, 0));
    }

    #[tokio::test]
    async fn what_is_not_refused_waits_behind_the_others_all_the_same() {
        let gate = Gate::new(1, 0);
        let first = gate.enter().expect("a place").turn().await;
        assert!(gate.enter().is_none());
        let mut end = Box::pin(gate.enter_anyway().turn());
        assert!(futures_util::poll!(&mut end).is_pending());
        drop(first);
        let _end = end.await;
        assert_eq!(gate.running(), 1);
    }
}
