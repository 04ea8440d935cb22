//! Native programs under a policy of sandbox-net: a patch for Python, and confinement by the kernel.

pub mod patch;
