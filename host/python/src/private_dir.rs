//! Directories and files that nobody else can change.
//!
//! The cache's contents run as native code, so whoever can write to it runs code as this user.
//! Nobody but this user and root may be able to change the cache, or to replace it by another
//! directory. So each directory on the way to it is checked, and each symbolic link.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read};
use std::path::Path;

use crate::error::Error;

#[cfg(unix)]
mod way;

/// Creates `path` for this user alone if it is missing, and refuses one that others can change or
/// replace.
pub(crate) fn prepare(path: &Path) -> Result<(), Error> {
    create(path)?;
    check(path)
}

/// Creates a directory, and those above it that are missing, for this user alone.
pub(crate) fn create(path: &Path) -> Result<(), Error> {
    #[cfg_attr(not(unix), expect(unused_mut))]
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let parent = path.parent().ok_or(error);
            create(parent.map_err(Error::io("create", path))?)?;
            builder.create(path).or_else(|error| match error.kind() {
                // Another process has just created it.
                io::ErrorKind::AlreadyExists => Ok(()),
                _ => Err(Error::io("create", path)(error)),
            })
        }
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(Error::io("create", path)(error))
        }
        _ => Ok(()),
    }
}

/// Refuses a directory that others can change or replace.
#[cfg(unix)]
pub(crate) fn check(path: &Path) -> Result<(), Error> {
    way::check(path)?;
    let metadata = fs::metadata(path).map_err(Error::io("read", path))?;
    way::check_own(path, &metadata)
}

/// Checks a directory within a private one before it is used. If its mode lets others use it, the
/// mode is corrected, provided that nobody else can have changed anything in it: earlier versions
/// used the modes that the umask gave.
///
/// # Errors
/// [`Error::CacheNotPrivate`] if somebody else can have changed it.
#[cfg(unix)]
pub(crate) fn claim(path: &Path, within: &Path) -> Result<(), Error> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    let metadata = fs::symlink_metadata(path).map_err(Error::io("read", path))?;
    if metadata.is_dir() && metadata.mode() & 0o077 == 0 {
        return way::check_own(path, &metadata);
    }
    let outer = fs::metadata(within).map_err(Error::io("read", within))?;
    // Without the right to search the outer directory, nobody else could reach this one.
    match outer.mode() & 0o011 == 0 {
        true => way::check_owner(path, &metadata)?,
        false => way::check_tree(path, &metadata)?,
    }
    // A failure is harmless, for example in a read-only cache.
    let _ = fs::set_permissions(path, fs::Permissions::from_mode(0o700));
    Ok(())
}

/// Opens a file for reading that nobody else can have changed. It checks the open file, not its
/// name.
#[cfg(unix)]
pub fn open(path: &Path) -> Result<File, Error> {
    use std::os::unix::fs::OpenOptionsExt;

    let mut options = fs::OpenOptions::new();
    options.read(true);
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    options.custom_flags(flags.bits().cast_signed());
    let file = match options.open(path) {
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
            return Err(way::refusal(
                path,
                path,
                "it is a symbolic link".into(),
                "Remove it".into(),
            ));
        }
        opened => opened.map_err(Error::io("open", path))?,
    };
    let metadata = file.metadata().map_err(Error::io("read", path))?;
    way::check_file(path, &metadata)?;
    Ok(file)
}

/// Reads a file that nobody else can have changed.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let read = open(path)?.read_to_end(&mut bytes);
    read.map_err(Error::io("read", path))?;
    Ok(bytes)
}

/// Denies everybody else a file or directory that was just made.
#[cfg(unix)]
pub(crate) fn close_off(made: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;

    let mode = if made.metadata()?.is_dir() {
        0o700
    } else {
        0o600
    };
    made.set_permissions(fs::Permissions::from_mode(mode))
}

/// On other platforms the user's own directories are private by inherited access rules.
#[cfg(not(unix))]
pub(crate) fn check(path: &Path) -> Result<(), Error> {
    let metadata = fs::metadata(path).map_err(Error::io("read", path))?;
    if metadata.is_dir() {
        return Ok(());
    }
    Err(Error::CacheNotPrivate {
        path: path.to_path_buf(),
        problem: "it is not a directory".into(),
        remedy: "Move that file away".into(),
    })
}

#[cfg(not(unix))]
pub(crate) fn claim(path: &Path, _within: &Path) -> Result<(), Error> {
    check(path)
}

#[cfg(not(unix))]
pub(crate) fn open(path: &Path) -> Result<File, Error> {
    File::open(path).map_err(Error::io("open", path))
}

#[cfg(not(unix))]
pub(crate) fn close_off(_made: &File) -> io::Result<()> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests;
