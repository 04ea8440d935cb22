//! The names of the modules that a re-encoded module imports from.

/// The module name of WASI preview1, which every C program for WASI imports.
pub(super) const PREVIEW1: &str = "wasi_snapshot_preview1";
/// The module name under which the re-encoded module finds the adapter's functions.
pub(super) const ADAPTER: &str = "sandbox_net_preview1";
/// The module name under which the re-encoded module finds its `proc_exit`.
pub(super) const EXIT: &str = "sandbox_net_exit";
