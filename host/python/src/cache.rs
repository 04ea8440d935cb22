//! Directories that are expensive to make, made once and shared between processes.
//!
//! An entry is a directory `KIND/KEY` below the cache's root. It is made in a temporary directory
//! beside its place, written to the disk, and then renamed, so that it exists completely or not at
//! all: readers need no lock. A lock file for each entry keeps two processes from doing the same
//! work; the system drops the lock of a process that dies. Such a process leaves its lock file and one
//! temporary directory, which the next maker of that entry removes while it holds the lock.
//!
//! Directories and files are for this user alone, whatever the umask, and each directory is checked
//! before it is used: see [`private_dir`].

mod entry_lock;
mod old;

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use self::entry_lock::EntryLock;
pub(crate) use self::old::Kept;
use crate::error::Error;
use crate::private_dir;
use crate::progress::{Progress, Silent};

/// The environment variable that names the cache directory.
pub const CACHE_VARIABLE: &str = "SANDBOX_NET_CACHE";

/// A private directory for distributions, compiled code and packages.
///
/// ```
/// use sandbox_net_python::{Cache, Silent};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// # let directory = directory.path().canonicalize()?;
/// let cache = Cache::open(Some(directory.join("cache")))?;
/// let entry = cache.entry("greetings", "hello-1f3870be")?;
/// let made = entry.get_or_make(&Silent, |directory| {
///     std::fs::write(directory.join("text"), "hello")?;
///     Ok::<_, Box<dyn std::error::Error>>(())
/// })?;
/// assert_eq!(std::fs::read_to_string(made.join("text"))?, "hello");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Cache {
    root: PathBuf,
}

/// The place of one entry in a [`Cache`], which may not exist yet.
#[derive(Clone, Debug)]
pub struct Entry {
    directory: PathBuf,
    key: String,
}

impl Cache {
    /// Opens the cache in `explicit`, else in the directory that `SANDBOX_NET_CACHE` names, else in
    /// `sandbox-net` below the platform's cache directory of this user; creates it if it is missing.
    ///
    /// # Errors
    /// [`Error::CacheNotPrivate`] if somebody else could change its contents, which are run as
    /// native code.
    pub fn open(explicit: Option<PathBuf>) -> Result<Cache, Error> {
        let from_environment =
            || std::env::var_os(CACHE_VARIABLE).filter(|value| !value.is_empty());
        let root = explicit
            .or_else(|| from_environment().map(PathBuf::from))
            .or_else(|| dirs::cache_dir().map(|directory| directory.join("sandbox-net")))
            .ok_or(Error::NoCacheDirectory)?;
        // Paths of entries outlive a change of the working directory.
        let root = std::path::absolute(&root).map_err(Error::io("find", &root))?;
        private_dir::prepare(&root)?;
        Ok(Cache { root })
    }

    /// The cache's directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The place of the entry `key` among those of one `kind`.
    ///
    /// The key should hold a hash of everything that the entry's contents depend on.
    ///
    /// # Errors
    /// [`Error::CacheName`] if one of the names is not a plain file name;
    /// [`Error::CacheNotPrivate`] if somebody else can have changed what is there.
    pub fn entry(&self, kind: &str, key: &str) -> Result<Entry, Error> {
        for name in [kind, key] {
            check_name(name)?;
        }
        // It may have changed since it was opened.
        private_dir::prepare(&self.root)?;
        let directory = self.root.join(kind);
        private_dir::create(&directory)?;
        private_dir::claim(&directory, &self.root)?;
        let entry = Entry {
            directory,
            key: key.to_owned(),
        };
        if let Some(path) = entry.get() {
            let claimed = private_dir::claim(&path, &entry.directory);
            // Another process may have removed it by now.
            claimed.or_else(|error| entry.get().map_or(Ok(()), |_| Err(error)))?;
        }
        Ok(entry)
    }

    /// Removes the oldest finished entries of one kind beyond the newest `count`. Those who have a file of
    /// one open keep it. What can't be removed stays.
    pub fn keep_newest(&self, kind: &str, count: usize) {
        let Ok(keys) = self.keys(kind) else { return };
        let made = |key: &String| {
            let path = self.root.join(kind).join(key);
            fs::metadata(path).and_then(|made| made.modified()).ok()
        };
        let mut dated: Vec<_> = keys
            .iter()
            .filter_map(|key| Some((made(key)?, key)))
            .collect();
        dated.sort();
        let extra = dated.len().saturating_sub(count);
        for (_, key) in &dated[..extra] {
            if let Ok(entry) = self.entry(kind, key) {
                let _ = entry.remove(&Silent);
            }
        }
    }

    /// The keys of the finished entries of one kind, sorted.
    pub fn keys(&self, kind: &str) -> Result<Vec<String>, Error> {
        check_name(kind)?;
        let directory = self.root.join(kind);
        let listing = match fs::read_dir(&directory) {
            Ok(listing) => listing,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::io("read", &directory)(error)),
        };
        let mut keys = Vec::new();
        for item in listing {
            let item = item.map_err(Error::io("read", &directory))?;
            keys.extend(
                item.file_name()
                    .into_string()
                    .ok()
                    .filter(|name| check_name(name).is_ok()),
            );
        }
        keys.sort();
        Ok(keys)
    }
}

