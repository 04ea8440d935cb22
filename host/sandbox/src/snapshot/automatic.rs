//! Snapshots that sandboxes with packages get by themselves: their modules are imported already, and
//! a program that imports them gets them at once.
//!
//! A module is left out if its import fails, prints, takes long, asks for the network, looks at the
//! sandbox's own files or changes what others see. What a program finds until it imports one is as
//! without the snapshot (`shim/sandbox_net/ready_modules.py`). If none can be made, the sandbox does
//! without.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sandbox_net_python::{Amount, Capability, Image, SnapshotNotes};
use tokio::runtime::Handle;

use super::error::SnapshotError;
use super::maker::{Import, Maker};
use crate::compile::PreparedPackages;
use crate::engine::Engine;
use crate::error::Error;
use crate::rehearsal::rehearse_once;
use crate::runtime;

/// The kind of the cache's entries.
const KIND: &str = "snapshot";
const FILE: &str = "python.image";
/// An entry for packages of which nothing can be imported ahead.
const NOTHING: &str = "nothing";
/// How long all imports may take together, and one of them.
const TIME: Duration = Duration::from_secs(30);
const LONGEST: Duration = Duration::from_secs(10);
/// How often imports begin anew without those that were unfit.
const PASSES: usize = 4;
/// The most modules that are tried.
const MODULES: usize = 200;
/// The memory of the interpreter that imports.
const MEMORY: usize = 512 << 20;
/// The part of a sandbox's memory that imports may take, as one over this number.
const SHARE: usize = 8;
/// The most snapshots that the cache keeps; the oldest ones give way.
const KEPT: usize = 48;
/// Names of directories that are no part of a package, though some wheels have them.
const NO_MODULES: [&str; 7] = [
    "conftest", "docs", "examples", "setup", "test", "tests", "testing",
];
/// Built-in packages whose module has another name.
const OTHER_NAMES: [(&str, &str); 7] = [
    ("attrs", "attr"),
    ("beautifulsoup4", "bs4"),
    ("pillow", "PIL"),
    ("pypdf", "pypdf"),
    ("python-dateutil", "dateutil"),
    ("pyyaml", "yaml"),
    ("scikit-learn", "sklearn"),
];

/// The memory for programs with these packages, if one is to be had that leaves them enough of theirs.
pub(crate) async fn automatic(
    engine: &Engine,
    packages: &PreparedPackages,
    requirements: &[String],
    capability: Capability,
    memory: usize,
    limit: Duration,
) -> Result<Option<Arc<Image>>, Error> {
    let base = engine.interpreter(capability).await?.image().clone();
    let fits = |image: &Arc<Image>| image.size().saturating_sub(base.size()) <= memory / SHARE;
    let built_in = built_in(engine, requirements);
    let notes = SnapshotNotes::new(
        engine.name_of(capability),
        engine.manifest().python.clone(),
        built_in.clone(),
        Vec::new(),
        packages.wheels.clone(),
    );
    let name = notes.key();
    if let Some(opened) = engine.opened().get(&name) {
        return Ok(opened.filter(fits));
    }
    let maker = Maker {
        engine: engine.clone(),
        // Nothing of a network is linked.
        interpreter: engine
            .interpreter_with(Capability::None, base.clone())
            .await?,
        packages: Some(packages.mounted.clone()),
        time: TIME,
        memory: MEMORY,
    };
    let making = Making {
        maker,
        site: packages.site.clone(),
        built_in,
        notes,
    };
    let (keeper, kept) = (engine.clone(), name.clone());
    let made = tokio::task::spawn_blocking(move || {
        let made = making.get_or_make().unwrap_or_else(|error| {
            tracing::warn!(%error, "the packages are imported anew by each program");
            None
        });
        // Whatever it is, nobody tries again: that would take as long each time.
        keeper.opened().keep(kept, made.clone());
        made
    });
    // Another process may hold the lock for ever.
    match tokio::time::timeout(limit, made).await {
        Ok(made) => {
            let made = made.map_err(|e| runtime::unfinished(&e))?;
            if let Some(image) = &made {
                let interpreter = engine.interpreter_with(capability, image.clone()).await?;
                rehearse_once(engine, &interpreter).await;
            }
            Ok(made.filter(fits))
        }
        Err(_) => {
            let limit = limit.as_secs();
            tracing::warn!(limit, "the packages were not imported ahead in time");
            engine.opened().keep(name, None);
            Ok(None)
        }
    }
}

/// The modules of built-in packages that were asked for.
fn built_in(engine: &Engine, requirements: &[String]) -> Vec<String> {
    let provides = &engine.manifest().provides;
    let named = requirements.iter().filter_map(|requirement| {
        let is_name = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let name = requirement.split(|c| !is_name(c)).next()?;
        let name = name.to_ascii_lowercase().replace(['_', '.'], "-");
        provides.contains_key(&name).then(|| {
            let other = OTHER_NAMES.iter().find(|(package, _)| *package == name);
            other.map_or_else(
                || name.replace('-', "_"),
                |(_, module)| (*module).to_owned(),
            )
        })
    });
    let named: BTreeSet<String> = named.collect();
    named.into_iter().collect()
}

