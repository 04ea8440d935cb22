//! Paths of requests, as far as rules look at them.
//!
//! Servers differ in what they take a path for, so a path is judged under all its [`Readings`]: a
//! [`PathPattern`] that allows has to match each of them, and for one that denies a single match
//! is enough. Readings and patterns are compared as sequences of [`Symbol`](symbol::Symbol)s, by a [`Glob`](glob::Glob).

mod glob;
mod pattern;
mod readings;
mod symbol;
#[cfg(test)]
mod tests;

pub use pattern::{PathPattern, PathPatternError};
pub(crate) use readings::Readings;
