//! How many guests run at once, and how many wait for their turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sandbox_net_gateway::Amount;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::Error;

/// How many guests may wait by default.
pub(super) const MAX_WAITING: usize = 1024;

/// The places of one engine.
#[derive(Debug)]
pub(super) struct Turns {
    /// None where any number runs.
    running: Option<Arc<Semaphore>>,
    max_running: usize,
    max_waiting: usize,
    waiting: AtomicUsize,
    now: Arc<AtomicUsize>,
}

/// A guest's place among those that run, until it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    _place: Option<OwnedSemaphorePermit>,
    _counted: Option<Counted>,
}

/// One that runs.
#[derive(Debug)]
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One that waits.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Turns {
    pub(super) fn new(max_running: Option<usize>, max_waiting: usize) -> Self {
        let max_running = max_running.map(|most| most.min(Semaphore::MAX_PERMITS));
        Self {
            running: max_running.map(|most| Arc::new(Semaphore::new(most))),
            max_running: max_running.unwrap_or(usize::MAX),
            max_waiting,
            waiting: AtomicUsize::new(0),
            now: Arc::default(),
        }
    }

    /// How many run, and how many wait.
    pub(super) fn usage(&self) -> [Amount; 2] {
        let number = |of: &AtomicUsize| of.load(Ordering::Relaxed) as u64;
        let most = self.running.as_ref();
        [
            Amount::new(number(&self.now), most.map(|_| self.max_running as u64)),
            Amount::new(number(&self.waiting), most.map(|_| self.max_waiting as u64)),
        ]
    }

    fn counted(&self) -> Counted {
        self.now.fetch_add(1, Ordering::Relaxed);
        Counted(Arc::clone(&self.now))
    }

    /// Waits for a place, behind those that came before.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] where as many wait as may.
    pub(super) async fn turn(&self) -> Result<Turn, Error> {
        let Some(running) = &self.running else {
            return Ok(Turn {
                _place: None,
                _counted: Some(self.counted()),
            });
        };
        let place = match Arc::clone(running).try_acquire_owned() {
            Ok(place) => place,
            Err(_) => {
                let waiting = self.wait()?;
                let place = Arc::clone(running).acquire_owned().await;
                drop(waiting);
                // It is never closed.
                place.map_err(|error| Error::Internal(error.to_string()))?
            }
        };
        Ok(Turn {
            _place: Some(place),
            _counted: Some(self.counted()),
        })
    }

    fn wait(&self) -> Result<Waiting<'_>, Error> {
        let most = self.max_waiting;
        let one_more = |now: usize| (now < most).then_some(now + 1);
        let counted = self
            .waiting
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        counted.map_err(|waiting| Error::Busy {
            running: self.max_running,
            waiting,
        })?;
        Ok(Waiting(&self.waiting))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_comes_too_many_is_refused_and_who_waits_gets_the_next_place() {
        let turns = Arc::new(Turns::new(Some(2), 1));
        let first = turns.turn().await.unwrap();
        let _second = turns.turn().await.unwrap();
        let third = tokio::spawn({
            let turns = Arc::clone(&turns);
            async move { turns.turn().await }
        });
        while turns.waiting.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        let refused = turns.turn().await.unwrap_err();
        let text = "2 programs run and 1 wait, as many as may: try again later, or raise the engine's \
                    max_running or max_waiting";
        assert_eq!(refused.to_string(), text);
        let used = |turns: &Turns| turns.usage().map(|amount| (amount.used, amount.limit));
        assert_eq!(used(&turns), [(2, Some(2)), (1, Some(1))]);
        drop(first);
        let third = third.await.unwrap().unwrap();
        // Who gives up leaves its place in the queue.
        let given_up = tokio::time::timeout(std::time::Duration::ZERO, turns.turn()).await;
        assert!(given_up.is_err());
        assert_eq!(turns.waiting.load(Ordering::Relaxed), 0);
        drop(third);
        turns.turn().await.unwrap();
    }

    #[tokio::test]
    async fn without_a_bound_everybody_runs() {
        let turns = Turns::new(None, 0);
        let mut running = Vec::new();
        for _ in 0..100 {
            running.push(turns.turn().await.unwrap());
        }
        assert_eq!(turns.usage()[0], Amount::new(100, None));
        drop(running);
        assert_eq!(turns.usage()[0].used, 0);
    }
}
