//! Tasks of this repository. `cargo run -p xtask -- frames` writes the numbers of the control channel
//! from `adapter/frames.toml` wherever they are used.

pub mod api;
pub mod bench;
pub mod component;
pub mod frames;
pub mod wit;
