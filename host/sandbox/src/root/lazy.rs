//! A sandbox's directory, which is made when something first needs it.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cap_std::fs::Dir;

use super::place::{self, FILES, Place};
use crate::disk::Unmade;

/// The directories that a program expects in its `/`.
pub(super) const EXPECTED: [&str; 2] = ["home", "tmp"];

/// The directory of one sandbox. Whoever needs it first makes it, and the others wait meanwhile.
pub(super) struct LazyPlace(Mutex<State>);

enum State {
    /// Nothing has needed it. It is made in this directory.
    Unmade(PathBuf),
    Made(Made),
    /// The sandbox is gone, and nothing is made any more.
    Removed,
}

struct Made {
    place: Place,
    files: Arc<File>,
}

impl LazyPlace {
    /// Makes nothing in `parent` yet.
    ///
    /// # Errors
    ///
    /// If `parent` can't be written to.
    pub(super) fn in_directory(parent: &Path) -> io::Result<Self> {
        place::check(parent)?;
        // The working directory may be another one by then.
        let parent = std::path::absolute(parent)?;
        Ok(Self(Mutex::new(State::Unmade(parent))))
    }

    /// One that is there.
    pub(super) fn of(place: Place, files: Arc<File>) -> Self {
        Self(Mutex::new(State::Made(Made { place, files })))
    }

    pub(super) fn is_made(&self) -> bool {
        matches!(*self.state(), State::Made(_))
    }

    /// What the guest sees as `/`.
    pub(super) fn files(&self) -> Result<Arc<File>, Unmade> {
        self.with(|made| made.files.clone())
    }

    /// The directory around it.
    pub(super) fn dir(&self) -> Result<Arc<Dir>, Unmade> {
        self.with(|made| made.place.dir.clone())
    }

    /// Takes the directory, if there is one; afterwards none is made.
    pub(super) fn take(&self) -> Option<Place> {
        match std::mem::replace(&mut *self.state(), State::Removed) {
            State::Made(made) => Some(made.place),
            State::Unmade(_) | State::Removed => None,
        }
    }

    fn with<T>(&self, what: impl FnOnce(&Made) -> T) -> Result<T, Unmade> {
        let mut state = self.state();
        if let State::Unmade(parent) = &*state {
            let place = Place::in_directory(parent)?;
            *state = State::Made(Made::new(place)?);
        }
        match &*state {
            State::Made(made) => Ok(what(made)),
            State::Unmade(_) | State::Removed => Err(Unmade(io::Error::other(
                "the sandbox's directory is removed",
            ))),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn path(&self) -> PathBuf {
        self.with(|made| made.place.path.clone())
            .expect("it can be made")
    }
}

impl Made {
    /// Makes what a program expects. If that fails, the place is removed.
    fn new(place: Place) -> io::Result<Self> {
        let files = place.dir.open_dir(FILES)?;
        for name in EXPECTED {
            files.create_dir(name)?;
        }
        let files = Arc::new(files.into_std_file());
        Ok(Self { place, files })
    }
}
