//! Copies a tree, for the fork of a sandbox.

use std::collections::HashSet;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, SeekFrom, Stat};
use rustix::io::Errno;

use super::quota::{Quota, Usage};
use super::tree::{self, Identity, Visitor, identity, kind, open_dir, size};

/// Bytes that are copied at a time.
const BUFFER: usize = 256 << 10;

/// Copies what is below `from` to `to`, counting it in `quota` before a byte is written. Files stay
/// sparse, and a file with several names stays one file. `beside` makes an empty directory on the same
/// file system, which keeps a name of each such file during the copy; it is called at most once.
///
/// # Errors
///
/// If the quota is too small, or a file can't be read or written.
pub(super) fn copy_tree(
    from: impl AsFd,
    to: impl AsFd,
    beside: &mut dyn FnMut() -> io::Result<OwnedFd>,
    quota: &mut Quota,
) -> io::Result<()> {
    let mut copy = Copy {
        to: open_dir(to, c".")?,
        above: None,
        beside: Beside {
            make: beside,
            made: None,
        },
        linked: HashSet::new(),
        quota,
    };
    let done = tree::walk(from, &mut copy);
    for one in &copy.linked {
        fs::unlinkat(copy.beside.get()?, name_of(*one), AtFlags::empty())?;
    }
    done
}

struct Copy<'a> {
    /// The copy of the directory that the walk is in.
    to: OwnedFd,
    /// The one above it, until the walk goes deeper.
    above: Option<OwnedFd>,
    beside: Beside<'a>,
    /// Files with several names that have a name in `beside`.
    linked: HashSet<Identity>,
    quota: &'a mut Quota,
}

/// Most trees have no file with several names.
struct Beside<'a> {
    make: &'a mut dyn FnMut() -> io::Result<OwnedFd>,
    made: Option<OwnedFd>,
}

impl Beside<'_> {
    fn get(&mut self) -> io::Result<BorrowedFd<'_>> {
        let made = match self.made.take() {
            Some(made) => made,
            None => (self.make)()?,
        };
        let made: &OwnedFd = self.made.insert(made);
        Ok(made.as_fd())
    }
}

impl Visitor for Copy<'_> {
    fn entry(&mut self, at: BorrowedFd<'_>, name: &CStr, stat: &Stat, _: usize) -> io::Result<()> {
        let entry = Usage {
            bytes: 0,
            entries: 1,
        };
        self.quota.reserve(entry)?;
        match kind(stat) {
            // The copy is made on entering: the directory may have vanished by then.
            FileType::Directory => Ok(()),
            FileType::RegularFile if self.linked.contains(&identity(stat)) => {
                let known = name_of(identity(stat));
                Ok(fs::linkat(
                    self.beside.get()?,
                    known,
                    &self.to,
                    name,
                    AtFlags::empty(),
                )?)
            }
            FileType::RegularFile => self.file(at, name),
            FileType::Symlink => {
                let target = fs::readlinkat(at, name, Vec::new())?;
                Ok(fs::symlinkat(&target, &self.to, name)?)
            }
            // A guest can make no other types.
            _ => Ok(()),
        }
    }

    fn enter(&mut self, name: &CStr) -> io::Result<()> {
        fs::mkdirat(&self.to, name, Mode::RWXU | Mode::from_raw_mode(0o055))?;
        let entered = open_dir(&self.to, name)?;
        self.above = Some(std::mem::replace(&mut self.to, entered));
        Ok(())
    }

    fn leave(&mut self) -> io::Result<()> {
        self.to = match self.above.take() {
            Some(above) => above,
            None => open_dir(&self.to, c"..")?,
        };
        Ok(())
    }
}

impl Copy<'_> {
    fn file(&mut self, at: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let from: File = match fs::openat(at, name, flags, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(()),
            opened => opened?.into(),
        };
        let stat = fs::fstat(&from)?;
        if kind(&stat) != FileType::RegularFile {
            return Ok(());
        }
        let bytes = size(&stat);
        self.quota.reserve(Usage { bytes, entries: 0 })?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(stat.st_mode & 0o777) | Mode::RUSR | Mode::WUSR;
        let to: File = fs::openat(&self.to, name, flags, mode)?.into();
        copy_file(&from, &to, bytes)?;
        if stat.st_nlink > 1 && self.linked.insert(identity(&stat)) {
            let known = name_of(identity(&stat));
            let beside = self.beside.get()?;
            fs::linkat(&self.to, name, beside, known, AtFlags::empty())?;
        }
        Ok(())
    }
}

