//! Leaves the namespaces of the parent.
#![allow(unsafe_code)]

use std::io;

use rustix::thread::UnshareFlags;

/// Makes new namespaces for this process and those that it forks.
///
/// # Errors
///
/// The kernel has no such namespaces, or refuses them to this user.
pub(in crate::confine) fn unshare(namespaces: UnshareFlags) -> io::Result<()> {
    // SAFETY: the table of descriptors, which other threads could miss, is not among the flags.
    let namespaces = namespaces - UnshareFlags::FILES;
    Ok(unsafe { rustix::thread::unshare_unsafe(namespaces) }?)
}
