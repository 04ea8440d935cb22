//! Which wheels a set of requirements needs, and fetching them.
//!
//! pip can resolve by itself, but it evaluates environment markers for the Python that pip runs on,
//! with no option to change that: what it finds for `foo; sys_platform == "win32"` or `python_version
//! < "3.14"` is right for the host and wrong for the sandbox, and a dependency for the host alone
//! that has no pure wheel makes it give up (SQLAlchemy needs greenlet on x86-64 before Python 3.14).
//! It also looks for wheels of the packages that are compiled into the distribution, and finds none.
//! So pip only looks into the user's indexes and downloads, and the search is made here:
//!
//! 1. Search as if releases with machine code could be used. If the result has none, it is it.
//! 2. Else search without them. The result is taken if it has what the user named in the same
//!    versions as before; an older release of it is proposed, and not taken silently.
//! 3. Have pip download the wheels, in one call.

use std::fs;
use std::path::Path;
use std::time::Duration;

use pep508_rs::pep440_rs::Version;
use pep508_rs::{PackageName, Requirement, VerbatimUrl};

use crate::error::Error;
use crate::packages::catalog::Catalog;
use crate::packages::explain;
use crate::packages::solver::{Effort, MachineCode, Outcome, Solution, Solver};
use crate::packages::target::Target;
use crate::packages::wheel::Wheel;
use crate::pip::Download;
use crate::progress::Progress;
use sandbox_net_process::TimeBox;

/// For a search whose result is used. Real searches take a few hundred steps, and query about a
/// hundred versions.
const SEARCH: Effort = Effort {
    steps: 100_000,
    asked: 4_000,
    time: Duration::MAX,
};

/// For a search that only improves a message.
const PROPOSAL: Effort = Effort {
    steps: 50_000,
    asked: 2_000,
    // Tests compare what is found, on machines of any speed.
    time: match cfg!(test) {
        true => Duration::MAX,
        false => Duration::from_secs(90),
    },
};

type Roots = [Requirement<VerbatimUrl>];

/// The decision on requirements.
enum Decision {
    /// Use these versions.
    Take(Solution),
    /// The solution with machine code, and the one without it, if known.
    Refuse(Solution, Option<Solution>),
}

/// Finds and downloads the wheels for `roots` and the catalog's given ones; `directory` is for the
/// downloads.
///
/// The given wheels are always used. A package that is part of the distribution counts as present, and
/// what its extras would add is omitted.
pub(crate) fn resolve(
    target: &Target,
    roots: &Roots,
    catalog: &mut Catalog<'_>,
    within: &TimeBox,
    directory: &Path,
    progress: &dyn Progress,
) -> Result<Vec<Wheel>, Error> {
    let mut given = catalog.wheels.values();
    let replacing = given.find_map(|it| target.provides.get_key_value(&it.name));
    if let Some((name, version)) = replacing {
        return Err(Error::VersionConflict {
            name: name.to_string(),
            problem: format!("the distribution has {version} built in; remove the wheel"),
        });
    }
    let solver = Solver::new(target, catalog, within);
    let found = match decide(&solver, roots, SEARCH)? {
        Decision::Take(solution) => solution,
        Decision::Refuse(with, without) => {
            let instead = match &without {
                Some(without) => propose(&solver, roots, &with, without)?,
                None => Vec::new(),
            };
            return Err(explain::machine_code(&solver, &with, instead));
        }
    };
    catalog.end_step();
    fetch(target, &found, catalog, directory, progress)
}

fn decide(solver: &Solver<'_, '_>, roots: &Roots, effort: Effort) -> Result<Decision, Error> {
    let with = match solver.solve(roots, MachineCode::Counts, effort)? {
        Outcome::Found(solution) => solution,
        Outcome::None(reasons) => return Err(explain::no_solution(solver, &reasons)),
        Outcome::GaveUp(names) => return Err(gave_up(effort, &names)),
    };
    if !with
        .iter()
        .any(|(name, version)| solver.holds_machine_code(name, version))
    {
        return Ok(Decision::Take(with));
    }
    match solver.solve(roots, MachineCode::LeftOut, PROPOSAL)? {
        Outcome::Found(without) => {
            let older = older(roots, &with, &without).next().is_some();
            Ok(match older {
                true => Decision::Refuse(with, Some(without)),
                false => Decision::Take(without),
            })
        }
        Outcome::None(_) | Outcome::GaveUp(_) => Ok(Decision::Refuse(with, None)),
    }
}

/// The packages that the user named and would get in an older version than with machine code.
fn older<'a>(
    roots: &'a Roots,
    with: &'a Solution,
    without: &'a Solution,
) -> impl Iterator<Item = &'a Requirement<VerbatimUrl>> {
    roots
        .iter()
        .filter(|root| without.get(&root.name) < with.get(&root.name))
}

