//! Builds compiled code and memory images from an installed distribution; each is an entry of the cache.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::runtime::Handle;
use wasmtime::component::Component;

use crate::at_rest::AtRest;
use crate::build_error::BuildError;
use crate::cache::{Cache, Kept};
use crate::componentize::{self, Capability, StubImport, componentize};
use crate::error::Error;
use crate::image::{Identity, Image, ImageError, ImageWriter};
use crate::immortals::Immortals;
use crate::install::Installed;
use crate::manifest::{EntryPoint, Manifest, Prepare};
use crate::notes::SnapshotNotes;
use crate::private_dir;
use crate::progress::Amount;
use crate::progress::Progress;
use crate::runtime_error::RuntimeError;
use crate::shim;
use crate::snapshot::{LIBRARY, Preparation, snapshot};

const COMPONENT: &str = "python.component.wasm";
const COMPILED: &str = "python.cwasm";
const IMAGE: &str = "python.image";
/// The kinds of entries. What is needed again is made again: an image in a second, code in a minute.
const IMAGES: &str = "image";
const CODE: &str = "compiled";
const COMPONENTS: &str = "component";
/// Each version has images, code and components of its own. The bound of bytes is for developers, who make
/// many; it leaves room for the code of eight engines.
const KEPT: Kept = Kept {
    unused: Duration::from_hours(24 * 30),
    bytes: 2 << 30,
};
/// What a distribution's unexplained imports return: "there is no host function".
const NO_HOST_FUNCTION: i32 = -1;

/// An installed distribution, from which components are built.
pub struct Builder<'a> {
    /// Where the entries are kept.
    pub cache: &'a Cache,
    /// The description of the distribution.
    pub manifest: &'a Manifest,
    /// Its files.
    pub installed: &'a Installed,
    /// Is told the progress of long steps.
    pub progress: &'a dyn Progress,
}

impl std::fmt::Debug for Builder<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder")
            .field("cache", &self.cache)
            .field("distribution", &self.manifest.name)
            .finish_non_exhaustive()
    }
}

