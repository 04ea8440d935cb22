//! Paths of requests, as far as rules look at them.
//!
//! Servers differ in what they take a path for, so a path is judged under all its [`Readings`]: a
//! [`PathPattern`] that allows has to match each of them, and for one that denies a single match
//! is enough. What a request may cost is bounded: the bytes of its path, those of all its
//! readings together, and the [`steps`] of comparing them with all patterns of a policy. Beyond
//! these no pattern allows it, and each denies it.

mod glob;
#[cfg(test)]
mod naive;
mod pattern;
mod reading;
mod readings;
mod steps;
mod symbol;
#[cfg(test)]
mod tests;

pub use pattern::{PathPattern, PathPatternError};
pub(crate) use readings::{MAX_PATH, Readings, Unread};
