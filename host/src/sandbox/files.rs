//! The sandbox's own files: a private directory that the guest sees as `/`, and what is mounted
//! in it.
//!
//! A guest can make symbolic links; the host follows none out of a directory, because everything
//! here goes through `cap-std`.

use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use tempfile::TempDir;
use wasmtime_wasi::FsPerms;

use super::script_file::SCRIPTS;
use crate::python::Preopen;

/// Whether a mounted directory may be written to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DirAccess {
    /// The guest can read what is there.
    ReadOnly,
    /// The guest can change, add and delete.
    ReadWrite,
}

impl DirAccess {
    pub(super) fn perms(self) -> FsPerms {
        match self {
            Self::ReadOnly => FsPerms::ReadOnly,
            Self::ReadWrite => FsPerms::ReadWrite,
        }
    }
}

/// The private directory: what the guest sees as `/`, and beside it, out of the guest's reach, a
/// directory for every run that has a script.
pub(super) struct Root {
    /// Removed with this.
    _directory: TempDir,
    /// The same directory, open.
    own: Dir,
    files: Preopen,
    scripts: AtomicU64,
}

/// The guest's `/` within the private directory.
const FILES: &str = "files";

impl Root {
    /// An empty one, with the directories that a program expects.
    pub(super) fn new() -> io::Result<Self> {
        let root = Self::empty()?;
        let files = root.files.dir()?;
        for name in ["home", "tmp"] {
            files.create_dir(name)?;
        }
        Ok(root)
    }

    fn empty() -> io::Result<Self> {
        let directory = tempfile::Builder::new().prefix("sandbox-net-").tempdir()?;
        let own = Dir::open_ambient_dir(directory.path(), ambient_authority())?;
        own.create_dir(FILES)?;
        let files = Preopen::new(own.open_dir(FILES)?, "/", FsPerms::ReadWrite);
        Ok(Self {
            _directory: directory,
            own,
            files,
            scripts: AtomicU64::new(0),
        })
    }

    /// What the guest sees as `/`.
    pub(super) fn files(&self) -> &Preopen {
        &self.files
    }

    /// A new directory for the script of one run, beside what the guest sees; its name, to
    /// [remove](Self::remove_script_directory) it with.
    pub(super) fn make_script_directory(&self) -> io::Result<(String, Dir)> {
        let number = self.scripts.fetch_add(1, Ordering::Relaxed);
        let name = format!("script-{number}");
        self.own.create_dir(&name)?;
        let dir = self.own.open_dir(&name)?;
        Ok((name, dir))
    }

    pub(super) fn remove_script_directory(&self, name: &str) -> io::Result<()> {
        self.own.remove_dir_all(name)
    }

    /// A copy that shares nothing with this one.
    pub(super) fn copy(&self) -> io::Result<Self> {
        let copy = Self::empty()?;
        copy_tree(&self.files.dir()?, &copy.files.dir()?)?;
        Ok(copy)
    }
}

/// Reads the file that the guest sees at `path`.
pub(super) fn read(root: &Root, mounts: &[Preopen], path: &str) -> io::Result<Vec<u8>> {
    let (directory, path) = locate(root, mounts, path)?;
    directory.dir()?.read(path)
}

/// Writes the file that the guest sees at `path`, with the directories above it.
pub(super) fn write(root: &Root, mounts: &[Preopen], path: &str, bytes: &[u8]) -> io::Result<()> {
    let (directory, path) = locate(root, mounts, path)?;
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
    directory.write(path, bytes)
}

/// The directory that `path` is in: the mount with the longest matching name, or the root.
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
    let directory = mount.unwrap_or(&root.files);
    let rest = path.strip_prefix(directory.guest()).unwrap_or(path);
    Ok((directory, rest.to_path_buf()))
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

    /// What the guest sees as `/`, for the host.
    fn guest(root: &Root) -> PathBuf {
        root._directory.path().join(FILES)
    }

    #[test]
    fn a_symbolic_link_leads_nowhere_out_of_the_sandbox() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret"), "s3cret").unwrap();
        let root = Root::new().unwrap();
        std::os::unix::fs::symlink(
            outside.path().join("secret"),
            guest(&root).join("home/link"),
        )
        .unwrap();
        std::os::unix::fs::symlink(outside.path(), guest(&root).join("home/dir")).unwrap();
        assert!(read(&root, &[], "/home/link").is_err());
        assert!(read(&root, &[], "/home/dir/secret").is_err());
        assert!(write(&root, &[], "/home/dir/new", b"x").is_err());
        assert!(!outside.path().join("new").exists());
        // The positive control: a link that stays inside is followed.
        std::fs::write(guest(&root).join("home/inside"), "yes").unwrap();
        std::os::unix::fs::symlink("inside", guest(&root).join("home/ok")).unwrap();
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
        let root = Root::new().unwrap();
        write(&root, &mounts, "/data/in/a/b", b"1").unwrap();
        assert_eq!(std::fs::read(inner.path().join("a/b")).unwrap(), b"1");
        let refused = write(&root, &mounts, "/data/c", b"1").unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
        write(&root, &mounts, "/database", b"2").unwrap();
        assert_eq!(std::fs::read(guest(&root).join("database")).unwrap(), b"2");
        for path in ["relative", "/home/../etc/passwd", "/run", "/run/agent.py"] {
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
