//! What the indexes have of one project.

use std::collections::{BTreeMap, BTreeSet};

use pep508_rs::PackageName;
use pep508_rs::pep440_rs::Version;

use crate::packages::absence::{Absence, left_out};
use crate::packages::wheel;
use crate::pip::Found;

/// What there is of one project.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// The wheels that can be used.
    pub(crate) wheels: BTreeMap<Version, Found>,
    /// The files that can't be used, and why.
    pub(crate) left_out: Vec<(Version, Absence)>,
    /// The versions that have only machine code.
    pub(crate) machine_code: BTreeSet<Version>,
}

impl Listing {
    /// Makes it from wheels, the preferred one of a version last, and lines of pip's log.
    pub(crate) fn new(name: &PackageName, wheels: Vec<Found>, log: &str) -> Listing {
        let of = |found: Found| {
            let (project, version) = wheel::parse_file_name(&found.file).ok()?;
            (project == *name).then_some((version, found))
        };
        let wheels: BTreeMap<Version, Found> = wheels.into_iter().filter_map(of).collect();
        let left_out = left_out(log, name);
        let only = |(version, why): &&(Version, Absence)| {
            *why == Absence::PlatformWheels && !wheels.contains_key(version)
        };
        let machine_code = left_out
            .iter()
            .filter(only)
            .map(|(version, _)| version.clone());
        Listing {
            machine_code: machine_code.collect(),
            wheels,
            left_out,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.wheels.is_empty() && self.left_out.is_empty()
    }
}
