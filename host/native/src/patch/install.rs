//! Puts the patch in place.
//!
//! Each step is atomic, and each state between two steps is one that `restore` ends: the package comes
//! first, as a whole and with the manifest; then what was there before gets its other name; the
//! `sitecustomize.py` that turns the routing on comes last.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::error::PatchError;
use super::files::{self, BEFORE, KEPT, MANIFEST, MODULES, PACKAGE, PTH, SITECUSTOMIZE};
use super::interpreter::Interpreter;
use super::manifest::{self, Manifest};
use super::remove;

const FILE_MODE: u32 = 0o644;
const FOLDER_MODE: u32 = 0o755;

/// What an installation did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Installed {
    /// The patch is in this folder now.
    Now {
        /// The folder of packages.
        folder: PathBuf,
        /// Whether a `sitecustomize.py` that was there is kept, and run by the patch's own.
        keeps_another: bool,
        /// Whether a `.pth` file turns it on, because another `sitecustomize` comes first.
        by_pth: bool,
    },
    /// This very patch was in this folder before. Nothing was changed.
    Already {
        /// The folder of packages.
        folder: PathBuf,
    },
}

/// Installs the patch for `interpreter` in `folder`.
pub(super) fn install(interpreter: &Interpreter, folder: &Path) -> Result<Installed, PatchError> {
    if let Some(found) = Manifest::read(folder)? {
        let examined = found.examine(folder)?;
        let current = found.version == files::version()
            && found.executable == interpreter.executable
            && found.python == interpreter.version;
        if current && examined.changed.is_empty() && examined.missing.is_empty() {
            return Ok(Installed::Already {
                folder: folder.to_path_buf(),
            });
        }
    }
    check_writable(interpreter, folder)?;
    remove::remove(folder, false).map_err(|error| foreign(folder, error))?;
    let made_folders = make_folders(folder)?;
    let mut manifest = manifest_for(interpreter, folder, made_folders)?;
    put_package(folder, &manifest)?;
    put_sitecustomize(folder, &manifest)?;
    if let Err(first) = interpreter.is_patched() {
        manifest
            .files
            .insert(PTH.to_owned(), files::digest(files::PTH_TEXT.as_bytes()));
        put_pth(folder, &manifest)?;
        if let Err(reason) = interpreter.is_patched() {
            remove::remove(folder, false)?;
            let reason = if reason == first {
                first
            } else {
                format!("{first}; {reason}")
            };
            return Err(PatchError::Ineffective {
                python: interpreter.executable.clone(),
                reason,
            });
        }
    }
    let names = manifest.files.keys().filter(|name| name.ends_with(".py"));
    let sources: Vec<_> = names.map(|name| folder.join(name)).collect();
    interpreter.compile(&sources);
    Ok(Installed::Now {
        folder: folder.to_path_buf(),
        keeps_another: manifest.before.is_some(),
        by_pth: manifest.files.contains_key(PTH),
    })
}

/// A package of the patch's name without a manifest, and with other files, is not the patcher's.
fn foreign(folder: &Path, error: PatchError) -> PatchError {
    let package = folder.join(PACKAGE);
    match error {
        PatchError::Changed { .. } if !package.join(MANIFEST).exists() && package.exists() => {
            PatchError::Foreign { path: package }
        }
        other => other,
    }
}

/// Fails before anything is changed, where the folder cannot be written.
fn check_writable(interpreter: &Interpreter, folder: &Path) -> Result<(), PatchError> {
    let there = folder
        .ancestors()
        .find(|path| path.exists())
        .unwrap_or(folder);
    match tempfile::Builder::new()
        .prefix(".sandbox-net-")
        .tempfile_in(there)
    {
        Ok(_) => Ok(()),
        Err(source) => Err(PatchError::NotWritable {
            folder: folder.to_path_buf(),
            python: interpreter.executable.clone(),
            source,
        }),
    }
}

