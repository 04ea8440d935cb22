//! Where the audit log of all tenants goes: one file, or stdout.

use std::io::{self, Write as _};
use std::sync::Arc;

use sandbox_net::{AuditFile, AuditLine, AuditSink};

use crate::config;

/// The log that all sandboxes share. Each line is written whole.
#[derive(Clone)]
pub(crate) enum Log {
    /// A file to which lines are appended.
    File(Arc<AuditFile>),
    /// The process's stdout. No program of a tenant writes there.
    Stdout,
}

impl Log {
    /// Opens the log that the configuration names; `None` if it names none.
    pub(crate) fn open(audit: &config::Audit) -> io::Result<Option<Self>> {
        match &audit.file {
            Some(path) => Ok(Some(Self::File(Arc::new(AuditFile::open(path)?)))),
            None => Ok(audit.stdout.then_some(Self::Stdout)),
        }
    }
}

impl AuditSink for Log {
    fn write(&self, line: &AuditLine) -> io::Result<()> {
        match self {
            Self::File(file) => file.write(line),
            Self::Stdout => {
                let mut text = serde_json::to_string(line)?;
                text.push('\n');
                let mut stdout = io::stdout().lock();
                stdout.write_all(text.as_bytes())?;
                stdout.flush()
            }
        }
    }
}
