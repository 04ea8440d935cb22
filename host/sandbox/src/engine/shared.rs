//! One compiled interpreter that serves many sandboxes at once.

use std::io::Read;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::OnceCell;
use wasmtime::Config;
use wasmtime::component::{Component, InstancePre};

use super::linker::{self, StoreState};
use super::threads::Threads;
use super::turns::{MAX_WAITING, Turn, Turns};
use crate::error::Error;
use sandbox_net_process::TimeBox;
use sandbox_net_python::Capability;
use sandbox_net_python::{BuildError, Builder};
use sandbox_net_python::{Cache, Installed, Manifest, Progress, Silent, private_dir};

/// How often a running guest yields, so that its limits and its neighbours get their turn.
const TICK: Duration = Duration::from_millis(2);

/// A compiled Python distribution, shared by all sandboxes made with it. Cloning is cheap.
///
/// Interpreters are prepared on first use: fetched, given the shim, compiled. The results are
/// cached on disk.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("distribution", &self.inner.manifest.name)
            .field("cache", &self.inner.cache)
            .finish_non_exhaustive()
    }
}

struct Inner {
    wasmtime: wasmtime::Engine,
    cache: Cache,
    manifest: Manifest,
    installed: Installed,
    progress: Arc<dyn Progress>,
    preparation: Duration,
    network: OnceCell<InstancePre<StoreState>>,
    plain: OnceCell<InstancePre<StoreState>>,
    threads: Threads,
    turns: Turns,
}

/// Settings of an [`Engine`].
#[derive(Default)]
pub struct EngineBuilder {
    distribution: Option<String>,
    cache_dir: Option<PathBuf>,
    progress: Option<Arc<dyn Progress>>,
    preparation: Option<Duration>,
    threads: Option<usize>,
    max_running: Option<usize>,
    max_waiting: Option<usize>,
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
            .finish_non_exhaustive()
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

    /// Fetches the distribution where it is not in the cache.
    ///
    /// # Errors
    ///
    /// A [`BuildError`] that says what to do, for example if pip is missing.
    pub async fn build(self) -> Result<Engine, BuildError> {
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
        let progress = self.progress.unwrap_or_else(|| Arc::new(Silent));
        let cache = Cache::open(self.cache_dir)?;
        let manifest = Manifest::find(self.distribution.as_deref())?;
        let limit = self.preparation.unwrap_or(super::PREPARATION_LIMIT);
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
        let wasmtime = wasmtime::Engine::new(&config()).map_err(BuildError::compile)?;
        keep_ticking(&wasmtime)?;
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        let threads = Threads::start(self.threads.unwrap_or(processors))?;
        let turns = Turns::new(self.max_running, self.max_waiting.unwrap_or(MAX_WAITING));
        Ok(Engine {
            inner: Arc::new(Inner {
                wasmtime,
                cache,
                manifest,
                installed,
                progress,
                preparation: limit,
                network: OnceCell::new(),
                plain: OnceCell::new(),
                threads,
                turns,
            }),
        })
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
    pub async fn shared() -> Result<Self, BuildError> {
        static SHARED: OnceCell<Engine> = OnceCell::const_new();
        SHARED
            .get_or_try_init(|| Self::builder().build())
            .await
            .cloned()
    }

    /// Returns the file of the component with the given capability, for hosts of your own; made on
    /// first use. The component needs the directory [`Engine::library`] mounted.
    ///
    /// # Errors
    ///
    /// A [`BuildError`] if it could not be made.
    pub async fn component(&self, capability: Capability) -> Result<PathBuf, BuildError> {
        let inner = self.inner.clone();
        blocking(move || inner.builder().component(capability)).await
    }

    /// Returns the host directory with the standard library, and the guest directory where it is
    /// mounted.
    pub fn library(&self) -> (&Path, &str) {
        let guest = &self.inner.manifest.library.guest_dir;
        (&self.inner.installed.library_dir, guest)
    }

    /// Returns the distribution's description.
    pub fn manifest(&self) -> &Manifest {
        &self.inner.manifest
    }

    pub(crate) fn cache(&self) -> &Cache {
        &self.inner.cache
    }

    pub(crate) fn progress(&self) -> Arc<dyn Progress> {
        self.inner.progress.clone()
    }

    pub(crate) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.inner.wasmtime
    }

