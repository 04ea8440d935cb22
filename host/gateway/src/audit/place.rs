//! Detects an audit log and an output of the guest that are the same file.

use std::fs::File;
use std::io;

/// A stream of the process that a guest may write to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stream {
    /// The process's stdout.
    Stdout,
    /// The process's stderr.
    Stderr,
}

impl Stream {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// Identifies the file that written bytes go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    identity: (u64, u64),
    is_terminal: bool,
    /// Nobody reads what is written there.
    is_null: bool,
}

#[cfg(unix)]
impl Place {
    /// Of an open file.
    pub fn of(file: &File) -> io::Result<Self> {
        use std::io::IsTerminal;
        use std::os::unix::fs::{FileTypeExt, MetadataExt};

        let found = file.metadata()?;
        let is_device = found.file_type().is_char_device();
        let null = std::fs::metadata("/dev/null").map(|null| null.rdev());
        Ok(Self {
            identity: (found.dev(), found.ino()),
            is_terminal: file.is_terminal(),
            is_null: is_device && null.is_ok_and(|null| null == found.rdev()),
        })
    }

    /// Of the process's own stream; `None` if it is closed.
    pub fn of_stream(stream: Stream) -> Option<Self> {
        use std::os::fd::AsFd;

        let own = match stream {
            Stream::Stdout => io::stdout().as_fd().try_clone_to_owned(),
            Stream::Stderr => io::stderr().as_fd().try_clone_to_owned(),
        };
        Self::of(&File::from(own.ok()?)).ok()
    }
}

/// On other platforms the standard library gives files no identity.
#[cfg(not(unix))]
impl Place {
    pub fn of(_: &File) -> io::Result<Self> {
        Ok(Self {
            identity: (0, 0),
            is_terminal: false,
            is_null: true,
        })
    }

    pub fn of_stream(_: Stream) -> Option<Self> {
        None
    }
}

impl Place {
    /// Whether both have the same readers. All terminals count as one, because a process has one.
    pub fn meets(&self, other: &Self) -> bool {
        let is_same = self.identity == other.identity || self.is_terminal && other.is_terminal;
        is_same && !self.is_null
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_the_same_under_every_name() {
        let directory = tempfile::tempdir().unwrap();
        let [one, link, other] = ["one", "link", "other"].map(|name| directory.path().join(name));
        std::fs::write(&one, "").unwrap();
        std::fs::write(&other, "").unwrap();
        std::fs::hard_link(&one, &link).unwrap();
        let place = |path: &std::path::Path| Place::of(&File::open(path).unwrap()).unwrap();
        assert!(place(&one).meets(&place(&link)));
        assert!(!place(&one).meets(&place(&other)));
        let null = place(std::path::Path::new("/dev/null"));
        assert!(!null.meets(&null), "nobody reads it");
    }
}
