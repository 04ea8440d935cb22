//! One search: answers PubGrub's questions from the catalog.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use pep508_rs::pep440_rs::Version;
use pep508_rs::{ExtraName, PackageName, Requirement, VerbatimUrl};
use pubgrub::{Dependencies, DependencyProvider, PackageResolutionStatistics, Ranges};

use super::{Ask, Effort, MachineCode, Package, Solver, asks_for_pre_release, pins, ranges};
use crate::error::Error;
use crate::packages::input::specifiers;

type Versions = Ranges<Version>;
type Required = Result<Vec<(Package, Versions)>, String>;

/// A package with this many conflicts is decided early.
const MANY_CONFLICTS: u32 = 5;

pub(super) struct Provider<'s, 'a, 'c> {
    solver: &'s Solver<'a, 'c>,
    roots: &'s [Requirement<VerbatimUrl>],
    machine_code: MachineCode,
    effort: Effort,
    steps: Cell<usize>,
    start: Instant,
    /// How many versions had been queried when the search began.
    asked_before: usize,
    gave_up: Cell<bool>,
    /// The order in which packages were first required.
    order: RefCell<BTreeMap<Package, usize>>,
    /// The version in which each project was last tried, and how often a new one was.
    tried: RefCell<BTreeMap<PackageName, (Version, usize)>>,
}

impl<'s, 'a, 'c> Provider<'s, 'a, 'c> {
    pub(super) fn new(
        solver: &'s Solver<'a, 'c>,
        roots: &'s [Requirement<VerbatimUrl>],
        machine_code: MachineCode,
        effort: Effort,
    ) -> Self {
        Provider {
            solver,
            roots,
            machine_code,
            effort,
            steps: Cell::new(0),
            start: Instant::now(),
            asked_before: solver.catalog.borrow().asked,
            gave_up: Cell::new(false),
            order: RefCell::default(),
            tried: RefCell::default(),
        }
    }

    pub(super) fn gave_up(&self) -> bool {
        self.gave_up.get()
    }

