//! Sandboxes that are made before somebody asks for them.

mod builder;
pub(crate) mod error;
mod queue;
mod refill;
mod stats;

pub use builder::PoolBuilder;
pub use error::PoolError;
pub use stats::{MakingTime, PoolStats};

use std::sync::Arc;

use tracing::Instrument as _;

use crate::error::Error;
use crate::sandbox::Sandbox;
use queue::{Given, Queue};

/// Sandboxes that are ready before somebody asks for them, for a server whose clients shall not wait for
/// their making.
///
/// All are made as [forks](Sandbox::fork) of one template: with its settings, files, environment, policy
/// and packages, and with budgets, secrets' placeholders and connections of their own. Each is given away
/// once and is then the caller's, as any other sandbox: to run several programs in it, to fork it, to close it.
/// When the caller and its programs are done with it, it is dropped, and another one takes its place;
/// nothing is used by two callers.
///
/// A pool is bounded: how many are kept ready, how many are in use at once, how many callers may wait for
/// one. Callers are served in the order in which they came. What is ready also counts for the engine
/// ([`EngineBuilder::max_sandboxes`](crate::EngineBuilder::max_sandboxes)), but no program runs in it, so it
/// holds a directory and a few kilobytes.
///
/// Cloning is cheap, and clones are the same pool. It [closes](Self::close) when the last one is dropped.
///
/// ```no_run
/// # async fn example() -> Result<(), sandbox_net::Error> {
/// use sandbox_net::{Pool, Sandbox};
///
/// let template = Sandbox::builder().with_package("requests").build().await?;
/// template.write_file("/home/helpers.py", "def greet(): print('hello')").await?;
/// let pool = Pool::builder(template).ready(4).max_in_use(16).max_waiting(64).build().await?;
///
/// let sandbox = pool.get().await?;
/// let outcome = sandbox.run("import helpers; helpers.greet()").await?;
/// assert_eq!(outcome.stdout_text(), "hello\n");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Pool {
    queue: Arc<Closing>,
}

/// Closes the pool when the last clone is dropped; what is made at that time does not keep it.
struct Closing(Arc<Queue>);

impl Drop for Closing {
    fn drop(&mut self) {
        drop(self.0.close());
    }
}

impl Pool {
    /// Gives a sandbox, at once if one is ready, else behind those that came before.
    ///
    /// It counts as in use until it and its runs are gone.
    ///
    /// # Errors
    ///
    /// [`PoolError::Busy`] if as many are in use and as many wait as may, [`PoolError::Closed`], and
    /// whatever keeps a sandbox from being made, such as a temporary directory that can't be written to ([`Error::Files`]) or a full
    /// engine ([`Error::Full`]): each failure is told to one caller who waits.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the queue; nothing is lost.
    pub async fn get(&self) -> Result<Sandbox, Error> {
        let span = tracing::info_span!(
            target: "sandbox_net::pool",
            "get",
            sandbox_net.sandbox = tracing::field::Empty,
            sandbox_net.ready = tracing::field::Empty,
            error.type = tracing::field::Empty,
            otel.status_code = tracing::field::Empty,
        );
        let given = async {
            let asked = self.queue.0.ask();
            let span = tracing::Span::current();
            span.record("sandbox_net.ready", matches!(asked, Ok(Given::Ready(_))));
            let given = match asked {
                Ok(Given::Ready(sandbox)) => Ok(*sandbox),
                Ok(Given::Later(waiting)) => waiting.sandbox().await,
                Err(error) => Err(error.into()),
            };
            match &given {
                Ok(sandbox) => {
                    span.record("sandbox_net.sandbox", sandbox.gateway.audit().sandbox())
                }
                Err(error) => span
                    .record("error.type", kind(error))
                    .record("otel.status_code", "ERROR"),
            };
            given
        };
        given.instrument(span).await
    }

    /// Gives a sandbox that is ready, without waiting.
    ///
    /// # Errors
    ///
    /// [`PoolError::NotReady`] if none is ready, as many are in use as may, or others wait;
    /// [`PoolError::Closed`].
    pub fn try_get(&self) -> Result<Sandbox, Error> {
        Ok(self.queue.0.take_ready()?)
    }

    /// Waits until as many are ready as shall be, such as before a server listens.
    ///
    /// # Errors
    ///
    /// [`PoolError::NotMade`] if one could not be made meanwhile; [`PoolError::Closed`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the wait alone.
    pub async fn filled(&self) -> Result<(), Error> {
        self.queue.0.filled().await
    }

    /// What the pool does at the moment, and has done.
    #[must_use]
    pub fn stats(&self) -> PoolStats {
        self.queue.0.stats()
    }

    /// Makes `template` the one that sandboxes are made from, from now on, such as one with another policy.
    /// Those that are ready are dropped; those in use stay as they are.
    ///
    /// # Errors
    ///
    /// If its interpreter can't be prepared; [`PoolError::Closed`]. Then the pool stays as it was.
    pub async fn replace_template(&self, template: Sandbox) -> Result<(), Error> {
        template.interpreter().await?;
        drop(self.queue.0.replace(Arc::new(template))?);
        Ok(())
    }

    /// Closes the pool: who waits and who comes later gets [`PoolError::Closed`], and the sandboxes that are
    /// ready are removed, with the template. Those in use go on until they are dropped. Dropping the last
    /// clone closes it too.
    ///
    /// # Errors
    ///
    /// If the files of one can't be removed: see [`Sandbox::close`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses the report; the pool is closed all the same.
    pub async fn close(&self) -> Result<(), Error> {
        let mut result = Ok(());
        for sandbox in self.queue.0.close() {
            result = result.and(sandbox.close().await);
        }
        result
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool")
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// A word for why there is no sandbox.
fn kind(error: &Error) -> &'static str {
    match error {
        Error::Pool(PoolError::Busy { .. }) => "busy",
        Error::Pool(PoolError::NotReady) => "not-ready",
        Error::Pool(PoolError::NotMade(_)) => "not-made",
        Error::Pool(PoolError::Closed) => "closed",
        Error::Full(_) => "engine-full",
        Error::Files(_) => "files",
        Error::Runtime(_) => "runtime",
        _ => "_OTHER",
    }
}
