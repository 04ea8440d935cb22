//! The files of the patch, and how they are put in place.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// The name of the Python package.
pub const PACKAGE: &str = "sandbox_net_native";

/// The file that Python imports at each start.
pub(super) const SITECUSTOMIZE: &str = "sitecustomize.py";

/// Where the `sitecustomize.py` is kept that was there before.
pub(super) const KEPT: &str = "_sandbox_net_original_sitecustomize.py";

/// The file that imports the package where another `sitecustomize` comes first.
pub(super) const PTH: &str = "sandbox_net_native.pth";

/// Its one line. An import that fails is a line on stderr, as everywhere in the patch.
pub(super) const PTH_TEXT: &str = "import sandbox_net_native; sandbox_net_native.activate()\n";

/// The manifest, in the package.
pub(super) const MANIFEST: &str = "manifest.json";

/// The folder in the package that keeps compiled files that were there before.
pub(super) const BEFORE: &str = "before";

/// The text of `sitecustomize.py`.
pub(super) const SITECUSTOMIZE_TEXT: &str = include_str!("../../patch/sitecustomize.py");

macro_rules! modules {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../patch/sandbox_net_native/", $name)))),*]
    };
}

/// The files of the package.
pub(super) const MODULES: &[(&str, &str)] = modules![
    "__init__.py",
    "after_import.py",
    "certificates.py",
    "connecting.py",
    "errors.py",
    "event_loop.py",
    "json_text.py",
    "literals.py",
    "lookups.py",
    "loopback.py",
    "names.py",
    "proxies.py",
    "routes.py",
    "settings.py",
    "sockets.py",
    "tls.py",
    "wire.py",
];

/// The files of the patch, for a folder that is on an interpreter's `PYTHONPATH`, with their paths in it.
///
/// ```
/// let files: Vec<_> = sandbox_net_native::patch::files().collect();
/// assert!(files.iter().any(|(path, _)| path.ends_with("sitecustomize.py")));
/// ```
pub fn files() -> impl Iterator<Item = (PathBuf, &'static str)> {
    let package = MODULES
        .iter()
        .map(|(name, text)| (Path::new(PACKAGE).join(name), *text));
    package.chain([(PathBuf::from(SITECUSTOMIZE), SITECUSTOMIZE_TEXT)])
}

/// Whether a folder holds the whole package, in this very version.
pub(super) fn is_whole(package: &Path) -> bool {
    let is_same = |name: &str, text: &str| {
        fs::read(package.join(name)).is_ok_and(|bytes| bytes == text.as_bytes())
    };
    MODULES.iter().all(|(name, text)| is_same(name, text))
}

/// Returns the SHA-256 of `bytes`, in hexadecimal.
pub(super) fn digest(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns the SHA-256 of a file; `None` where there is none.
pub(super) fn digest_of(path: &Path) -> io::Result<Option<String>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(digest(&bytes))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns the SHA-256 of the whole patch: another one is another version.
pub(super) fn version() -> String {
    let mut all = Sha256::new();
    for (name, text) in MODULES
        .iter()
        .chain([&(SITECUSTOMIZE, SITECUSTOMIZE_TEXT), &(PTH, PTH_TEXT)])
    {
        all.update(name.as_bytes());
        all.update([0]);
        all.update(text.as_bytes());
        all.update([0]);
    }
    all.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Writes a whole file or none.
pub(super) fn write_atomically(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(".sandbox-net-")
        .tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    set_mode(file.path(), mode)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(unix)]
pub(super) fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
pub(super) fn set_mode(_path: &Path, _mode: u32) -> io::Result<()> {
    Ok(())
}

/// Returns the compiled files of a module beside which `folder/__pycache__` is.
pub(super) fn compiled(folder: &Path, module: &str) -> io::Result<Vec<PathBuf>> {
    let start = format!("{}.", module.trim_end_matches(".py"));
    let entries = match fs::read_dir(folder.join("__pycache__")) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let text = name.to_string_lossy();
        if text.starts_with(&start) && text.ends_with(".pyc") {
            found.push(folder.join("__pycache__").join(&name));
        }
    }
    found.sort();
    Ok(found)
}
