//! Where the audit log of all tenants goes: one file or stdout, and a collector.

use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sandbox_net::{AuditFile, AuditLine, AuditSink};

use crate::collector::Collector;
use crate::config;
use crate::start_error::StartError;

/// The log that all sandboxes share. Each line is written whole.
#[derive(Clone, Debug)]
pub(crate) enum Log {
    /// A file to which lines are appended.
    File(Arc<AuditFile>),
    /// The process's stdout. No program of a tenant writes there.
    Stdout,
    /// A collector, over OTLP.
    Collector(Arc<Collector>),
}

impl Log {
    /// Opens the logs that the configuration names.
    pub(crate) fn open(audit: &config::Audit) -> Result<Vec<Self>, StartError> {
        let unusable = |path: &Path, source| StartError::File {
            path: path.display().to_string(),
            source,
        };
        let mut logs = Vec::new();
        if let Some(path) = &audit.file {
            let file = AuditFile::open(path).map_err(|error| unusable(path, error))?;
            logs.push(Self::File(Arc::new(file)));
        }
        if audit.stdout {
            logs.push(Self::Stdout);
        }
        if let Some(address) = &audit.logs {
            let collector = Collector::start(address).map_err(|source| StartError::Collector {
                address: address.clone(),
                source,
            })?;
            logs.push(Self::Collector(Arc::new(collector)));
        }
        Ok(logs)
    }

    /// Whether nothing more can be written for now.
    pub(crate) fn is_stuck(&self) -> bool {
        match self {
            Self::File(_) | Self::Stdout => false,
            Self::Collector(collector) => collector.is_stuck(),
        }
    }

    /// Waits until what was written is where it belongs, but no longer than this; whether it is. Blocks.
    pub(crate) fn flush(&self, patience: Duration) -> bool {
        match self {
            Self::File(_) | Self::Stdout => true,
            Self::Collector(collector) => collector.flush(patience),
        }
    }
}

impl AuditSink for Log {
    fn write(&self, line: &AuditLine) -> io::Result<()> {
        match self {
            Self::File(file) => file.write(line),
            Self::Collector(collector) => collector.write(line),
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
