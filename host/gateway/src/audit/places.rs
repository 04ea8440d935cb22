//! Where the logs of one run go: each to a file of its own, which the program does not write to.

use std::any::Any;

use super::{AuditFile, AuditStderr, Place, Stream};

/// Where an audit log goes, as far as that is known.
///
/// ```
/// # #[cfg(unix)]
/// # fn main() -> std::io::Result<()> {
/// use sandbox_net_gateway::audit::{AuditFile, AuditPlaces};
///
/// let directory = tempfile::tempdir()?;
/// let log = AuditFile::open(directory.path().join("log"))?;
/// let mut places = AuditPlaces::default();
/// places.add(&log);
/// assert!(places.check(false, false).is_ok());
/// places.add(&log);
/// assert!(places.check(false, false).is_err(), "it would have each line twice");
/// # Ok(())
/// # }
/// # #[cfg(not(unix))]
/// # fn main() {}
/// ```
#[derive(Debug, Clone, Default)]
pub struct AuditPlaces {
    files: Vec<Place>,
    has_stderr: bool,
}

/// Why a log cannot go where it would go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuditPlacesError {
    /// Two logs are one file.
    #[error("the same file is given twice, so that it would have every line twice; give it once")]
    Twice,
    /// The program writes to the log.
    #[error(
        "the program's {} goes to the same place, where it could forge lines of the log; write the \
         log to a file of its own (--audit FILE), or capture the program's output (--json)",
        _0.as_str()
    )]
    Shared(Stream),
}

impl AuditPlaces {
    /// Notes where a sink's lines go.
    pub fn add(&mut self, sink: &dyn Any) {
        self.has_stderr |= sink.is::<AuditStderr>();
        if let Some(Ok(place)) = sink.downcast_ref::<AuditFile>().map(AuditFile::place) {
            self.files.push(place);
        }
    }

    /// Refuses two logs that are one file, and a log that the program would write to because it
    /// inherits this process's stdout or stderr.
    ///
    /// # Errors
    ///
    /// The first such place.
    pub fn check(&self, has_stdout: bool, has_stderr: bool) -> Result<(), AuditPlacesError> {
        let is_twice = |(index, place): (usize, &Place)| {
            self.files[..index].iter().any(|other| other.meets(place))
        };
        if self.files.iter().enumerate().any(is_twice) {
            return Err(AuditPlacesError::Twice);
        }
        let own = [(Stream::Stdout, has_stdout), (Stream::Stderr, has_stderr)];
        for (stream, _) in own.into_iter().filter(|(_, is_inherited)| *is_inherited) {
            let is_stderr = self.has_stderr && stream == Stream::Stderr;
            let place = Place::of_stream(stream);
            let stderr = Place::of_stream(Stream::Stderr).filter(|_| self.has_stderr);
            let mut places = self.files.iter().chain(stderr.as_ref());
            if is_stderr || place.is_some_and(|place| places.any(|log| log.meets(&place))) {
                return Err(AuditPlacesError::Shared(stream));
            }
        }
        Ok(())
    }
}
