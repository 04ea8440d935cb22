//! Tasks of this repository. `cargo run -p xtask -- frames` writes the numbers of the control channel
//! from `adapter/frames.toml` to each place that has them.

pub mod frames;
