//! Snapshots in files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sandbox_net_python::image::ImageError;
use sandbox_net_python::packages::ResolvedWheel;
use sandbox_net_python::{Capability, Image, SnapshotNotes};

use super::error::SnapshotError;
use super::{Inner, Snapshot};
use crate::compile::{PreparedPackages, packages, packages_in_cache};
use crate::engine::{Engine, PREPARATION_LIMIT};
use crate::error::Error;
use crate::runtime;

const AGAIN: &str = "make it again with sandbox-net snapshot";

impl Snapshot {
    /// Opens a snapshot that was [saved](Self::save), and prepares its packages: the same wheels, from the
    /// cache or the index. The file is copied to memory while it is checked, so it may change
    /// afterwards.
    ///
    /// A snapshot is a program of whoever made it: what a sandbox with it may do is what its policy
    /// allows.
    ///
    /// # Errors
    ///
    /// [`SnapshotError::File`] if it is damaged, or was made by another version; [`SnapshotError::Packages`]
    /// if its packages are not to be had; [`SnapshotError::Io`] if it can't be read.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends pip.
    pub async fn open(engine: &Engine, path: impl AsRef<Path>) -> Result<Self, Error> {
        runtime::check()?;
        let path = path.as_ref().to_path_buf();
        let reading = path.clone();
        let read = tokio::task::spawn_blocking(move || read(&reading));
        let (image, notes) = read.await.map_err(|e| runtime::unfinished(&e))??;
        let mine = engine.name_of(Capability::Network);
        if notes.interpreter != mine {
            let why = format!(
                "was made by another version of sandbox-net or of its Python (it has {}, this one is \
                 {mine}): {AGAIN}",
                notes.interpreter
            );
            return Err(SnapshotError::File { path, why }.into());
        }
        let packages = match notes.packages.is_empty() && notes.requirements.is_empty() {
            true => None,
            false => Some(same_packages(engine, &notes).await?),
        };
        Ok(Self {
            inner: Arc::new(Inner {
                engine: engine.clone(),
                image: Arc::new(image),
                notes,
                packages,
                output: Vec::new(),
            }),
        })
    }
}

impl Snapshot {
    /// Requirements that only its packages satisfy.
    pub(crate) fn pins(&self) -> Vec<String> {
        pins(&self.inner.notes)
    }

    /// Refuses other packages than its own.
    pub(crate) fn check_packages(&self, wheels: &[ResolvedWheel]) -> Result<(), SnapshotError> {
        match difference(&self.inner.notes.packages, wheels) {
            None => Ok(()),
            Some(why) => Err(SnapshotError::Packages { why }),
        }
    }
}

fn read(path: &Path) -> Result<(Image, SnapshotNotes), SnapshotError> {
    let fault = |why: String| SnapshotError::File {
        path: PathBuf::from(path),
        why,
    };
    match Image::open_copy(path) {
        Ok((image, notes)) => match SnapshotNotes::parse(&notes) {
            Some(notes) => Ok((image, notes)),
            None => Err(fault(format!("has notes of another form: {AGAIN}"))),
        },
        Err(ImageError::Invalid(why)) => Err(fault(format!("{why}: {AGAIN}"))),
        Err(ImageError::Io(source)) => Err(SnapshotError::Io {
            path: path.into(),
            done: "read",
            source,
        }),
        Err(error) => Err(fault(error.to_string())),
    }
}

/// The packages of a snapshot, the very same.
async fn same_packages(engine: &Engine, notes: &SnapshotNotes) -> Result<PreparedPackages, Error> {
    if let Some(found) = packages_in_cache(engine, &notes.packages).await? {
        return Ok(found);
    }
    let pins = match notes.packages.is_empty() {
        // All of them are built in.
        true => notes.requirements.clone(),
        false => pins(notes),
    };
    let made = packages(engine, pins, Capability::Network, PREPARATION_LIMIT).await?;
    match difference(&notes.packages, &made.wheels) {
        None => Ok(made),
        Some(why) => Err(SnapshotError::Packages { why }.into()),
    }
}

/// Requirements that only these wheels satisfy.
fn pins(notes: &SnapshotNotes) -> Vec<String> {
    let wheels = notes.packages.iter();
    wheels
        .map(|wheel| format!("{}=={}", wheel.name, wheel.version))
        .collect()
}

/// What the second set has otherwise than the first.
fn difference(wanted: &[ResolvedWheel], got: &[ResolvedWheel]) -> Option<String> {
    let named = |wheel: &ResolvedWheel| format!("{} {}", wheel.name, wheel.version);
    let find = |wheels: &[ResolvedWheel], name: &str| {
        wheels.iter().find(|wheel| wheel.name == name).cloned()
    };
    for wheel in wanted {
        match find(got, &wheel.name) {
            None => return Some(format!("{} is missing", named(wheel))),
            Some(other) if other.version != wheel.version => {
                return Some(format!("{} instead of {}", named(&other), named(wheel)));
            }
            Some(other) if other.sha256 != wheel.sha256 => {
                return Some(format!("another wheel of {}", named(wheel)));
            }
            Some(_) => {}
        }
    }
    let more = got.iter().find(|wheel| find(wanted, &wheel.name).is_none());
    more.map(|wheel| format!("{} is not part of it", named(wheel)))
}
