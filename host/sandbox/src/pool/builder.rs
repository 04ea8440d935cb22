//! The settings of a pool.

use std::num::NonZero;
use std::sync::Arc;
use std::thread;

use tokio::runtime::Handle;

use super::queue::{Bounds, Queue};
use super::{Closing, Pool};
use crate::error::Error;
use crate::runtime;
use crate::sandbox::Sandbox;

/// How many callers may wait by default.
const MAX_WAITING: usize = 1024;

/// Settings of a [`Pool`].
///
/// ```no_run
/// # async fn example(template: sandbox_net::Sandbox) -> Result<(), sandbox_net::Error> {
/// let pool = sandbox_net::Pool::builder(template)
///     .ready(8)
///     .max_in_use(32)
///     .max_waiting(128)
///     .build()
///     .await?;
/// # drop(pool);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct PoolBuilder {
    template: Sandbox,
    ready: Option<usize>,
    max_in_use: Option<usize>,
    max_waiting: Option<usize>,
}

impl Pool {
    /// Starts with the default settings. All sandboxes are made as forks of `template`, as it is when each
    /// is made.
    pub fn builder(template: Sandbox) -> PoolBuilder {
        PoolBuilder {
            template,
            ready: None,
            max_in_use: None,
            max_waiting: None,
        }
    }
}

impl PoolBuilder {
    /// What fails here fails again where somebody is told.
    async fn rehearse(&self) {
        if let Ok(copy) = self.template.fork().await {
            let _ = copy.rehearse().await;
        }
    }

    /// How many sandboxes are kept ready: as many as the machine has processors otherwise. With zero each is
    /// made when it is asked for.
    pub fn ready(mut self, count: usize) -> Self {
        self.ready = Some(count);
        self
    }

    /// The most sandboxes that are in use at once; any number otherwise. Who comes later waits. Zero is an
    /// error.
    pub fn max_in_use(mut self, most: usize) -> Self {
        self.max_in_use = Some(most);
        self
    }

    /// The most callers that wait for a sandbox; 1,024 otherwise. One more is
    /// [`PoolError::Busy`](crate::PoolError::Busy).
    pub fn max_waiting(mut self, most: usize) -> Self {
        self.max_waiting = Some(most);
        self
    }

    /// Prepares the interpreter, and begins to make sandboxes, in the background. The pool makes them on the
    /// tokio runtime that this is called in, a few at a time. [`Pool::filled`] waits until they are ready.
    ///
    /// # Errors
    ///
    /// If the interpreter can't be prepared, for a setting that is zero, and [`Error::Runtime`] without a
    /// runtime.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the template; the interpreter is prepared all the same.
    pub async fn build(self) -> Result<Pool, Error> {
        runtime::check()?;
        if self.max_in_use == Some(0) {
            return Err(Error::Setting {
                name: "pool's max_in_use",
                why: "it is zero, so it would give no sandbox; leave it out for any number"
                    .to_owned(),
            });
        }
        // The first caller waits for no compiler.
        self.template.interpreter().await?;
        self.rehearse().await;
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        let bounds = Bounds {
            ready: self.ready.unwrap_or(processors),
            in_use: self.max_in_use.unwrap_or(usize::MAX),
            waiting: self.max_waiting.unwrap_or(MAX_WAITING),
            making: processors,
        };
        let queue = Queue::new(bounds, Arc::new(self.template), Handle::current());
        let pool = Pool {
            queue: Arc::new(Closing(queue)),
        };
        pool.queue.0.refill();
        Ok(pool)
    }
}
