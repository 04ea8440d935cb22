//! Compares the paths of requests with the patterns of rules.
//!
//! Servers differ in how they read a path, so a path is judged under all its [`Readings`]: a
//! [`PathPattern`] that allows has to match each of them, and for one that denies a single match is
//! enough. The cost of a request is bounded: the bytes of its path, those of all its readings
//! together, and the [`steps`] of comparing them with all patterns of a policy. Beyond these bounds
//! every pattern that allows fails, and every one that denies matches.

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

/// For fuzzing: how many steps all these patterns take for a path, as rules that allow and as rules
/// that deny, and how many they may take.
#[cfg(any(test, fuzzing))]
#[cfg_attr(test, allow(unreachable_pub))]
pub fn steps(patterns: &[PathPattern], path: &[u8]) -> (usize, usize) {
    let readings = Readings::of(path);
    for pattern in patterns {
        pattern.forbids(&readings);
        pattern.permits(&readings);
    }
    // Each pattern is compared with each reading as it is, and loosely in three forms.
    let count = readings.all().map_or(0, <[_]>::len);
    let bound = steps::ALLOWANCE + patterns.len() * count * 4 * (steps::FREE + 1);
    (readings.steps.taken(), bound)
}

pub use pattern::{PathPattern, PathPatternError};
pub(crate) use readings::{MAX_PATH, Readings, Unread};
