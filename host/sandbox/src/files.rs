//! The sandbox's own files: a private directory that the guest sees as `/`, and what is mounted in
//! it.
//!
//! A guest can make symbolic links. The host follows none out of a directory, because everything
//! here goes through `cap-std`.

use std::io;
use std::path::{Component, Path, PathBuf};

use wasmtime_wasi::FsPerms;

use crate::engine::Preopen;
use crate::reading::{read_up_to, write_in};
use crate::root::Root;
use crate::script_file::SCRIPTS;

/// Whether a mounted directory may be written to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DirAccess {
    /// The guest can read what is there.
    ReadOnly,
    /// The guest can change, add and delete.
    ReadWrite,
}

impl DirAccess {
    pub(crate) fn perms(self) -> FsPerms {
        match self {
            Self::ReadOnly => FsPerms::ReadOnly,
            Self::ReadWrite => FsPerms::ReadWrite,
        }
    }
}

/// Reads the file that the guest sees at `path`, of at most `most` bytes.
pub(crate) fn read(root: &Root, mounts: &[Preopen], path: &str, most: u64) -> io::Result<Vec<u8>> {
    let (directory, path) = locate(root, mounts, path)?;
    read_up_to(&directory.dir()?, &path, most)
}

/// Writes the file that the guest sees at `path`, and makes the directories above it.
pub(crate) fn write(root: &Root, mounts: &[Preopen], path: &str, bytes: &[u8]) -> io::Result<()> {
    let (directory, path) = locate(root, mounts, path)?;
    if let Some(disk) = directory.disk() {
        return disk.write_file(&path, bytes);
    }
    if !directory.is_writable() {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "the directory is mounted read-only",
        ));
    }
    let directory = directory.dir()?;
    if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
        directory.create_dir_all(parent)?;
    }
    write_in(&directory, &path, bytes)
}

/// The directory that contains `path`: the mount with the longest matching name, or the root.
fn locate<'a>(
    root: &'a Root,
    mounts: &'a [Preopen],
    path: &str,
) -> io::Result<(&'a Preopen, PathBuf)> {
    let path = Path::new(path);
    if !path.is_absolute() || path.components().any(|c| c == Component::ParentDir) {
        let fault = "the path of a guest's file is absolute and has no `..`";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, fault));
    }
    if path.starts_with(SCRIPTS) {
        let fault = "the directory holds the script of one run at a time and nothing else: use \
                     another, such as /home";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, fault));
    }
    let within = mounts.iter().filter(|m| path.starts_with(m.guest()));
    let mount = within.max_by_key(|m| Path::new(m.guest()).components().count());
    let directory = mount.unwrap_or(root.files());
    let rest = path.strip_prefix(directory.guest()).unwrap_or(path);
    Ok((directory, rest.to_path_buf()))
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::disk::DiskLimits;

    fn read(root: &Root, mounts: &[Preopen], path: &str) -> io::Result<Vec<u8>> {
        super::read(root, mounts, path, 100)
    }

    #[test]
    fn a_symbolic_link_leads_nowhere_out_of_the_sandbox() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret"), "s3cret").unwrap();
        let root = Root::new(DiskLimits::default()).unwrap();
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
        let mount = |host: &TempDir, guest: &str, access: DirAccess| {
            Preopen::open(host.path(), guest, access.perms()).unwrap()
        };
        let mounts = [
            mount(&outer, "/data", DirAccess::ReadOnly),
            mount(&inner, "/data/in", DirAccess::ReadWrite),
        ];
        let root = Root::new(DiskLimits::default()).unwrap();
        write(&root, &mounts, "/data/in/a/b", b"1").unwrap();
        assert_eq!(std::fs::read(inner.path().join("a/b")).unwrap(), b"1");
        let refused = write(&root, &mounts, "/data/c", b"1").unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
        write(&root, &mounts, "/database", b"2").unwrap();
        assert_eq!(std::fs::read(root.path().join("database")).unwrap(), b"2");
        for path in ["relative", "/home/../etc/passwd", "/run", "/run/agent.py"] {
            let error = read(&root, &mounts, path).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        }
    }

    #[test]
    fn a_copy_shares_no_file_with_its_original() {
        let root = Root::new(DiskLimits::default()).unwrap();
        write(&root, &[], "/home/deep/file", b"before").unwrap();
        let copy = root.copy().unwrap();
        write(&root, &[], "/home/deep/file", b"after").unwrap();
        assert_eq!(read(&copy, &[], "/home/deep/file").unwrap(), b"before");
    }
}
