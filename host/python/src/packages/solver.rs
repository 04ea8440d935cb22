//! Searches for compatible versions, with backtracking.
//!
//! The search is PubGrub's. It is told the existing versions of each project and their
//! requirements, and an index is queried only for what the search needs. The preferred versions are
//! those of pip: the newest, no pre-releases unless one is requested or there is nothing else, no
//! yanked version unless it is pinned.

mod provider;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use pep508_rs::pep440_rs::{Operator, Version, VersionSpecifiers};
use pep508_rs::{ExtraName, PackageName, Requirement, VerbatimUrl};
use pubgrub::{DerivationTree, PubGrubError, Ranges};

use crate::error::Error;
use crate::packages::absence::Absence;
use crate::packages::catalog::Catalog;
use crate::packages::listing::Listing;
use crate::packages::target::Target;
use provider::Provider;
use sandbox_net_process::TimeBox;

/// The tree of reasons why there is no solution.
pub(crate) type Reasons = DerivationTree<Package, Ranges<Version>, String>;

/// The kinds of packages whose versions are searched.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Package {
    /// The user's requirements.
    Root,
    /// A project.
    Project(PackageName),
    /// The additional requirements of an extra of a project. It has the project's version.
    Extra(PackageName, ExtraName),
}

impl fmt::Display for Package {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Package::Root => f.write_str("you"),
            Package::Project(name) => write!(f, "{name}"),
            Package::Extra(name, extra) => write!(f, "{name}[{extra}]"),
        }
    }
}

/// Whether releases with machine code count as existing. They are never used; a search that counts
/// them finds what would be chosen without the sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum MachineCode {
    Counts,
    LeftOut,
}

/// How far a search may go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// Decisions.
    pub(crate) steps: usize,
    /// Versions whose metadata is queried.
    pub(crate) asked: usize,
    /// Time for one search.
    pub(crate) time: Duration,
}

/// A requirement of a project, and who has it.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) by: Package,
    pub(crate) requirement: String,
    pub(crate) versions: VersionSpecifiers,
}

/// The versions that were found, without those of the root and of extras.
pub(crate) type Solution = BTreeMap<PackageName, Version>;

/// How a search ended.
pub(crate) enum Outcome {
    Found(Solution),
    /// There is no solution, for these reasons.
    None(Reasons),
    /// The effort was not enough.
    GaveUp(Vec<PackageName>),
}

/// The existing versions, oldest first, by what counts and whether the index does.
type Universes = HashMap<(PackageName, MachineCode, bool), Rc<[Version]>>;

/// What is learned about projects while searching. It only grows.
#[derive(Default)]
struct Learned {
    /// Projects of which a pre-release is requested.
    pre_releases: BTreeSet<PackageName>,
    /// Versions that are pinned.
    pins: BTreeSet<(PackageName, Version)>,
    /// Projects that are part of the distribution, of which another version is requested.
    replaced: BTreeSet<PackageName>,
    /// All requirements so far, in this order.
    asks: BTreeMap<PackageName, Vec<Ask>>,
}

impl Learned {
    fn size(&self) -> usize {
        self.pre_releases.len() + self.pins.len() + self.replaced.len()
    }
}

/// Everything that a search needs, kept for further ones.
pub(crate) struct Solver<'a, 'c> {
    target: &'a Target,
    catalog: RefCell<&'a mut Catalog<'c>>,
    within: &'a TimeBox,
    learned: RefCell<Learned>,
    universes: RefCell<Universes>,
}

impl<'a, 'c> Solver<'a, 'c> {
    pub(crate) fn new(
        target: &'a Target,
        catalog: &'a mut Catalog<'c>,
        within: &'a TimeBox,
    ) -> Solver<'a, 'c> {
        Solver {
            target,
            catalog: RefCell::new(catalog),
            within,
            learned: RefCell::default(),
            universes: RefCell::default(),
        }
    }

    /// Searches versions of everything that `roots` need, and of the given wheels.
    pub(crate) fn solve(
        &self,
        roots: &[Requirement<VerbatimUrl>],
        machine_code: MachineCode,
        effort: Effort,
    ) -> Result<Outcome, Error> {
        loop {
            let (size, replaced) = self.grown();
            let provider = Provider::new(self, roots, machine_code, effort);
            let result = pubgrub::resolve(&provider, Package::Root, Version::new([0]));
            let (now, now_replaced) = self.grown();
            // Versions that were excluded before something was learned must be reconsidered.
            let is_stale = match &result {
                Err(PubGrubError::NoSolution(_)) => now > size,
                _ => now_replaced > replaced,
            };
            match result {
                Err(_) if provider.gave_up() => return Ok(Outcome::GaveUp(provider.conflicting())),
                Err(
                    PubGrubError::ErrorRetrievingDependencies { source, .. }
                    | PubGrubError::ErrorChoosingVersion { source, .. }
                    | PubGrubError::ErrorInShouldCancel(source),
                ) => return Err(source),
                _ if is_stale => {}
                Err(PubGrubError::NoSolution(reasons)) => return Ok(Outcome::None(reasons)),
                Ok(selected) => {
                    let project = |(package, version)| match package {
                        Package::Project(name) => Some((name, version)),
                        _ => None,
                    };
                    return Ok(Outcome::Found(
                        selected.into_iter().filter_map(project).collect(),
                    ));
                }
            }
        }
    }