struct Making {
    maker: Maker,
    site: PathBuf,
    built_in: Vec<String>,
    notes: SnapshotNotes,
}

impl Making {
    /// Blocks.
    fn get_or_make(self) -> Result<Option<Arc<Image>>, Error> {
        let engine = self.maker.engine.clone();
        let notes = &self.notes;
        let key = notes.key();
        let entry = engine.cache().entry(KIND, &key)?;
        let progress = engine.progress();
        let make = |directory: &Path| {
            let _step = progress.start("importing the packages (once)", Amount::Unknown);
            let handle = Handle::current();
            match handle.block_on(self.import())? {
                Some(imported) => {
                    let into = directory.join(FILE);
                    handle.block_on(self.maker.take(imported, notes.clone(), Some(into)))?;
                }
                None => std::fs::write(directory.join(NOTHING), "").map_err(Error::Files)?,
            }
            Ok::<_, Error>(())
        };
        let is_new = entry.get().is_none();
        let directory = entry.get_or_make(&*progress, make)?;
        if is_new {
            engine.cache().keep_newest(KIND, KEPT);
        }
        if directory.join(NOTHING).exists() {
            return Ok(None);
        }
        if let Some(image) = notes.open_in_cache(&directory.join(FILE))? {
            return Ok(Some(image));
        }
        // It is damaged.
        let directory = entry.remake(&*progress, make)?;
        Ok(notes.open_in_cache(&directory.join(FILE))?)
    }

    /// Imports what can be imported; none if nothing can.
    async fn import(&self) -> Result<Option<super::maker::Imported>, Error> {
        let mut modules = self.built_in.clone();
        modules.extend(top_level(&self.site).map_err(Error::Files)?);
        modules.truncate(MODULES);
        for _ in 0..PASSES {
            if modules.is_empty() {
                return Ok(None);
            }
            let unfit: Vec<String> = match self.maker.import(&modules, true).await {
                Ok(imported) => {
                    // A file that the collector closes is not left.
                    let is_open = imported.left.is_some();
                    let is_unfit = |it: &&Import| !is_fit(it) || (is_open && it.leaves_open);
                    let unfit = imported.imports.iter().filter(is_unfit);
                    let unfit: Vec<_> = unfit.map(|import| import.module.clone()).collect();
                    match imported.left {
                        None if unfit.is_empty() => return Ok(Some(imported)),
                        Some(what) if unfit.is_empty() => {
                            tracing::debug!(what, "the packages can't be imported ahead");
                            return Ok(None);
                        }
                        _ => unfit,
                    }
                }
                Err(Error::Snapshot(SnapshotError::Ended { module, .. })) => vec![module],
                Err(error) => return Err(error),
            };
            let before = modules.len();
            modules.retain(|module| !unfit.contains(module));
            if modules.len() == before {
                return Ok(None);
            }
        }
        Ok(None)
    }
}

fn is_fit(import: &Import) -> bool {
    let is_fit = import.fault.is_none()
        && import.error.is_none()
        && import.output.is_empty()
        && !import.looks_at_files
        && !import.reads_stdin
        && import.took <= LONGEST;
    if !is_fit {
        let Import {
            module,
            fault,
            error,
            looks_at_files,
            reads_stdin,
            took,
            ..
        } = import;
        tracing::debug!(
            module,
            fault,
            ?error,
            looks_at_files,
            reads_stdin,
            ?took,
            "a module is imported anew"
        );
    }
    is_fit
}

/// The modules and packages in a directory, sorted.
fn top_level(site: &Path) -> std::io::Result<Vec<String>> {
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(site)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let name = match entry.file_type()?.is_dir() {
            true if entry.path().join("__init__.py").is_file() => name,
            false => match name.strip_suffix(".py") {
                Some(name) => name,
                None => continue,
            },
            true => continue,
        };
        let is_name = |c: char| c.is_alphanumeric() || c == '_';
        let is_public = !name.starts_with('_') && !name.starts_with(|c: char| c.is_ascii_digit());
        if is_public && name.chars().all(is_name) && !NO_MODULES.contains(&name) {
            names.insert(name.to_owned());
        }
    }
    Ok(names.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_directory_has_at_its_top_are_modules_and_packages() {
        let site = tempfile::tempdir().unwrap();
        for name in [
            "one.py",
            "_private.py",
            "2.py",
            "a-b.py",
            "conftest.py",
            "data.txt",
        ] {
            std::fs::write(site.path().join(name), "").unwrap();
        }
        for name in ["pack", "tests", "space", "one-1.0.dist-info"] {
            std::fs::create_dir(site.path().join(name)).unwrap();
        }
        for name in ["pack", "tests"] {
            std::fs::write(site.path().join(name).join("__init__.py"), "").unwrap();
        }
        assert_eq!(top_level(site.path()).unwrap(), ["one", "pack"]);
    }
}
