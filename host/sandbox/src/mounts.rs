//! Mounts directories of the host into the guest.

use std::io;
use std::path::{Path, PathBuf};

use crate::engine::{Engine, Preopen};
use crate::error::Error;
use crate::exposure::{self, Writable};
use crate::files::DirAccess;
use crate::script_file::SCRIPTS;

/// Where the guest sees its packages.
pub(crate) const PACKAGES: &str = "/packages";

/// The host's directory without links, and the guest's path for it without a final slash.
pub(crate) fn directory(host: &Path, guest: &str) -> Result<(PathBuf, String), Error> {
    let fault = |why: &str| Error::Directory {
        path: host.to_path_buf(),
        why: why.to_owned(),
    };
    let found = host
        .canonicalize()
        .map_err(|error| fault(&error.to_string()))?;
    if !found.is_dir() {
        return Err(fault("it is not a directory"));
    }
    let plain = !guest.split('/').any(|part| part == ".." || part == ".");
    let trimmed = guest.trim_end_matches('/');
    let is_printable = !guest.contains(char::is_control);
    if !guest.starts_with('/') || !plain || trimmed.is_empty() || !is_printable {
        let why = "the guest's path for it must be absolute, without `..` and control characters, \
                   and not `/`";
        return Err(fault(why));
    }
    for (reserved, holds) in [(PACKAGES, "packages"), (SCRIPTS, "script")] {
        if overlaps(trimmed, reserved) {
            return Err(fault(&format!(
                "the guest has its {holds} at {reserved}: choose another path for it, such as /data"
            )));
        }
    }
    Ok((found, trimmed.to_owned()))
}

/// Whether one of two guest paths lies in the other.
fn overlaps(one: &str, other: &str) -> bool {
    let (one, other) = (Path::new(one), Path::new(other));
    one.starts_with(other) || other.starts_with(one)
}

/// Refuses a cache that a guest may write to: the guest would choose the native code that the host
/// runs next.
pub(crate) fn check_cache(writable: &[Writable], engine: &Engine) -> Result<(), Error> {
    exposure::check(
        writable,
        engine.cache().root(),
        "the cache of compiled code",
    )
}

pub(crate) fn mount(
    engine: &Engine,
    host: &Path,
    guest: &str,
    access: DirAccess,
) -> Result<Preopen, Error> {
    let (found, guest) = directory(host, guest)?;
    let fault = |why: &str| Error::Directory {
        path: host.to_path_buf(),
        why: why.to_owned(),
    };
    if overlaps(&guest, engine.library().1) {
        return Err(fault("the guest's path for it is the interpreter's own"));
    }
    let cache = engine.cache().root();
    let cache = cache.canonicalize().unwrap_or_else(|_| cache.to_path_buf());
    if access == DirAccess::ReadWrite && found.starts_with(&cache) {
        let why = "a directory within the cache of compiled code can't be writable: mount a copy";
        return Err(fault(why));
    }
    open(&found, guest, access)
}

/// Opens a directory once, for every run of the sandbox and of its forks.
pub(crate) fn open(
    host: &Path,
    guest: impl Into<String>,
    access: DirAccess,
) -> Result<Preopen, Error> {
    Preopen::open(host, guest, access.perms()).map_err(|error| fault(host, &error))
}

/// Opens a directory of the cache for reading, as [`open`] does.
pub(crate) fn of_cache(host: &Path, guest: impl Into<String>) -> Result<Preopen, Error> {
    Preopen::of_cache(host, guest).map_err(|error| fault(host, &error))
}

fn fault(host: &Path, error: &io::Error) -> Error {
    Error::Directory {
        path: host.to_path_buf(),
        why: error.to_string(),
    }
}
