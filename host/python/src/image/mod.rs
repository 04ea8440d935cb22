//! Memory images: files with the memory of an interpreter at rest, from which instances begin.
//!
//! A snapshot differs from its runtime in memory alone, so one compilation serves all of them. The file
//! is mapped, private and copy-on-write: an instance costs what it changes.

mod creator;
mod file;
mod mapping;

pub use self::creator::{ImageMemory, with_image};
pub(crate) use self::file::ImageWriter;
pub use self::file::{Identity, Image, ImageError};
