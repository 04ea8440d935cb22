//! Writes audit lines to where the embedder wants them.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{AuditLine, Place};

/// A destination for audit lines. If it cannot take a line, the sandbox's network ends: nothing is
/// done that is not recorded.
pub trait AuditSink: Send + Sync {
    /// Takes one line. It is called before the line takes effect. The effect waits for it, in this
    /// sandbox and in others that share the sink, and so does the end of the run. It is called from a
    /// thread of the sink's own, one line after the other, and may block: nothing else blocks then, and
    /// a time limit ends whatever waits. Lines of a run that a sink has not taken a second after the
    /// run's end are lost, unless it takes others meanwhile.
    ///
    /// # Errors
    ///
    /// If the line is lost. Nothing is allowed from then on. A panic counts as an error.
    fn write(&self, line: &AuditLine) -> io::Result<()>;
}

/// A file of JSON lines, to which each line is appended whole.
#[derive(Debug)]
pub struct AuditFile {
    file: Mutex<Appended>,
}

#[derive(Debug)]
struct Appended {
    file: File,
    /// Whether the file may end in a part of a line, as on a disk that was full.
    is_torn: bool,
}

impl AuditFile {
    /// Opens the file to append to it. If it does not exist it is created, readable only for its
    /// owner.
    ///
    /// # Errors
    ///
    /// If it cannot be opened.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.create(true).append(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        Ok(Self {
            file: Mutex::new(Appended {
                file: options.open(path)?,
                is_torn: false,
            }),
        })
    }

    /// Where its lines go.
    pub fn place(&self) -> io::Result<Place> {
        Place::of(&self.appended().file)
    }

    fn appended(&self) -> MutexGuard<'_, Appended> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AuditSink for AuditFile {
    fn write(&self, line: &AuditLine) -> io::Result<()> {
        let mut text = to_json(line)?;
        let mut appended = self.appended();
        if appended.is_torn {
            text.insert(0, '\n');
        }
        // Write each line in one call, so that lines of several processes do not mix.
        let written = appended.file.write_all(text.as_bytes());
        appended.is_torn = written.is_err();
        written
    }
}

/// The process's stderr. A sandbox whose guest also writes there refuses it, because the guest
/// could forge lines.
#[derive(Debug, Clone, Copy)]
pub struct AuditStderr;

impl AuditSink for AuditStderr {
    fn write(&self, line: &AuditLine) -> io::Result<()> {
        io::stderr().write_all(to_json(line)?.as_bytes())
    }
}

/// Returns the line as JSON, with its line feed.
fn to_json(line: &AuditLine) -> io::Result<String> {
    let mut text = serde_json::to_string(line)?;
    text.push('\n');
    Ok(text)
}
