//! Counts what a sandbox keeps on disk: every change goes through here, one at a time.
//!
//! A change reserves the most it may need, is made, and then returns what it did not use, all under
//! one lock, so that concurrent runs can't exceed the limit together. A file that is unlinked while
//! it is open counts until it is closed.

mod held;

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cap_primitives::fs::{
    DirOptions, FollowSymlinks, Metadata, MetadataExt as _, OpenOptions, create_dir, hard_link,
    open, open_dir, remove_dir, remove_file, rename, stat, symlink,
};
use rustix::io::Errno;

use self::held::{Guard, Locked, State};
use super::copy::copy_tree;
use super::digest::{Digest, digest};
use super::quota::{DiskLimits, Full, Quota, Usage};
use super::top::{Make, Top, Unmade};
use super::tree::{self, Identity};

pub(crate) use self::held::Held;

/// One entry of a directory, without the bytes of its file.
const ENTRY: Usage = Usage {
    bytes: 0,
    entries: 1,
};

/// What one sandbox keeps on disk, below one directory, and its limits.
///
/// Paths are resolved below the directory that is given with them, and cannot lead out of it.
pub(crate) struct Disk {
    top: Top,
    limits: DiskLimits,
    locked: Locked,
}

/// How to open a file or a directory.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) read: bool,
    pub(crate) write: bool,
    pub(crate) create: bool,
    pub(crate) exclusive: bool,
    pub(crate) truncate: bool,
    /// Whether a link at the end of the path is followed.
    pub(crate) follow: bool,
}

/// What was opened.
pub(crate) enum Opened {
    Directory(File),
    File(Held),
}

impl Disk {
    /// A disk with the top directory `top`, which counts as empty.
    pub(crate) fn new(top: Arc<File>, limits: DiskLimits) -> io::Result<Arc<Self>> {
        Ok(Self::with_quota(Top::of(top)?, Quota::new(limits)))
    }

    /// A disk whose top directory is made when it is first needed; so much counts as used.
    pub(crate) fn later(make: Make, limits: DiskLimits, used: Usage) -> Arc<Self> {
        let mut quota = Quota::new(limits);
        quota.correct(used);
        Self::with_quota(Top::later(make), quota)
    }

    fn with_quota(top: Top, quota: Quota) -> Arc<Self> {
        Arc::new(Self {
            limits: quota.limits(),
            locked: Locked::new(quota),
            top,
        })
    }

    /// What is used, and the limits.
    pub(crate) fn usage(&self) -> (Usage, DiskLimits) {
        (self.lock().quota.used(), self.limits)
    }

    /// The top directory, if it is there.
    pub(crate) fn made(&self) -> Option<&Arc<File>> {
        self.top.made()
    }

    /// The top directory.
    ///
    /// # Errors
    ///
    /// If it is needed for the first time and can't be made.
    pub(crate) fn top(&self) -> Result<&Arc<File>, Unmade> {
        self.top.file()
    }

    /// Copies everything to the empty directory `to`; `beside` makes another empty one on its file
    /// system, and is called at most once.
    ///
    /// # Errors
    ///
    /// If the copy exceeds the limits, or can't be made.
    pub(crate) fn copy_to(
        &self,
        to: Arc<File>,
        mut beside: impl FnMut() -> io::Result<OwnedFd>,
    ) -> io::Result<Arc<Self>> {
        let mut quota = Quota::new(self.limits);
        copy_tree(self.top()?, &to, &mut beside, &mut quota)?;
        Ok(Self::with_quota(Top::of(to)?, quota))
    }

    /// What it contains, as one number.
    pub(crate) fn digest(&self) -> io::Result<Digest> {
        digest(self.top()?)
    }

    /// Makes a directory.
    pub(crate) fn create_dir(&self, at: &File, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        if self.level_of_parent(at, path)? >= self.limits.levels {
            return Err(self.or_exists(at, path, Full::Levels(self.limits.levels)));
        }
        self.entry(&mut state, at, path, || {
            create_dir(at, path, &DirOptions::new())
        })
    }

    /// Makes a symbolic link at `path`.
    pub(crate) fn symlink(&self, target: &Path, at: &File, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        self.entry(&mut state, at, path, || symlink(target, at, path))
    }

    /// Gives a file a second name, `path`.
    pub(crate) fn hard_link(
        &self,
        from: &File,
        old: &Path,
        at: &File,
        path: &Path,
    ) -> io::Result<()> {
        let mut state = self.lock();
        self.entry(&mut state, at, path, || hard_link(from, old, at, path))
    }

