//! Settings that limit memory, disk and time of a sandbox.

use std::time::{Duration, Instant};

use super::SandboxBuilder;
#[cfg(doc)]
use crate::sandbox::Sandbox;

impl SandboxBuilder {
    /// Limits the guest's memory, in bytes. Defaults to 1 GiB. Beyond it Python raises
    /// `MemoryError`. A limit below what the interpreter uses before it runs anything, about 42 MiB,
    /// is an error.
    pub fn memory_limit(mut self, bytes: usize) -> Self {
        self.memory = Some(bytes);
        self
    }

    /// Limits the memory of the host that the sandbox may hold on behalf of the guest, in bytes.
    /// Defaults to 64 MiB. If the policy has the budget `host_memory`, the smaller one counts.
    ///
    /// Connections, heads, bodies in transit, TLS settings, lookups, records and captured output are
    /// taken from it. Zero is an error. Beyond it requests raise `OSError` with the limit `host-memory`
    /// in Python, and output is no longer captured.
    pub fn host_memory_limit(mut self, bytes: u64) -> Self {
        self.host_memory = Some(bytes);
        self
    }

    /// Limits what the sandbox may keep on disk, in bytes. Defaults to 1 GiB. All of its own files
    /// count together: `/home`, `/tmp` and what [`write_file`](Sandbox::write_file) writes. A sparse
    /// file counts with its full size. One file or directory is allowed for every 10 KiB of the
    /// limit, 1,024 at least, and 256 levels of directories. Beyond any of these Python raises
    /// `OSError` with `ENOSPC`; deleting makes room. Mounted writable directories of the host are
    /// not counted. With zero the sandbox's own files stay empty.
    pub fn disk_limit(mut self, bytes: u64) -> Self {
        self.disk = Some(bytes);
        self
    }

    /// Limits the wall-clock time from the call of [`run`](Sandbox::run) to the end of the program,
    /// including all waiting, also for the reader of its output. Defaults to no limit. Compiling
    /// the interpreter, once on a machine, is not included. Output that was written before the
    /// limit but not yet taken may be dropped a tenth of a second later. Zero is an error.
    ///
    /// The limit needs a thread of the runtime that is free for the run: hooks and audit sinks must
    /// not block.
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time = Some(limit);
        self
    }

    /// The most processor time of each run, its start included; no limit otherwise. Waiting, for the
    /// network, for a reader of its output or for its turn, takes none. Zero is an error.
    pub fn cpu_limit(mut self, limit: Duration) -> Self {
        self.cpu = Some(limit);
        self
    }

    /// Limits what is captured of each output stream of a run, in bytes. Defaults to 64 MiB. What is
    /// beyond is dropped, and [`Outcome::truncated`](crate::Outcome::truncated) says so.
    pub fn capture_limit(mut self, bytes: usize) -> Self {
        self.captured = Some(bytes);
        self
    }

    /// When every run has to have ended, whatever its time limit; never otherwise. A run that begins
    /// later ends at once.
    pub fn deadline(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Limits the time of [`prepare`](Self::prepare): for fetching, unpacking and compiling packages.
    /// Defaults to 30 minutes. At its end pip is killed, and the error is
    /// [`PreparationTooLong`](sandbox_net_python::Error::PreparationTooLong). It also limits the wait for
    /// an automatic snapshot; programs do without it then. For the interpreter see
    /// [`EngineBuilder::preparation_limit`](crate::EngineBuilder::preparation_limit). Zero is an error.
    pub fn preparation_limit(mut self, limit: Duration) -> Self {
        self.preparation = Some(limit);
        self
    }

    /// Limits the time from the start of a connection attempt, and of a request, to its end.
    /// Defaults to five minutes. Zero is an error.
    pub fn request_deadline(mut self, deadline: Duration) -> Self {
        self.request_deadline = Some(deadline);
        self
    }
}