    /// The projects that were tried in most versions.
    pub(super) fn conflicting(&self) -> Vec<PackageName> {
        let tried = self.tried.borrow();
        let mut names: Vec<_> = tried.iter().filter(|(_, (_, count))| *count > 1).collect();
        names.sort_by_key(|(_, (_, count))| Reverse(*count));
        names
            .into_iter()
            .take(5)
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// The versions that may be chosen, the best first.
    fn candidates(&self, name: &PackageName, range: &Versions) -> Result<Vec<Version>, Error> {
        let universe = self.solver.universe(name, self.machine_code)?;
        let catalog = self.solver.catalog.borrow();
        let learned = self.solver.learned.borrow();
        let listing = catalog.known(name);
        let is_yanked = |version: &Version| {
            let found = listing.and_then(|listing| listing.wheels.get(version));
            let pin = || learned.pins.contains(&(name.clone(), version.clone()));
            found.is_some_and(|found| found.yanked) && !pin()
        };
        let takes_pre_releases =
            learned.pre_releases.contains(name) || catalog.takes_pre_releases();
        let may = |version: &&Version| {
            range.contains(*version)
                && (takes_pre_releases || !version.any_prerelease() || universe.len() == 1)
                && !is_yanked(version)
        };
        let mut all: Vec<Version> = universe.iter().rev().filter(may).cloned().collect();
        // What is in the distribution is preferred to everything that would be downloaded.
        if let Some(at) = all.iter().position(|it| self.solver.is_built_in(name, it)) {
            all[..=at].rotate_right(1);
        }
        Ok(all)
    }

    /// What a version of a project requires, with these extras or as it is.
    fn required(
        &self,
        package: &Package,
        name: &PackageName,
        version: &Version,
        extras: &[ExtraName],
    ) -> Result<Required, Error> {
        let solver = self.solver;
        if solver.is_built_in(name, version) || solver.holds_machine_code(name, version) {
            return Ok(Ok(Vec::new()));
        }
        let ahead = self.ahead(name, version)?;
        let known = solver
            .catalog
            .borrow_mut()
            .requires(name, version, &ahead)?;
        let requires = match known {
            Ok(requires) => requires,
            Err(problem) => return Ok(Err(problem)),
        };
        let markers = &solver.target.markers;
        let needed: Vec<_> = requires
            .iter()
            .filter(|it| it.evaluate_markers(markers, extras))
            .collect();
        self.convert(package, &needed)
    }

    /// Versions that will be needed soon if versions continue to be refused.
    fn ahead(&self, name: &PackageName, version: &Version) -> Result<Vec<Version>, Error> {
        let count = self.tried.borrow().get(name).map_or(0, |(_, count)| *count);
        if count < 2 {
            return Ok(Vec::new());
        }
        let most = (1 << count.min(6)).min(self.solver.catalog.borrow().batch());
        let older = Ranges::strictly_lower_than(version.clone());
        let mut ahead = self.candidates(name, &older)?;
        let skip = |it: &Version| {
            self.solver.is_built_in(name, it) || self.solver.holds_machine_code(name, it)
        };
        ahead.retain(|it| !skip(it));
        ahead.truncate(most);
        Ok(ahead)
    }

    /// Requirements in PubGrub's form. The index is queried for all of them at once.
    fn convert(
        &self,
        by: &Package,
        requirements: &[&Requirement<VerbatimUrl>],
    ) -> Result<Required, Error> {
        let mut all: Vec<(Package, Versions)> = Vec::new();
        let unlisted = self.unlisted(requirements);
        self.solver.catalog.borrow_mut().list(&unlisted)?;
        for requirement in requirements {
            let range = match self.range(by, requirement) {
                Ok(range) => range,
                Err(refused @ Error::InvalidRequirement { .. }) => {
                    return Ok(Err(refused.to_string()));
                }
                Err(error) => return Err(error),
            };
            let name = &requirement.name;
            let extras = requirement.extras.iter();
            let extras = extras.map(|extra| Package::Extra(name.clone(), extra.clone()));
            for package in std::iter::once(Package::Project(name.clone())).chain(extras) {
                let mut order = self.order.borrow_mut();
                let next = order.len();
                order.entry(package.clone()).or_insert(next);
                match all.iter_mut().find(|(known, _)| *known == package) {
                    Some((_, known)) => *known = known.intersection(&range),
                    None => all.push((package, range.clone())),
                }
            }
        }
        self.look_ahead(&all)?;
        Ok(Ok(all))
    }

    /// The projects for which these requirements need a query.
    fn unlisted(&self, requirements: &[&Requirement<VerbatimUrl>]) -> Vec<PackageName> {
        let catalog = self.solver.catalog.borrow();
        let is_here = |it: &Requirement<VerbatimUrl>| {
            let built_in = self.solver.target.provides.get(&it.name);
            let suits = |version| specifiers(it).is_ok_and(|all| all.contains(version));
            catalog.wheels.contains_key(&it.name) || built_in.is_some_and(suits)
        };
        let needed = requirements.iter().filter(|it| !is_here(it));
        needed.map(|it| it.name.clone()).collect()
    }

    /// The versions that a requirement allows.
    fn range(
        &self,
        by: &Package,
        requirement: &Requirement<VerbatimUrl>,
    ) -> Result<Versions, Error> {
        let solver = self.solver;
        let name = &requirement.name;
        let versions = specifiers(requirement)?;
        let built_in = solver.target.provides.get(name);
        let ask = Ask {
            by: by.clone(),
            requirement: requirement.to_string(),
            versions: versions.clone(),
        };
        let mut learned = solver.learned.borrow_mut();
        let asks = learned.asks.entry(name.clone()).or_default();
        if !asks
            .iter()
            .any(|it| (&it.by, &it.requirement) == (&ask.by, &ask.requirement))
        {
            asks.push(ask);
        }
        learned
            .pins
            .extend(pins(&versions).map(|version| (name.clone(), version.clone())));
        if asks_for_pre_release(&versions) {
            learned.pre_releases.insert(name.clone());
        }
        match built_in {
            Some(version) if !versions.contains(version) => {
                learned.replaced.insert(name.clone());
            }
            // Any other version stays possible, if somebody else requires one: see `Learned`.
            Some(_) if !learned.replaced.contains(name) => return Ok(Ranges::full()),
            _ => {}
        }
        drop(learned);
        let universe = solver.universe(name, self.machine_code)?;
        let range = ranges(&universe, |version| versions.contains(version));
        let suits = |it: &&Version| range.contains(*it);
        if !universe.iter().filter(suits).any(|it| !it.any_prerelease()) {
            // There is nothing else.
            solver
                .learned
                .borrow_mut()
                .pre_releases
                .insert(name.clone());
        }
        Ok(range)
    }

    /// Queries the requirements of the best version of each of these, all at once.
    fn look_ahead(&self, packages: &[(Package, Versions)]) -> Result<(), Error> {
        let mut best = BTreeSet::new();
        for (package, range) in packages {
            let Package::Project(name) = package else {
                continue;
            };
            if self.tried.borrow().contains_key(name) {
                continue;
            }
            if let Some(version) = self.candidates(name, range)?.into_iter().next() {
                let is_here = self.solver.is_built_in(name, &version)
                    || self.solver.holds_machine_code(name, &version);
                if !is_here {
                    best.insert((name.clone(), version));
                }
            }
        }
        self.solver
            .catalog
            .borrow_mut()
            .ahead(best.into_iter().collect())
    }

    fn root(&self) -> Result<Required, Error> {
        let markers = &self.solver.target.markers;
        let roots: Vec<_> = self
            .roots
            .iter()
            .filter(|it| it.evaluate_markers(markers, &[]))
            .collect();
        let mut required = self.convert(&Package::Root, &roots)?;
        if let Ok(all) = &mut required {
            for wheel in self.solver.catalog.borrow().wheels.values() {
                let package = Package::Project(wheel.name.clone());
                if !all.iter().any(|(known, _)| *known == package) {
                    all.push((package, Ranges::singleton(wheel.version.clone())));
                }
            }
        }
        Ok(required)
    }
}

impl DependencyProvider for Provider<'_, '_, '_> {
    type P = Package;
    type V = Version;
    type VS = Versions;
    type Priority = (bool, bool, Reverse<usize>);
    type M = String;
    type Err = Error;

