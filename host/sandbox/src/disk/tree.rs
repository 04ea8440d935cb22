//! Walks over a tree that somebody else shapes, with a handful of descriptors at any depth.

use std::collections::HashSet;
use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{self, AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::quota::Usage;

/// Identifies a file or directory under all of its names.
pub(super) type Identity = (u64, u64);

#[expect(
    clippy::unnecessary_cast,
    reason = "the types differ between platforms"
)]
pub(super) fn identity(stat: &Stat) -> Identity {
    (stat.st_dev as u64, stat.st_ino as u64)
}

pub(super) fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// The size of a file; 0 for everything else.
pub(super) fn size(stat: &Stat) -> u64 {
    match kind(stat) {
        FileType::RegularFile => u64::try_from(stat.st_size).unwrap_or(0),
        _ => 0,
    }
}

/// Opens the directory `name` in `at`; does not follow a link.
pub(super) fn open_dir(at: impl AsFd, name: &CStr) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(fs::openat(at, name, flags, Mode::empty())?)
}

/// Is called for the entries of a tree.
pub(super) trait Visitor {
    /// Visits an entry of the directory `at`, `level` directories below the top. The walk enters a
    /// directory after it has visited all of its siblings.
    fn entry(
        &mut self,
        at: BorrowedFd<'_>,
        name: &CStr,
        stat: &Stat,
        level: usize,
    ) -> io::Result<()>;

    /// Is called when the walk enters `name`.
    fn enter(&mut self, _name: &CStr) -> io::Result<()> {
        Ok(())
    }

