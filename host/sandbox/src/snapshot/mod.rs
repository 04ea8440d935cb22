//! Snapshots of a user's own: interpreters that have packages imported already.

mod automatic;
mod builder;
pub(crate) mod error;
mod file;
mod maker;
mod no_input;

use std::path::Path;
use std::sync::Arc;

use sandbox_net_python::{BuildError, Image, SnapshotNotes};

pub(crate) use self::automatic::automatic;
pub use self::builder::SnapshotBuilder;
pub use self::error::SnapshotError;
use crate::compile::PreparedPackages;
use crate::engine::{Engine, Preopen};
use crate::error::Error;
use crate::mounts::PACKAGES;
use crate::runtime;

/// An interpreter that has modules of packages imported, with which programs begin. Cloning is cheap.
///
/// It belongs to its packages, which are mounted with it. Each program begins with a copy of its own: what
/// one changes no other sees. Random generators, the environment, the arguments, the working directory
/// and the streams are as in an interpreter that has just started.
///
/// ```no_run
/// # async fn example() -> Result<(), sandbox_net::Error> {
/// use sandbox_net::{Engine, Sandbox, Snapshot};
///
/// let engine = Engine::builder().build().await?;
/// let snapshot = Snapshot::builder()
///     .engine(engine.clone())
///     .with_package("requests")
///     .import("requests")
///     .build()
///     .await?;
/// snapshot.save("app.snapshot").await?;
/// let sandbox = Sandbox::builder().snapshot(snapshot).build().await?;
/// # sandbox.run("import requests").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Snapshot {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Engine,
    image: Arc<Image>,
    notes: SnapshotNotes,
    /// Its packages, where it has some.
    packages: Option<PreparedPackages>,
    output: Vec<u8>,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot")
            .field("engine", &self.inner.engine)
            .field("notes", &self.inner.notes)
            .finish_non_exhaustive()
    }
}

impl Snapshot {
    /// Starts with the default settings.
    pub fn builder() -> SnapshotBuilder {
        SnapshotBuilder::default()
    }

    /// The modules that were imported, in this order.
    pub fn imports(&self) -> &[String] {
        &self.inner.notes.imports
    }

    /// What the imports printed, at most 64 KiB of each; nothing for a snapshot from a file.
    pub fn output(&self) -> &[u8] {
        &self.inner.output
    }

    /// The bytes of memory that a program begins with.
    pub fn memory(&self) -> usize {
        self.inner.image.size()
    }

    /// Writes the snapshot to a file, which takes the place of what was there when it is complete. Only
    /// this user may read it.
    ///
    /// # Errors
    ///
    /// [`SnapshotError::Io`] if it can't be written.
    ///
    /// # Cancel safety
    ///
    /// Once it has begun, dropping the future does not stop it: the file is written all the same.
    pub async fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        runtime::check()?;
        let (path, inner) = (path.as_ref().to_path_buf(), self.inner.clone());
        let saved = tokio::task::spawn_blocking(move || {
            inner.image.save(&path).map_err(|source| SnapshotError::Io {
                path,
                done: "written",
                source,
            })
        });
        Ok(saved.await.map_err(|e| runtime::unfinished(&e))??)
    }

    /// Returns the component whose interpreter begins as the snapshot, for hosts of your own. It imports
    /// `sandbox:net/client`, and needs the directories [`Engine::library`] and
    /// [`packages_dir`](Self::packages_dir) mounted.
    ///
    /// # Errors
    ///
    /// A [`BuildError`] if it could not be made, or without a tokio runtime with timers.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the wait, not the work.
    pub async fn component(&self) -> Result<Vec<u8>, BuildError> {
        self.inner
            .engine
            .component_of(self.inner.image.clone())
            .await
    }

    /// The host's directory with its packages, and where programs see it; `None` without packages.
    pub fn packages_dir(&self) -> Option<(&Path, &'static str)> {
        let packages = self.inner.packages.as_ref();
        packages.map(|packages| (packages.site.as_path(), PACKAGES))
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    pub(crate) fn image(&self) -> &Arc<Image> {
        &self.inner.image
    }

    pub(crate) fn packages(&self) -> Option<&Preopen> {
        self.inner
            .packages
            .as_ref()
            .map(|packages| &packages.mounted)
    }
}