    fn prioritize(
        &self,
        package: &Package,
        range: &Versions,
        conflicts: &PackageResolutionStatistics,
    ) -> Self::Priority {
        let order = self.order.borrow().get(package).copied().unwrap_or(0);
        let many = conflicts.conflict_count() >= MANY_CONFLICTS;
        let is_extra = matches!(package, Package::Extra(..));
        // A project comes before its extras, which then take its version.
        (
            many && !is_extra,
            range.as_singleton().is_some(),
            Reverse(order),
        )
    }

    fn choose_version(
        &self,
        package: &Package,
        range: &Versions,
    ) -> Result<Option<Version>, Error> {
        let name = match package {
            Package::Root => return Ok(Some(Version::new([0]))),
            Package::Extra(name, _) => {
                let tried = self.tried.borrow();
                if let Some((version, _)) = tried.get(name)
                    && range.contains(version)
                {
                    return Ok(Some(version.clone()));
                }
                name
            }
            Package::Project(name) => name,
        };
        let best = self.candidates(name, range)?.into_iter().next();
        if let (Some(version), Package::Project(_)) = (&best, package) {
            let mut tried = self.tried.borrow_mut();
            let count = tried.get(name).map_or(0, |(_, count)| *count);
            tried.insert(name.clone(), (version.clone(), count + 1));
        }
        Ok(best)
    }

    fn get_dependencies(
        &self,
        package: &Package,
        version: &Version,
    ) -> Result<Dependencies<Package, Versions, String>, Error> {
        let required = match package {
            Package::Root => self.root()?,
            Package::Project(name) => self.required(package, name, version, &[])?,
            Package::Extra(name, extra) => {
                let extras = std::slice::from_ref(extra);
                let required = self.required(package, name, version, extras)?;
                required.map(|mut all| {
                    all.push((
                        Package::Project(name.clone()),
                        Ranges::singleton(version.clone()),
                    ));
                    all
                })
            }
        };
        let required = match required {
            Ok(required) => required,
            Err(problem) => return Ok(Dependencies::Unavailable(problem)),
        };
        let mut all: Vec<(Package, Versions)> = Vec::new();
        for (needed, range) in required {
            // A package that needs itself is present, in this version.
            if needed == *package {
                if !range.contains(version) {
                    let problem = format!("it requires another version of itself, {needed}");
                    return Ok(Dependencies::Unavailable(problem));
                }
                continue;
            }
            match all.iter_mut().find(|(known, _)| *known == needed) {
                Some((_, known)) => *known = known.intersection(&range),
                None => all.push((needed, range)),
            }
        }
        Ok(Dependencies::Available(all.into_iter().collect()))
    }

    fn should_cancel(&self) -> Result<(), Error> {
        let within = self.solver.within;
        if within.is_over() {
            return Err(Error::too_long("looking for packages", within.limit()));
        }
        self.steps.set(self.steps.get() + 1);
        let asked = self.solver.catalog.borrow().asked - self.asked_before;
        let Effort {
            steps,
            asked: most,
            time,
        } = self.effort;
        if self.steps.get() > steps || asked > most || self.start.elapsed() > time {
            self.gave_up.set(true);
            // Nobody reads this error: see `Solver::solve`.
            return Err(Error::ResolutionTooLong {
                rounds: self.steps.get(),
                undecided: String::new(),
            });
        }
        Ok(())
    }
}