    /// Is called when the walk leaves the directory.
    fn leave(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A directory that the walk is in, and which of its entries are still to be entered.
struct Level {
    pending: Vec<CString>,
    /// Known once the walk has let its descriptor go.
    identity: Option<Identity>,
}

/// Visits everything below `top`. What vanishes meanwhile is skipped.
///
/// # Errors
///
/// The visitor's own, and if a directory was moved away while the walk was below it: the walk does
/// not follow `..` to anywhere else.
pub(super) fn walk(top: impl AsFd, visitor: &mut impl Visitor) -> io::Result<()> {
    let mut current = Dir::new(open_dir(top, c".")?)?;
    let mut levels = vec![list(&mut current, visitor, 0)?];
    // Most directories have none below them: the walk is back at once.
    let mut above: Option<Dir> = None;
    while let Some(level) = levels.last_mut() {
        if let Some(name) = level.pending.pop() {
            let entered = match open_dir(current.fd()?, &name) {
                Ok(directory) => Dir::new(directory)?,
                Err(error) if has_vanished(&error) => continue,
                Err(error) => return Err(error),
            };
            visitor.enter(&name)?;
            let left = above.replace(std::mem::replace(&mut current, entered));
            let depth = levels.len();
            if let Some(left) = left {
                levels[depth - 2].identity = Some(identity(&fs::fstat(left.fd()?)?));
            }
            levels.push(list(&mut current, visitor, depth)?);
            continue;
        }
        levels.pop();
        if let Some(parent) = levels.last() {
            visitor.leave()?;
            current = match above.take() {
                Some(above) => above,
                None => Dir::new(up(&current, parent)?)?,
            };
        }
    }
    Ok(())
}

/// Opens the directory above, if that is still the one that the walk came from.
fn up(from: &Dir, to: &Level) -> io::Result<OwnedFd> {
    let above = open_dir(from.fd()?, c"..")?;
    match Some(identity(&fs::fstat(&above)?)) == to.identity {
        true => Ok(above),
        false => Err(io::Error::other("a directory was moved meanwhile")),
    }
}

fn list(directory: &mut Dir, visitor: &mut impl Visitor, level: usize) -> io::Result<Level> {
    let mut pending = Vec::new();
    while let Some(entry) = directory.read() {
        let (entry, at) = (entry?, directory.fd()?);
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let stat = match fs::statat(at, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => continue,
            stat => stat?,
        };
        visitor.entry(at, name, &stat, level)?;
        if kind(&stat) == FileType::Directory {
            pending.push(name.to_owned());
        }
    }
    Ok(Level {
        pending,
        identity: None,
    })
}

fn has_vanished(error: &io::Error) -> bool {
    let gone = [Errno::NOENT, Errno::NOTDIR, Errno::LOOP];
    gone.iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

/// Measures what a tree holds, counting a file with several names once.
pub(super) fn measure(top: impl AsFd) -> io::Result<Usage> {
    let mut measured = Measured::default();
    walk(top, &mut measured)?;
    Ok(measured.usage)
}

#[derive(Default)]
struct Measured {
    usage: Usage,
    seen: HashSet<Identity>,
}

impl Visitor for Measured {
    fn entry(&mut self, _: BorrowedFd<'_>, _: &CStr, stat: &Stat, _: usize) -> io::Result<()> {
        self.usage.entries += 1;
        if stat.st_nlink == 1 || self.seen.insert(identity(stat)) {
            self.usage.bytes = self.usage.bytes.saturating_add(size(stat));
        }
        Ok(())
    }
}

/// Whether more than `most` directories are nested below `top`.
pub(super) fn is_deeper_than(most: usize, top: impl AsFd) -> io::Result<bool> {
    let mut deep = Deep { most, found: false };
    match walk(top, &mut deep) {
        _ if deep.found => Ok(true),
        result => result.map(|()| false),
    }
}

struct Deep {
    most: usize,
    found: bool,
}

impl Visitor for Deep {
    fn entry(&mut self, _: BorrowedFd<'_>, _: &CStr, stat: &Stat, level: usize) -> io::Result<()> {
        if kind(stat) == FileType::Directory && level >= self.most {
            self.found = true;
            // The result is known, so the walk can end.
            return Err(io::Error::other("deeper"));
        }
        Ok(())
    }
}

/// How many directories `directory` is below `top`, up to `most`; `None` beyond.
pub(super) fn level(directory: impl AsFd, top: Identity, most: usize) -> io::Result<Option<usize>> {
    let mut current = open_dir(directory, c".")?;
    for level in 0..=most {
        if identity(&fs::fstat(&current)?) == top {
            return Ok(Some(level));
        }
        current = open_dir(&current, c"..")?;
    }
    Ok(None)
}

#[cfg(test)]
pub(super) mod tests {
    use std::fs::File;
    use std::path::Path;

    use super::*;

    /// Nests directories this deep; the paths are too long to make them by name.
    pub(crate) fn nest(at: &Path, levels: usize) {
        let mut current: OwnedFd = File::open(at).unwrap().into();
        for _ in 0..levels {
            fs::mkdirat(&current, c"d", Mode::RWXU).unwrap();
            current = open_dir(&current, c"d").unwrap();
        }
    }

    #[test]
    fn a_tree_is_measured_at_any_depth_and_links_count_once() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        nest(at, 3000);
        std::fs::write(at.join("d/d/a"), [0; 100]).unwrap();
        std::fs::hard_link(at.join("d/d/a"), at.join("b")).unwrap();
        std::os::unix::fs::symlink("d", at.join("link")).unwrap();
        let top = File::open(at).unwrap();
        let usage = measure(&top).unwrap();
        assert_eq!((usage.bytes, usage.entries), (100, 3003));
        assert!(is_deeper_than(2999, &top).unwrap());
        assert!(!is_deeper_than(3000, &top).unwrap());
        let top_identity = identity(&fs::fstat(&top).unwrap());
        let deep = File::open(at.join("d/d/d")).unwrap();
        assert_eq!(level(&deep, top_identity, 3).unwrap(), Some(3));
        assert_eq!(level(&deep, top_identity, 2).unwrap(), None);
        remove(at);
    }

    /// Removes the tree; `tempfile` would recurse.
    pub(crate) fn remove(at: &Path) {
        crate::disk::remove_contents(File::open(at).unwrap(), c"", u64::MAX).unwrap();
    }

    #[test]
    fn a_walk_does_not_go_up_where_its_directory_was_moved_to() {
        struct Mover<'a>(&'a Path);
        impl Visitor for Mover<'_> {
            fn entry(&mut self, _: BorrowedFd<'_>, _: &CStr, _: &Stat, _: usize) -> io::Result<()> {
                Ok(())
            }

            fn enter(&mut self, name: &CStr) -> io::Result<()> {
                if name == c"innermost" {
                    std::fs::rename(self.0.join("outer/inner"), self.0.join("moved"))?;
                }
                Ok(())
            }
        }
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        std::fs::create_dir_all(at.join("top/outer/inner/innermost")).unwrap();
        let top = File::open(at.join("top")).unwrap();
        let error = walk(&top, &mut Mover(&at.join("top"))).unwrap_err();
        assert!(error.to_string().contains("moved meanwhile"), "{error}");
    }
}
