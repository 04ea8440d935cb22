//! The top directory of a disk, which may be made when it is first needed.

use std::fmt;
use std::fs::File;
use std::io;
use std::sync::{Arc, OnceLock};

use super::tree::{self, Identity};

/// Why the directory could not be made.
#[derive(Debug)]
pub(crate) struct Unmade(pub(crate) io::Error);

impl Unmade {
    /// Returns the reason if `error` was made of one of these, else the error itself.
    pub(crate) fn reason(error: io::Error) -> Result<io::Error, io::Error> {
        error.downcast::<Self>().map(|Self(reason)| reason)
    }
}

impl fmt::Display for Unmade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Unmade {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.0)
    }
}

impl From<io::Error> for Unmade {
    fn from(error: io::Error) -> Self {
        Self(error)
    }
}

impl From<Unmade> for io::Error {
    fn from(unmade: Unmade) -> Self {
        Self::new(unmade.0.kind(), unmade)
    }
}

/// Makes the directory; returns the same one whenever it is called.
pub(crate) type Make = Box<dyn Fn() -> Result<Arc<File>, Unmade> + Send + Sync>;

/// A directory that is there, or that is made once.
pub(super) struct Top {
    made: OnceLock<(Arc<File>, Identity)>,
    /// `None` if it is there.
    make: Option<Make>,
}

impl Top {
    /// One that is there.
    pub(super) fn of(file: Arc<File>) -> io::Result<Self> {
        let identity = tree::identity(&rustix::fs::fstat(&file)?);
        Ok(Self {
            made: OnceLock::from((file, identity)),
            make: None,
        })
    }

    /// One that is made when it is first needed. After a failure the next use tries again.
    pub(super) fn later(make: Make) -> Self {
        Self {
            made: OnceLock::new(),
            make: Some(make),
        }
    }

    /// The directory, if it is there.
    pub(super) fn made(&self) -> Option<&Arc<File>> {
        self.made.get().map(|(file, _)| file)
    }

    pub(super) fn file(&self) -> Result<&Arc<File>, Unmade> {
        Ok(&self.get()?.0)
    }

    pub(super) fn identity(&self) -> Result<Identity, Unmade> {
        Ok(self.get()?.1)
    }

    fn get(&self) -> Result<&(Arc<File>, Identity), Unmade> {
        if let (None, Some(make)) = (self.made.get(), &self.make) {
            let file = make()?;
            let identity = tree::identity(&rustix::fs::fstat(&file).map_err(io::Error::from)?);
            // Whoever was faster has put the same one there.
            return Ok(self.made.get_or_init(|| (file, identity)));
        }
        let made = self.made.get();
        made.ok_or_else(|| Unmade(io::Error::other("there is no directory")))
    }
}
