//! Makes the forks of one moment, as many at once as there are processors.

use std::num::NonZero;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use sandbox_net_policy::Policy;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::fork::Origin;
use super::live::{Frozen, Live};
use super::loan::Loan;
use super::{Session, Settings};
use crate::engine::{Engine, Share};
use crate::error::Error;
use crate::root::Root;
use crate::runtime;
use crate::sandbox::Sandbox;

/// Forks that are to be made of one session, and what they are made of.
pub(super) struct Copies {
    pub(super) origin: Origin,
    pub(super) engine: Engine,
    /// Narrows the policy of the session.
    pub(super) policy: Option<Policy>,
    pub(super) settings: Settings,
    pub(super) frozen: Frozen,
    /// One of each fork.
    pub(super) places: Mutex<Vec<Share>>,
    /// Nothing of the session runs while its files are copied.
    pub(super) loan: Mutex<Loan>,
}

impl Copies {
    /// Makes all of them, or none.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future makes none.
    pub(super) async fn make(self) -> Result<Vec<Session>, Error> {
        let count = locked(&self.places).len();
        let root = Arc::clone(&locked(&self.loan).live().keeps().root);
        let copies = Arc::new(self);
        let stop = CancellationToken::new();
        let _stops = stop.clone().drop_guard();
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        let workers: Vec<_> = (0..processors.min(count))
            .map(|_| {
                let (copies, root, stop) = (Arc::clone(&copies), Arc::clone(&root), stop.clone());
                let runtime = Handle::current();
                tokio::task::spawn_blocking(move || copies.some(&root, &stop, &runtime))
            })
            .collect();
        drop(copies);
        // Who fails stops the others, which is waited for.
        let mut made = Vec::with_capacity(workers.len());
        for worker in workers {
            made.push(worker.await.map_err(|error| runtime::unfinished(&error)));
        }
        let made = made.into_iter().map(Result::flatten);
        Ok(made
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .flatten()
            .collect())
    }

    /// Makes forks as long as there are some to make. An error stops the others who do.
    fn some(
        &self,
        root: &Root,
        stop: &CancellationToken,
        runtime: &Handle,
    ) -> Result<Vec<Session>, Error> {
        let mut made = Vec::new();
        while !stop.is_cancelled() {
            let Some(place) = locked(&self.places).pop() else {
                break;
            };
            match self.one(root, place, runtime) {
                Ok(fork) => made.push(fork),
                Err(error) => {
                    stop.cancel();
                    return Err(error);
                }
            }
        }
        Ok(made)
    }

    fn one(&self, root: &Root, place: Share, runtime: &Handle) -> Result<Session, Error> {
        let root = root.copy().map_err(Error::Files)?;
        let settings = self.origin.forked(self.policy.as_ref());
        let sandbox = Sandbox::new(self.engine.clone(), settings, root.holding(place));
        let begun = self
            .origin
            .begin(sandbox, &self.frozen, &self.settings, Live::fork);
        runtime.block_on(begun)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
