//! One compiled interpreter that serves many sandboxes at once.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sandbox_net_egress::account::HostMemory;
use sandbox_net_python::{
    AtRest, BuildError, Builder, Cache, Capability, Image, Installed, Manifest, Progress,
    RuntimeError, SnapshotNotes,
};
use tokio::runtime::Handle;
use tokio::sync::OnceCell;
use wasmtime::component::{Component, InstancePre};

use super::code;
use super::filesystem::Preopen;
use super::full::EngineFull;
use sandbox_net_python::manifest::Signals;

use super::bounds::EngineBounds;
use super::interpreter::{Interpreter, link};
use super::linker::StoreState;
use super::opened::Opened;
use super::threads::Threads;
use super::totals::{EngineUsage, Share, Totals};
use super::turns::{Turn, Turns};
use super::work::{blocking, limited};
use crate::error::Error;
use crate::rehearsal::rehearse_once;
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
    totals: Arc<Totals>,
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
    network: Kind,
    plain: Kind,
    opened: Opened,
    /// The interpreter's own library, opened once.
    library: OnceLock<Preopen>,
}

/// The interpreters of one capability.
#[derive(Default)]
struct Kind {
    linked: OnceCell<InstancePre<StoreState>>,
    interpreter: OnceCell<Interpreter>,
    name: OnceLock<String>,
}

impl Engine {
    pub(super) fn new(parts: Parts, totals: Totals) -> Self {
        Self {
            totals: Arc::new(totals),
            inner: Arc::new(Inner {
                parts,
                runtime: OnceCell::new(),
                network: Kind::default(),
                plain: Kind::default(),
                opened: Opened::default(),
                library: OnceLock::new(),
            }),
        }
    }

