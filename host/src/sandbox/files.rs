//! The sandbox's own files: a private directory that the guest sees as `/`, and what is mounted
//! in it.
//!
//! A guest can make symbolic links; the host follows none out of a directory, because everything
//! here goes through `cap-std`.

use std::io;
use std::path::{Component, Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use tempfile::TempDir;

/// Whether a mounted directory may be written to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DirAccess {
    /// The guest can read what is there.
    ReadOnly,
    /// The guest can change, add and delete.
    ReadWrite,
}

/// A directory of the host that the guest sees.
#[derive(Clone, Debug)]
pub(super) struct Mount {
    pub(super) host: PathBuf,
    pub(super) guest: String,
    pub(super) access: DirAccess,
}

/// The private directory.
pub(super) struct Root {
    directory: TempDir,
}

impl Root {
    /// An empty one, with the directories that a program expects.
    pub(super) fn new() -> io::Result<Self> {
        let directory = tempfile::Builder::new().prefix("sandbox-net-").tempdir()?;
        for name in ["home", "tmp", "run"] {
            std::fs::create_dir(directory.path().join(name))?;
        }
        Ok(Self { directory })
    }

    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// A copy that shares nothing with this one.
    pub(super) fn copy(&self) -> io::Result<Self> {
        let directory = tempfile::Builder::new().prefix("sandbox-net-").tempdir()?;
        let from = open(self.path())?;
        let to = open(directory.path())?;
        copy_tree(&from, &to)?;
        Ok(Self { directory })
    }
}

/// Reads the file that the guest sees at `path`.
pub(super) fn read(root: &Root, mounts: &[Mount], path: &str) -> io::Result<Vec<u8>> {
    let (directory, path, _) = locate(root, mounts, path)?;
    directory.read(path)
}

/// Writes the file that the guest sees at `path`, with the directories above it.
pub(super) fn write(root: &Root, mounts: &[Mount], path: &str, bytes: &[u8]) -> io::Result<()> {
    let (directory, path, access) = locate(root, mounts, path)?;
    if access == DirAccess::ReadOnly {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "the directory is mounted read-only",
        ));
    }
    if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
        directory.create_dir_all(parent)?;
    }
    directory.write(path, bytes)
}

/// The directory that `path` is in: the mount with the longest matching name, or the root.
fn locate(root: &Root, mounts: &[Mount], path: &str) -> io::Result<(Dir, PathBuf, DirAccess)> {
    let path = Path::new(path);
    if !path.is_absolute() || path.components().any(|c| c == Component::ParentDir) {
        let fault = "the path of a guest's file is absolute and has no `..`";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, fault));
    }
    let within = mounts.iter().filter(|m| path.starts_with(&m.guest));
    let mount = within.max_by_key(|m| Path::new(&m.guest).components().count());
    let (host, rest, access) = match mount {
        Some(mount) => (
            mount.host.as_path(),
            path.strip_prefix(&mount.guest).unwrap_or(path),
            mount.access,
        ),
        None => (
            root.path(),
            path.strip_prefix("/").unwrap_or(path),
            DirAccess::ReadWrite,
        ),
    };
    Ok((open(host)?, rest.to_path_buf(), access))
}

fn open(path: &Path) -> io::Result<Dir> {
    Dir::open_ambient_dir(path, ambient_authority())
}

fn copy_tree(from: &Dir, to: &Dir) -> io::Result<()> {
    for entry in from.entries()? {
        let entry = entry?;
        let name = entry.file_name();
        let kind = entry.file_type()?;
        if kind.is_dir() {
            to.create_dir(&name)?;
            copy_tree(&entry.open_dir()?, &to.open_dir(&name)?)?;
        } else if kind.is_symlink() {
            #[cfg(unix)]
            to.symlink(from.read_link(&name)?, &name)?;
        } else if kind.is_file() {
            from.copy(&name, to, &name)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbolic_link_leads_nowhere_out_of_the_sandbox() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret"), "s3cret").unwrap();
        let root = Root::new().unwrap();
        std::os::unix::fs::symlink(outside.path().join("secret"), root.path().join("home/link"))
            .unwrap();
        std::os::unix::fs::symlink(outside.path(), root.path().join("home/dir")).unwrap();
        assert!(read(&root, &[], "/home/link").is_err());
        assert!(read(&root, &[], "/home/dir/secret").is_err());
        assert!(write(&root, &[], "/home/dir/new", b"x").is_err());
        assert!(!outside.path().join("new").exists());
        // The positive control: a link that stays inside is followed.
        std::fs::write(root.path().join("home/inside"), "yes").unwrap();
        std::os::unix::fs::symlink("inside", root.path().join("home/ok")).unwrap();
        assert_eq!(read(&root, &[], "/home/ok").unwrap(), b"yes");
    }

    #[test]
    fn a_path_is_found_in_the_innermost_mount() {
        let (outer, inner) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mount = |host: &TempDir, guest: &str, access| Mount {
            host: host.path().to_path_buf(),
            guest: guest.to_owned(),
            access,
        };
        let mounts = [
            mount(&outer, "/data", DirAccess::ReadOnly),
            mount(&inner, "/data/in", DirAccess::ReadWrite),
        ];
        let root = Root::new().unwrap();
        write(&root, &mounts, "/data/in/a/b", b"1").unwrap();
        assert_eq!(std::fs::read(inner.path().join("a/b")).unwrap(), b"1");
        let refused = write(&root, &mounts, "/data/c", b"1").unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
        write(&root, &mounts, "/database", b"2").unwrap();
        assert_eq!(std::fs::read(root.path().join("database")).unwrap(), b"2");
        for path in ["relative", "/home/../etc/passwd"] {
            let error = read(&root, &mounts, path).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        }
    }

    #[test]
    fn a_copy_shares_no_file_with_its_original() {
        let root = Root::new().unwrap();
        write(&root, &[], "/home/deep/file", b"before").unwrap();
        let copy = root.copy().unwrap();
        write(&root, &[], "/home/deep/file", b"after").unwrap();
        assert_eq!(read(&copy, &[], "/home/deep/file").unwrap(), b"before");
    }
}
