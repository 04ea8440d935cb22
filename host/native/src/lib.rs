//! Native programs under a policy of sandbox-net: a patch for Python, and confinement by the kernel.

#[cfg(target_os = "linux")]
pub mod confine;
pub mod patch;
pub mod seatbelt;
