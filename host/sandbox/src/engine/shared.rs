//! One compiled interpreter that serves many sandboxes at once.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sandbox_net_python::{BuildError, Builder, Cache, Capability, Installed, Manifest, Progress};
use tokio::sync::OnceCell;
use wasmtime::component::Component;
use wasmtime_wasi::FsPerms;

use super::code;
use super::filesystem::Preopen;
use super::interpreter::Interpreter;
use super::threads::Threads;
use super::turns::{Turn, Turns};
use super::work::{blocking, limited};
use crate::error::Error;
use crate::runtime;

/// A compiled Python distribution, shared by all sandboxes made with it. Cloning is cheap.
///
/// Interpreters are prepared on first use: fetched, given the shim, compiled. The results are
/// cached on disk.
///
/// ```no_run
/// # async fn example() -> Result<(), sandbox_net::Error> {
/// use sandbox_net::{Engine, Sandbox};
///
/// let engine = Engine::builder().max_running(8).build().await?;
/// let one = Sandbox::builder().engine(engine.clone()).build().await?;
/// let two = Sandbox::builder().engine(engine).build().await?;
/// let (one, two) = tokio::join!(one.run("print(1)"), two.run("print(2)"));
/// # (one?, two?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("distribution", &self.inner.parts.manifest.name)
            .field("cache", &self.inner.parts.cache)
            .finish_non_exhaustive()
    }
}

/// What an engine is built of.
pub(super) struct Parts {
    pub(super) wasmtime: wasmtime::Engine,
    pub(super) cache: Cache,
    pub(super) manifest: Manifest,
    pub(super) installed: Installed,
    pub(super) progress: Arc<dyn Progress>,
    pub(super) preparation: Duration,
    pub(super) threads: Threads,
    pub(super) turns: Turns,
}

struct Inner {
    parts: Parts,
    /// The code of all interpreters, without a memory.
    runtime: OnceCell<Component>,
    network: OnceCell<Interpreter>,
    plain: OnceCell<Interpreter>,
    /// The interpreter's own library, opened once.
    library: OnceLock<Preopen>,
}

impl Engine {
    pub(super) fn new(parts: Parts) -> Self {
        Self {
            inner: Arc::new(Inner {
                parts,
                runtime: OnceCell::new(),
                network: OnceCell::new(),
                plain: OnceCell::new(),
                library: OnceLock::new(),
            }),
        }
    }

    /// Makes the interpreters ready, with a network and without, so that no later sandbox and no first
    /// run waits for them: compiles what is not in the cache, and maps the code. It returns when both
    /// are ready. Further calls, also at the same time, wait for the same work or find it done.
    ///
    /// A [`SandboxBuilder::prepare`](crate::SandboxBuilder::prepare) makes only the one interpreter ready
    /// that its sandbox needs, and its packages.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), sandbox_net::BuildError> {
    /// let engine = sandbox_net::Engine::builder().build().await?;
    /// // A service begins to listen only when the first request will not wait for minutes.
    /// engine.warm().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// A [`BuildError`] if one can't be made in the time of
    /// [`preparation_limit`](crate::EngineBuilder::preparation_limit), or without a tokio runtime with timers.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the wait, not the work: the next call finds it done or goes on waiting.
    pub async fn warm(&self) -> Result<(), BuildError> {
        for capability in [Capability::Network, Capability::None] {
            self.interpreter(capability).await?;
        }
        Ok(())
    }

    /// Returns the file of the component with the given capability, for hosts of your own; made on
    /// first use. The component needs the directory [`Engine::library`] mounted.
    ///
    /// # Errors
    ///
    /// A [`BuildError`] if it could not be made, or without a tokio runtime with timers.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the wait, not the work.
    pub async fn component(&self, capability: Capability) -> Result<PathBuf, BuildError> {
        let runtime = self.runtime().await?.clone();
        let inner = self.inner.clone();
        blocking(move || inner.builder().component(&runtime, capability)).await
    }

    /// Returns the host directory with the standard library, and the guest directory where it is
    /// mounted.
    pub fn library(&self) -> (&Path, &str) {
        let guest = &self.inner.parts.manifest.library.guest_dir;
        (&self.inner.parts.installed.library_dir, guest)
    }

    /// The interpreter's own library, for every sandbox.
    pub(crate) fn library_mount(&self) -> Result<Preopen, Error> {
        if let Some(library) = self.inner.library.get() {
            return Ok(library.clone());
        }
        let (host, guest) = self.library();
        let opened = Preopen::open(host, guest, FsPerms::ReadOnly);
        let library = opened.map_err(|error| Error::Directory {
            path: host.to_path_buf(),
            why: error.to_string(),
        })?;
        Ok(self.inner.library.get_or_init(|| library).clone())
    }

    /// Returns the distribution's description.
    pub fn manifest(&self) -> &Manifest {
        &self.inner.parts.manifest
    }

    pub(crate) fn cache(&self) -> &Cache {
        &self.inner.parts.cache
    }

    pub(crate) fn progress(&self) -> Arc<dyn Progress> {
        self.inner.parts.progress.clone()
    }

    pub(crate) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.inner.parts.wasmtime
    }

    /// The threads that run guests.
    pub(crate) fn threads(&self) -> &Threads {
        &self.inner.parts.threads
    }

    /// Waits for a place among the guests that run.
    pub(crate) async fn turn(&self) -> Result<Turn, Error> {
        self.inner.parts.turns.turn().await
    }

    /// The code of all interpreters.
    async fn runtime(&self) -> Result<&Component, BuildError> {
        runtime::check()?;
        let compiled = self.inner.runtime.get_or_try_init(|| {
            let inner = self.inner.clone();
            blocking(move || inner.load())
        });
        limited(
            self.inner.parts.preparation,
            "compiling the interpreter",
            compiled,
        )
        .await
    }

    /// The interpreter, ready to be instantiated.
    pub(crate) async fn interpreter(
        &self,
        capability: Capability,
    ) -> Result<&Interpreter, BuildError> {
        runtime::check()?;
        let cell = match capability {
            Capability::Network => &self.inner.network,
            Capability::None => &self.inner.plain,
        };
        let preparation = self.inner.parts.preparation;
        let prepared = cell.get_or_try_init(async || {
            // The code is loaded while the image is read.
            let inner = self.inner.clone();
            let found = blocking(move || inner.builder().image_in_cache(capability));
            let (runtime, found) = tokio::join!(self.runtime(), found);
            let (runtime, found) = (runtime?.clone(), found?);
            let inner = self.inner.clone();
            let making = blocking(move || {
                let image = match found {
                    Some(image) => image,
                    None => inner.builder().image(&runtime, capability)?,
                };
                Interpreter::new(&runtime, image, capability).map_err(BuildError::compile)
            });
            limited(preparation, "preparing the interpreter", making).await
        });
        prepared.await
    }
}

impl Inner {
    /// Loads the code, and compiles it where the cache has none or a damaged one.
    fn load(&self) -> Result<Component, BuildError> {
        let engine = &self.parts.wasmtime;
        let code = self.builder().runtime(engine)?;
        match code::load(engine, &code) {
            Err(BuildError::Compile(_)) => {
                code::load(engine, &self.builder().runtime_again(engine)?)
            }
            loaded => loaded,
        }
    }

    fn builder(&self) -> Builder<'_> {
        Builder {
            cache: &self.parts.cache,
            manifest: &self.parts.manifest,
            installed: &self.parts.installed,
            progress: &*self.parts.progress,
        }
    }
}
