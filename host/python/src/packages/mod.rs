//! Pure-Python packages for the sandbox, from the user's index and from wheels on the disk.
//!
//! There are two kinds of cache entries. A *resolution* pins what a set of requirements was
//! resolved to, with the wheels themselves, so that the same requirements give the same packages
//! until they are refreshed. A *site* is those wheels unpacked; all resolutions with the same
//! wheels share it.

mod absence;
mod catalog;
mod explain;
mod input;
mod listing;
mod remember;
mod resolve;
mod slow_index;
mod solver;
mod target;
pub(super) mod unpack;
mod wheel;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use pep508_rs::pep440_rs::Version;
use pep508_rs::{MarkerEnvironment, MarkerEnvironmentBuilder, PackageName};
use serde::{Deserialize, Serialize};

use crate::cache::Cache;
use crate::error::Error;
use crate::hash;
use crate::manifest::Manifest;
use crate::pip::Pip;
use crate::progress::{Amount, Progress, Silent};
use catalog::Catalog;
use input::Input;
pub use input::{requirement, wheel_path};
use remember::Memory;
use sandbox_net_process::TimeBox;
use target::Target;
use unpack::Limits;
use wheel::Wheel;

/// The kind of the cache entries that hold resolutions.
pub const RESOLUTION_KIND: &str = "resolution";

/// The kind of the cache entries that hold unpacked packages.
pub const SITE_KIND: &str = "site";

/// Increased when the layout or the contents of the entries change.
const FORMAT: &str = "1";

const RESOLVED_FILE: &str = "resolved.toml";
const WHEELS_DIRECTORY: &str = "wheels";
const SITE_DIRECTORY: &str = "site-packages";

/// The directory below [`SITE_DIRECTORY`] that the interpreter searches before its own library: it has
/// other versions of built-in packages. No module can have this name.
const REPLACING: &str = ".before-the-library";

/// Packages that are ready to be mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Packages {
    /// The directory to mount read-only and to put on `sys.path`. Empty if all packages are built
    /// into the distribution.
    pub site_packages: PathBuf,
    /// The wheels that it holds, sorted by name.
    pub wheels: Vec<ResolvedWheel>,
    /// A name for cache entries that are made from these packages.
    pub key: String,
}

/// A wheel that was chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ResolvedWheel {
    /// The package's normalized name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The wheel's file name.
    pub file: String,
    /// The wheel's SHA-256 in lower-case hexadecimal.
    pub sha256: String,
}

#[derive(Serialize, Deserialize)]
struct Resolution {
    wheels: Vec<ResolvedWheel>,
}

type PrepareError = Box<dyn std::error::Error + Send + Sync>;
type Prepare<'a> = dyn FnOnce(&Path) -> Result<(), PrepareError> + 'a;

/// The step that runs on unpacked packages, and the text that names it in the cache.
struct Preparation<'a> {
    key: String,
    run: Box<Prepare<'a>>,
}

/// Collects the wanted packages, and fetches them.
pub struct PackagesBuilder<'a> {
    manifest: &'a Manifest,
    cache: &'a Cache,
    progress: &'a dyn Progress,
    inputs: Vec<String>,
    pip: Option<Pip>,
    refresh: bool,
    preparation: Option<Preparation<'a>>,
    within: TimeBox,
}

impl std::fmt::Debug for PackagesBuilder<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PackagesBuilder")
            .field("distribution", &self.manifest.name)
            .field("inputs", &self.inputs)
            .finish_non_exhaustive()
    }
}

