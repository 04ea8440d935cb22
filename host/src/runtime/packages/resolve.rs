//! Which wheels a set of requirements needs.
//!
//! pip can resolve by itself, but it evaluates environment markers for the Python that pip runs on,
//! with no option to change that: what it finds for `foo; sys_platform == "win32"` or `python_version
//! < "3.14"` is right for the host and wrong for the sandbox, and a dependency for the host alone
//! that has no pure wheel makes it give up (SQLAlchemy needs greenlet on x86-64 before Python 3.14).
//! It also looks for wheels of the packages that are compiled into the runtime, and finds none.
//! So pip only finds and downloads single wheels, and the dependencies are followed here:
//!
//! 1. Follow the wheels known so far from what the user asked for, with the sandbox's markers, and
//!    collect for each package all the versions that are asked for.
//! 2. Have pip download, in one call, every package that is missing or whose wheel does not suit.
//! 3. Repeat until nothing is missing.
//!
//! There is no search backwards: if the newest A asks for an older B than the newest C does, that is
//! an error where pip would try an older A or C. The user can pin one of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use pep508_rs::pep440_rs::{Version, VersionSpecifier, VersionSpecifiers};
use pep508_rs::{ExtraName, MarkerEnvironment, PackageName, Requirement, VerbatimUrl};

use crate::runtime::Error;
use crate::runtime::packages::absence::{Absence, absence};
use crate::runtime::packages::input::specifiers;
use crate::runtime::packages::wheel::Wheel;
use crate::runtime::pip::{Download, Pip, Refusal};
use crate::runtime::progress::Progress;

/// Each round follows the dependencies one level deeper; real sets need three to six.
const MAX_ROUNDS: usize = 40;

/// What wheels are resolved for.
pub(crate) struct Target {
    /// The values of environment markers in the sandbox.
    pub(crate) markers: MarkerEnvironment,
    /// The full Python version.
    pub(crate) python: Version,
    /// The Python version as pip takes it, e.g. `3.15`.
    pub(crate) python_minor: String,
    /// The packages that are part of the runtime.
    pub(crate) provides: BTreeMap<PackageName, Version>,
}

/// All that is asked of one package.
#[derive(Debug, Default)]
struct Want {
    versions: Vec<VersionSpecifier>,
    extras: BTreeSet<ExtraName>,
    /// For messages: `urllib3>=2 by requests`.
    by: Vec<String>,
}

type Wants = BTreeMap<PackageName, Want>;
type Wheels = BTreeMap<PackageName, Wheel>;

/// Finds and downloads the wheels for `roots` and `local`; `directory` is for the downloads.
///
/// The wheels in `local` are taken in any case. A package that is part of the runtime counts as
/// there, and what extras of it would add is left out.
pub(crate) fn resolve(
    target: &Target,
    roots: &[Requirement<VerbatimUrl>],
    local: Vec<Wheel>,
    find_pip: &dyn Fn() -> Result<Pip, Error>,
    directory: &Path,
    progress: &dyn Progress,
) -> Result<Vec<Wheel>, Error> {
    let fixed: Wheels = local
        .into_iter()
        .map(|wheel| (wheel.name.clone(), wheel))
        .collect();
    let mut wheels = fixed.clone();
    let mut pip = None;
    for round in 0..=MAX_ROUNDS {
        let wants = follow(target, roots, &fixed, &wheels)?;
        let missing = missing(target, &wants, &fixed, &wheels)?;
        if missing.is_empty() {
            wheels.retain(|name, _| wants.contains_key(name));
            return Ok(wheels.into_values().collect());
        }
        if round == MAX_ROUNDS {
            let undecided = missing
                .iter()
                .map(|(name, _)| name.to_string())
                .collect::<Vec<_>>();
            return Err(Error::ResolutionTooLong {
                rounds: MAX_ROUNDS,
                undecided: undecided.join(", "),
            });
        }
        let directory = directory.join(format!("round-{round}"));
        // Not before it is needed: wheels that need nothing else can be used without pip.
        let pip = match &mut pip {
            Some(pip) => pip,
            None => pip.insert(find_pip()?),
        };
        let found = Fetcher {
            target,
            pip,
            directory: &directory,
            progress,
        }
        .fetch(&missing)?;
        wheels.extend(found.into_iter().map(|wheel| (wheel.name.clone(), wheel)));
    }
    unreachable!("the last round returns")
}

/// Collects what is asked of every package that can be reached from the roots.
fn follow(
    target: &Target,
    roots: &[Requirement<VerbatimUrl>],
    fixed: &Wheels,
    wheels: &Wheels,
) -> Result<Wants, Error> {
    let mut wants = Wants::new();
    let mut open: Vec<PackageName> = fixed.keys().cloned().collect();
    wants.extend(open.iter().map(|name| (name.clone(), Want::default())));
    for root in roots
        .iter()
        .filter(|root| root.evaluate_markers(&target.markers, &[]))
    {
        wants
            .entry(root.name.clone())
            .or_default()
            .add(root, "you")?;
        open.push(root.name.clone());
    }
    while let Some(name) = open.pop() {
        if target.provides.contains_key(&name) {
            continue;
        }
        let Some(wheel) = wheels.get(&name) else {
            continue;
        };
        let extras: Vec<ExtraName> = wants
            .get(&name)
            .into_iter()
            .flat_map(|want| want.extras.iter().cloned())
            .collect();
        for required in &wheel.requires {
            if required.evaluate_markers(&target.markers, &extras) {
                let new = wants.entry(required.name.clone()).or_default();
                if new.add(required, wheel.name.as_ref())? {
                    open.push(required.name.clone());
                }
            }
        }
    }
    Ok(wants)
}

