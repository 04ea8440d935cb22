//! What a sandbox may take: memory, disk, time.

use std::time::{Duration, Instant};

use super::SandboxBuilder;
#[cfg(doc)]
use crate::sandbox::Sandbox;

impl SandboxBuilder {
    /// The most memory that the guest may have, in bytes; 1 GiB otherwise. Beyond it Python raises
    /// `MemoryError`. Below what the interpreter has before it runs anything, about 41 MiB, it is an
    /// error.
    pub fn memory_limit(mut self, bytes: usize) -> Self {
        self.memory = Some(bytes);
        self
    }

    /// The most memory of the host's own that the sandbox may hold on behalf of the guest, in bytes;
    /// 64 MiB otherwise. Where the policy has the budget `host_memory`, the smaller one counts.
    ///
    /// Connections, heads, bodies on their way, TLS settings, lookups, records and captured output are
    /// taken from it. Zero is an error. Beyond it requests raise `OSError` with the limit `host-memory`
    /// in Python, and output is no longer captured.
    pub fn host_memory_limit(mut self, bytes: u64) -> Self {
        self.host_memory = Some(bytes);
        self
    }

    /// The most that the sandbox may keep on disk, in bytes; 1 GiB otherwise. Everything in its own
    /// files counts together, `/home`, `/tmp` and what [`write_file`](Sandbox::write_file) writes; a
    /// sparse file counts with its full size. There is one file or directory for every 10 KiB of the
    /// limit, 1,024 at least, and 256 levels of directories. Beyond any of these Python raises
    /// `OSError` with `ENOSPC`; what is deleted makes room. Directories of the host that are mounted
    /// writable are not counted. With zero the sandbox's own files stay empty.
    pub fn disk_limit(mut self, bytes: u64) -> Self {
        self.disk = Some(bytes);
        self
    }

    /// The most wall-clock time from the call of [`run`](Sandbox::run) to the end of the program,
    /// with all waiting, that for the reader of its output included; no limit otherwise. Compiling
    /// the interpreter, once on a machine, is not part of it. What the program wrote before the
    /// limit and nobody has taken may be dropped a tenth of a second later. Zero is an error.
    ///
    /// It binds while the runtime has a thread for the run: hooks and audit sinks must not block.
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time = Some(limit);
        self
    }

    /// When every run has to have ended, whatever its time limit; never otherwise. A run that begins
    /// later ends at once.
    pub fn deadline(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// The most time for [`prepare`](Self::prepare): for fetching, unpacking and compiling
    /// packages; 30 minutes otherwise. At its end pip is killed, and the error is
    /// [`PreparationTooLong`](sandbox_net_python::Error::PreparationTooLong). For the interpreter see
    /// [`EngineBuilder::preparation_limit`](crate::EngineBuilder::preparation_limit). Zero is an error.
    pub fn preparation_limit(mut self, limit: Duration) -> Self {
        self.preparation = Some(limit);
        self
    }

    /// The most time from the start of a connection attempt, and of a request, to its end; five
    /// minutes otherwise. Zero is an error.
    pub fn request_deadline(mut self, deadline: Duration) -> Self {
        self.request_deadline = Some(deadline);
        self
    }
}
