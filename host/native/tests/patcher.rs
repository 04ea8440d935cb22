//! The patcher on real interpreters, in virtual environments made for each test.
//!
//! What an interpreter of another version is needed for is skipped where there is none, and says so.

#![cfg(unix)]

#[path = "patcher/broken.rs"]
mod broken;
#[path = "patcher/installing.rs"]
mod installing;
#[path = "patcher/support.rs"]
mod support;
#[path = "patcher/wrapping.rs"]
mod wrapping;
