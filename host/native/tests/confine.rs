//! Programs under the kernel's confinement: what stops each bypass, and what honest programs can do.

#![cfg(target_os = "linux")]

#[path = "confine/bypasses.rs"]
mod bypasses;
#[path = "confine/ends.rs"]
mod ends;
#[path = "confine/files.rs"]
mod files;
#[path = "confine/honest.rs"]
mod honest;
#[path = "confine/limits.rs"]
mod limits;
#[path = "confine/support.rs"]
mod support;
#[path = "confine/without_namespaces.rs"]
mod without_namespaces;
#[path = "confine/world.rs"]
mod world;
