//! Each interpreter and each library, directly and through a real broker: the results are the same.
//!
//! A tier of its own: `cargo test -p sandbox-net-native --test matrix -- --ignored`. Packages come from
//! PyPI and npm, the newest that each interpreter can have, into the cache outside the clone. An
//! interpreter that is missing is skipped, and said so.

#[cfg(target_os = "linux")]
mod environments;
#[cfg(target_os = "linux")]
mod faults;
#[cfg(target_os = "linux")]
mod libraries;
#[cfg(target_os = "linux")]
mod origin;
#[cfg(target_os = "linux")]
mod tools;
