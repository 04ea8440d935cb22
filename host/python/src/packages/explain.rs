//! Explains why requirements can't be met, and what could replace them.

use std::collections::HashSet;
use std::ptr;
use std::str::FromStr;

use pep508_rs::pep440_rs::{Version, VersionSpecifiers};
use pep508_rs::{PackageName, Requirement, VerbatimUrl, VersionOrUrl};
use pubgrub::{DerivationTree, External};

use crate::error::Error;
use crate::packages::absence::Absence;
use crate::packages::input::specifiers;
use crate::packages::solver::{Ask, Package, Reasons, Solution, Solver};

/// The most requesters that a message names.
const NAMED: usize = 8;

/// The requirement with a further bound, such as `<2`.
pub(crate) fn narrowed(
    requirement: &Requirement<VerbatimUrl>,
    bound: &str,
) -> Option<Requirement<VerbatimUrl>> {
    let bound = VersionSpecifiers::from_str(bound).ok()?;
    let kept = specifiers(requirement).ok()?;
    let all: VersionSpecifiers = kept.iter().chain(bound.iter()).cloned().collect();
    Some(Requirement {
        version_or_url: Some(VersionOrUrl::VersionSpecifier(all)),
        ..requirement.clone()
    })
}

/// The error for a solution that can't be used because it has machine code.
pub(crate) fn machine_code(
    solver: &Solver<'_, '_>,
    solution: &Solution,
    instead: Vec<String>,
) -> Error {
    let is_it =
        |(name, version): &(&PackageName, &Version)| solver.holds_machine_code(name, version);
    let found = solution.iter().find(is_it);
    let name = found.map_or_else(String::new, |(name, _)| name.to_string());
    let asks = found.map_or_else(Vec::new, |(name, _)| {
        let by_what_is_used = |ask: &Ask| match &ask.by {
            Package::Root => true,
            Package::Project(by) | Package::Extra(by, _) => solution.contains_key(by),
        };
        let mut asks = solver.asks(name);
        asks.retain(|ask| by_what_is_used(ask) && suits(solution.get(name), ask));
        asks
    });
    Error::NoPureWheel {
        name,
        reason: format!(
            "{} ({}){}",
            reason(Absence::PlatformWheels, ""),
            asked(&asks),
            found.map_or_else(String::new, |(name, _)| instead_built_in(solver, name))
        ),
        instead,
        age: None,
    }
}

/// Names the version that is built in, if there is one: whoever asked for another may do with it.
fn instead_built_in(solver: &Solver<'_, '_>, name: &PackageName) -> String {
    solver.built_in(name).map_or_else(String::new, |version| {
        format!("; the distribution has {version} built in, which needs no --with")
    })
}

fn suits(version: Option<&Version>, ask: &Ask) -> bool {
    version.is_none_or(|version| ask.versions.contains(version))
}

/// Lists who requires what.
fn asked(asks: &[Ask]) -> String {
    let mut texts: Vec<_> = asks
        .iter()
        .map(|ask| {
            let by = match &ask.by {
                Package::Root => "you".to_owned(),
                other => other.to_string(),
            };
            format!("{} by {by}", ask.requirement)
        })
        .collect();
    texts.dedup();
    let more = texts.len().saturating_sub(NAMED);
    texts.truncate(NAMED);
    if more > 0 {
        texts.push(format!("and {more} more"));
    }
    format!("asked for: {}", texts.join("; "))
}

fn reason(absence: Absence, python: &str) -> String {
    match absence {
        Absence::OtherPython => format!("it has no pure-Python wheel for Python {python}"),
        Absence::PlatformWheels => "its wheels hold machine code for other platforms".to_owned(),
        _ => {
            "it comes as source only, and building it would run its code on this machine".to_owned()
        }
    }
}

