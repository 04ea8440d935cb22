//! Open files, and the one lock of a disk.
//!
//! A change may walk over the whole tree while it has the lock, and a guest shapes that tree. Changes
//! wait for the lock on threads that may block. A file is closed wherever it is dropped, on a thread
//! that may not block, so closing never waits: the holder of the lock settles what was closed
//! meanwhile.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::os::unix::fs::MetadataExt as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use super::Disk;
use crate::disk::quota::{Quota, Usage};
use crate::disk::tree::Identity;

/// What is known of a disk, behind its lock.
pub(super) struct State {
    pub(super) quota: Quota,
    pub(super) open: HashMap<Identity, OpenFile>,
    /// Whether the count may be higher than what is there.
    pub(super) uncertain: bool,
}

/// A file that is open.
pub(super) struct OpenFile {
    file: Arc<File>,
    /// The number of [`Held`] for it.
    count: usize,
    /// Whether it was moved off the disk since.
    pub(super) outside: bool,
}

/// An open file of a [`Disk`]. Its bytes are counted at least until this is dropped.
pub(crate) struct Held {
    disk: Arc<Disk>,
    file: Arc<File>,
    identity: Identity,
}

impl Held {
    /// Counts one more holder of this file.
    pub(super) fn new(state: &mut State, disk: Arc<Disk>, file: File, identity: Identity) -> Self {
        let file = Arc::new(file);
        let open = state.open.entry(identity).or_insert_with(|| OpenFile {
            file: file.clone(),
            count: 0,
            outside: false,
        });
        open.count += 1;
        Self {
            disk,
            file,
            identity,
        }
    }

    pub(crate) fn file(&self) -> &Arc<File> {
        &self.file
    }

    pub(crate) fn disk(&self) -> &Arc<Disk> {
        &self.disk
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.disk.locked.close(self.identity);
    }
}

impl OpenFile {
    /// What the file holds on the disk if it has no name there any more.
    pub(super) fn nameless(&self) -> io::Result<Usage> {
        let metadata = self.file.metadata()?;
        match metadata.nlink() == 0 && !self.outside {
            true => Ok(Usage {
                bytes: metadata.len(),
                entries: 1,
            }),
            false => Ok(Usage::default()),
        }
    }
}

impl State {
    /// Counts one holder less of this file.
    fn closed(&mut self, identity: Identity) {
        let Some(open) = self.open.get_mut(&identity) else {
            return;
        };
        open.count -= 1;
        if open.count > 0 {
            return;
        }
        if let Some(closed) = self.open.remove(&identity) {
            match closed.nameless() {
                Ok(freed) => self.quota.release(freed),
                Err(_) => self.uncertain = true,
            }
            self.uncertain |= closed.outside;
        }
    }
}

/// The state of a disk behind its lock, and the files that were closed while the lock was taken.
pub(super) struct Locked {
    state: Mutex<State>,
    /// At most one for each open file. This lock is never held across a wait.
    closed: Mutex<Vec<Identity>>,
}

impl Locked {
    pub(super) fn new(quota: Quota) -> Self {
        Self {
            state: Mutex::new(State {
                quota,
                open: HashMap::new(),
                uncertain: false,
            }),
            closed: Mutex::default(),
        }
    }

    /// Waits for the lock.
    pub(super) fn lock(&self) -> Guard<'_> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.settle_in(&mut state);
        Guard {
            locked: self,
            state: Some(state),
        }
    }

    /// Notes that a file was closed, without waiting for the lock.
    fn close(&self, identity: Identity) {
        self.pending().push(identity);
        self.settle();
    }

    /// Settles what was closed. If the lock is taken, its holder does it afterwards.
    fn settle(&self) {
        while !self.pending().is_empty() {
            match self.state.try_lock() {
                Ok(mut state) => self.settle_in(&mut state),
                Err(TryLockError::Poisoned(poisoned)) => self.settle_in(&mut poisoned.into_inner()),
                Err(TryLockError::WouldBlock) => return,
            }
        }
    }

    fn settle_in(&self, state: &mut State) {
        let closed = mem::take(&mut *self.pending());
        for identity in closed {
            state.closed(identity);
        }
    }

    fn pending(&self) -> MutexGuard<'_, Vec<Identity>> {
        self.closed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The lock of a disk. Dropping it settles what was closed meanwhile.
pub(super) struct Guard<'a> {
    locked: &'a Locked,
    /// `None` only during the drop.
    state: Option<MutexGuard<'a, State>>,
}

impl Deref for Guard<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        self.state.as_deref().expect("it is there until the end")
    }
}

impl DerefMut for Guard<'_> {
    fn deref_mut(&mut self) -> &mut State {
        self.state
            .as_deref_mut()
            .expect("it is there until the end")
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        drop(self.state.take());
        self.locked.settle();
    }
}