/// Requirements to propose instead of those that can't be met, if a search with them finds what the
/// search without machine code found.
fn propose(
    solver: &Solver<'_, '_>,
    roots: &Roots,
    with: &Solution,
    without: &Solution,
) -> Result<Vec<String>, Error> {
    type Bound<'a> = dyn Fn(&PackageName, &Version) -> Option<String> + 'a;
    let below = |name: &PackageName, version: &Version| {
        let next = solver.next_release(name, version)?;
        Some(format!("<{}", short(&next)))
    };
    let same = |_: &PackageName, version: &Version| Some(format!("=={version}"));
    let bounds: [&Bound<'_>; 2] = [&below, &same];
    let older: Vec<_> = older(roots, with, without).collect();
    for bound in bounds {
        let narrowed = |root: &Requirement<VerbatimUrl>| {
            let bound = bound(&root.name, without.get(&root.name)?)?;
            explain::narrowed(root, &bound)
        };
        let Some(instead) = older
            .iter()
            .map(|it| narrowed(it))
            .collect::<Option<Vec<_>>>()
        else {
            continue;
        };
        let kept = roots.iter().filter(|root| !older.contains(root)).cloned();
        let proposal: Vec<_> = kept.chain(instead.iter().cloned()).collect();
        let is_right = match decide(solver, &proposal, PROPOSAL) {
            Ok(Decision::Take(found)) => older
                .iter()
                .all(|it| found.get(&it.name) == without.get(&it.name)),
            Ok(Decision::Refuse(..)) => false,
            Err(error @ Error::PreparationTooLong { .. }) => return Err(error),
            Err(_) => false,
        };
        if is_right {
            return Ok(instead.iter().map(ToString::to_string).collect());
        }
    }
    Ok(Vec::new())
}

/// A version without trailing zeros: `2` for `2.0.0`.
fn short(version: &Version) -> String {
    let mut text = version.to_string();
    while let Some(shorter) = text.strip_suffix(".0") {
        text = shorter.to_owned();
    }
    text
}

fn gave_up(effort: Effort, names: &[PackageName]) -> Error {
    let undecided: Vec<_> = names.iter().map(ToString::to_string).collect();
    Error::ResolutionTooLong {
        rounds: effort.steps,
        undecided: undecided.join(", "),
    }
}

/// Downloads what was found and is missing, and reads it.
fn fetch(
    target: &Target,
    found: &Solution,
    catalog: &mut Catalog<'_>,
    directory: &Path,
    progress: &dyn Progress,
) -> Result<Vec<Wheel>, Error> {
    let mut wheels = Vec::new();
    let mut missing = Vec::new();
    for (name, version) in found {
        if target.provides.get(name) == Some(version) {
            continue;
        }
        if let Some(wheel) = catalog.wheels.get(name) {
            wheels.push(wheel.clone());
        } else if let Some(wheel) = catalog.fetched(name, version) {
            wheels.push(wheel);
        } else {
            missing.push((name, version));
        }
    }
    if !missing.is_empty() {
        let directory = directory.join("chosen");
        fs::create_dir(&directory).map_err(Error::io("create", &directory))?;
        wheels.extend(download(target, &missing, catalog, &directory, progress)?);
    }
    wheels.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(wheels)
}

fn download(
    target: &Target,
    missing: &[(&PackageName, &Version)],
    catalog: &mut Catalog<'_>,
    directory: &Path,
    progress: &dyn Progress,
) -> Result<Vec<Wheel>, Error> {
    let pins: Vec<_> = missing
        .iter()
        .map(|(name, version)| format!("{name}=={version}"))
        .collect();
    let names: Vec<_> = missing.iter().map(|(name, _)| name.as_ref()).collect();
    let download = Download {
        requirements: &pins,
        python: &target.python_minor,
        directory,
        label: &format!("Downloading {}", names.join(", ")),
        size: None,
    };
    let failed = |what: &str, detail: String| Error::PipFailed {
        what: what.to_owned(),
        detail,
    };
    let paths = catalog
        .pip()?
        .download(&download, progress)?
        .map_err(|refusal| failed(&pins.join(", "), refusal.detail))?;
    let mut wheels = Vec::new();
    for path in &paths {
        wheels.push(Wheel::open(path, &target.python)?);
    }
    for ((name, version), pin) in missing.iter().zip(&pins) {
        let is_it = |wheel: &&Wheel| (&wheel.name, &wheel.version) == (*name, *version);
        let wheel = wheels.iter().find(is_it);
        let wheel =
            wheel.ok_or_else(|| failed(pin, "it succeeded and saved no such wheel".into()))?;
        // Otherwise the index would decide what is resolved, and the wheel what is imported.
        if let Ok(told) = catalog.requires(name, version, &[])?
            && told[..] != wheel.requires[..]
        {
            return Err(Error::BadWheel {
                file: wheel.file.clone(),
                problem: "it requires other packages than the index says".into(),
            });
        }
    }
    Ok(wheels)
}