impl<'a> PackagesBuilder<'a> {
    /// Starts without packages, for the distribution that `manifest` describes.
    pub fn new(manifest: &'a Manifest, cache: &'a Cache) -> PackagesBuilder<'a> {
        PackagesBuilder {
            manifest,
            cache,
            progress: &Silent,
            inputs: Vec::new(),
            pip: None,
            refresh: false,
            preparation: None,
            within: TimeBox::new(Duration::MAX),
        }
    }

    /// Adds a requirement (PEP 508, without a URL) or, if it ends in `.whl`, the path of a wheel.
    #[must_use]
    pub fn with(mut self, input: impl Into<String>) -> Self {
        self.inputs.push(input.into());
        self
    }

    /// Reports long steps to `progress`. Without it nothing is reported.
    #[must_use]
    pub fn progress(mut self, progress: &'a dyn Progress) -> Self {
        self.progress = progress;
        self
    }

    /// Downloads with this pip instead of the one that [`Pip::find`] finds.
    #[must_use]
    pub fn pip(mut self, pip: Pip) -> Self {
        self.pip = Some(pip);
        self
    }

    /// Resolves again to get newer versions, even if the cache knows the requirements.
    #[must_use]
    pub fn refresh(mut self, refresh: bool) -> Self {
        self.refresh = refresh;
        self
    }

    /// Runs `prepare` on the directory of newly unpacked packages before it becomes a cache entry.
    /// `key` names what it does: another key makes another entry.
    #[must_use]
    pub fn prepare(
        mut self,
        key: impl Into<String>,
        prepare: impl FnOnce(&Path) -> Result<(), PrepareError> + 'a,
    ) -> Self {
        self.preparation = Some(Preparation {
            key: key.into(),
            run: Box::new(prepare),
        });
        self
    }

    /// Limits the time for everything, from now on; at the end pip is killed. Defaults to no limit.
    #[must_use]
    pub fn time_limit(self, limit: Duration) -> Self {
        self.within(&TimeBox::new(limit))
    }

    /// Sets the limit; it also ends when nobody waits any more.
    pub fn within(mut self, within: &TimeBox) -> Self {
        self.within = within.clone();
        self
    }

    /// Resolves, downloads and unpacks what is not in the cache.
    ///
    /// # Errors
    /// [`Error::PreparationTooLong`] at the end of the time;
    /// [`Error::NoPureWheel`], [`Error::NoSuchPackage`] and [`Error::VersionConflict`] by name of
    /// the package, [`Error::InvalidRequirement`] and [`Error::BadWheel`] for bad input, and those
    /// of pip and the cache.
    pub fn build(self) -> Result<Packages, Error> {
        let target = target(self.manifest)?;
        let mut requirements = Vec::new();
        let mut local = Vec::new();
        for input in &self.inputs {
            match input.parse()? {
                Input::Requirement(requirement) => requirements.push(requirement),
                Input::Wheel(path) => local.push(Wheel::open(&path, &target.python)?),
            }
        }
        let mut identity: Vec<String> = requirements.iter().map(ToString::to_string).collect();
        identity.extend(
            local
                .iter()
                .map(|wheel| format!("{} {}", wheel.file, wheel.sha256)),
        );
        identity.sort();
        identity.dedup();
        identity.extend([FORMAT.to_owned(), self.manifest.cache_key()]);
        let key = hash::texts(identity);
        let entry = self.cache.entry(RESOLUTION_KIND, &key)?;
        let memory = Memory::new(self.cache, key, self.pip.as_ref());
        if !self.refresh
            && entry.get().is_none()
            && let Some(refused) = memory.recall()?
        {
            return Err(refused);
        }

        let within = &self.within;
        let find_pip = || match &self.pip {
            Some(pip) => Ok(pip.clone().within(within)),
            None => Pip::find_within(within),
        };
        let make = |directory: &Path| {
            let downloads =
                tempfile::tempdir_in(directory).map_err(Error::io("create", directory))?;
            let given = local.into_iter().map(|wheel| (wheel.name.clone(), wheel));
            let downloads = downloads.path();
            let mut catalog = Catalog::new(
                &target,
                given.collect(),
                &find_pip,
                downloads,
                self.progress,
            );
            let catalog = &mut catalog;
            let wheels = resolve::resolve(
                &target,
                &requirements,
                catalog,
                within,
                downloads,
                self.progress,
            );
            if let (Err(refused), Some(files)) = (&wheels, catalog.configuration()) {
                memory.keep(refused, files)?;
            }
            let wheels = wheels?;
            keep(&wheels, directory)
        };
        let resolution = match self.refresh {
            true => entry.remake(self.progress, make)?,
            false => entry.get_or_make(self.progress, make)?,
        };
        site(
            self.cache,
            self.progress,
            &resolution,
            (&target.provides, self.preparation),
            within,
        )
    }
}

/// The values with which markers in requirements are compared inside the sandbox: those of `os`,
/// `sys` and `platform` in a CPython for wasm32-wasip1.
fn target(manifest: &Manifest) -> Result<Target, Error> {
    let invalid = |problem: String| Error::Manifest { problem };
    let markers = MarkerEnvironment::try_from(MarkerEnvironmentBuilder {
        implementation_name: "cpython",
        implementation_version: &manifest.python,
        os_name: "posix",
        platform_machine: "wasm32",
        platform_python_implementation: "CPython",
        platform_release: "0.0.0",
        platform_system: "wasi",
        platform_version: "0.0.0",
        python_full_version: &manifest.python,
        python_version: manifest.python_minor(),
        sys_platform: "wasi",
    });
    let parse = |(name, version): (&String, &String)| {
        let package = PackageName::from_str(name).map_err(|error| invalid(error.to_string()))?;
        let version = Version::from_str(version).map_err(|error| invalid(error.to_string()))?;
        Ok((package, version))
    };
    Ok(Target {
        markers: markers.map_err(|error| invalid(error.to_string()))?,
        python: Version::from_str(&manifest.python).map_err(|error| invalid(error.to_string()))?,
        python_minor: manifest.python_minor().to_owned(),
        provides: manifest
            .provides
            .iter()
            .map(parse)
            .collect::<Result<BTreeMap<_, _>, Error>>()?,
    })
}

