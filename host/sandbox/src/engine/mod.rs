//! Prepares a Python: fetches it, adds the shim, makes it a component, compiles it, and caches it.

mod allocator;
mod bounds;
mod builder;
mod clock;
mod code;
mod config;
mod delivery;
mod files;
mod filesystem;
mod full;
mod interpreter;
mod interrupt;
mod interruptible;
mod limits;
mod linker;
mod live;
mod opened;
mod shared;
mod threads;
mod totals;
mod turns;
mod usage;
mod waits;
mod work;

use std::time::Duration;

pub use allocator::set_up_allocator;
pub use bounds::EngineBounds;
pub use builder::EngineBuilder;
pub(crate) use clock::Clock;
pub use config::configure;
pub(crate) use delivery::{deliver, withdraw};
pub(crate) use filesystem::Preopen;
pub use full::EngineFull;
pub(crate) use interpreter::Interpreter;
pub(crate) use interrupt::Interrupt;
pub(crate) use interruptible::Interruptible;
pub(crate) use limits::Limits;
pub(crate) use linker::{Files, StoreState};
pub use shared::Engine;
pub(crate) use threads::first_slice;
pub use totals::EngineUsage;
pub(crate) use totals::Share;
pub(crate) use turns::Turn;
pub(crate) use usage::Usage;

/// The default limit for fetching and compiling an interpreter, and for packages. It allows for
/// minutes on a small machine.
pub(crate) const PREPARATION_LIMIT: Duration = Duration::from_secs(30 * 60);