    /// The same engine, whose sandboxes are counted within these bounds too.
    pub(super) fn within(&self, bounds: EngineBounds) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            totals: Arc::new(Totals::within(bounds, Some(&self.totals))),
        }
    }

    /// Loads the code, and the memory as which programs begin, with a network and without.
    pub(crate) async fn prepare(&self) -> Result<(), BuildError> {
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

    /// Returns the same component, compiled for a wasmtime engine of yours that [`configure`](crate::configure) has
    /// made fit. Compiling takes a minute or two; the cache keeps the code for all engines with these settings.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use sandbox_net::{Capability, Engine, wasmtime};
    ///
    /// let own = wasmtime::Engine::new(sandbox_net::configure(&mut wasmtime::Config::new()))?;
    /// let python = Engine::shared().await?;
    /// let component = python.compiled_component(Capability::Network, &own).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`component`](Self::component), and if the engine cannot compile it.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the wait, not the work.
    pub async fn compiled_component(
        &self,
        capability: Capability,
        engine: &wasmtime::Engine,
    ) -> Result<Component, BuildError> {
        let runtime = self.runtime().await?.clone();
        let (inner, engine) = (self.inner.clone(), engine.clone());
        blocking(move || inner.load_component(&runtime, capability, &engine)).await
    }

    /// Returns the component whose interpreter begins as `image`, with a network.
    pub(crate) async fn component_of(&self, image: Arc<Image>) -> Result<Vec<u8>, BuildError> {
        let inner = self.inner.clone();
        blocking(move || inner.builder().component_of(&image, Capability::Network)).await
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
        let opened = Preopen::of_cache(host, guest);
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

    /// How much the engine's sandboxes have together, at the moment, and how much they may have; of a
    /// [part](Self::part), those of the part, with the programs that run of the whole engine.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), sandbox_net::BuildError> {
    /// let engine = sandbox_net::Engine::builder().total_memory(8 << 30).build().await?;
    /// let usage = engine.usage();
    /// println!("{} programs have {} bytes", usage.running.used, usage.memory.used);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn usage(&self) -> EngineUsage {
        let [running, waiting] = self.inner.parts.turns.usage();
        self.totals.usage(running, waiting)
    }

    /// Counts one more sandbox, until what is returned is dropped.
    pub(crate) fn place(&self) -> Result<Share, EngineFull> {
        self.totals.sandbox()
    }

    /// Takes the memory that a guest begins with, until what is returned is dropped.
    pub(crate) fn memory(&self, needed: usize) -> Result<Share, EngineFull> {
        self.totals.memory(needed as u64)
    }

    /// The account that the host's memory of all sandboxes is taken from.
    pub(crate) fn host_memory(&self) -> &HostMemory {
        self.totals.host_memory()
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
        let preparation = self.inner.parts.preparation;
        let prepared = self.kind(capability).interpreter.get_or_try_init(async || {
            // The code is loaded while the image is read.
            let inner = self.inner.clone();
            let found = blocking(move || inner.builder().image_in_cache(capability));
            let (linked, found) = tokio::join!(self.linked(capability), found);
            let (linked, found) = (linked?.clone(), found?);
            let image = match found {
                Some(image) => image,
                None => {
                    let (runtime, inner) = (self.runtime().await?.clone(), self.inner.clone());
                    let making = blocking(move || inner.builder().image(&runtime, capability));
                    limited(preparation, "preparing the interpreter", making).await?
                }
            };
            let interpreter = Interpreter::new(linked, image, self.inner.signals());
            rehearse_once(self, &interpreter).await;
            Ok(interpreter)
        });
        prepared.await
    }

    /// An interpreter of this capability that begins with another memory.
    pub(crate) async fn interpreter_with(
        &self,
        capability: Capability,
        image: Arc<Image>,
    ) -> Result<Interpreter, BuildError> {
        Ok(Interpreter::new(
            self.linked(capability).await?.clone(),
            image,
            self.inner.signals(),
        ))
    }

    /// Names the interpreter of this capability: what was made with another one does not fit it.
    pub(crate) fn name_of(&self, capability: Capability) -> String {
        let name = || self.inner.builder().interpreter(capability);
        self.kind(capability).name.get_or_init(name).clone()
    }

    /// The images of sets of packages that were opened before, by their names in the cache.
    pub(crate) fn opened(&self) -> &Opened {
        &self.inner.opened
    }

    /// Takes the memory of an instance at rest. Blocks.
    pub(crate) fn take_image(
        &self,
        at_rest: AtRest<'_, StoreState>,
        objects: &[u8],
        base: &Image,
        notes: &SnapshotNotes,
        into: Option<&Path>,
    ) -> Result<Image, BuildError> {
        let handle = Handle::try_current().map_err(|_| RuntimeError::Missing)?;
        let builder = self.inner.builder();
        handle.block_on(builder.own_image(at_rest, objects, base, notes, into))
    }

    /// Whether two are the same.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    fn kind(&self, capability: Capability) -> &Kind {
        match capability {
            Capability::Network => &self.inner.network,
            Capability::None => &self.inner.plain,
        }
    }

    /// The code with what programs of this capability may import.
    async fn linked(&self, capability: Capability) -> Result<&InstancePre<StoreState>, BuildError> {
        let linked = self.kind(capability).linked.get_or_try_init(async || {
            let runtime = self.runtime().await?.clone();
            blocking(move || link(&runtime, capability).map_err(BuildError::compile)).await
        });
        linked.await
    }
}

impl Inner {
    /// How an interpreter is interrupted, where that is known of the distribution.
    fn signals(&self) -> Option<Signals> {
        self.parts.manifest.prepare.as_ref()?.signals
    }

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

    /// Loads the component's code for an engine of the embedder's.
    fn load_component(
        &self,
        runtime: &Component,
        capability: Capability,
        engine: &wasmtime::Engine,
    ) -> Result<Component, BuildError> {
        let builder = self.builder();
        let code = builder.component_code(runtime, capability, engine)?;
        match code::load(engine, &code) {
            Err(BuildError::Compile(_)) => {
                let code = builder.component_code_again(runtime, capability, engine)?;
                code::load(engine, &code)
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
