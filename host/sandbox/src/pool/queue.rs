//! Who waits for a sandbox, which ones are ready, and which are in use.
//!
//! One lock guards all of it, and is held for moments: nothing is made, dropped or awaited under it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};

use super::PoolError;
use super::stats::{Counts, PoolStats};
use crate::error::Error;
use crate::sandbox::Sandbox;

/// How long nothing is made for nobody after the first failure; twice as long after each further one.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The most of each.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) ready: usize,
    pub(super) in_use: usize,
    pub(super) waiting: usize,
    /// How many are made at once: they shall not keep the runtime's threads from their other work.
    pub(super) making: usize,
}

/// The state of a pool.
pub(super) struct Queue {
    bounds: Bounds,
    state: Mutex<State>,
    /// Rings when something was made, failed or closed.
    pub(super) changed: Notify,
    /// Where sandboxes are made.
    pub(super) runtime: Handle,
}

struct State {
    /// None when the pool is closed.
    template: Option<Arc<Sandbox>>,
    /// How often the template was replaced.
    generation: u64,
    ready: VecDeque<Sandbox>,
    waiting: VecDeque<Waiter>,
    next: u64,
    making: usize,
    in_use: usize,
    pause: Option<Pause>,
    /// Whether a task waits for the end of the pause.
    has_alarm: bool,
    counts: Counts,
}

/// Nothing is made before this time unless somebody waits for it.
#[derive(Clone, Copy)]
struct Pause {
    until: Instant,
    length: Duration,
}

struct Waiter {
    number: u64,
    sandbox: oneshot::Sender<Result<Sandbox, Error>>,
}

/// What is given to who asks.
pub(super) enum Given {
    Ready(Box<Sandbox>),
    Later(Waiting),
}

/// A place in the queue, left when this is dropped.
pub(super) struct Waiting {
    queue: Arc<Queue>,
    number: u64,
    sandbox: oneshot::Receiver<Result<Sandbox, Error>>,
}

/// A place among those in use, held by the sandbox and its runs.
struct InUse(Arc<Queue>);

/// What is to be made: a copy of this template, of this generation.
pub(super) struct Order {
    pub(super) queue: Arc<Queue>,
    pub(super) template: Arc<Sandbox>,
    generation: u64,
    is_done: bool,
}

/// What the pool had, which is dropped outside of the lock.
type Dropped = Vec<Sandbox>;

