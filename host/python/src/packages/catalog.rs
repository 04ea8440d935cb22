//! Keeps what the indexes offer while a set of packages is searched.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use pep508_rs::pep440_rs::Version;
use pep508_rs::{PackageName, Requirement, VerbatimUrl};

use crate::error::Error;
use crate::packages::listing::Listing;
use crate::packages::slow_index::SlowIndex;
use crate::packages::target::Target;
use crate::packages::wheel::{self, Wheel};
use crate::pip::{Files, Found, Index, Pip};
use crate::progress::{Amount, Progress, Step};

/// What a version requires, or why it can't be used.
pub(crate) type Requires = Result<Rc<[Requirement<VerbatimUrl>]>, String>;

/// The indexes, and their answers so far.
pub(crate) struct Catalog<'a> {
    target: &'a Target,
    find_pip: &'a dyn Fn() -> Result<Pip, Error>,
    directory: &'a Path,
    progress: &'a dyn Progress,
    step: Option<Box<dyn Step>>,
    source: Option<Source>,
    listings: BTreeMap<PackageName, Listing>,
    requires: BTreeMap<(PackageName, Version), Requires>,
    /// Wheels that are downloaded already.
    pub(crate) wheels: BTreeMap<PackageName, Wheel>,
    /// For how many versions the requirements were queried.
    pub(crate) asked: usize,
}

struct Source {
    pip: Pip,
    index: Backend,
}

enum Backend {
    Open(Index),
    CommandLine(SlowIndex),
}

