//! A locked directory in the temporary one.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, MetadataExt as _, OpenOptions};
use rustix::fs::{Access, AtFlags, CWD, FlockOperation, accessat, flock};
use rustix::io::Errno;

use crate::disk::remove_contents;

/// The prefix of the names of these directories.
pub(super) const PREFIX: &str = "sandbox-net-";
/// The lock file.
pub(super) const LOCK: &str = "lock";
/// The guest's `/`.
pub(super) const FILES: &str = "files";
/// How often a directory is made anew if a sweep took it for an abandoned one before it was locked.
const ATTEMPTS: usize = 16;

/// A locked directory in the temporary one, removed when this is dropped.
pub(super) struct Place {
    pub(super) path: PathBuf,
    pub(super) dir: Arc<Dir>,
    /// Holds the lock.
    _lock: File,
    removed: bool,
}

impl Place {
    /// Makes one that contains an empty directory [`FILES`].
    pub(super) fn new() -> io::Result<Self> {
        Self::in_directory(&std::env::temp_dir())
    }

    /// As [`new`](Self::new), in `parent`.
    pub(super) fn in_directory(parent: &Path) -> io::Result<Self> {
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
                dir: Arc::new(dir),
                _lock: lock,
                removed: false,
            });
        }
        Err(io::Error::other("its lock is taken again and again"))
    }

    /// Removes it and everything in it.
    pub(super) fn remove(&mut self) -> io::Result<()> {
        self.removed = true;
        remove_contents(&*self.dir, c"lock", u64::MAX)
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

/// Checks that one could be made in `parent`, and makes none.
///
/// # Errors
///
/// As [`Place::in_directory`], except where only the attempt shows that there is no room.
pub(super) fn check(parent: &Path) -> io::Result<()> {
    // Something that is no directory is not asked whether it can be written to.
    let inside = parent.join(".");
    let wanted = Access::WRITE_OK | Access::EXEC_OK;
    match accessat(CWD, &inside, wanted, AtFlags::EACCESS) {
        // There is no such system call, or a filter of that time refuses it.
        Err(Errno::NOSYS | Errno::PERM) => Ok(()),
        checked => checked.map_err(|error| {
            // The attempt tells no more than this.
            unusable(parent, &io::Error::from(error).kind().into())
        }),
    }
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

pub(super) fn left_behind(path: &Path, error: &io::Error) -> String {
    format!(
        "the sandbox's directory '{}' can't be removed: {error}; a later run tries again, or delete \
         it yourself",
        path.display()
    )
}

pub(super) fn warn_left_behind(error: &io::Error) {
    tracing::warn!(target: "sandbox_net::clean_up", "{error}");
}
