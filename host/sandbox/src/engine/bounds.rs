//! The most that sandboxes have together: those of an engine, or of a part of one.

use super::shared::Engine;
use crate::checks::INTERPRETER;
use sandbox_net_python::BuildError;

/// The most that the sandboxes of a [part](Engine::part) of an engine have together. Where nothing is said,
/// only the engine's own bounds count.
#[derive(Clone, Copy, Debug, Default)]
pub struct EngineBounds {
    pub(super) sandboxes: Option<u64>,
    pub(super) memory: Option<u64>,
    pub(super) host_memory: Option<u64>,
}

impl EngineBounds {
    /// No bounds.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The most sandboxes, as [`EngineBuilder::max_sandboxes`](crate::EngineBuilder::max_sandboxes).
    #[must_use]
    pub fn max_sandboxes(mut self, most: usize) -> Self {
        self.sandboxes = Some(most as u64);
        self
    }

    /// The most bytes of memory of programs, as [`EngineBuilder::total_memory`](crate::EngineBuilder::total_memory).
    #[must_use]
    pub fn total_memory(mut self, bytes: u64) -> Self {
        self.memory = Some(bytes);
        self
    }

    /// The most bytes of the host's memory, as
    /// [`EngineBuilder::total_host_memory`](crate::EngineBuilder::total_host_memory).
    #[must_use]
    pub fn total_host_memory(mut self, bytes: u64) -> Self {
        self.host_memory = Some(bytes);
        self
    }

    /// Refuses bounds under which nothing would ever run.
    pub(super) fn check(&self) -> Result<(), BuildError> {
        let refused = |name, why| Err(BuildError::Setting { name, why });
        if self.sandboxes == Some(0) {
            let why = "it is zero; no sandbox could be made; leave it out for any number";
            return refused("max_sandboxes", why);
        }
        if self.memory.is_some_and(|bytes| bytes <= INTERPRETER as u64) {
            let why = "a program begins with 40 MiB or more; no program would ever run; leave it out for no bound";
            return refused("total_memory", why);
        }
        if self.host_memory == Some(0) {
            let why = "it is zero; no request would be possible; leave it out for no bound";
            return refused("total_host_memory", why);
        }
        Ok(())
    }
}

impl Engine {
    /// A part of this engine: the same interpreters, threads and turns, but its sandboxes have no more
    /// together than `bounds`. What they have counts for this engine as well. So no tenant of a server takes what
    /// the others need.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use sandbox_net::{Engine, EngineBounds, Sandbox};
    ///
    /// let engine = Engine::builder().total_memory(8 << 30).build().await?;
    /// let part = engine.part(EngineBounds::new().total_memory(2 << 30))?;
    /// let tenant = Sandbox::builder().engine(part).build().await?;
    /// # let _ = tenant;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`BuildError::Setting`] if nothing could run within the bounds.
    pub fn part(&self, bounds: EngineBounds) -> Result<Self, BuildError> {
        bounds.check()?;
        Ok(self.within(bounds))
    }
}
