//! The sandbox's own directory on the host, from its creation to its removal.
//!
//! It contains what the guest sees as `/`, and beside that, out of the guest's reach, a directory for
//! every run that has a script, and a lock file. The process that holds the lock is alive. If the lock
//! is free, the process was killed, and a later sandbox [removes](sweep) the directory.
//!
//! Most programs never look at a file, so the directory is [made](lazy) when something first needs it.

mod lazy;
mod place;
mod sweep;

use std::any::Any;
use std::fs::File;
use std::io;
use std::path::Path;
#[cfg(test)]
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use tokio::runtime::Handle;

use self::lazy::{EXPECTED, LazyPlace};
use self::place::{FILES, LOCK, PREFIX, Place, left_behind, warn_left_behind};
use crate::disk::{Digest, Disk, DiskLimits, DiskUsage};
use crate::engine::Preopen;

/// Where a copy keeps names of files meanwhile.
const BESIDE: &str = "beside";

/// The private directory.
pub(crate) struct Root {
    place: Arc<LazyPlace>,
    files: Preopen,
    disk: Arc<Disk>,
    scripts: AtomicU64,
    /// What is given back when the sandbox and its runs are gone: its places among others.
    holds: Mutex<Vec<Box<dyn Any + Send + Sync>>>,
}

impl Root {
    /// Makes an empty one, with the directories that a program expects, when something first needs it.
    ///
    /// # Errors
    ///
    /// If the temporary directory can't be written to.
    pub(crate) fn new(limits: DiskLimits) -> io::Result<Self> {
        sweep::begin();
        Self::later(&std::env::temp_dir(), limits, DiskUsage::default())
    }

    /// As [`new`](Self::new), in `parent`; so much counts as used.
    fn later(parent: &Path, limits: DiskLimits, used: DiskUsage) -> io::Result<Self> {
        let place = Arc::new(LazyPlace::in_directory(parent)?);
        let files = Arc::clone(&place);
        let disk = Disk::later(Box::new(move || files.files()), limits, used);
        Self::on(place, disk)
    }

    fn on(place: Arc<LazyPlace>, disk: Arc<Disk>) -> io::Result<Self> {
        Ok(Self {
            files: Preopen::of_disk(disk.clone(), "/")?,
            disk,
            scripts: AtomicU64::new(0),
            holds: Mutex::default(),
            place,
        })
    }

    /// Keeps `what` until the sandbox and its runs are gone.
    pub(crate) fn holding(self, what: impl Any + Send + Sync) -> Self {
        self.hold(what);
        self
    }

    /// As [`holding`](Self::holding).
    pub(crate) fn hold(&self, what: impl Any + Send + Sync) {
        let mut holds = self.holds.lock().unwrap_or_else(PoisonError::into_inner);
        holds.push(Box::new(what));
    }

    /// What the guest sees as `/`.
    pub(crate) fn files(&self) -> &Preopen {
        &self.files
    }

    /// What is used of the disk, and its limits.
    pub(crate) fn usage(&self) -> (DiskUsage, DiskLimits) {
        self.disk.usage()
    }

    /// Whether the directory is there.
    pub(crate) fn is_made(&self) -> bool {
        self.place.is_made()
    }

    /// Makes a directory for the script of one run, beside what the guest sees. Returns its name,
    /// with which to [remove](Self::remove_script_directory) it.
    pub(crate) fn make_script_directory(&self) -> io::Result<(String, Dir)> {
        let number = self.scripts.fetch_add(1, Ordering::Relaxed);
        let name = format!("script-{number}");
        let place = self.place.dir()?;
        place.create_dir(&name)?;
        let dir = place.open_dir(&name)?;
        Ok((name, dir))
    }

    pub(crate) fn remove_script_directory(&self, name: &str) -> io::Result<()> {
        self.place.dir()?.remove_dir_all(name)
    }

    /// Makes a copy that shares nothing with this one.
    pub(crate) fn copy(&self) -> io::Result<Self> {
        match self.copy_unmade() {
            Some(copy) => copy,
            None => Self::copy_of(&self.disk),
        }
    }

    /// As [`copy`](Self::copy) if this one's directory is not made, so that there is nothing to copy.
    pub(crate) fn copy_unmade(&self) -> Option<io::Result<Self>> {
        if self.is_made() {
            return None;
        }
        // What is copied counts.
        let entries = EXPECTED.len() as u64;
        let used = DiskUsage { bytes: 0, entries };
        let limits = self.usage().1;
        Some(Self::later(&std::env::temp_dir(), limits, used))
    }

    fn copy_of(disk: &Disk) -> io::Result<Self> {
        let place = Place::new()?;
        let (disk, files) = copy_beside(disk, &place.dir)?;
        Self::on(Arc::new(LazyPlace::of(place, files)), disk)
    }

    /// Copies what the guest sees to the directory `files` that it makes in `parent`.
    pub(crate) fn copy_into(&self, parent: &Path) -> io::Result<()> {
        let parent = Dir::open_ambient_dir(parent, ambient_authority())?;
        parent.create_dir(FILES)?;
        copy_beside(&self.disk, &parent).map(drop)
    }

    /// Makes one with a copy of the directory `files` in `parent`.
    pub(crate) fn copied_from(parent: &Path, limits: DiskLimits) -> io::Result<Self> {
        let parent = Dir::open_ambient_dir(parent, ambient_authority())?;
        let files = parent.open_dir(FILES)?.into_std_file();
        let disk = Disk::new(Arc::new(files), limits)?;
        Self::copy_of(&disk)
    }

    /// What is in it, as one number.
    pub(crate) fn digest(&self) -> io::Result<Digest> {
        self.disk.digest()
    }

    /// Removes the directory and everything in it.
    ///
    /// # Errors
    ///
    /// If something can't be removed; a later sandbox tries again.
    pub(crate) fn remove(self) -> io::Result<()> {
        self.place.take().map_or(Ok(()), |mut place| place.remove())
    }

    /// Makes the directory, and returns the path of what the guest sees.
    #[cfg(test)]
    pub(crate) fn path(&self) -> PathBuf {
        self.place.path().join(FILES)
    }
}

/// Copies the disk to the empty directory [`FILES`] in `parent`.
fn copy_beside(disk: &Disk, parent: &Dir) -> io::Result<(Arc<Disk>, Arc<File>)> {
    let files = Arc::new(parent.open_dir(FILES)?.into_std_file());
    let mut is_made = false;
    let copy = disk.copy_to(files.clone(), || {
        parent.create_dir(BESIDE)?;
        is_made = true;
        Ok(parent.open_dir(BESIDE)?.into_std_file().into())
    })?;
    if is_made {
        parent.remove_dir(BESIDE)?;
    }
    Ok((copy, files))
}

/// Removes the directory without holding up a thread of the embedder's runtime, of which there may be
/// only one: a guest chooses how long the removal takes. Where none was made, there is nothing to do.
impl Drop for Root {
    fn drop(&mut self) {
        let Some(place) = self.place.take() else {
            return;
        };
        match Handle::try_current() {
            // A runtime that ends waits for its blocking tasks, and drops those that have not begun,
            // which removes the directory too. A thread of our own would end with the process.
            Ok(runtime) => drop(runtime.spawn_blocking(move || drop(place))),
            // There is no task to hold up.
            Err(_) => drop(place),
        }
    }
}

#[cfg(test)]
mod tests;
