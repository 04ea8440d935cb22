//! The settings of an engine.

use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use sandbox_net_process::TimeBox;
use sandbox_net_python::{BuildError, Cache, Manifest, Progress, Silent};
use tokio::sync::OnceCell;

use super::PREPARATION_LIMIT;
use super::bounds::EngineBounds;
use super::config::{self, Change};
use super::shared::{Engine, Parts};
use super::threads::Threads;
use super::totals::Totals;
use super::turns::{MAX_WAITING, Turns};
use super::work::{blocking, limited};
use crate::runtime;

/// Settings of an [`Engine`].
///
/// ```no_run
/// # async fn example() -> Result<(), sandbox_net::BuildError> {
/// let engine = sandbox_net::Engine::builder()
///     .cache_dir("/var/cache/agents")
///     .threads(2)
///     .max_running(16)
///     .build()
///     .await?;
/// # drop(engine);
/// # Ok(())
/// # }
/// ```
#[derive(Default)]
pub struct EngineBuilder {
    distribution: Option<String>,
    cache_dir: Option<PathBuf>,
    progress: Option<Arc<dyn Progress>>,
    preparation: Option<Duration>,
    threads: Option<usize>,
    max_running: Option<usize>,
    max_waiting: Option<usize>,
    bounds: EngineBounds,
    changes: Vec<Change>,
}

impl std::fmt::Debug for EngineBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EngineBuilder")
            .field("distribution", &self.distribution)
            .field("cache_dir", &self.cache_dir)
            .field("preparation_limit", &self.preparation)
            .field("threads", &self.threads)
            .field("max_running", &self.max_running)
            .field("max_waiting", &self.max_waiting)
            .field("max_sandboxes", &self.bounds.sandboxes)
            .field("total_memory", &self.bounds.memory)
            .field("total_host_memory", &self.bounds.host_memory)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// Starts with the default settings.
    pub fn builder() -> EngineBuilder {
        EngineBuilder::default()
    }

    /// Returns the engine of the default distribution and cache, made once in this process.
    ///
    /// # Errors
    ///
    /// As [`EngineBuilder::build`]; after a failure the next call tries again.
    ///
    /// # Cancel safety
    ///
    /// As [`EngineBuilder::build`]; another caller that waits goes on.
    pub async fn shared() -> Result<Self, BuildError> {
        static SHARED: OnceCell<Engine> = OnceCell::const_new();
        SHARED
            .get_or_try_init(|| Self::builder().build())
            .await
            .cloned()
    }
}

impl EngineBuilder {
    /// Sets the distribution by its name. Without it, the default one is used.
    pub fn distribution(mut self, name: impl Into<String>) -> Self {
        self.distribution = Some(name.into());
        self
    }

