//! The lock of one entry: a locked file, which is removed when the lock is released.
//!
//! Another process may have opened the file before it is removed, and get its lock afterwards. So a
//! lock counts only if its file is still the one at the path; otherwise it is taken again.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::progress::{Amount, Progress};

/// A lock that is held until this is dropped, or until the process ends.
pub(super) struct EntryLock {
    path: PathBuf,
    file: File,
}

impl EntryLock {
    /// Waits for the lock of the file at `path`, and reports to `progress` if it has to.
    pub(super) fn take(path: PathBuf, progress: &dyn Progress) -> Result<Self, Error> {
        let mut step = None;
        loop {
            let file = open(&path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    step.get_or_insert_with(|| {
                        progress.start("Waiting for another process", Amount::Unknown)
                    });
                    file.lock().map_err(Error::io("lock", &path))?;
                }
                Err(TryLockError::Error(error)) => return Err(Error::io("lock", &path)(error)),
            }
            if is_in_place(&file, &path) {
                return Ok(Self { path, file });
            }
        }
    }

    /// Takes the lock if nobody has it.
    pub(super) fn try_take(path: PathBuf) -> Result<Option<Self>, Error> {
        let file = open(&path)?;
        match file.try_lock() {
            Ok(()) if is_in_place(&file, &path) => Ok(Some(Self { path, file })),
            Ok(()) | Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(Error::io("lock", &path)(error)),
        }
    }
}

impl Drop for EntryLock {
    fn drop(&mut self) {
        // Only while the lock is held: whoever takes it next looks for the file again.
        if cfg!(unix) && is_in_place(&self.file, &self.path) {
            // Best effort: the next holder removes it otherwise.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn open(path: &Path) -> Result<File, Error> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(Error::io("open", path))
}

/// Whether the locked file is the one at the path.
#[cfg(unix)]
fn is_in_place(locked: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;

    match (locked.metadata(), fs::symlink_metadata(path)) {
        (Ok(locked), Ok(there)) => (locked.dev(), locked.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

/// Elsewhere the file is never removed, because two files are not told apart there.
#[cfg(not(unix))]
fn is_in_place(_: &File, _: &Path) -> bool {
    true
}
