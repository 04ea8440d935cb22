//! Takes the patch away, and leaves every file as it was before.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::error::PatchError;
use super::files::{self, BEFORE, KEPT, PACKAGE, PTH, SITECUSTOMIZE};
use super::manifest::Manifest;

/// What was taken away.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Removed {
    /// The patch was in this folder.
    Now {
        /// The folder of packages.
        folder: PathBuf,
        /// Whether the `sitecustomize.py` of before is back.
        put_back: bool,
    },
    /// There was none.
    Nothing,
}

/// Removes the patch from `folder`; only a whole one if `whole` is set.
pub(super) fn remove(folder: &Path, whole: bool) -> Result<Removed, PatchError> {
    let manifest = match Manifest::read(folder)? {
        Some(manifest) => manifest,
        None if has_trace(folder)? => Manifest::assumed(folder)?,
        None => return Ok(Removed::Nothing),
    };
    let examined = manifest.examine(folder)?;
    if !examined.changed.is_empty() {
        return Err(PatchError::Changed {
            files: examined.changed,
        });
    }
    if whole && !examined.missing.is_empty() {
        let folder = folder.to_path_buf();
        return Err(PatchError::Incomplete {
            folder,
            missing: examined.missing,
        });
    }
    let put_back = take_sitecustomize(folder, &manifest)?;
    remove_file(&folder.join(PTH))?;
    take_compiled(folder, &manifest)?;
    take_package(folder)?;
    for made in folder.ancestors().take(manifest.made_folders) {
        // Somebody else may use it by now.
        if fs::remove_dir(made).is_err() {
            break;
        }
    }
    Ok(Removed::Now {
        folder: folder.to_path_buf(),
        put_back,
    })
}

/// Whether something of the patch is left in `folder`, without a manifest.
fn has_trace(folder: &Path) -> Result<bool, PatchError> {
    let own = folder.join(SITECUSTOMIZE);
    let ours = files::digest(files::SITECUSTOMIZE_TEXT.as_bytes());
    let is_ours = files::digest_of(&own).map_err(PatchError::of(&own))? == Some(ours);
    let names = [PACKAGE, KEPT, PTH];
    Ok(is_ours || names.iter().any(|name| folder.join(name).exists()))
}

/// Puts the `sitecustomize.py` of before in the place of the patch's; says whether there was one.
fn take_sitecustomize(folder: &Path, manifest: &Manifest) -> Result<bool, PatchError> {
    let (own, kept) = (folder.join(SITECUSTOMIZE), folder.join(KEPT));
    let Some(before) = &manifest.before else {
        remove_file(&own)?;
        return Ok(false);
    };
    let found = files::digest_of(&own).map_err(PatchError::of(&own))?;
    if found.as_ref() == Some(before) {
        // It was never replaced. Two names of one file cannot be renamed to each other.
        remove_file(&kept)?;
    } else {
        fs::rename(&kept, &own).map_err(PatchError::of(&kept))?;
    }
    Ok(true)
}

/// Removes what Python compiled of the patch, and puts back what it had compiled before.
fn take_compiled(folder: &Path, manifest: &Manifest) -> Result<(), PatchError> {
    let cache = folder.join("__pycache__");
    for module in [SITECUSTOMIZE, KEPT] {
        for path in files::compiled(folder, module).map_err(PatchError::of(&cache))? {
            remove_file(&path)?;
        }
    }
    for name in manifest.compiled_before.keys() {
        let from = folder.join(PACKAGE).join(BEFORE).join(name);
        match fs::rename(&from, cache.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(PatchError::of(&from)(error));
            }
            _ => {}
        }
    }
    if !manifest.had_cache {
        // It stays where other modules have compiled files there.
        let _ = fs::remove_dir(&cache);
    }
    Ok(())
}

/// Removes the package: first its name, at once.
fn take_package(folder: &Path) -> Result<(), PatchError> {
    let package = folder.join(PACKAGE);
    if !package.exists() {
        return Ok(());
    }
    let failed = PatchError::of(folder);
    let away = tempfile::Builder::new()
        .prefix(".sandbox-net-")
        .tempdir_in(folder)
        .map_err(failed)?;
    fs::rename(&package, away.path().join(PACKAGE)).map_err(PatchError::of(&package))?;
    away.close().map_err(PatchError::of(&package))
}

fn remove_file(path: &Path) -> Result<(), PatchError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(PatchError::of(path)(error)),
        _ => Ok(()),
    }
}