    /// Sets the cache's directory. Defaults to `SANDBOX_NET_CACHE`, or to the platform's.
    pub fn cache_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.cache_dir = Some(directory.into());
        self
    }

    /// Sets who is told the progress of long steps. Defaults to nobody.
    pub fn progress(mut self, progress: impl Progress + 'static) -> Self {
        self.progress = Some(Arc::new(progress));
        self
    }

    /// Limits the time for fetching the distribution, and for compiling it on first use. Defaults to 30
    /// minutes each. At its end pip is killed, and the error is
    /// [`PreparationTooLong`](sandbox_net_python::Error::PreparationTooLong). Zero is an error.
    pub fn preparation_limit(mut self, limit: Duration) -> Self {
        self.preparation = Some(limit);
        self
    }

    /// How many threads run guests: as many as the machine has processors otherwise. As many more run
    /// those that compute much, with a lower priority (on Linux). The embedder's own threads run none.
    /// Zero is an error.
    pub fn threads(mut self, count: usize) -> Self {
        self.threads = Some(count);
        self
    }

    /// The most programs that run at once; any number otherwise. Those that come later wait for their
    /// turn, and their time limits begin with it. Zero is an error.
    pub fn max_running(mut self, most: usize) -> Self {
        self.max_running = Some(most);
        self
    }

    /// The most programs that wait for their turn; 1,024 otherwise. One more is
    /// [`Error::Busy`](crate::Error::Busy).
    pub fn max_waiting(mut self, most: usize) -> Self {
        self.max_waiting = Some(most);
        self
    }

    /// The most sandboxes that the engine has at once; any number otherwise. A sandbox counts from its
    /// making, also as a fork or as one that a [`Pool`](crate::Pool) keeps ready, until it is dropped and
    /// its last run has ended. One more is [`Error::Full`](crate::Error::Full). Zero is an error.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), sandbox_net::BuildError> {
    /// let engine = sandbox_net::Engine::builder()
    ///     .max_sandboxes(1000)
    ///     .total_memory(8 << 30)
    ///     .total_host_memory(1 << 30)
    ///     .build()
    ///     .await?;
    /// # drop(engine);
    /// # Ok(())
    /// # }
    /// ```
    pub fn max_sandboxes(mut self, most: usize) -> Self {
        self.bounds.sandboxes = Some(most as u64);
        self
    }

    /// The most bytes of memory that all programs of the engine have together; no bound otherwise.
    ///
    /// What counts is what a program has, not what its
    /// [limit](crate::SandboxBuilder::memory_limit) lets it have: limits may add up to more. A program
    /// begins with the interpreter's memory, about 42 MiB. All of that counts, although a program that
    /// leaves most of it as it is shares it with the others: any program may change every byte. A program
    /// that finds no room at its start is [`Error::Full`](crate::Error::Full). One that asks for more
    /// while it runs gets a `MemoryError`, as at its own limit. Less than a program begins with is
    /// an error.
    pub fn total_memory(mut self, bytes: u64) -> Self {
        self.bounds.memory = Some(bytes);
        self
    }

    /// The most bytes of the host's memory that are held for all sandboxes of the engine together; no bound
    /// otherwise, besides each sandbox's own
    /// [`host_memory_limit`](crate::SandboxBuilder::host_memory_limit), which may add up to more.
    ///
    /// A run that finds no room for its streams is [`Error::Full`](crate::Error::Full). A request beyond
    /// raises `OSError` with the limit `host-memory` in Python;
    /// [`Outcome::budgets_reached`](crate::Outcome::budgets_reached) and the log say `total_host_memory`, if
    /// there is room left for the record. Zero is an error.
    pub fn total_host_memory(mut self, bytes: u64) -> Self {
        self.bounds.host_memory = Some(bytes);
        self
    }

    /// Changes settings of wasmtime, such as how well it optimises, how much address space a memory
    /// reserves. Several closures are called in their order.
    ///
    /// What a sandbox's limits and snapshots need is set afterwards, so that it cannot be lost: what
    /// [`configure`](crate::configure) sets, no fuel, memory that begins as a snapshot
    /// (`Config::with_host_memory`), and the check that compiled code is of this version of wasmtime. Other settings are the closure's: one
    /// with which Python cannot be compiled is a [`BuildError::Compile`]. Settings that lead to different
    /// code have their own entry of the cache, so the first run with them compiles for about a minute.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), sandbox_net::BuildError> {
    /// // A memory that grows moves instead of reserving 4 GiB of addresses from the beginning.
    /// let engine = sandbox_net::Engine::builder()
    ///     .wasmtime(|config| {
    ///         config.memory_reservation(256 << 20);
    ///     })
    ///     .build()
    ///     .await?;
    /// # drop(engine);
    /// # Ok(())
    /// # }
    /// ```
    pub fn wasmtime(mut self, change: impl FnOnce(&mut wasmtime::Config) + Send + 'static) -> Self {
        self.changes.push(Box::new(change));
        self
    }

    /// Fetches the distribution where it is not in the cache.
    ///
    /// # Errors
    ///
    /// A [`BuildError`] that says what to do, for example if pip is missing; [`BuildError::Runtime`]
    /// where there is no tokio runtime with timers.
    ///
    /// # Panics
    ///
    /// If a closure of [`wasmtime`](Self::wasmtime) does.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends pip. What was fetched completely stays in the cache.
    pub async fn build(self) -> Result<Engine, BuildError> {
        runtime::check()?;
        if self.preparation.is_some_and(|limit| limit.is_zero()) {
            return Err(BuildError::Setting {
                name: "preparation limit",
                why: "it is zero; omit it for 30 minutes",
            });
        }
        for (name, count) in [
            ("number of threads", self.threads),
            ("max_running", self.max_running),
        ] {
            if count == Some(0) {
                let why = "it is zero; no program would ever run; leave it out for the default";
                return Err(BuildError::Setting { name, why });
            }
        }
        self.bounds.check()?;
        let progress = self.progress.unwrap_or_else(|| Arc::new(Silent));
        let cache = Cache::open(self.cache_dir)?;
        let manifest = Manifest::find(self.distribution.as_deref())?;
        let limit = self.preparation.unwrap_or(PREPARATION_LIMIT);
        let (manifest, cache, installed) = {
            let progress = progress.clone();
            let within = TimeBox::new(limit);
            // If the caller stops waiting for the distribution, pip is killed.
            let _waiting = within.waiting();
            let fetching = blocking(move || {
                let installed = sandbox_net_python::install_within(
                    &manifest, &cache, &*progress, None, &within,
                )?;
                Ok::<_, BuildError>((manifest, cache, installed))
            });
            limited(limit, "fetching the interpreter", fetching).await?
        };
        let config = config::config(self.changes)?;
        let wasmtime = wasmtime::Engine::new(&config).map_err(BuildError::compile)?;
        // Without it no limit would take effect.
        sandbox_net_wasi::keep_ticking(&wasmtime)?;
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        let threads = Threads::start(self.threads.unwrap_or(processors))?;
        let turns = Turns::new(self.max_running, self.max_waiting.unwrap_or(MAX_WAITING));
        let parts = Parts {
            wasmtime,
            cache,
            manifest,
            installed,
            progress,
            preparation: limit,
            threads,
            turns,
        };
        Ok(Engine::new(parts, Totals::new(self.bounds)))
    }
}