impl Builder<'_> {
    /// Returns the component's file, for hosts of your own. Blocks while it makes the image that
    /// it begins with; call it on a thread that may block, such as that of
    /// `tokio::task::spawn_blocking`. `runtime` is what [`runtime`](Self::runtime) compiled.
    ///
    /// # Errors
    ///
    /// A [`BuildError`] that says which step failed; [`BuildError::Runtime`] without a tokio runtime.
    ///
    /// # Panics
    ///
    /// Within an asynchronous task, if the component has to be made.
    pub fn component(
        &self,
        runtime: &Component,
        capability: Capability,
    ) -> Result<PathBuf, BuildError> {
        let made = self.get_or_make(COMPONENTS, &self.key(capability), |directory| {
            let image = self.image(runtime, capability)?;
            let component = self.component_of(&image, capability)?;
            std::fs::write(directory.join(COMPONENT), component).map_err(BuildError::Io)
        })?;
        Ok(made.join(COMPONENT))
    }

    /// Returns the component whose interpreter begins as `image`, for hosts of your own.
    ///
    /// # Errors
    ///
    /// A [`BuildError`] that says which step failed.
    pub fn component_of(
        &self,
        image: &Image,
        capability: Capability,
    ) -> Result<Vec<u8>, BuildError> {
        let module = private_dir::read(&self.installed.core_wasm)?;
        let module = componentize::embed(&module, &image.read()?)?;
        Ok(componentize(&module, &self.stubs()?, capability)?)
    }

    /// Returns the runtime compiled for `engine`: code without data, whose instances begin with an
    /// [`image`](Self::image), with a network and without. Blocks for about a minute the first time. Engines
    /// whose settings lead to different code have different entries of the cache.
    ///
    /// # Errors
    ///
    /// A [`BuildError`] that says which step failed.
    pub fn runtime(&self, engine: &wasmtime::Engine) -> Result<PathBuf, BuildError> {
        let key = self.code_key(engine);
        let made = self.get_or_make(CODE, &key, |into| self.compile(engine, into))?;
        Ok(made.join(COMPILED))
    }

    /// Compiles the [`runtime`](Self::runtime) again, where what the cache has can't be loaded.
    ///
    /// # Errors
    ///
    /// As [`runtime`](Self::runtime).
    pub fn runtime_again(&self, engine: &wasmtime::Engine) -> Result<PathBuf, BuildError> {
        let entry = self.cache.entry(CODE, &self.code_key(engine))?;
        let made = entry.remake(self.progress, |into| self.compile(engine, into))?;
        Ok(made.join(COMPILED))
    }

    fn code_key(&self, engine: &wasmtime::Engine) -> String {
        format!("{}-{:016x}", self.runtime_key(), settings(engine))
    }

    /// Returns the [`component`](Self::component) compiled for `engine`, which is one of your own. Blocks for
    /// minutes the first time. Engines whose settings lead to different code have different entries of the cache.
    ///
    /// # Errors
    ///
    /// A [`BuildError`] that says which step failed.
    ///
    /// # Panics
    ///
    /// As [`component`](Self::component).
    pub fn component_code(
        &self,
        runtime: &Component,
        capability: Capability,
        engine: &wasmtime::Engine,
    ) -> Result<PathBuf, BuildError> {
        let key = self.component_code_key(capability, engine);
        let make = |into: &Path| self.compile_component(runtime, capability, engine, into);
        Ok(self.get_or_make(CODE, &key, make)?.join(COMPILED))
    }

    /// Compiles the [`component`](Self::component_code) again, where what the cache has can't be loaded.
    ///
    /// # Errors
    ///
    /// As [`component_code`](Self::component_code).
    ///
    /// # Panics
    ///
    /// As [`component`](Self::component).
    pub fn component_code_again(
        &self,
        runtime: &Component,
        capability: Capability,
        engine: &wasmtime::Engine,
    ) -> Result<PathBuf, BuildError> {
        let key = self.component_code_key(capability, engine);
        let make = |into: &Path| self.compile_component(runtime, capability, engine, into);
        let made = self.cache.entry(CODE, &key)?.remake(self.progress, make)?;
        Ok(made.join(COMPILED))
    }

    fn component_code_key(&self, capability: Capability, engine: &wasmtime::Engine) -> String {
        format!("{}-{:016x}", self.key(capability), settings(engine))
    }

    fn compile_component(
        &self,
        runtime: &Component,
        capability: Capability,
        engine: &wasmtime::Engine,
        into: &Path,
    ) -> Result<(), BuildError> {
        let component = private_dir::read(&self.component(runtime, capability)?)?;
        let label = "compiling the component for this engine (once, a minute or two)";
        let _step = self.progress.start(label, Amount::Unknown);
        let code = engine.precompile_component(&component);
        std::fs::write(into.join(COMPILED), code.map_err(BuildError::compile)?)?;
        Ok(())
    }

    fn get_or_make(
        &self,
        kind: &str,
        key: &str,
        make: impl FnOnce(&Path) -> Result<(), BuildError>,
    ) -> Result<PathBuf, BuildError> {
        self.cache
            .get_or_make_kept(kind, key, KEPT, self.progress, make)
    }

    fn compile(&self, engine: &wasmtime::Engine, into: &Path) -> Result<(), BuildError> {
        match &self.manifest.entry {
            EntryPoint::Reactor { run } if run == "run" => {}
            _ => return Err(self.unsupported("is no reactor with the export `run`")),
        }
        let label = "compiling the interpreter (once, about a minute)";
        let _step = self.progress.start(label, Amount::Unknown);
        let module = private_dir::read(&self.installed.core_wasm)?;
        let component = componentize::runtime(&module, &self.stubs()?, self.recipe()?)?;
        drop(module);
        let code = engine.precompile_component(&component);
        std::fs::write(into.join(COMPILED), code.map_err(BuildError::compile)?)?;
        Ok(())
    }

    /// Returns the memory with which an interpreter of this capability begins, made by an instance of the
    /// `runtime` where the cache has none, or a damaged one. Blocks for seconds then.
    ///
    /// # Errors
    ///
    /// As [`component`](Self::component).
    ///
    /// # Panics
    ///
    /// Within an asynchronous task, if the image has to be made.
    pub fn image(
        &self,
        runtime: &Component,
        capability: Capability,
    ) -> Result<Arc<Image>, BuildError> {
        self.open_or_make(&self.key(capability), |identity, path| {
            let handle = Handle::try_current().map_err(|_| RuntimeError::Missing)?;
            let base = self.base()?;
            let label = "preparing the interpreter (once)";
            let _step = self.progress.start(label, Amount::Unknown);
            let preparation = Preparation {
                runtime,
                base: &base,
                recipe: self.recipe()?,
                library: (
                    &self.installed.library_dir,
                    &self.manifest.library.guest_dir,
                ),
                capability,
            };
            let into = ImageWriter::create(path, identity, base.minimum())?;
            handle.block_on(snapshot(preparation, into))
        })
    }

    /// Returns the [`image`](Self::image) that the cache has, if it is whole.
    ///
    /// # Errors
    ///
    /// If others could have changed it.
    pub fn image_in_cache(&self, capability: Capability) -> Result<Option<Arc<Image>>, BuildError> {
        let key = self.key(capability);
        let identity = identity(&key);
        let entry = self.cache.entry(IMAGES, &key)?;
        match entry.get() {
            Some(directory) => {
                entry.note_use();
                open(&directory, &identity)
            }
            None => Ok(None),
        }
    }

    /// Names the interpreter of this capability: a snapshot of another one can't be used with it.
    pub fn interpreter(&self, capability: Capability) -> String {
        self.key(capability)
    }

    /// Writes the memory of an interpreter that began as `base` to a new file, or to one without a name, with
    /// these notes. `objects` is what it said of its objects (`settled.py` in the shim).
    ///
    /// # Errors
    ///
    /// A [`BuildError`] if the interpreter is not whole, or the file can't be written.
    pub async fn own_image<T: Send + 'static>(
        &self,
        interpreter: AtRest<'_, T>,
        objects: &[u8],
        base: &Image,
        notes: &SnapshotNotes,
        path: Option<&Path>,
    ) -> Result<Image, BuildError> {
        let into = ImageWriter::with_notes(path, notes.bytes(), base.minimum())?;
        let reset = &self.recipe()?.reset;
        interpreter
            .write(into, reset, &Immortals::of(objects))
            .await
    }

    /// The memory of the distribution itself.
    fn base(&self) -> Result<Arc<Image>, BuildError> {
        self.open_or_make(&self.runtime_key(), |identity, path| {
            let module = private_dir::read(&self.installed.core_wasm)?;
            let memory = componentize::memory(&module)?;
            let mut into = ImageWriter::create(path, identity, memory.len())?;
            into.append(&memory)?;
            into.finish()?;
            Ok(())
        })
    }

    fn open_or_make(
        &self,
        key: &str,
        make: impl Fn(Identity, &Path) -> Result<(), BuildError>,
    ) -> Result<Arc<Image>, BuildError> {
        let identity = identity(key);
        let into = |directory: &Path| make(identity, &directory.join(IMAGE));
        let directory = self.get_or_make(IMAGES, key, into)?;
        if let Some(image) = open(&directory, &identity)? {
            return Ok(image);
        }
        // It is damaged, or another process has just removed it.
        let entry = self.cache.entry(IMAGES, key)?;
        let directory = entry.remake(self.progress, into)?;
        let image = Image::open(&directory.join(IMAGE), &identity);
        Ok(Arc::new(image.map_err(BuildError::snapshot)?))
    }

    /// Everything that the runtime's bytes depend on.
    fn runtime_key(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(env!("CARGO_PKG_VERSION"));
        hash.update(&self.manifest.core.sha256);
        hash.update(componentize::digest());
        self.named("runtime", hash)
    }

    /// Everything that the component's bytes, and those of its image, depend on.
    fn key(&self, capability: Capability) -> String {
        let mut hash = Sha256::new();
        hash.update(self.runtime_key());
        hash.update(&self.manifest.library.sha256);
        hash.update(LIBRARY);
        hash.update(shim::digest(capability));
        let name = match capability {
            Capability::Network => "network",
            Capability::None => "plain",
        };
        self.named(name, hash)
    }

    fn named(&self, name: &str, hash: Sha256) -> String {
        let digest = hash.finalize();
        let digest: String = digest[..12].iter().map(|b| format!("{b:02x}")).collect();
        format!("{}-{name}-{digest}", self.manifest.name)
    }

    fn unsupported(&self, why: &'static str) -> BuildError {
        BuildError::Unsupported(self.manifest.name.clone(), why)
    }

    fn recipe(&self) -> Result<&Prepare, BuildError> {
        let recipe = self.manifest.prepare.as_ref();
        recipe.ok_or_else(|| self.unsupported("cannot run a turn before its snapshot"))
    }

    fn stubs(&self) -> Result<Vec<StubImport>, BuildError> {
        let names = self.manifest.imports.stubs.iter();
        let stub = |name: &String| {
            let (module, name) = name.split_once('.').ok_or_else(|| {
                let fault = "has a manifest with a stub that is not MODULE.FIELD";
                BuildError::Unsupported(self.manifest.name.clone(), fault)
            })?;
            Ok(StubImport {
                module: module.to_owned(),
                name: name.to_owned(),
                answer: NO_HOST_FUNCTION,
            })
        };
        names.map(stub).collect()
    }
}

