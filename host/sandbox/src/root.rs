//! The sandbox's own directory on the host, from its creation to its removal.
//!
//! It contains what the guest sees as `/`, and beside that, out of the guest's reach, a directory for
//! every run that has a script, and a lock file. The process that holds the lock is alive. If the lock
//! is free, the process was killed, and a later sandbox [removes](sweep) the directory.

mod sweep;

use std::any::Any;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, MetadataExt as _, OpenOptions};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use tokio::runtime::Handle;

use crate::disk::{Digest, Disk, DiskLimits, DiskUsage, remove_contents};
use crate::engine::Preopen;

/// The prefix of the names of these directories.
const PREFIX: &str = "sandbox-net-";
/// The lock file.
const LOCK: &str = "lock";
/// The guest's `/`.
const FILES: &str = "files";
/// Where a copy keeps names of files meanwhile.
const BESIDE: &str = "beside";
/// How often a directory is made anew if a sweep took it for an abandoned one before it was locked.
const ATTEMPTS: usize = 16;

/// The private directory.
pub(crate) struct Root {
    /// `None` only during the drop.
    place: Option<Place>,
    files: Preopen,
    disk: Arc<Disk>,
    scripts: AtomicU64,
    /// What is given back when the sandbox and its runs are gone: its places among others.
    holds: Mutex<Vec<Box<dyn Any + Send + Sync>>>,
}

impl Root {
    /// Makes an empty one, with the directories that a program expects.
    pub(crate) fn new(limits: DiskLimits) -> io::Result<Self> {
        sweep::begin();
        let place = Place::new()?;
        let files = place.dir.open_dir(FILES)?;
        for name in ["home", "tmp"] {
            files.create_dir(name)?;
        }
        let disk = Disk::new(Arc::new(files.into_std_file()), limits)?;
        Self::on(place, disk)
    }

