//! Provides the interpreter: its distribution, its packages, the component that is made of it, and
//! the cache of all of them.
//!
//! ```no_run
//! use sandbox_net_python::{Builder, Cache, Manifest, PackagesBuilder, Silent, install};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let manifest = Manifest::find(None)?;
//! let cache = Cache::open(None)?;
//! // pip fetches the distribution, unless the cache has it.
//! let installed = install(&manifest, &cache, &Silent, None)?;
//! let packages = PackagesBuilder::new(&manifest, &cache).with("requests").build()?;
//! println!("packages in {}", packages.site_packages.display());
//!
//! let builder = Builder {
//!     cache: &cache,
//!     manifest: &manifest,
//!     installed: &installed,
//!     progress: &Silent,
//! };
//! let code = builder.runtime(&wasmtime::Engine::default())?;
//! println!("the compiled interpreter is {}", code.display());
//! # Ok(())
//! # }
//! ```
//!
//! [`Engine`](https://docs.rs/sandbox-net) does all of this for a sandbox.
//!
//! Nothing here runs code of a package or of a distribution on the host: the user's own pip
//! downloads wheels, which are compared with the expected hashes, and unpacked.

mod additions;
mod at_rest;
mod build;
mod build_error;
pub mod cache;
mod componentize;
mod error;
mod hash;
pub mod image;
mod immortals;
pub mod install;
pub mod interrupt;
pub mod manifest;
mod no_network;
mod notes;
pub mod packages;
pub mod pip;
pub mod private_dir;
pub mod progress;
mod runtime_error;
mod shim;
mod snapshot;
#[cfg(test)]
mod testing;
mod zeros;

pub use at_rest::AtRest;
pub use build::Builder;
pub use build_error::BuildError;
pub use cache::{Cache, Entry};
pub use componentize::{Capability, ComponentizeError, StubImport, componentize};
pub use error::Error;
pub use image::Image;
pub use install::install_within;
pub use install::{Installed, install};
pub use manifest::Manifest;
pub use no_network::without_network;
pub use notes::SnapshotNotes;
pub use packages::{Packages, PackagesBuilder};
pub use pip::Pip;
pub use progress::{Amount, Progress, Silent, Step, Terminal};
pub use runtime_error::RuntimeError;
pub use shim::COMPILE_PACKAGES;

/// WebAssembly stack of an interpreter, in bytes: deep recursion in Python takes this much.
pub const WASM_STACK: usize = 8 << 20;
/// Host stack of an interpreter, in bytes: the above, plus room for host functions.
pub const ASYNC_STACK: usize = WASM_STACK + (2 << 20);