    /// Opens a file or a directory.
    pub(crate) fn open(
        self: &Arc<Self>,
        at: &File,
        path: &Path,
        wanted: Wanted,
    ) -> io::Result<Opened> {
        let mut state = self.lock();
        let follow = match wanted.follow {
            true => FollowSymlinks::Yes,
            false => FollowSymlinks::No,
        };
        let before = stat(at, path, follow);
        if matches!(&before, Ok(found) if found.is_symlink()) {
            return Err(Errno::LOOP.into());
        }
        let creates = wanted.create && before.is_err();
        if creates {
            self.reserve(&mut state, ENTRY)?;
        }
        let mut options = OpenOptions::new();
        options
            .read(wanted.read)
            .write(wanted.write)
            .truncate(wanted.truncate);
        match wanted.exclusive {
            true => options.create_new(wanted.create),
            false => options.create(wanted.create),
        };
        let opened = open(at, path, &options).and_then(|file| {
            let metadata = file.metadata()?;
            Ok((file, metadata))
        });
        let (file, metadata) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                if creates {
                    state.quota.release(ENTRY);
                }
                return Err(error);
            }
        };
        if metadata.is_dir() {
            return Ok(Opened::Directory(file));
        }
        if let Ok(before) = before {
            let bytes = before.len().saturating_sub(metadata.len());
            state.quota.release(Usage { bytes, entries: 0 });
        }
        let identity = (metadata.dev(), metadata.ino());
        let held = Held::new(&mut state, self.clone(), file, identity);
        Ok(Opened::File(held))
    }

    /// Removes the name of a file or of a link.
    pub(crate) fn remove_file(&self, at: &File, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        let before = stat(at, path, FollowSymlinks::No)?;
        remove_file(at, path)?;
        state.removed(&before);
        Ok(())
    }

    /// Removes an empty directory.
    pub(crate) fn remove_dir(&self, at: &File, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        remove_dir(at, path)?;
        state.quota.release(ENTRY);
        Ok(())
    }

    /// Moves what is at `old` to `new`, and replaces what was there.
    pub(crate) fn rename(&self, from: &File, old: &Path, to: &File, new: &Path) -> io::Result<()> {
        let mut state = self.lock();
        let moved = stat(from, old, FollowSymlinks::No)?;
        let replaced = stat(to, new, FollowSymlinks::No).ok();
        if moved.is_dir() {
            self.check_levels(from, old, to, new)?;
        }
        rename(from, old, to, new)?;
        // With two names of one file a rename does nothing.
        if let Some(replaced) = replaced
            && identity(&replaced) != identity(&moved)
        {
            state.removed(&replaced);
        }
        Ok(())
    }

    /// Moves a file to a directory that is not on this disk.
    pub(crate) fn rename_out(
        &self,
        from: &File,
        old: &Path,
        to: &File,
        new: &Path,
    ) -> io::Result<()> {
        let mut state = self.lock();
        let moved = stat(from, old, FollowSymlinks::No)?;
        // A file with another name on this disk could then grow uncounted.
        if moved.is_dir() || moved.nlink() > 1 {
            return Err(Errno::XDEV.into());
        }
        rename(from, old, to, new)?;
        state.removed(&moved);
        if let Some(open) = state.open.get_mut(&identity(&moved)) {
            // It stays counted until the disk is measured.
            open.outside = true;
            state.uncertain = true;
        }
        Ok(())
    }

    /// Writes as much as fits to an open file; returns how much that was.
    pub(crate) fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let mut state = self.lock();
        let size = file.metadata()?.len();
        self.write_in(&mut state, file, bytes, offset, size)
    }

    /// Writes as much as fits to the end of an open file; returns how much that was.
    pub(crate) fn append(&self, file: &File, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.lock();
        let size = file.metadata()?.len();
        self.write_in(&mut state, file, bytes, size, size)
    }

    fn write_in(
        &self,
        state: &mut State,
        file: &File,
        bytes: &[u8],
        offset: u64,
        size: u64,
    ) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        let end = offset.checked_add(bytes.len() as u64);
        let wanted = end.ok_or(Errno::FBIG)?.saturating_sub(size);
        // Writes the part that fits: at least one byte, else nothing.
        let least = wanted.saturating_sub(bytes.len() as u64 - 1);
        let growth = match self.reserve(state, bytes_only(wanted)) {
            Ok(()) => wanted,
            Err(full) => {
                let growth = state.quota.room();
                if growth < least {
                    return Err(full.into());
                }
                state.quota.reserve(bytes_only(growth))?;
                growth
            }
        };
        let fits = bytes.len() - usize::try_from(wanted - growth).unwrap_or(bytes.len());
        let written = file.write_at(&bytes[..fits], offset);
        let grown = file
            .metadata()
            .map(|after| after.len().saturating_sub(size));
        match grown {
            Ok(grown) => state
                .quota
                .release(bytes_only(growth.saturating_sub(grown))),
            Err(_) => state.uncertain = true,
        }
        written
    }

    /// Shortens or extends an open file.
    pub(crate) fn set_size(&self, file: &File, size: u64) -> io::Result<()> {
        let mut state = self.lock();
        let before = file.metadata()?.len();
        let growth = bytes_only(size.saturating_sub(before));
        self.reserve(&mut state, growth)?;
        match file.set_len(size) {
            Ok(()) => state.quota.release(bytes_only(before.saturating_sub(size))),
            Err(error) => {
                state.quota.release(growth);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Writes the file at `path`, replacing what was there, and makes the directories above it.
    pub(crate) fn write_file(self: &Arc<Self>, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let top = self.top()?;
        let mut directory = PathBuf::new();
        for name in path.parent().into_iter().flatten() {
            directory.push(name);
            match self.create_dir(top, &directory) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
        }
        let before = stat(top, path, FollowSymlinks::Yes).map_or(0, |before| before.len());
        let more = bytes_only((bytes.len() as u64).saturating_sub(before));
        // What was there stays if the new content doesn't fit.
        let mut state = self.lock();
        self.reserve(&mut state, more)?;
        state.quota.release(more);
        drop(state);
        let wanted = Wanted {
            write: true,
            create: true,
            truncate: true,
            follow: true,
            ..Wanted::default()
        };
        let Opened::File(held) = self.open(top, path, wanted)? else {
            return Err(Errno::ISDIR.into());
        };
        let mut written = 0;
        while written < bytes.len() {
            match self.write_at(held.file(), &bytes[written..], written as u64)? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                more => written += more,
            }
        }
        Ok(())
    }

    fn lock(&self) -> Guard<'_> {
        self.locked.lock()
    }

    /// Reserves `more`. If the count may be too high, measures what is there before it refuses.
    fn reserve(&self, state: &mut State, more: Usage) -> Result<(), Full> {
        match state.quota.reserve(more) {
            Err(_) if state.uncertain => {
                if let Ok(measured) = self.measure_in(state) {
                    state.quota.correct(measured);
                    state.uncertain = false;
                }
                state.quota.reserve(more)
            }
            reserved => reserved,
        }
    }

    /// Measures what is there, including open files that have no name any more.
    fn measure_in(&self, state: &State) -> io::Result<Usage> {
        let mut all = tree::measure(self.top()?)?;
        for open in state.open.values() {
            let nameless = open.nameless()?;
            all.bytes += nameless.bytes;
            all.entries += nameless.entries;
        }
        Ok(all)
    }

    /// Makes one more entry.
    fn entry(
        &self,
        state: &mut State,
        at: &File,
        path: &Path,
        make: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<()> {
        if let Err(full) = self.reserve(state, ENTRY) {
            return Err(self.or_exists(at, path, full));
        }
        make().inspect_err(|_| state.quota.release(ENTRY))
    }

    /// Says that the path exists, if it does: that tells more than that there is no room.
    fn or_exists(&self, at: &File, path: &Path, full: Full) -> io::Error {
        match stat(at, path, FollowSymlinks::No) {
            Ok(_) => Errno::EXIST.into(),
            Err(_) => full.into(),
        }
    }

    /// How many directories below the top the parent of `path` is, at most the limit.
    fn level_of_parent(&self, at: &File, path: &Path) -> io::Result<usize> {
        let (most, top) = (self.limits.levels, self.top.identity()?);
        let level = match path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
        {
            Some(parent) => tree::level(open_dir(at, parent)?, top, most),
            None => tree::level(at, top, most),
        };
        Ok(level?.unwrap_or(most))
    }

    /// Checks that moving the directory `old`, with everything in it, does not exceed the levels.
    fn check_levels(&self, from: &File, old: &Path, to: &File, new: &Path) -> io::Result<()> {
        let before = self.level_of_parent(from, old)?;
        let after = self.level_of_parent(to, new)?;
        if after <= before {
            return Ok(());
        }
        let most = self.limits.levels;
        let too_deep =
            after >= most || tree::is_deeper_than(most - after - 1, open_dir(from, old)?)?;
        match too_deep {
            true => Err(Full::Levels(most).into()),
            false => Ok(()),
        }
    }
}

impl State {
    /// Notes that a name was removed, and returns what nothing else holds.
    fn removed(&mut self, before: &Metadata) {
        if before.nlink() > 1 && !before.is_dir() {
            self.quota.release(ENTRY);
        } else if !self.open.contains_key(&identity(before)) {
            let bytes = if before.is_file() { before.len() } else { 0 };
            self.quota.release(Usage { bytes, entries: 1 });
        }
    }
}

fn identity(metadata: &Metadata) -> Identity {
    (metadata.dev(), metadata.ino())
}

fn bytes_only(bytes: u64) -> Usage {
    Usage { bytes, entries: 0 }
}

#[cfg(test)]
mod tests;