    fn on(place: Place, disk: Arc<Disk>) -> io::Result<Self> {
        Ok(Self {
            files: Preopen::of_disk(disk.clone(), "/")?,
            disk,
            scripts: AtomicU64::new(0),
            holds: Mutex::default(),
            place: Some(place),
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

    fn dir(&self) -> io::Result<&Dir> {
        let place = self.place.as_ref();
        let place = place.ok_or_else(|| io::Error::other("the sandbox's directory is removed"))?;
        Ok(&place.dir)
    }

    /// What the guest sees as `/`.
    pub(crate) fn files(&self) -> &Preopen {
        &self.files
    }

    /// What is used of the disk, and its limits.
    pub(crate) fn usage(&self) -> (DiskUsage, DiskLimits) {
        self.disk.usage()
    }

    /// Makes a directory for the script of one run, beside what the guest sees. Returns its name,
    /// with which to [remove](Self::remove_script_directory) it.
    pub(crate) fn make_script_directory(&self) -> io::Result<(String, Dir)> {
        let number = self.scripts.fetch_add(1, Ordering::Relaxed);
        let name = format!("script-{number}");
        self.dir()?.create_dir(&name)?;
        let dir = self.dir()?.open_dir(&name)?;
        Ok((name, dir))
    }

    pub(crate) fn remove_script_directory(&self, name: &str) -> io::Result<()> {
        self.dir()?.remove_dir_all(name)
    }

    /// Makes a copy that shares nothing with this one.
    pub(crate) fn copy(&self) -> io::Result<Self> {
        Self::copy_of(&self.disk)
    }

    fn copy_of(disk: &Disk) -> io::Result<Self> {
        let place = Place::new()?;
        place.dir.create_dir(BESIDE)?;
        let files = place.dir.open_dir(FILES)?.into_std_file();
        let beside = place.dir.open_dir(BESIDE)?;
        let disk = disk.copy_to(Arc::new(files), beside)?;
        place.dir.remove_dir(BESIDE)?;
        Self::on(place, disk)
    }

    /// Copies what the guest sees to the directory `files` that it makes in `parent`.
    pub(crate) fn copy_into(&self, parent: &Path) -> io::Result<()> {
        let parent = Dir::open_ambient_dir(parent, ambient_authority())?;
        parent.create_dir(FILES)?;
        parent.create_dir(BESIDE)?;
        let files = parent.open_dir(FILES)?.into_std_file();
        self.disk
            .copy_to(Arc::new(files), parent.open_dir(BESIDE)?)?;
        parent.remove_dir(BESIDE)
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
    pub(crate) fn remove(mut self) -> io::Result<()> {
        self.place.take().map_or(Ok(()), |mut place| place.remove())
    }

    #[cfg(test)]
    pub(crate) fn path(&self) -> PathBuf {
        self.place.as_ref().expect("it is there").path.join(FILES)
    }
}

/// Removes the directory without holding up a thread of the embedder's runtime, of which there may be
/// only one: a guest chooses how long the removal takes.
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

/// A locked directory in the temporary one, removed when this is dropped.
struct Place {
    path: PathBuf,
    dir: Dir,
    /// Holds the lock.
    _lock: File,
    removed: bool,
}

impl Place {
    /// Makes one that contains an empty directory [`FILES`].
    fn new() -> io::Result<Self> {
        Self::in_directory(&std::env::temp_dir())
    }

    fn in_directory(parent: &Path) -> io::Result<Self> {
        for _ in 0..ATTEMPTS {
            let mut builder = tempfile::Builder::new();
            let owner = std::os::unix::fs::PermissionsExt::from_mode(0o700);
            let made = builder
                .prefix(PREFIX)
                .permissions(owner)
                .tempdir_in(parent)
                .map_err(|error| unusable(parent, &error))?;
            let dir = Dir::open_ambient_dir(made.path(), ambient_authority())?;
            let Some(lock) = lock_first(&dir)? else {
                continue;
            };
            dir.create_dir(FILES)?;
            return Ok(Self {
                path: made.keep(),
                dir,
                _lock: lock,
                removed: false,
            });
        }
        Err(io::Error::other("its lock is taken again and again"))
    }

    fn remove(&mut self) -> io::Result<()> {
        self.removed = true;
        remove_contents(&self.dir, c"lock", u64::MAX)
            .and_then(|()| self.dir.remove_file(LOCK))
            .and_then(|()| std::fs::remove_dir(&self.path))
            .map_err(|error| io::Error::new(error.kind(), left_behind(&self.path, &error)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.removed
            && let Err(error) = self.remove()
        {
            warn_left_behind(&error);
        }
    }
}

/// Makes the lock file of a new directory and locks it; `None` if a sweep was faster, which then
/// removes the directory.
fn lock_first(dir: &Dir) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    let file = match dir.open_with(LOCK, &options) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => return Ok(None),
        // If the file system has no locks, no sweep takes the directory for abandoned.
        Err(Errno::NOTSUP | Errno::NOLCK | Errno::NOSYS) => {}
        done => done?,
    }
    let still_there = file.metadata()?.nlink() > 0;
    Ok(still_there.then(|| file.into_std()))
}

fn unusable(parent: &Path, error: &io::Error) -> io::Error {
    // The rest of the error's text names a directory that was not made.
    let why = error.raw_os_error().map(io::Error::from_raw_os_error);
    let why = why.map_or_else(|| error.kind().to_string(), |why| why.to_string());
    let text = format!(
        "the temporary directory '{}' can't be written to: {why}; set TMPDIR to another",
        parent.display()
    );
    io::Error::new(error.kind(), text)
}

fn left_behind(path: &Path, error: &io::Error) -> String {
    format!(
        "the sandbox's directory '{}' can't be removed: {error}; a later run tries again, or delete \
         it yourself",
        path.display()
    )
}

fn warn_left_behind(error: &io::Error) {
    tracing::warn!(target: "sandbox_net::clean_up", "{error}");
}

#[cfg(test)]
mod tests;
