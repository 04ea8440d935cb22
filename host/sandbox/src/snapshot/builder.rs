//! The settings of a snapshot that is made.

use std::sync::Arc;
use std::time::Duration;

use sandbox_net_python::{Amount, Capability, SnapshotNotes};

use super::error::SnapshotError;
use super::maker::Maker;
use super::{Inner, Snapshot};
use crate::checks;
use crate::compile::packages;
use crate::engine::{Engine, PREPARATION_LIMIT};
use crate::error::Error;
use crate::guest::MEMORY;
use crate::runtime;

/// How long all imports may take together by default.
const TIME: Duration = Duration::from_secs(60);

/// Settings of a [`Snapshot`].
///
/// ```no_run
/// # async fn example() -> Result<(), sandbox_net::Error> {
/// let snapshot = sandbox_net::Snapshot::builder()
///     .with_package("pandas")
///     .import("pandas")
///     .build()
///     .await?;
/// # drop(snapshot);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct SnapshotBuilder {
    engine: Option<Engine>,
    packages: Vec<String>,
    imports: Vec<String>,
    time: Option<Duration>,
    memory: Option<usize>,
    preparation: Option<Duration>,
}

impl SnapshotBuilder {
    /// Sets the compiled interpreter. Defaults to [`Engine::shared`].
    pub fn engine(mut self, engine: Engine) -> Self {
        self.engine = Some(engine);
        self
    }

    /// Adds a package, as [`SandboxBuilder::with_package`](crate::SandboxBuilder::with_package).
    pub fn with_package(mut self, requirement: impl Into<String>) -> Self {
        self.packages.push(requirement.into());
        self
    }

    /// Imports a module, after those that were named before. Without any the snapshot saves nothing.
    pub fn import(mut self, module: impl Into<String>) -> Self {
        self.imports.push(module.into());
        self
    }

    /// Limits the time of all imports together. Defaults to 60 seconds. Zero is an error.
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time = Some(limit);
        self
    }

    /// Limits the memory of the interpreter in bytes. Defaults to 1 GiB. A sandbox that begins with the
    /// snapshot needs at least as much as its imports took.
    pub fn memory_limit(mut self, bytes: usize) -> Self {
        self.memory = Some(bytes);
        self
    }

    /// Limits the time for fetching and unpacking packages. Defaults to 30 minutes. Zero is an error.
    pub fn preparation_limit(mut self, limit: Duration) -> Self {
        self.preparation = Some(limit);
        self
    }

    /// Makes the snapshot: fetches what is missing, and imports the modules in an interpreter that has no
    /// network, no stdin and no environment of this process.
    ///
    /// # Errors
    ///
    /// [`Error::Snapshot`] if an import fails or reaches a limit, or leaves a file open or a thread
    /// running; and as [`SandboxBuilder::build`](crate::SandboxBuilder::build) for the packages.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the imports.
    pub async fn build(self) -> Result<Snapshot, Error> {
        runtime::check()?;
        let limit = "omit it for the default";
        checks::time("time limit", self.time, limit)?;
        checks::time("preparation limit", self.preparation, limit)?;
        checks::memory(self.memory)?;
        let engine = match self.engine {
            Some(engine) => engine,
            None => Engine::shared().await?,
        };
        // Programs with a network need it, and the others do without it.
        let capability = Capability::Network;
        let base = engine.interpreter(capability).await?.image().clone();
        let preparation = self.preparation.unwrap_or(PREPARATION_LIMIT);
        let (wheels, packages) = match self.packages.is_empty() {
            true => (Vec::new(), None),
            false => {
                let made = packages(&engine, self.packages.clone(), capability, preparation);
                let made = made.await?;
                (made.wheels.clone(), Some(made))
            }
        };
        let maker = Maker {
            engine: engine.clone(),
            // Nothing of a network is linked.
            interpreter: engine.interpreter_with(Capability::None, base).await?,
            packages: packages.as_ref().map(|packages| packages.mounted.clone()),
            time: self.time.unwrap_or(TIME),
            memory: self.memory.unwrap_or(MEMORY),
        };
        let progress = engine.progress();
        let _step = progress.start("making the snapshot", Amount::Unknown);
        let imported = maker.import(&self.imports, false).await?;
        if let Some(what) = imported.left {
            return Err(SnapshotError::Left { what }.into());
        }
        let output = imported
            .imports
            .iter()
            .flat_map(|import| import.output.clone());
        let output = output.collect();
        let notes = SnapshotNotes::new(
            engine.name_of(capability),
            engine.manifest().python.clone(),
            self.imports,
            self.packages,
            wheels,
        );
        let image = maker.take(imported, notes.clone(), None).await?;
        Ok(Snapshot {
            inner: Arc::new(Inner {
                engine,
                image: Arc::new(image),
                notes,
                packages,
                output,
            }),
        })
    }
}