/// Writes a resolution and its wheels to `directory`.
fn keep(wheels: &[Wheel], directory: &Path) -> Result<(), Error> {
    let kept = directory.join(WHEELS_DIRECTORY);
    fs::create_dir(&kept).map_err(Error::io("create", &kept))?;
    let mut resolution = Resolution { wheels: Vec::new() };
    for wheel in wheels {
        let path = kept.join(&wheel.file);
        fs::copy(&wheel.path, &path).map_err(Error::io("create", &path))?;
        resolution.wheels.push(ResolvedWheel {
            name: wheel.name.to_string(),
            version: wheel.version.to_string(),
            file: wheel.file.clone(),
            sha256: wheel.sha256.clone(),
        });
    }
    let path = directory.join(RESOLVED_FILE);
    let text = toml::to_string(&resolution).map_err(std::io::Error::other);
    text.and_then(|text| fs::write(&path, text))
        .map_err(Error::io("write", &path))
}

fn site_key(wheels: &[ResolvedWheel], prepared: &str) -> String {
    let hashes = wheels.iter().map(|wheel| wheel.sha256.as_str());
    hash::texts(hashes.chain([FORMAT, prepared]))
}

impl Packages {
    /// Returns these very wheels if the cache has them unpacked, prepared by the step that `key` names.
    ///
    /// # Errors
    ///
    /// Those of the cache.
    pub fn in_cache(
        cache: &Cache,
        wheels: &[ResolvedWheel],
        key: &str,
    ) -> Result<Option<Packages>, Error> {
        let key = site_key(wheels, key);
        let found = cache.entry(SITE_KIND, &key)?.get();
        Ok(found.map(|directory| Packages {
            site_packages: directory.join(SITE_DIRECTORY),
            wheels: wheels.to_vec(),
            key,
        }))
    }
}

/// The unpacked packages of a resolution.
fn site(
    cache: &Cache,
    progress: &dyn Progress,
    resolution: &Path,
    (provides, preparation): (&BTreeMap<PackageName, Version>, Option<Preparation<'_>>),
    within: &TimeBox,
) -> Result<Packages, Error> {
    let path = resolution.join(RESOLVED_FILE);
    let text = fs::read_to_string(&path).map_err(Error::io("read", &path))?;
    let wheels = toml::from_str::<Resolution>(&text)
        .map_err(|error| Error::io("read", &path)(std::io::Error::other(error)))?
        .wheels;
    let prepared = preparation
        .as_ref()
        .map_or("", |preparation| &preparation.key);
    let key = site_key(&wheels, prepared);
    let make = |directory: &Path| {
        let site = directory.join(SITE_DIRECTORY);
        fs::create_dir(&site).map_err(Error::io("create", &site))?;
        let step = progress.start("Unpacking packages", Amount::Items(wheels.len() as u64));
        let mut limits = Limits::default();
        for wheel in &wheels {
            if within.is_over() {
                return Err(Error::too_long("unpacking the packages", within.limit()));
            }
            let path = resolution.join(WHEELS_DIRECTORY).join(&wheel.file);
            let actual = hash::file(&path, |_| ())?;
            if actual != wheel.sha256 {
                return Err(Error::HashMismatch {
                    what: path.display().to_string(),
                    expected: wheel.sha256.clone(),
                    actual,
                    remedy: "The cache is damaged: remove this file's entry from it, and try again",
                });
            }
            let name = PackageName::from_str(&wheel.name);
            let replaces = name.is_ok_and(|name| provides.contains_key(&name));
            let place = match replaces {
                true => site.join(REPLACING),
                false => site.clone(),
            };
            fs::create_dir_all(&place).map_err(Error::io("create", &place))?;
            unpack::unpack(&path, &place, &mut limits)?;
            step.advance(1);
        }
        drop(step);
        match preparation {
            Some(preparation) => {
                (preparation.run)(&site).map_err(|source| Error::Prepare { source })
            }
            None => Ok(()),
        }
    };
    let directory = cache.entry(SITE_KIND, &key)?.get_or_make(progress, make)?;
    Ok(Packages {
        site_packages: directory.join(SITE_DIRECTORY),
        wheels,
        key,
    })
}

#[cfg(test)]
mod tests;
