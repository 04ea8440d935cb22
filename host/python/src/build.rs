//! Builds compiled code from an installed distribution; each step is an entry of the cache.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;

use sha2::{Digest, Sha256};
use tokio::runtime::Handle;

use crate::build_error::BuildError;
use crate::cache::Cache;
use crate::componentize::{self, Capability, StubImport, componentize};
use crate::install::Installed;
use crate::manifest::{EntryPoint, Manifest};
use crate::prepare::{LIBRARY, Preparation, prepare};
use crate::private_dir;
use crate::progress::Amount;
use crate::progress::Progress;
use crate::runtime_error::RuntimeError;
use crate::shim;

const COMPONENT: &str = "python.component.wasm";
const COMPILED: &str = "python.cwasm";
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
    /// Returns the component's file. Blocks for minutes the first time; call it on a thread that may
    /// block, such as that of `tokio::task::spawn_blocking`.
    ///
    /// # Errors
    ///
    /// A [`BuildError`] that says which step failed; [`BuildError::Runtime`] without a tokio runtime.
    ///
    /// # Panics
    ///
    /// Within an asynchronous task, if the component has to be made.
    pub fn component(&self, capability: Capability) -> Result<PathBuf, BuildError> {
        let entry = self.cache.entry("component", &self.key(capability))?;
        let directory = entry.get_or_make(self.progress, |directory| {
            let component = self.make_component(capability)?;
            std::fs::write(directory.join(COMPONENT), component).map_err(BuildError::Io)
        })?;
        Ok(directory.join(COMPONENT))
    }

    /// Returns the component compiled for `engine`. Blocks for minutes the first time. Engines whose
    /// settings lead to different code have different entries of the cache.
    ///
    /// # Errors
    ///
    /// As [`component`](Self::component).
    ///
    /// # Panics
    ///
    /// As [`component`](Self::component).
    pub fn compiled(
        &self,
        engine: &wasmtime::Engine,
        capability: Capability,
    ) -> Result<PathBuf, BuildError> {
        let key = format!("{}-{:016x}", self.key(capability), settings(engine));
        let entry = self.cache.entry("compiled", &key)?;
        if let Some(directory) = entry.get() {
            return Ok(directory.join(COMPILED));
        }
        let component = self.component(capability)?;
        let directory = entry.get_or_make(self.progress, |directory| {
            let label = "compiling the interpreter (once, a few minutes)";
            let _step = self.progress.start(label, Amount::Unknown);
            let component = private_dir::read(&component)?;
            let code = engine
                .precompile_component(&component)
                .map_err(BuildError::compile)?;
            std::fs::write(directory.join(COMPILED), code).map_err(BuildError::Io)
        })?;
        Ok(directory.join(COMPILED))
    }

    /// Everything that the component's bytes depend on.
    fn key(&self, capability: Capability) -> String {
        let mut hash = Sha256::new();
        hash.update(env!("CARGO_PKG_VERSION"));
        hash.update(&self.manifest.core.sha256);
        hash.update(&self.manifest.library.sha256);
        hash.update(LIBRARY);
        hash.update(componentize::digest());
        hash.update(shim::digest(capability));
        let name = match capability {
            Capability::Network => "network",
            Capability::None => "plain",
        };
        let digest = hash.finalize();
        let digest: String = digest[..12].iter().map(|b| format!("{b:02x}")).collect();
        format!("{}-{name}-{digest}", self.manifest.name)
    }

    fn make_component(&self, capability: Capability) -> Result<Vec<u8>, BuildError> {
        let unsupported = |why| BuildError::Unsupported(self.manifest.name.clone(), why);
        match &self.manifest.entry {
            EntryPoint::Reactor { run } if run == "run" => {}
            _ => return Err(unsupported("is no reactor with the export `run`")),
        }
        let module = private_dir::read(&self.installed.core_wasm)?;
        let stubs = self.stubs()?;
        let recipe = self.manifest.prepare.as_ref();
        let recipe = recipe.ok_or_else(|| unsupported("cannot run a turn before its snapshot"))?;
        let runtime = Handle::try_current().map_err(|_| RuntimeError::Missing)?;
        let label = "preparing the interpreter (once, a few minutes)";
        let _step = self.progress.start(label, Amount::Unknown);
        let module = runtime.block_on(prepare(Preparation {
            module: &module,
            stubs: &stubs,
            recipe,
            library: (
                &self.installed.library_dir,
                &self.manifest.library.guest_dir,
            ),
            capability,
        }))?;
        Ok(componentize(&module, &stubs, capability)?)
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
