//! What programs begin as: packages, and the memory of a snapshot.

use std::sync::Arc;

use sandbox_net_python::{Capability, Image};

use super::SandboxBuilder;
use crate::compile::{PreparedPackages, packages};
use crate::engine::{Engine, PREPARATION_LIMIT};
use crate::error::Error;
use crate::guest::MEMORY;
use crate::snapshot::{Snapshot, automatic};

impl SandboxBuilder {
    /// Lets programs begin as this snapshot, with its packages and its engine.
    ///
    /// Packages that are [added](Self::with_package) have to be part of it already: otherwise
    /// [`build`](Self::build) fails with [`SnapshotError::Packages`](crate::SnapshotError::Packages).
    pub fn snapshot(mut self, snapshot: Snapshot) -> Self {
        self.snapshot = Some(snapshot);
        self
    }

    /// Sets whether the modules of packages that are [added](Self::with_package) are imported once, when the
    /// sandbox is prepared for the first time, so that programs that import them get them at once. It is
    /// the default. Programs see no difference otherwise; `false` saves that time and the room in the cache.
    pub fn automatic_snapshot(mut self, is_made: bool) -> Self {
        self.imports_nothing = !is_made;
        self
    }

    pub(super) async fn chosen_engine(&self) -> Result<Engine, Error> {
        let snapshots = self.snapshot.as_ref().map(Snapshot::engine);
        match (&self.engine, snapshots) {
            (Some(engine), Some(other)) if !engine.is(other) => Err(Error::Setting {
                name: "snapshot",
                why: "it was made or opened with another engine; use one for both".to_owned(),
            }),
            (Some(engine), _) | (None, Some(engine)) => Ok(engine.clone()),
            (None, None) => Ok(Engine::shared().await?),
        }
    }

    /// The memory that programs begin with, where it is not the interpreter's own.
    pub(super) async fn image(
        &self,
        engine: &Engine,
        packages: Option<&PreparedPackages>,
        capability: Capability,
    ) -> Result<Option<Arc<Image>>, Error> {
        match (&self.snapshot, packages) {
            (Some(snapshot), _) => Ok(Some(snapshot.image().clone())),
            (None, Some(packages)) if !self.imports_nothing => {
                let memory = self.memory.unwrap_or(MEMORY);
                let limit = self.preparation.unwrap_or(PREPARATION_LIMIT);
                automatic(engine, packages, &self.packages, capability, memory, limit).await
            }
            (None, _) => Ok(None),
        }
    }

    /// The packages that were added, if any were.
    pub(super) async fn prepare_packages(
        &self,
        engine: &Engine,
        capability: Capability,
    ) -> Result<Option<PreparedPackages>, Error> {
        if self.packages.is_empty() || self.prepared.is_some() {
            return Ok(self.prepared.clone());
        }
        let limit = self.preparation.unwrap_or(PREPARATION_LIMIT);
        let mut requirements = self.packages.clone();
        if let Some(snapshot) = &self.snapshot {
            requirements.extend(snapshot.pins());
        }
        let prepared = packages(engine, requirements, capability, limit).await?;
        if let Some(snapshot) = &self.snapshot {
            snapshot.check_packages(&prepared.wheels)?;
        }
        Ok(Some(prepared))
    }
}
