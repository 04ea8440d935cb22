//! What an installation put where, and what was there before.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::PatchError;
use super::files::{self, KEPT, MANIFEST, MODULES, PACKAGE, PTH, PTH_TEXT, SITECUSTOMIZE};

/// The manifest of one installation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    /// The SHA-256 of the whole patch.
    pub(super) version: String,
    /// The interpreter that it was installed for.
    pub(super) executable: PathBuf,
    /// Its version, such as `3.11.7`.
    pub(super) python: String,
    /// The SHA-256 of each file of the patch, by its path in the folder of packages.
    pub(super) files: BTreeMap<String, String>,
    /// The SHA-256 of the `sitecustomize.py` that was there before.
    pub(super) before: Option<String>,
    /// The SHA-256 of each compiled `sitecustomize` that was there before, by its file name.
    pub(super) compiled_before: BTreeMap<String, String>,
    /// Whether `__pycache__` was there before.
    pub(super) had_cache: bool,
    /// How many folders at the end of the path were made for the installation.
    pub(super) made_folders: usize,
}

impl Manifest {
    /// Returns the manifest in a folder of packages; `None` where there is none that can be read.
    pub(super) fn read(folder: &Path) -> Result<Option<Manifest>, PatchError> {
        let path = folder.join(PACKAGE).join(MANIFEST);
        match fs::read(&path) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                Ok(None)
            }
            Err(error) => Err(PatchError::of(&path)(error)),
        }
    }

    /// The manifest that this version would have written, where that is lost.
    pub(super) fn assumed(folder: &Path) -> Result<Manifest, PatchError> {
        let kept = folder.join(KEPT);
        let mut files = own_files();
        files.insert(PTH.to_owned(), files::digest(PTH_TEXT.as_bytes()));
        Ok(Manifest {
            version: files::version(),
            executable: PathBuf::new(),
            python: String::new(),
            files,
            before: files::digest_of(&kept).map_err(PatchError::of(&kept))?,
            compiled_before: BTreeMap::new(),
            had_cache: true,
            made_folders: 0,
        })
    }

    /// Sorts the files of the installation: which were changed, and which are missing.
    pub(super) fn examine(&self, folder: &Path) -> Result<Examined, PatchError> {
        let mut examined = Examined::default();
        let mut expected: Vec<_> = self
            .files
            .iter()
            .map(|(name, hash)| (name.clone(), hash))
            .collect();
        expected.extend(self.before.iter().map(|hash| (KEPT.to_owned(), hash)));
        for (name, hash) in expected {
            let path = folder.join(&name);
            match files::digest_of(&path).map_err(PatchError::of(&path))? {
                Some(found) if &found == hash => {}
                // The installation ended before it came to this one.
                Some(found) if name == SITECUSTOMIZE && Some(&found) == self.before.as_ref() => {
                    examined.missing.push(path);
                }
                Some(_) => examined.changed.push(path),
                None => examined.missing.push(path),
            }
        }
        examined.changed.extend(self.unknown_files(folder)?);
        Ok(examined)
    }

    /// Returns what is in the package and was not put there by Python or the patcher.
    fn unknown_files(&self, folder: &Path) -> Result<Vec<PathBuf>, PatchError> {
        let package = folder.join(PACKAGE);
        let mut unknown = Vec::new();
        let Ok(entries) = fs::read_dir(&package) else {
            return Ok(unknown);
        };
        for entry in entries {
            let name = entry.map_err(PatchError::of(&package))?.file_name();
            let text = name.to_string_lossy();
            let known = text == MANIFEST
                || text == files::BEFORE
                || text == "__pycache__"
                || self.files.contains_key(&format!("{PACKAGE}/{text}"));
            if !known {
                unknown.push(package.join(&name));
            }
        }
        Ok(unknown)
    }
}

/// What became of the files of an installation.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Examined {
    pub(super) changed: Vec<PathBuf>,
    pub(super) missing: Vec<PathBuf>,
}

/// Returns the SHA-256 of each file of this version, without the `.pth` file.
pub(super) fn own_files() -> BTreeMap<String, String> {
    let mut found: BTreeMap<_, _> = MODULES
        .iter()
        .map(|(name, text)| (format!("{PACKAGE}/{name}"), files::digest(text.as_bytes())))
        .collect();
    found.insert(
        SITECUSTOMIZE.to_owned(),
        files::digest(files::SITECUSTOMIZE_TEXT.as_bytes()),
    );
    found
}