/// Explains why there is no solution, from the reasons of the search.
pub(crate) fn no_solution(solver: &Solver<'_, '_>, reasons: &Reasons) -> Error {
    let leaves = leaves(reasons);
    let mut culprits: Vec<Culprit> = Vec::new();
    for leaf in &leaves {
        let (package, problem) = match leaf {
            External::NoVersions(package, _) => (package, None),
            External::Custom(package, versions, problem) => {
                let versions = versions.as_singleton().map(ToString::to_string);
                (
                    package,
                    Some(format!("{} {problem}", versions.unwrap_or_default())),
                )
            }
            External::FromDependencyOf(_, _, package, _) => (package, None),
            External::NotRoot(..) => continue,
        };
        let Package::Project(name) = package else {
            if let (Package::Root, Some(problem)) = (package, problem) {
                return Error::InvalidRequirement {
                    text: "--with".into(),
                    problem,
                };
            }
            continue;
        };
        let index = culprits
            .iter()
            .position(|it| it.name == *name)
            .unwrap_or_else(|| {
                culprits.push(Culprit::new(solver, name, &leaves));
                culprits.len() - 1
            });
        culprits[index].problem = culprits[index].problem.take().or(problem);
    }
    let best = culprits.into_iter().min_by_key(Culprit::rank);
    best.map_or_else(
        || Error::VersionConflict {
            name: "the packages".into(),
            problem: "the search found none, and no reason".into(),
        },
        |culprit| culprit.error(solver),
    )
}

/// A project that is part of the reason.
struct Culprit {
    name: PackageName,
    asks: Vec<Ask>,
    absence: Absence,
    is_absent: bool,
    has_any: bool,
    problem: Option<String>,
}

impl Culprit {
    fn new(
        solver: &Solver<'_, '_>,
        name: &PackageName,
        leaves: &[&External<Package, pubgrub::Ranges<Version>, String>],
    ) -> Culprit {
        let concerns = |by: &Package| {
            leaves.iter().any(|leaf| match leaf {
                External::FromDependencyOf(who, _, Package::Project(whom), _) => {
                    who == by && whom == name
                }
                _ => false,
            })
        };
        let mut asks = solver.asks(name);
        asks.retain(|ask| concerns(&ask.by));
        let all = |version: &Version| asks.iter().all(|ask| ask.versions.contains(version));
        let absence = solver.absence(name, all);
        let built_in = solver.built_in(name);
        let has_any = solver.has_usable(name, all);
        let is_absent = built_in.is_none()
            && solver.given(name).is_none()
            && absence == Absence::Unknown
            && !has_any;
        Culprit {
            name: name.clone(),
            asks,
            absence,
            is_absent,
            has_any,
            problem: None,
        }
    }

    /// The lowest number says most.
    fn rank(&self) -> u8 {
        match () {
            () if self.is_absent => 0,
            () if self.is_refused() => 1,
            () if self.problem.is_some() => 2,
            () if !self.has_any => 3,
            () => 4,
        }
    }

    /// Whether there are files in the requested versions that can't be used.
    fn is_refused(&self) -> bool {
        self.absence < Absence::NoSuchVersion && !self.has_any
    }

    fn error(self, solver: &Solver<'_, '_>) -> Error {
        let asked = asked(&self.asks);
        let name = self.name.to_string();
        if self.is_absent {
            return Error::NoSuchPackage {
                detail: format!("No matching distribution found for {name} in pip's indexes"),
                name,
                wanted: asked,
            };
        }
        if self.is_refused() {
            let reason = reason(self.absence, solver.python());
            return Error::NoPureWheel {
                name,
                reason: format!("{reason} ({asked}){}", instead_built_in(solver, &self.name)),
                instead: Vec::new(),
                age: None,
            };
        }
        let given = solver.given(&self.name);
        let problem = match (&self.problem, solver.built_in(&self.name)) {
            (Some(problem), _) => format!("version {}; {asked}", problem.trim()),
            (None, Some(version)) => format!(
                "the distribution has {version} built in, and the index has no pure-Python wheel of \
                 another version that suits; {asked}"
            ),
            (None, None) if given.is_some() => {
                format!("you gave {}; {asked}", given.unwrap_or_default())
            }
            (None, None) if self.has_any => {
                format!("{asked}; what else they need excludes each other")
            }
            (None, None) => format!("the index has none in these versions; {asked}"),
        };
        Error::VersionConflict { name, problem }
    }
}

/// The reasons that are not derived from others. The tree shares its branches, so each is visited once.
fn leaves(reasons: &Reasons) -> Vec<&External<Package, pubgrub::Ranges<Version>, String>> {
    let mut seen = HashSet::new();
    let mut open = vec![reasons];
    let mut leaves = Vec::new();
    while let Some(tree) = open.pop() {
        if !seen.insert(ptr::from_ref(tree)) {
            continue;
        }
        match tree {
            DerivationTree::External(leaf) => leaves.push(leaf),
            DerivationTree::Derived(derived) => open.extend([&*derived.cause2, &*derived.cause1]),
        }
    }
    leaves
}
