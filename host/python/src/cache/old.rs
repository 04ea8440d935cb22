//! Removes entries of the cache that nobody uses any more.
//!
//! An entry's directory has the time of its last use. Removing one is safe at any time: it leaves its place in
//! one step, whoever has a file of it open keeps that file, and whoever finds it gone makes it again.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::entry_lock::EntryLock;
use super::{Cache, Entry, remove_directory};
use crate::error::Error;
use crate::progress::Progress;

/// How exact the time of the last use is: noting each use would write at each start of a program.
const USES: Duration = Duration::from_hours(24);

/// What of one kind of entries is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept {
    /// Entries that were not used for longer go.
    pub(crate) unused: Duration,
    /// The bytes on the disk beyond which the entries go that were used the longest ago.
    pub(crate) bytes: u64,
}

impl Cache {
    /// The directory of an entry, made if it is missing. Its use is noted, and one that is made makes those of
    /// its kind go that are not to be kept.
    pub(crate) fn get_or_make_kept<E: From<Error>>(
        &self,
        kind: &str,
        key: &str,
        kept: Kept,
        progress: &dyn Progress,
        make: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<PathBuf, E> {
        let entry = self.entry(kind, key)?;
        let is_new = entry.get().is_none();
        let made = entry.get_or_make(progress, make)?;
        entry.note_use();
        if is_new {
            self.tidy(kind, kept);
        }
        Ok(made)
    }

    /// Removes the entries of one `kind` that are not to be kept, and what makers left that were killed. An
    /// entry that is being made stays, and what can't be removed: nothing here waits or fails.
    pub(crate) fn tidy(&self, kind: &str, kept: Kept) {
        let Ok(keys) = self.keys(kind) else { return };
        let dated = keys.iter().filter_map(|key| {
            let entry = self.unchecked(kind, key);
            Some((entry.last_used()?, entry))
        });
        let mut dated: Vec<_> = dated.collect();
        dated.sort_by_key(|(used, _)| std::cmp::Reverse(*used));
        let now = SystemTime::now();
        let mut bytes = 0_u64;
        for (used, entry) in dated {
            bytes = bytes.saturating_add(size(&entry.path()));
            let is_old = now.duration_since(used).is_ok_and(|ago| ago > kept.unused);
            if is_old || bytes > kept.bytes {
                entry.remove_unless_used(used);
            }
        }
        for key in self.left_over(kind) {
            self.unchecked(kind, &key).clear_leftovers();
        }
    }

    /// The keys of entries whose maker or remover did not come to its end, or is at work.
    fn left_over(&self, kind: &str) -> Vec<String> {
        let Ok(listing) = fs::read_dir(self.root.join(kind)) else {
            return Vec::new();
        };
        let names = listing.filter_map(|item| item.ok()?.file_name().into_string().ok());
        let key = |name: String| {
            let name = name.strip_prefix('.')?;
            let key = name
                .strip_suffix(".partial")
                .or_else(|| name.strip_suffix(".old"))?;
            super::check_name(key).is_ok().then(|| key.to_owned())
        };
        names.filter_map(key).collect()
    }

    fn unchecked(&self, kind: &str, key: &str) -> Entry {
        Entry {
            directory: self.root.join(kind),
            key: key.to_owned(),
        }
    }
}

impl Entry {
    /// Notes that the entry is used, which [`Cache::tidy`] looks at. A failure is harmless, for example in a
    /// read-only cache.
    pub(crate) fn note_use(&self) {
        let now = SystemTime::now();
        let is_recent = |used| now.duration_since(used).is_ok_and(|ago| ago < USES);
        if !self.last_used().is_some_and(is_recent) {
            let _ = File::open(self.path()).and_then(|directory| directory.set_modified(now));
        }
    }

    fn last_used(&self) -> Option<SystemTime> {
        fs::metadata(self.path()).and_then(|it| it.modified()).ok()
    }

    /// Removes the entry, unless somebody makes it or has used it since.
    fn remove_unless_used(&self, since: SystemTime) {
        let Some(_lock) = self.try_lock() else { return };
        if self.last_used() == Some(since) {
            // Best effort: the next one who tidies up tries again.
            let _ = self.retire();
            let _ = remove_directory(&self.beside("old"));
        }
    }

    fn clear_leftovers(&self) {
        let Some(_lock) = self.try_lock() else { return };
        for suffix in ["partial", "old"] {
            let _ = remove_directory(&self.beside(suffix));
        }
    }

    fn try_lock(&self) -> Option<EntryLock> {
        EntryLock::try_take(self.beside("lock")).ok().flatten()
    }
}

/// The bytes on the disk below `path`, as far as they can be told.
fn size(path: &Path) -> u64 {
    let Ok(listing) = fs::read_dir(path) else {
        return 0;
    };
    let paths = listing.filter_map(|item| item.ok().map(|item| item.path()));
    paths.map(size_of).sum()
}

fn size_of(path: PathBuf) -> u64 {
    match fs::symlink_metadata(&path) {
        Ok(found) if found.is_dir() => size(&path),
        Ok(found) => on_disk(&found),
        Err(_) => 0,
    }
}

/// Without the holes, of which memory images have many.
#[cfg(unix)]
fn on_disk(file: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::blocks(file).saturating_mul(512)
}

#[cfg(not(unix))]
fn on_disk(file: &fs::Metadata) -> u64 {
    file.len()
}

#[cfg(test)]
mod tests;