impl Entry {
    /// The entry's directory, if it has been made.
    pub fn get(&self) -> Option<PathBuf> {
        Some(self.path()).filter(|path| path.is_dir())
    }

    /// Returns the entry's directory; if it is missing, `make` fills an empty directory that
    /// becomes it.
    ///
    /// While another process makes the same entry, this one waits, and reports that to `progress`.
    /// If `make` fails, what it has written is removed.
    pub fn get_or_make<E: From<Error>>(
        &self,
        progress: &dyn Progress,
        make: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<PathBuf, E> {
        if let Some(path) = self.get() {
            return Ok(path);
        }
        let _lock = self.lock(progress)?;
        // Another process may have made it while this one waited for the lock.
        match self.get() {
            Some(path) => Ok(path),
            None => self.make_locked(make),
        }
    }

    /// Makes the entry again, and replaces the old one only after `make` has succeeded.
    pub fn remake<E: From<Error>>(
        &self,
        progress: &dyn Progress,
        make: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<PathBuf, E> {
        let _lock = self.lock(progress)?;
        self.make_locked(make)
    }

    /// Removes the entry; returns whether there was one.
    pub fn remove(&self, progress: &dyn Progress) -> Result<bool, Error> {
        let _lock = self.lock(progress)?;
        let existed = self.retire()?;
        remove_directory(&self.beside("old"))?;
        Ok(existed)
    }

    fn path(&self) -> PathBuf {
        self.directory.join(&self.key)
    }

    /// A path beside the entry that no entry can have, because no key begins with a dot.
    fn beside(&self, suffix: &str) -> PathBuf {
        self.directory
            .join(OsString::from(format!(".{}.{suffix}", self.key)))
    }

    /// Takes the entry's lock, which lasts until the returned value is dropped.
    fn lock(&self, progress: &dyn Progress) -> Result<EntryLock, Error> {
        EntryLock::take(self.beside("lock"), progress)
    }

    fn make_locked<E: From<Error>>(
        &self,
        make: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<PathBuf, E> {
        let partial = self.beside("partial");
        remove_directory(&partial)?;
        private_dir::create(&partial)?;
        let made = make(&partial).and_then(|()| Ok(self.publish(&partial)?));
        if made.is_err() {
            // Best effort: the next maker removes it otherwise.
            let _ = remove_directory(&partial);
        }
        made
    }

    fn publish(&self, partial: &Path) -> Result<PathBuf, Error> {
        sync_tree(partial)?;
        self.retire()?;
        let path = self.path();
        fs::rename(partial, &path).map_err(Error::io("create", &path))?;
        sync_directory(&self.directory)?;
        remove_directory(&self.beside("old"))?;
        Ok(path)
    }

    /// Moves the entry out of its place in one step, so that nobody sees it half removed.
    fn retire(&self) -> Result<bool, Error> {
        let old = self.beside("old");
        remove_directory(&old)?;
        match fs::rename(self.path(), &old) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Error::io("remove", &self.path())(error)),
        }
    }
}

fn check_name(name: &str) -> Result<(), Error> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte);
    if name.is_empty() || name.starts_with('.') || !name.bytes().all(allowed) {
        return Err(Error::CacheName {
            name: name.to_owned(),
        });
    }
    Ok(())
}

fn remove_directory(path: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io("remove", path)(error))
        }
        _ => Ok(()),
    }
}

/// Writes everything below `path` to the disk, for this user alone: otherwise a rename may survive a
/// power failure that the contents of the renamed files do not.
fn sync_tree(path: &Path) -> Result<(), Error> {
    for item in fs::read_dir(path).map_err(Error::io("read", path))? {
        let item = item.map_err(Error::io("read", path))?;
        let path = item.path();
        let kind = item.file_type().map_err(Error::io("read", &path))?;
        if kind.is_dir() {
            sync_tree(&path)?;
        } else if kind.is_file() {
            // Windows flushes only files that are open for writing.
            let file = OpenOptions::new()
                .read(true)
                .write(cfg!(windows))
                .open(&path);
            let file = file.map_err(Error::io("open", &path))?;
            private_dir::close_off(&file).map_err(Error::io("change the mode of", &path))?;
            file.sync_all().map_err(Error::io("write", &path))?;
        }
    }
    #[cfg(unix)]
    private_dir::close_off(&File::open(path).map_err(Error::io("open", path))?)
        .map_err(Error::io("change the mode of", path))?;
    sync_directory(path)
}

/// Windows cannot open a directory to flush it, and does not need to.
fn sync_directory(path: &Path) -> Result<(), Error> {
    if cfg!(windows) {
        return Ok(());
    }
    let directory = File::open(path).map_err(Error::io("open", path))?;
    directory.sync_all().map_err(Error::io("write", path))
}

#[cfg(test)]
mod tests;