fn make_folders(folder: &Path) -> Result<usize, PatchError> {
    let missing = folder.ancestors().take_while(|path| !path.exists()).count();
    fs::create_dir_all(folder).map_err(PatchError::of(folder))?;
    Ok(missing)
}

fn manifest_for(
    interpreter: &Interpreter,
    folder: &Path,
    made_folders: usize,
) -> Result<Manifest, PatchError> {
    let own = folder.join(SITECUSTOMIZE);
    let mut compiled_before = BTreeMap::new();
    let cache = folder.join("__pycache__");
    for path in files::compiled(folder, SITECUSTOMIZE).map_err(PatchError::of(&cache))? {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let hash = files::digest_of(&path).map_err(PatchError::of(&path))?;
        compiled_before.extend(hash.map(|hash| (name, hash)));
    }
    Ok(Manifest {
        version: files::version(),
        executable: interpreter.executable.clone(),
        python: interpreter.version.clone(),
        files: manifest::own_files(),
        before: files::digest_of(&own).map_err(PatchError::of(&own))?,
        compiled_before,
        had_cache: cache.exists(),
        made_folders,
    })
}

/// Puts the package in place as a whole, with copies of compiled files that were there before.
fn put_package(folder: &Path, manifest: &Manifest) -> Result<(), PatchError> {
    let failed = PatchError::of(folder);
    let made = tempfile::Builder::new()
        .prefix(".sandbox-net-")
        .tempdir_in(folder)
        .map_err(failed)?;
    let inside = made.path();
    for (name, text) in MODULES {
        write(&inside.join(name), text.as_bytes())?;
    }
    if !manifest.compiled_before.is_empty() {
        let before = inside.join(BEFORE);
        fs::create_dir(&before).map_err(PatchError::of(&before))?;
        for name in manifest.compiled_before.keys() {
            let path = folder.join("__pycache__").join(name);
            link_or_copy(&path, &before.join(name)).map_err(PatchError::of(&path))?;
        }
    }
    write(&inside.join(MANIFEST), &text_of(manifest))?;
    files::set_mode(inside, FOLDER_MODE).map_err(PatchError::of(inside))?;
    let package = folder.join(PACKAGE);
    fs::rename(inside, &package).map_err(PatchError::of(&package))?;
    // It has another name now.
    let _ = made.keep();
    Ok(())
}

fn put_sitecustomize(folder: &Path, manifest: &Manifest) -> Result<(), PatchError> {
    let own = folder.join(SITECUSTOMIZE);
    if manifest.before.is_some() {
        let kept = folder.join(KEPT);
        link_or_copy(&own, &kept).map_err(PatchError::of(&kept))?;
    }
    for name in manifest.compiled_before.keys() {
        let path = folder.join("__pycache__").join(name);
        fs::remove_file(&path).map_err(PatchError::of(&path))?;
    }
    write(&own, files::SITECUSTOMIZE_TEXT.as_bytes())
}

fn put_pth(folder: &Path, manifest: &Manifest) -> Result<(), PatchError> {
    write(&folder.join(PACKAGE).join(MANIFEST), &text_of(manifest))?;
    write(&folder.join(PTH), files::PTH_TEXT.as_bytes())
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), PatchError> {
    files::write_atomically(path, bytes, FILE_MODE).map_err(PatchError::of(path))
}

fn text_of(manifest: &Manifest) -> Vec<u8> {
    let mut text = serde_json::to_vec_pretty(manifest).unwrap_or_default();
    text.push(b'\n');
    text
}

/// Gives a file another name, with its bytes, times and rights.
fn link_or_copy(from: &Path, to: &Path) -> io::Result<()> {
    if fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    // A file system without links.
    fs::copy(from, to)?;
    let times = fs::metadata(from)?;
    let times = fs::FileTimes::new()
        .set_modified(times.modified()?)
        .set_accessed(times.accessed()?);
    fs::File::options().write(true).open(to)?.set_times(times)
}
