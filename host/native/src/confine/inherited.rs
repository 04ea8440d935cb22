//! What the program gets from its caller, through the helper and the init.

use std::os::fd::OwnedFd;

use super::sys::signals::Mask;

/// What the program gets from the caller beside the plan.
pub(super) struct Inherited {
    pub(super) standard: [OwnedFd; 3],
    pub(super) mask: Mask,
}
