//! A Python made ready: fetched, given the shim, made into a component, compiled, and cached.

mod files;
mod filesystem;
mod limits;
mod linker;
mod shared;

use std::time::Duration;

pub(crate) use filesystem::Preopen;
pub(crate) use limits::Limits;
pub(crate) use linker::{Files, StoreState};
pub use shared::{Engine, EngineBuilder};

/// The default limit for fetching and compiling an interpreter, and for packages: minutes on a
/// small machine, but not for ever.
pub(crate) const PREPARATION_LIMIT: Duration = Duration::from_secs(30 * 60);