    /// The threads that run guests.
    pub(crate) fn threads(&self) -> &Threads {
        &self.inner.threads
    }

    /// Waits for a place among the guests that run.
    pub(crate) async fn turn(&self) -> Result<Turn, Error> {
        self.inner.turns.turn().await
    }

    /// The interpreter, ready to be instantiated.
    pub(crate) async fn interpreter(
        &self,
        capability: Capability,
    ) -> Result<&InstancePre<StoreState>, BuildError> {
        let cell = match capability {
            Capability::Network => &self.inner.network,
            Capability::None => &self.inner.plain,
        };
        let compiled = cell.get_or_try_init(|| {
            let inner = self.inner.clone();
            blocking(move || {
                let code = inner.builder().compiled(&inner.wasmtime, capability)?;
                let component = load(&inner.wasmtime, &code)?;
                let linker = linker::linker(&inner.wasmtime).map_err(BuildError::compile)?;
                linker
                    .instantiate_pre(&component)
                    .map_err(BuildError::compile)
            })
        });
        limited(
            self.inner.preparation,
            "compiling the interpreter",
            compiled,
        )
        .await
    }
}

impl Inner {
    fn builder(&self) -> Builder<'_> {
        Builder {
            cache: &self.cache,
            manifest: &self.manifest,
            installed: &self.installed,
            progress: &*self.progress,
        }
    }
}

/// If nobody waits any more the work continues, so that the next caller finds it done.
async fn limited<T>(
    limit: Duration,
    what: &str,
    work: impl Future<Output = Result<T, BuildError>>,
) -> Result<T, BuildError> {
    let done = tokio::time::timeout(limit, work).await;
    done.unwrap_or_else(|_| Err(sandbox_net_python::Error::too_long(what, limit).into()))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BuildError> + Send + 'static,
) -> Result<T, BuildError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(failed) => Err(BuildError::Compile(failed.to_string())),
    }
}

fn config() -> Config {
    let mut config = Config::new();
    config
        .wasm_exceptions(true)
        .epoch_interruption(true)
        .max_wasm_stack(sandbox_net_python::WASM_STACK)
        .async_stack_size(sandbox_net_python::ASYNC_STACK);
    config
}

fn load(engine: &wasmtime::Engine, code: &Path) -> Result<Component, BuildError> {
    let mut file = private_dir::open(code)?;
    // Names the open file itself, even if its own name now leads elsewhere.
    #[cfg(target_os = "linux")]
    {
        use std::os::fd::AsRawFd;
        let opened = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        if opened.exists() {
            return load_file(engine, &opened).map_err(BuildError::compile);
        }
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    load_bytes(engine, &bytes).map_err(BuildError::compile)
}

/// Maps compiled code.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "compiled code is native code; see SAFETY")]
fn load_file(engine: &wasmtime::Engine, opened: &Path) -> wasmtime::Result<Component> {
    // SAFETY: it was written by `Builder::compiled`, under a name that holds the hash of everything
    // that it was made of, into a cache that only this user can write to: so `Cache` has found each
    // directory on the way, and `load` the very file that is mapped. No guest has a mount that
    // reaches the cache. Wasmtime itself refuses code of another version or configuration.
    unsafe { Component::deserialize_file(engine, opened) }
}

/// Copies compiled code, for platforms where an open file cannot be mapped.
#[expect(unsafe_code, reason = "compiled code is native code; see SAFETY")]
fn load_bytes(engine: &wasmtime::Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: as in `load_file`.
    unsafe { Component::deserialize(engine, code) }
}

/// Advances the epoch for as long as the engine lives.
fn keep_ticking(engine: &wasmtime::Engine) -> Result<(), BuildError> {
    let engine = engine.weak();
    let thread = thread::Builder::new().name("sandbox-net epoch".to_owned());
    let ticking = thread.spawn(move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            thread::sleep(TICK);
        }
    });
    // Without the thread no limit would take effect.
    ticking?;
    Ok(())
}