impl Queue {
    pub(super) fn new(bounds: Bounds, template: Arc<Sandbox>, runtime: Handle) -> Arc<Self> {
        Arc::new(Self {
            bounds,
            state: Mutex::new(State {
                template: Some(template),
                generation: 0,
                ready: VecDeque::new(),
                waiting: VecDeque::new(),
                next: 0,
                making: 0,
                in_use: 0,
                pause: None,
                has_alarm: false,
                counts: Counts::default(),
            }),
            changed: Notify::new(),
            runtime,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A sandbox that is ready, or a place in the queue.
    pub(super) fn ask(self: &Arc<Self>) -> Result<Given, PoolError> {
        let given = {
            let mut state = self.state();
            state.open()?;
            match state.ready_for_next(&self.bounds) {
                Some(sandbox) => {
                    state.counts.given_at_once += 1;
                    Given::Ready(Box::new(sandbox))
                }
                None => Given::Later(self.wait(&mut state)?),
            }
        };
        self.refill();
        Ok(match given {
            Given::Ready(sandbox) => Given::Ready(Box::new(self.counted(*sandbox))),
            later => later,
        })
    }

    fn wait(self: &Arc<Self>, state: &mut State) -> Result<Waiting, PoolError> {
        let waiting = state.waiting.len();
        if waiting >= self.bounds.waiting {
            state.counts.refused += 1;
            let in_use = state.in_use;
            return Err(PoolError::Busy { in_use, waiting });
        }
        let (sender, receiver) = oneshot::channel();
        let number = state.next;
        state.next += 1;
        state.waiting.push_back(Waiter {
            number,
            sandbox: sender,
        });
        Ok(Waiting {
            queue: Arc::clone(self),
            number,
            sandbox: receiver,
        })
    }

    /// A sandbox that is ready, for who does not wait.
    pub(super) fn take_ready(self: &Arc<Self>) -> Result<Sandbox, PoolError> {
        let sandbox = {
            let mut state = self.state();
            state.open()?;
            let Some(sandbox) = state.ready_for_next(&self.bounds) else {
                state.counts.refused += 1;
                return Err(PoolError::NotReady);
            };
            state.counts.given_at_once += 1;
            sandbox
        };
        self.refill();
        Ok(self.counted(sandbox))
    }

    /// Lets the sandbox hold its place among those in use, which is already counted.
    fn counted(self: &Arc<Self>, sandbox: Sandbox) -> Sandbox {
        sandbox.root.hold(InUse(Arc::clone(self)));
        sandbox
    }

    /// Gives what is ready to those who wait, in their order.
    fn serve(self: &Arc<Self>) {
        loop {
            let (waiter, sandbox) = {
                let mut state = self.state();
                if state.waiting.is_empty() || !state.has_room(&self.bounds) {
                    return;
                }
                let Some(sandbox) = state.ready.pop_front() else {
                    return;
                };
                state.in_use += 1;
                state.counts.given += 1;
                (state.waiting.pop_front(), self.counted(sandbox))
            };
            // Who has gone meanwhile gives it back, as one that was used: it is dropped.
            if let Some(waiter) = waiter {
                drop(waiter.sandbox.send(Ok(sandbox)));
            }
        }
    }

    /// Waits until as many are ready as shall be.
    pub(super) async fn filled(&self) -> Result<(), Error> {
        let failed = self.state().counts.failed;
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            {
                let state = self.state();
                state.open()?;
                if state.ready.len() >= self.bounds.ready {
                    return Ok(());
                }
                if state.counts.failed > failed {
                    let why = state.counts.last_failure.clone();
                    return Err(PoolError::NotMade(why.unwrap_or_default()).into());
                }
            }
            changed.await;
        }
    }

    pub(super) fn stats(&self) -> PoolStats {
        let state = self.state();
        let counts = &state.counts;
        PoolStats {
            ready: state.ready.len(),
            in_use: state.in_use,
            waiting: state.waiting.len(),
            making: state.making,
            made: counts.made,
            failed: counts.failed,
            last_failure: counts.last_failure.clone(),
            given: counts.given,
            given_at_once: counts.given_at_once,
            refused: counts.refused,
            making_time: counts.making_time(),
            closed: state.template.is_none(),
        }
    }

    /// Takes another template; returns what is no longer needed.
    pub(super) fn replace(
        self: &Arc<Self>,
        template: Arc<Sandbox>,
    ) -> Result<(Dropped, Option<Arc<Sandbox>>), PoolError> {
        let mut state = self.state();
        state.open()?;
        state.generation += 1;
        state.pause = None;
        let old = state.template.replace(template);
        let dropped = state.ready.drain(..).collect();
        drop(state);
        self.refill();
        Ok((dropped, old))
    }

    /// Closes the pool; returns what it had.
    pub(super) fn close(&self) -> Dropped {
        let mut state = self.state();
        let template = state.template.take();
        let waiting = std::mem::take(&mut state.waiting);
        let mut dropped: Dropped = state.ready.drain(..).collect();
        drop(state);
        for waiter in waiting {
            drop(waiter.sandbox.send(Err(PoolError::Closed.into())));
        }
        // What is being made still uses it otherwise, and drops it.
        dropped.extend(template.and_then(Arc::into_inner));
        self.changed.notify_waiters();
        dropped
    }

    /// Whether this is the first who wants to wait for the end of the pause.
    pub(super) fn sets_alarm(&self) -> bool {
        !std::mem::replace(&mut self.state().has_alarm, true)
    }

    /// The alarm has rung.
    pub(super) fn unset_alarm(&self) {
        self.state().has_alarm = false;
    }

    /// What is to be made now; `Err` with the time to ask again if there is a pause.
    pub(super) fn order(self: &Arc<Self>) -> Option<Result<Order, Instant>> {
        let mut state = self.state();
        let template = Arc::clone(state.template.as_ref()?);
        if state.making >= self.bounds.making {
            return None;
        }
        let needed = state.needed(&self.bounds);
        let coming = state.ready.len() + state.making;
        if coming >= needed {
            if coming >= needed.saturating_add(self.bounds.ready) {
                return None;
            }
            if let Some(pause) = state.pause
                && pause.until > Instant::now()
            {
                return Some(Err(pause.until));
            }
        }
        state.making += 1;
        Some(Ok(Order {
            queue: Arc::clone(self),
            template,
            generation: state.generation,
            is_done: false,
        }))
    }
}

impl State {
    fn open(&self) -> Result<(), PoolError> {
        match &self.template {
            Some(_) => Ok(()),
            None => Err(PoolError::Closed),
        }
    }

    fn has_room(&self, bounds: &Bounds) -> bool {
        self.in_use < bounds.in_use
    }

    /// One that is ready, for who comes now, unless others came before. It counts as in use.
    fn ready_for_next(&mut self, bounds: &Bounds) -> Option<Sandbox> {
        if !self.waiting.is_empty() || !self.has_room(bounds) {
            return None;
        }
        let sandbox = self.ready.pop_front()?;
        self.in_use += 1;
        self.counts.given += 1;
        Some(sandbox)
    }

    /// How many of those who wait lack nothing but a sandbox.
    fn needed(&self, bounds: &Bounds) -> usize {
        let room = bounds.in_use.saturating_sub(self.in_use);
        self.waiting.len().min(room)
    }

    /// Nothing is made for nobody for a while.
    fn pause(&mut self) {
        let length = match self.pause {
            Some(pause) => (pause.length * 2).min(LONGEST_PAUSE),
            None => PAUSE,
        };
        self.pause = Some(Pause {
            until: Instant::now() + length,
            length,
        });
    }
}

impl Order {
    /// Puts what was made where it is needed, or tells one who waits for it why there is none.
    pub(super) fn done(mut self, made: Result<Sandbox, Error>, took: Duration) {
        self.is_done = true;
        let (mut surplus, mut refused) = (None, None);
        {
            let mut guard = self.queue.state();
            let state = &mut *guard;
            state.making -= 1;
            let is_present = state.template.is_some() && state.generation == self.generation;
            let needed = state.needed(&self.queue.bounds);
            match made {
                Ok(sandbox) if is_present => {
                    state.counts.made(took);
                    state.pause = None;
                    match state.ready.len() < needed.saturating_add(self.queue.bounds.ready) {
                        true => state.ready.push_back(sandbox),
                        // Who waited for it is gone.
                        false => surplus = Some(sandbox),
                    }
                }
                Ok(sandbox) => surplus = Some(sandbox),
                Err(error) if is_present => {
                    state.counts.failed(error.to_string());
                    state.pause();
                    // The others who wait get what is ready or being made, or wait for room.
                    if needed > state.ready.len() + state.making {
                        refused = state.waiting.pop_front().map(|waiter| (waiter, error));
                    }
                }
                Err(_) => {}
            }
        }
        drop(surplus);
        if let Some((waiter, error)) = refused {
            drop(waiter.sandbox.send(Err(error)));
        }
        self.queue.serve();
        self.queue.changed.notify_waiters();
    }
}

/// Nobody makes it: the pool's runtime was shut down, or the making panicked.
impl Drop for Order {
    fn drop(&mut self) {
        if self.is_done {
            return;
        }
        let error = || match std::thread::panicking() {
            true => Error::Internal("making a sandbox panicked".to_owned()),
            false => sandbox_net_python::RuntimeError::ShutDown.into(),
        };
        let waiting = {
            let mut state = self.queue.state();
            state.making -= 1;
            state.counts.failed(error().to_string());
            state.pause();
            std::mem::take(&mut state.waiting)
        };
        // All of them: there may be nobody left to tell the others later.
        for waiter in waiting {
            drop(waiter.sandbox.send(Err(error())));
        }
        self.queue.changed.notify_waiters();
    }
}

impl Waiting {
    pub(super) async fn sandbox(mut self) -> Result<Sandbox, Error> {
        // The queue answers whatever happens, or is closed.
        let answer = (&mut self.sandbox).await;
        answer.unwrap_or_else(|_| Err(PoolError::Closed.into()))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut state = self.queue.state();
        state.waiting.retain(|waiter| waiter.number != self.number);
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.state().in_use -= 1;
        self.0.serve();
        self.0.refill();
    }
}