/// The name in `beside` of a file with several names.
fn name_of((device, inode): Identity) -> CString {
    CString::new(format!("link-{device}-{inode}")).expect("no NUL")
}

/// Copies the first `length` bytes, and leaves holes as holes.
fn copy_file(from: &File, to: &File, length: u64) -> io::Result<()> {
    // Some file systems can share the blocks.
    #[cfg(target_os = "linux")]
    if fs::ioctl_ficlone(to, from).is_ok() {
        return to.set_len(length);
    }
    let mut buffer = vec![0; usize::try_from(length).map_or(BUFFER, |n| n.min(BUFFER))];
    let mut position = 0;
    while position < length {
        position = match fs::seek(from, SeekFrom::Data(position)) {
            Ok(data) => data,
            // The rest is a hole.
            Err(Errno::NXIO) => break,
            Err(error) => return Err(error.into()),
        };
        let hole = fs::seek(from, SeekFrom::Hole(position))?.min(length);
        while position < hole {
            let wanted = usize::try_from(hole - position).map_or(BUFFER, |n| n.min(BUFFER));
            let read = from.read_at(&mut buffer[..wanted], position)?;
            if read == 0 {
                // The file was shortened meanwhile.
                return to.set_len(length);
            }
            to.write_all_at(&buffer[..read], position)?;
            position += read as u64;
        }
    }
    to.set_len(length)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;

    use super::*;
    use crate::disk::DiskLimits;
    use crate::disk::tree::tests::{nest, remove};

    fn copy(from: &Path, to: &Path, limits: DiskLimits) -> io::Result<Usage> {
        let beside = tempfile::tempdir_in(to.parent().unwrap()).unwrap();
        let mut quota = Quota::new(limits);
        let open = |path: &Path| File::open(path).unwrap();
        copy_tree(
            open(from),
            open(to),
            &mut || Ok(open(beside.path()).into()),
            &mut quota,
        )?;
        assert_eq!(std::fs::read_dir(beside.path()).unwrap().count(), 0);
        Ok(quota.used())
    }

    #[test]
    fn a_copy_is_as_sparse_and_as_linked_as_its_original() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (from, to) = (from.path(), to.path());
        let sparse = File::create(from.join("sparse")).unwrap();
        sparse.set_len(512 << 20).unwrap();
        sparse.write_all_at(b"middle", 100 << 20).unwrap();
        std::fs::create_dir_all(from.join("a/b")).unwrap();
        std::fs::write(from.join("a/one"), b"shared").unwrap();
        std::fs::hard_link(from.join("a/one"), from.join("a/b/two")).unwrap();
        std::fs::hard_link(from.join("a/one"), from.join("three")).unwrap();
        std::os::unix::fs::symlink("../a", from.join("a/link")).unwrap();

        let used = copy(from, to, DiskLimits::default()).unwrap();

        assert_eq!((used.bytes, used.entries), ((512 << 20) + 6, 7));
        let copied = std::fs::metadata(to.join("sparse")).unwrap();
        assert_eq!(copied.len(), 512 << 20);
        assert!(
            copied.blocks() * 512 < 1 << 20,
            "{} blocks",
            copied.blocks()
        );
        let mut middle = [0; 8];
        let file = File::open(to.join("sparse")).unwrap();
        file.read_exact_at(&mut middle, (100 << 20) - 1).unwrap();
        assert_eq!(&middle, b"\0middle\0");
        let inode = |name| std::fs::metadata(to.join(name)).unwrap().ino();
        assert_eq!(inode("a/one"), inode("a/b/two"));
        assert_eq!(inode("a/one"), inode("three"));
        assert_eq!(std::fs::read(to.join("three")).unwrap(), b"shared");
        assert_eq!(
            std::fs::read_link(to.join("a/link")).unwrap(),
            Path::new("../a")
        );
    }

    #[test]
    fn a_copy_at_any_depth_takes_no_stack() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (from, to) = (from.path().to_owned(), to.path().to_owned());
        nest(&from, 5000);
        let thread = std::thread::Builder::new().stack_size(256 << 10);
        let copying = thread.spawn(move || {
            let used = copy(&from, &to, DiskLimits::default()).unwrap();
            remove(&from);
            remove(&to);
            used.entries
        });
        assert_eq!(copying.unwrap().join().unwrap(), 5000);
    }

    #[test]
    fn a_size_is_checked_before_a_byte_is_written() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let sparse = File::create(from.path().join("sparse")).unwrap();
        sparse.set_len(1 << 40).unwrap();
        let error = copy(from.path(), to.path(), DiskLimits::default()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::QuotaExceeded);
        assert!(!to.path().join("sparse").exists());
    }
}
