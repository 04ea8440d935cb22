//! The Python that packages are for.

use std::collections::BTreeMap;

use pep508_rs::pep440_rs::Version;
use pep508_rs::{MarkerEnvironment, PackageName};

/// The target for which wheels are resolved.
pub(crate) struct Target {
    /// The values of environment markers in the sandbox.
    pub(crate) markers: MarkerEnvironment,
    /// The full Python version.
    pub(crate) python: Version,
    /// The Python version in pip's form, e.g. `3.15`.
    pub(crate) python_minor: String,
    /// The packages that are part of the distribution.
    pub(crate) provides: BTreeMap<PackageName, Version>,
}