/// The key of an image's entry names all that the image was made of.
fn identity(key: &str) -> Identity {
    Sha256::digest(key).into()
}

/// The image in an entry; none if it is damaged. One that others could have changed is refused.
fn open(directory: &Path, identity: &Identity) -> Result<Option<Arc<Image>>, BuildError> {
    match Image::open(&directory.join(IMAGE), identity) {
        Ok(image) => Ok(Some(Arc::new(image))),
        Err(ImageError::File(refused @ Error::CacheNotPrivate { .. })) => Err(refused.into()),
        Err(_) => Ok(None),
    }
}

/// What of an engine's settings decides which code it can run.
fn settings(engine: &wasmtime::Engine) -> u64 {
    let mut settings = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut settings);
    settings.finish()
}

#[cfg(test)]
mod tests {
    use wasmtime::{Config, Engine, OptLevel};

    use super::*;

    #[test]
    fn engines_whose_code_differs_share_no_entry_of_the_cache() {
        let of = |change: &dyn Fn(&mut Config)| {
            let mut config = Config::new();
            config.epoch_interruption(true);
            change(&mut config);
            settings(&Engine::new(&config).unwrap())
        };
        let plain = of(&|_| {});
        assert_eq!(plain, of(&|_| {}), "the same settings share one");
        let others = [
            of(&|config| _ = config.epoch_interruption(false)),
            of(&|config| _ = config.cranelift_opt_level(OptLevel::None)),
            of(&|config| _ = config.consume_fuel(true)),
            of(&|config| _ = config.memory_reservation(1 << 20)),
            of(&|config| _ = config.signals_based_traps(false)),
            of(&|config| _ = config.wasm_simd(false).wasm_relaxed_simd(false)),
        ];
        for (number, other) in others.iter().enumerate() {
            assert_ne!(*other, plain, "{number}");
            assert!(!others[..number].contains(other), "{number}");
        }
    }
}
