//! The disk of a sandbox: how much it may hold, what it holds, and the walks over it.
//!
//! A guest shapes this tree as it likes: 14,000 nested directories, a file of 1 TiB without a block.
//! So nothing here recurses, keeps a descriptor for every level, or trusts a size before it has been
//! checked.

mod account;
mod copy;
mod digest;
mod quota;
mod remove;
mod top;
mod tree;

pub(crate) use account::{Disk, Held, Opened, Wanted};
pub(crate) use digest::Digest;
pub(crate) use quota::{DiskLimits, Usage as DiskUsage};
pub(crate) use remove::remove_contents;
pub(crate) use top::Unmade;