impl Want {
    /// Adds a requirement of the package `by`; tells whether the want has grown by it.
    fn add(&mut self, requirement: &Requirement<VerbatimUrl>, by: &str) -> Result<bool, Error> {
        let versions = specifiers(requirement)?;
        let asked = format!("{requirement} by {by}");
        let new = !self.by.contains(&asked);
        if new {
            self.by.push(asked);
        }
        for version in versions.iter() {
            if !self.versions.contains(version) {
                self.versions.push(version.clone());
            }
        }
        self.extras.extend(requirement.extras.iter().cloned());
        Ok(new)
    }

    fn allows(&self, version: &Version) -> bool {
        self.versions
            .iter()
            .all(|specifier| specifier.contains(version))
    }

    fn asked(&self) -> String {
        format!("asked for: {}", self.by.join("; "))
    }

    /// The package as a requirement for pip: no extras, no marker, no URL.
    fn for_pip(&self, name: &PackageName) -> String {
        format!(
            "{name}{}",
            self.versions.iter().cloned().collect::<VersionSpecifiers>()
        )
    }
}

/// The packages for which pip must look.
fn missing<'a>(
    target: &Target,
    wants: &'a Wants,
    fixed: &Wheels,
    wheels: &Wheels,
) -> Result<Vec<(&'a PackageName, &'a Want)>, Error> {
    let mut missing = Vec::new();
    for (name, want) in wants {
        let conflict = |problem| {
            Err(Error::VersionConflict {
                name: name.to_string(),
                problem,
            })
        };
        let given = fixed.get(name);
        match target.provides.get(name) {
            Some(version) if given.is_some() => {
                return conflict(format!(
                    "the runtime has {version} built in; leave the wheel out"
                ));
            }
            Some(version) if want.allows(version) => continue,
            Some(version) => {
                return conflict(format!(
                    "the runtime has {version} built in, which cannot be replaced; {}",
                    want.asked()
                ));
            }
            None => {}
        }
        match (wheels.get(name), given) {
            (Some(wheel), _) if want.allows(&wheel.version) => {}
            (_, Some(wheel)) => {
                return conflict(format!("you gave {}; {}", wheel.file, want.asked()));
            }
            _ => missing.push((name, want)),
        }
    }
    Ok(missing)
}

/// Downloads the wheels of one round.
struct Fetcher<'a> {
    target: &'a Target,
    pip: &'a Pip,
    directory: &'a Path,
    progress: &'a dyn Progress,
}

impl Fetcher<'_> {
    fn fetch(&self, missing: &[(&PackageName, &Want)]) -> Result<Vec<Wheel>, Error> {
        fs::create_dir(self.directory).map_err(Error::io("create", self.directory))?;
        let together = self.download("all", missing)?;
        match together {
            Ok(wheels) => Ok(wheels),
            Err(refusal) if missing.len() == 1 => Err(self.explain(missing[0], refusal)),
            // pip does not tell programs which one it was.
            Err(_) => {
                let mut wheels = Vec::new();
                for one in missing {
                    let found = self.download(one.0.as_ref(), &[*one])?;
                    wheels.extend(found.map_err(|refusal| self.explain(*one, refusal))?);
                }
                Ok(wheels)
            }
        }
    }

    fn download(
        &self,
        directory: &str,
        missing: &[(&PackageName, &Want)],
    ) -> Result<Result<Vec<Wheel>, Refusal>, Error> {
        let directory = self.directory.join(directory);
        fs::create_dir(&directory).map_err(Error::io("create", &directory))?;
        let requirements: Vec<_> = missing
            .iter()
            .map(|(name, want)| want.for_pip(name))
            .collect();
        let names: Vec<_> = missing.iter().map(|(name, _)| name.as_ref()).collect();
        let download = Download {
            requirements: &requirements,
            python: &self.target.python_minor,
            directory: &directory,
            label: &format!("Downloading {}", names.join(", ")),
            size: None,
        };
        let paths = match self.pip.download(&download, self.progress)? {
            Ok(paths) => paths,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let wheels = paths
            .iter()
            .map(|path| Wheel::open(path, &self.target.python));
        let wheels = wheels.collect::<Result<Vec<_>, _>>()?;
        for (name, want) in missing {
            // Otherwise the same would be asked for in every round.
            if !wheels
                .iter()
                .any(|wheel| wheel.name == **name && want.allows(&wheel.version))
            {
                let detail = "it succeeded and saved no such wheel".to_owned();
                return Err(Error::PipFailed {
                    what: want.for_pip(name),
                    detail,
                });
            }
        }
        Ok(Ok(wheels))
    }

    fn explain(&self, (name, want): (&PackageName, &Want), refusal: Refusal) -> Error {
        let python = &self.target.python_minor;
        let asked = want.asked();
        let reason = match absence(&refusal.log, name, |version| want.allows(version)) {
            Absence::NoSuchVersion => {
                let problem = format!("the index has none in these versions; {asked}");
                return Error::VersionConflict {
                    name: name.to_string(),
                    problem,
                };
            }
            Absence::Unknown => {
                let (name, detail) = (name.to_string(), refusal.detail);
                return Error::NoSuchPackage {
                    name,
                    wanted: asked,
                    detail,
                };
            }
            Absence::OtherPython => format!("it has no pure-Python wheel for Python {python}"),
            Absence::PlatformWheels => {
                "its wheels hold machine code for other platforms".to_owned()
            }
            Absence::SourcesOnly => "it comes as source only, and building it would run its code \
                                     on this machine"
                .to_owned(),
        };
        Error::NoPureWheel {
            name: name.to_string(),
            reason: format!("{reason} ({asked})"),
        }
    }
}
