//! A Python made ready: fetched, given the shim, made into a component, compiled, and cached.

mod build;
mod engine;
mod files;
mod filesystem;
mod limits;
mod linker;
mod prepare;
mod shim;

use std::time::Duration;

pub use build::BuildError;
pub use engine::{Engine, EngineBuilder};
pub(crate) use filesystem::Preopen;
pub(crate) use limits::Limits;
pub(crate) use linker::{Files, State};

/// The default limit for fetching and compiling an interpreter, and for packages: minutes on a
/// small machine, but not for ever.
pub(crate) const PREPARATION_LIMIT: Duration = Duration::from_secs(30 * 60);
/// WebAssembly stack of a run, in bytes: deep recursion in Python takes this much.
const WASM_STACK: usize = 8 << 20;
/// Host stack of a run, in bytes: the above and room for host functions.
const ASYNC_STACK: usize = WASM_STACK + (2 << 20);