impl<'a> Catalog<'a> {
    /// The wheels in `fixed` are always used; `directory` is for downloads.
    pub(crate) fn new(
        target: &'a Target,
        fixed: BTreeMap<PackageName, Wheel>,
        find_pip: &'a dyn Fn() -> Result<Pip, Error>,
        directory: &'a Path,
        progress: &'a dyn Progress,
    ) -> Catalog<'a> {
        let requires = fixed.values().map(|wheel| {
            let key = (wheel.name.clone(), wheel.version.clone());
            (key, Ok(wheel.requires.clone().into()))
        });
        Catalog {
            target,
            find_pip,
            directory,
            progress,
            step: None,
            source: None,
            listings: BTreeMap::new(),
            requires: requires.collect(),
            wheels: fixed,
            asked: 0,
        }
    }

    /// pip, found only when it is needed: wheels that need nothing else do without it.
    pub(crate) fn pip(&mut self) -> Result<&Pip, Error> {
        Ok(&self.source()?.pip)
    }

    fn source(&mut self) -> Result<&mut Source, Error> {
        match &mut self.source {
            Some(source) => Ok(source),
            none => {
                let pip = (self.find_pip)()?;
                let directory = self.directory.join("index");
                std::fs::create_dir(&directory).map_err(Error::io("create", &directory))?;
                let open = pip.index(&self.target.python_minor, &directory)?;
                let index = match open {
                    Some(index) => Backend::Open(index),
                    None => Backend::CommandLine(SlowIndex::new(self.directory)),
                };
                Ok(none.insert(Source { pip, index }))
            }
        }
    }

    /// Whether the user's configuration accepts pre-releases.
    pub(crate) fn takes_pre_releases(&self) -> bool {
        matches!(&self.source, Some(Source { index: Backend::Open(index), .. }) if index.takes_pre_releases)
    }

    /// The files that decide where pip looks, if they are known.
    pub(crate) fn configuration(&self) -> Option<&[PathBuf]> {
        match &self.source {
            Some(Source {
                index: Backend::Open(index),
                ..
            }) => Some(&index.configuration),
            _ => None,
        }
    }

    /// How many versions to query at once.
    pub(crate) fn batch(&self) -> usize {
        match &self.source {
            Some(Source {
                index: Backend::CommandLine(_),
                ..
            }) => SlowIndex::AT_ONCE,
            _ => 32,
        }
    }

    /// Queries all of these that are not known.
    pub(crate) fn list(&mut self, names: &[PackageName]) -> Result<(), Error> {
        let mut unknown: Vec<_> = names
            .iter()
            .filter(|name| !self.listings.contains_key(*name))
            .cloned()
            .collect();
        unknown.sort();
        unknown.dedup();
        if unknown.is_empty() {
            return Ok(());
        }
        self.tell();
        let target = self.target;
        let progress = self.progress;
        let Source { pip, index } = self.source()?;
        let listings = match index {
            Backend::CommandLine(slow) => slow.list(pip, target, &unknown, progress)?,
            Backend::Open(index) => {
                let names: Vec<&str> = unknown.iter().map(AsRef::as_ref).collect();
                let answers = index.files(&names)?.into_iter().zip(&unknown);
                let listing = |(answer, name): (Result<_, String>, &PackageName)| {
                    let failed = |detail: String| Error::index(name, &detail);
                    let files: Files = answer.map_err(failed)?;
                    // Another index may have the name, too, with other content.
                    if let Some(fault) = files.faults.first() {
                        return Err(failed(fault.clone()));
                    }
                    Ok(Listing::new(name, files.files, &files.skipped.join("\n")))
                };
                answers.map(listing).collect::<Result<Vec<_>, _>>()?
            }
        };
        self.listings.extend(unknown.into_iter().zip(listings));
        Ok(())
    }

    /// The files of a project.
    pub(crate) fn listing(&mut self, name: &PackageName) -> Result<&Listing, Error> {
        self.list(std::slice::from_ref(name))?;
        Ok(self.listings.entry(name.clone()).or_default())
    }

    /// What is known of a project without a query.
    pub(crate) fn known(&self, name: &PackageName) -> Option<&Listing> {
        self.listings.get(name)
    }

    /// The requirements of a version. `ahead` are queried in the same call, and may fail.
    pub(crate) fn requires(
        &mut self,
        name: &PackageName,
        version: &Version,
        ahead: &[Version],
    ) -> Result<Requires, Error> {
        let key = (name.clone(), version.clone());
        if let Some(known) = self.requires.get(&key) {
            return Ok(known.clone());
        }
        let ahead = ahead.iter().map(|version| (name.clone(), version.clone()));
        let mut answers = self.ask(std::iter::once(key.clone()).chain(ahead).collect())?;
        let wanted = answers.remove(0);
        wanted.map_err(|detail| Error::index(format_args!("{name} {version}"), &detail))?;
        Ok(self.requires[&key].clone())
    }

    /// Queries the requirements of many versions; those without an answer stay unknown.
    pub(crate) fn ahead(&mut self, versions: Vec<(PackageName, Version)>) -> Result<(), Error> {
        let known = |key: &_| self.requires.contains_key(key);
        let unknown: Vec<_> = versions.into_iter().filter(|key| !known(key)).collect();
        if !unknown.is_empty() {
            self.ask(unknown)?;
        }
        Ok(())
    }

    fn ask(&mut self, keys: Vec<(PackageName, Version)>) -> Result<Vec<Result<(), String>>, Error> {
        self.tell();
        let found: Vec<Option<Found>> = keys
            .iter()
            .map(|(name, version)| Some(self.listings.get(name)?.wheels.get(version)?.clone()))
            .collect();
        self.asked += keys.len();
        let (target, progress) = (self.target, self.progress);
        let Source { pip, index } = self.source()?;
        let texts: Vec<Result<Requires, String>> = match index {
            Backend::CommandLine(slow) => {
                let wheels = slow.wheels(pip, target, &keys, progress)?;
                let mut all = Vec::new();
                for wheel in wheels {
                    all.push(match wheel {
                        Ok(wheel) => {
                            let requires = wheel.requires.clone().into();
                            slow.keep(wheel);
                            Ok(Ok(requires))
                        }
                        Err(Error::BadWheel { problem, .. }) => Ok(Err(problem)),
                        Err(error) => Err(error.to_string()),
                    });
                }
                all
            }
            Backend::Open(index) => {
                let urls: Vec<&str> = found.iter().flatten().map(|it| it.url.as_str()).collect();
                let mut texts = index.metadata(&urls)?.into_iter();
                let read = |((name, version), found): (&(PackageName, Version), &Option<Found>)| {
                    let none = || Err("the index no longer has it".to_owned());
                    let text = found
                        .as_ref()
                        .and_then(|_| texts.next())
                        .unwrap_or_else(none)?;
                    let requires = wheel::requires(&text, name, version, &target.python);
                    Ok(requires.map(Into::into))
                };
                keys.iter().zip(&found).map(read).collect()
            }
        };
        let mut answers = Vec::new();
        for (key, text) in keys.into_iter().zip(texts) {
            answers.push(text.map(|requires| {
                self.requires.insert(key, requires);
            }));
        }
        Ok(answers)
    }

    /// The wheel of a version, if it was downloaded for its metadata.
    pub(crate) fn fetched(&mut self, name: &PackageName, version: &Version) -> Option<Wheel> {
        match &mut self.source {
            Some(Source {
                index: Backend::CommandLine(slow),
                ..
            }) => slow.take(name, version),
            _ => None,
        }
    }

    /// Reports the progress, until [`Catalog::end_step`].
    fn tell(&mut self) {
        if self.step.is_none() {
            self.step = Some(self.progress.start("Looking for packages", Amount::Unknown));
        }
    }

    pub(crate) fn end_step(&mut self) {
        self.step = None;
    }
}