    fn grown(&self) -> (usize, usize) {
        let learned = self.learned.borrow();
        (learned.size(), learned.replaced.len())
    }

    /// Whether a version is the one in the distribution.
    pub(crate) fn is_built_in(&self, name: &PackageName, version: &Version) -> bool {
        self.target.provides.get(name) == Some(version)
    }

    /// The version in the distribution.
    pub(crate) fn built_in(&self, name: &PackageName) -> Option<&Version> {
        self.target.provides.get(name)
    }

    /// The target's Python version, e.g. `3.15`.
    pub(crate) fn python(&self) -> &str {
        &self.target.python_minor
    }

    /// The file name of the wheel of this project that the user gave.
    pub(crate) fn given(&self, name: &PackageName) -> Option<String> {
        self.catalog
            .borrow()
            .wheels
            .get(name)
            .map(|wheel| wheel.file.clone())
    }

    /// Whether there is a suitable version that can be used.
    pub(crate) fn has_usable(&self, name: &PackageName, suits: impl Fn(&Version) -> bool) -> bool {
        self.built_in(name).is_some_and(&suits)
            || self.with_listing(name, |listing| {
                listing.is_some_and(|listing| listing.wheels.keys().any(suits))
            })
    }

    /// Whether a version exists with machine code only.
    pub(crate) fn holds_machine_code(&self, name: &PackageName, version: &Version) -> bool {
        let catalog = self.catalog.borrow();
        let is_there = |it: &Listing| it.machine_code.contains(version);
        !self.is_built_in(name, version) && catalog.known(name).is_some_and(is_there)
    }

    /// The requirements of a project and who has them, each once.
    pub(crate) fn asks(&self, name: &PackageName) -> Vec<Ask> {
        self.learned
            .borrow()
            .asks
            .get(name)
            .cloned()
            .unwrap_or_default()
    }

    /// The known files of a project in the indexes.
    pub(crate) fn with_listing<T>(
        &self,
        name: &PackageName,
        look: impl FnOnce(Option<&Listing>) -> T,
    ) -> T {
        look(self.catalog.borrow().known(name))
    }

    /// Why none of a project's files can be used in a version that is `wanted`.
    pub(crate) fn absence(&self, name: &PackageName, wanted: impl Fn(&Version) -> bool) -> Absence {
        self.with_listing(name, |listing| match listing {
            Some(listing) if !listing.is_empty() => {
                let found = super::absence::absence(&listing.left_out, wanted);
                found.min(Absence::NoSuchVersion)
            }
            _ => Absence::Unknown,
        })
    }

    /// The first version after this one that is not a pre-release, whatever it contains.
    pub(crate) fn next_release(&self, name: &PackageName, version: &Version) -> Option<Version> {
        self.with_listing(name, |listing| {
            let listing = listing?;
            let all = listing.wheels.keys().chain(&listing.machine_code);
            all.filter(|it| *it > version && !it.any_prerelease())
                .min()
                .cloned()
        })
    }

    /// The existing versions of a project, oldest first.
    fn universe(
        &self,
        name: &PackageName,
        machine_code: MachineCode,
    ) -> Result<Rc<[Version]>, Error> {
        let built_in = self.target.provides.get(name);
        let is_listed = built_in.is_none() || self.learned.borrow().replaced.contains(name);
        let key = (name.clone(), machine_code, is_listed);
        if let Some(known) = self.universes.borrow().get(&key) {
            return Ok(known.clone());
        }
        let mut catalog = self.catalog.borrow_mut();
        let mut all: BTreeSet<Version> = BTreeSet::new();
        if let Some(wheel) = catalog.wheels.get(name) {
            all.insert(wheel.version.clone());
        } else {
            all.extend(built_in.cloned());
            if is_listed {
                let listing = catalog.listing(name)?;
                all.extend(listing.wheels.keys().cloned());
                if machine_code == MachineCode::Counts {
                    all.extend(listing.machine_code.iter().cloned());
                }
            }
        }
        let all: Rc<[Version]> = all.into_iter().collect();
        self.universes.borrow_mut().insert(key, all.clone());
        Ok(all)
    }
}

/// The versions for which a requirement itself makes pre-releases acceptable.
fn asks_for_pre_release(versions: &VersionSpecifiers) -> bool {
    versions
        .iter()
        .any(|it| *it.operator() != Operator::NotEqual && it.version().any_prerelease())
}

/// The versions that a requirement pins.
fn pins(versions: &VersionSpecifiers) -> impl Iterator<Item = &Version> {
    let is_pin = |operator: &Operator| matches!(operator, Operator::Equal | Operator::ExactEqual);
    versions
        .iter()
        .filter(move |it| is_pin(it.operator()))
        .map(|it| it.version())
}

/// The suitable versions of `universe`, which is sorted, as ranges.
fn ranges(universe: &[Version], suits: impl Fn(&Version) -> bool) -> Ranges<Version> {
    let mut all = Ranges::empty();
    let mut rest = universe;
    while let Some(start) = rest.iter().position(&suits) {
        rest = &rest[start..];
        let length = rest.iter().position(|it| !suits(it)).unwrap_or(rest.len());
        let bounds = rest[0].clone()..=rest[length - 1].clone();
        all = all.union(&Ranges::from_range_bounds(bounds));
        rest = &rest[length..];
    }
    all
}
