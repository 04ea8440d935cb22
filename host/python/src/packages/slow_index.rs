//! Queries the user's indexes only through pip's command line, for a pip that is a script of the
//! user's own. Each query starts pip, and metadata is read from whole wheels.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use pep508_rs::PackageName;
use pep508_rs::pep440_rs::Version;

use crate::error::Error;
use crate::packages::listing::Listing;
use crate::packages::target::Target;
use crate::packages::wheel::{self, Wheel};
use crate::pip::{Download, Found, Pip};
use crate::progress::Progress;

/// Queries pip's command line, and keeps the downloaded wheels.
pub(crate) struct SlowIndex {
    directory: PathBuf,
    count: Cell<usize>,
    wheels: BTreeMap<(PackageName, Version), Wheel>,
}

impl SlowIndex {
    /// How many processes of pip run at once.
    pub(crate) const AT_ONCE: usize = 4;

    pub(crate) fn new(directory: &Path) -> SlowIndex {
        SlowIndex {
            directory: directory.to_path_buf(),
            count: Cell::new(0),
            wheels: BTreeMap::new(),
        }
    }

    /// The files of each project, according to the log of a download.
    pub(crate) fn list(
        &mut self,
        pip: &Pip,
        target: &Target,
        names: &[PackageName],
        progress: &dyn Progress,
    ) -> Result<Vec<Listing>, Error> {
        let texts: Vec<String> = names.iter().map(ToString::to_string).collect();
        let logs = self.downloads(pip, target, &texts, progress)?;
        let read =
            |(name, (log, saved)): (&PackageName, (String, Result<Vec<PathBuf>, String>))| {
                let unanswered = |line: &&str| {
                    let absent = [" 403 ", " 404 ", " 410 "];
                    line.contains("Could not fetch URL")
                        && !absent.iter().any(|it| line.contains(it))
                };
                if let Some(fault) = log.lines().find(unanswered) {
                    return Err(Error::index(name, fault));
                }
                Ok(listing(name, &log, saved.ok().as_deref()))
            };
        names.iter().zip(logs).map(read).collect()
    }

    /// The wheels of these versions.
    pub(crate) fn wheels(
        &mut self,
        pip: &Pip,
        target: &Target,
        keys: &[(PackageName, Version)],
        progress: &dyn Progress,
    ) -> Result<Vec<Result<Wheel, Error>>, Error> {
        let pin = |(name, version): &(PackageName, Version)| format!("{name}=={version}");
        let texts: Vec<String> = keys.iter().map(pin).collect();
        let found = self.downloads(pip, target, &texts, progress)?;
        let open = |((_, result), text): ((_, Result<Vec<PathBuf>, String>), &String)| {
            let what = text.clone();
            let failed = |detail: String| Error::PipFailed { what, detail };
            let paths = result.map_err(failed.clone())?;
            match paths.first() {
                Some(path) => Wheel::open(path, &target.python),
                None => Err(failed("it succeeded and saved no such wheel".into())),
            }
        };
        Ok(found.into_iter().zip(&texts).map(open).collect())
    }

    pub(crate) fn keep(&mut self, wheel: Wheel) {
        let key = (wheel.name.clone(), wheel.version.clone());
        self.wheels.insert(key, wheel);
    }

    pub(crate) fn take(&mut self, name: &PackageName, version: &Version) -> Option<Wheel> {
        self.wheels.remove(&(name.clone(), version.clone()))
    }

    /// Downloads for each requirement separately, a few at a time; returns pip's log, and the files or
    /// the end of its output.
    #[allow(clippy::type_complexity)]
    fn downloads(
        &self,
        pip: &Pip,
        target: &Target,
        requirements: &[String],
        progress: &dyn Progress,
    ) -> Result<Vec<(String, Result<Vec<PathBuf>, String>)>, Error> {
        let one = |requirement: &String, directory: &Path| {
            let download = Download {
                requirements: std::slice::from_ref(requirement),
                python: &target.python_minor,
                directory,
                label: &format!("Downloading {requirement}"),
                size: None,
            };
            Ok(match pip.download(&download, progress)? {
                Ok(paths) => (download.log(), Ok(paths)),
                Err(refusal) => (refusal.log, Err(refusal.detail)),
            })
        };
        let mut all = Vec::new();
        for some in requirements.chunks(Self::AT_ONCE) {
            let mut places = Vec::new();
            for _ in some {
                self.count.set(self.count.get() + 1);
                let place = self.directory.join(format!("asked-{}", self.count.get()));
                fs::create_dir(&place).map_err(Error::io("create", &place))?;
                places.push(place);
            }
            let results: Vec<Result<_, Error>> = std::thread::scope(|scope| {
                let started: Vec<_> = some
                    .iter()
                    .zip(&places)
                    .map(|(requirement, place)| scope.spawn(|| one(requirement, place)))
                    .collect();
                let panicked = |_| panic!("a download panicked");
                started
                    .into_iter()
                    .map(|it| it.join().unwrap_or_else(panicked))
                    .collect()
            });
            for result in results {
                all.push(result?);
            }
        }
        Ok(all)
    }
}

/// The files in a log. It does not say which were yanked: a release that is newer than the one that
/// pip `saved`, and not a pre-release, is one that pip skipped for that.
fn listing(name: &PackageName, log: &str, saved: Option<&[PathBuf]>) -> Listing {
    let version = |file: &str| Some(wheel::parse_file_name(file).ok()?.1);
    let saved = saved.and_then(|paths| paths.first()?.file_name()?.to_str());
    let best = saved.and_then(version);
    let is_passed_over = |file: &str| match (version(file), &best) {
        (Some(version), Some(best)) => version > *best && !version.any_prerelease(),
        _ => false,
    };
    let found = |line: &str| {
        let (_, address) = line.split_once("Found link ")?;
        let url = address.split_whitespace().next()?;
        let file = url.split('#').next()?.rsplit('/').next()?;
        Some(Found {
            file: file.to_owned(),
            url: url.to_owned(),
            yanked: is_passed_over(file),
        })
    };
    Listing::new(name, log.lines().filter_map(found).collect(), log)
}
