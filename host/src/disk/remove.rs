//! Removing a tree of any depth, with three descriptors and no recursion.
//!
//! A directory that is not empty is moved up to the top before it is looked into. So every path has
//! two names at most, however deep the tree was.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{self, AtFlags, Dir, FileType, Mode};
use rustix::io::Errno;

use super::tree::{kind, open_dir};

/// How often a directory that fills up again meanwhile is emptied.
const ROUNDS: usize = 16;

/// Removes everything in `top` but `keep`, and at most `most` entries.
///
/// # Errors
///
/// Where something can't be removed, or `most` were and more are left; what can be is removed all the
/// same.
pub(crate) fn remove_contents(top: impl AsFd, keep: &CStr, most: u64) -> io::Result<()> {
    let mut remover = Remover {
        top: open_dir(top, c".")?,
        keep,
        left: most,
        moved: 0,
        failure: None,
    };
    loop {
        let before = remover.left;
        let (seen, failed) = remover.pass()?;
        if seen == 0 {
            return Ok(());
        }
        if remover.left == before || failed == seen {
            return Err(remover
                .failure
                .unwrap_or_else(|| io::Error::other("it fills up again meanwhile")));
        }
    }
}

struct Remover<'a> {
    top: OwnedFd,
    keep: &'a CStr,
    left: u64,
    /// Directories that were moved up, for their names.
    moved: u64,
    failure: Option<io::Error>,
}

impl Remover<'_> {
    /// Goes over what is in the top directory; how much that was, and how much of it stays.
    fn pass(&mut self) -> io::Result<(u64, u64)> {
        let (mut seen, mut failed) = (0, 0);
        for entry in Dir::read_from(&self.top)? {
            let entry = entry?;
            let name = entry.file_name();
            if [c".", c"..", self.keep].contains(&name) {
                continue;
            }
            seen += 1;
            if let Err(error) = self.remove(name, entry.file_type()) {
                if self.left == 0 {
                    return Err(error);
                }
                self.failure.get_or_insert(error);
                failed += 1;
            }
        }
        Ok((seen, failed))
    }

    fn remove(&mut self, name: &CStr, kind: FileType) -> io::Result<()> {
        let top = self.top.try_clone()?;
        if kind != FileType::Directory && !is_directory(&top, name, kind) {
            return self.unlink(&top, name, AtFlags::empty());
        }
        for _ in 0..ROUNDS {
            match self.unlink(&top, name, AtFlags::REMOVEDIR) {
                Err(error) if is_not_empty(&error) => self.empty(name)?,
                done => return done,
            }
        }
        Err(io::Error::other("it fills up again meanwhile"))
    }

    /// Removes the files in the directory `name`, and moves its directories up.
    fn empty(&mut self, name: &CStr) -> io::Result<()> {
        let directory = match open_dir(&self.top, name) {
            // Made under a umask that keeps even its owner out.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                fs::chmodat(&self.top, name, Mode::RWXU, AtFlags::empty())?;
                open_dir(&self.top, name)?
            }
            opened => opened?,
        };
        let mode = Mode::from_raw_mode(fs::fstat(&directory)?.st_mode);
        if !mode.contains(Mode::RWXU) {
            fs::fchmod(&directory, Mode::RWXU)?;
        }
        for entry in Dir::read_from(&directory)? {
            let entry = entry?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            if !is_directory(&directory, name, entry.file_type()) {
                self.unlink(&directory, name, AtFlags::empty())?;
                continue;
            }
            match self.unlink(&directory, name, AtFlags::REMOVEDIR) {
                Err(error) if is_not_empty(&error) => self.move_up(&directory, name)?,
                done => done?,
            }
        }
        Ok(())
    }

    fn move_up(&mut self, from: &OwnedFd, name: &CStr) -> io::Result<()> {
        loop {
            let fresh = CString::new(format!("moved-{}", self.moved)).expect("no NUL");
            self.moved += 1;
            match fs::renameat(from, name, &self.top, &fresh) {
                // The name is one that an interrupted clean-up left.
                Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR) => {}
                done => return Ok(done?),
            }
        }
    }

    fn unlink(&mut self, at: &OwnedFd, name: &CStr, flags: AtFlags) -> io::Result<()> {
        if self.left == 0 {
            return Err(io::Error::other("more is left than is removed at a time"));
        }
        match fs::unlinkat(at, name, flags) {
            Ok(()) | Err(Errno::NOENT) => self.left -= 1,
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

fn is_directory(at: &OwnedFd, name: &CStr, told: FileType) -> bool {
    match told {
        // Some file systems do not tell.
        FileType::Unknown => fs::statat(at, name, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|stat| kind(&stat) == FileType::Directory),
        told => told == FileType::Directory,
    }
}

fn is_not_empty(error: &io::Error) -> bool {
    let full = [Errno::NOTEMPTY, Errno::EXIST];
    full.iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::path::Path;

    use super::*;
    use crate::disk::tree::tests::nest;

    fn names(at: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(at).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn fourteen_thousand_nested_directories_go_on_a_small_stack() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path().to_owned();
        nest(&at, 14_000);
        std::fs::write(at.join("keep"), "").unwrap();
        std::fs::write(at.join("d/d/file"), "").unwrap();
        // Far less than the 2 MiB of a thread: the depth costs no stack at all.
        let thread = std::thread::Builder::new().stack_size(128 << 10);
        let removing = thread.spawn(move || {
            remove_contents(File::open(&at).unwrap(), c"keep", u64::MAX).map(|()| names(&at))
        });
        assert_eq!(removing.unwrap().join().unwrap().unwrap(), ["keep"]);
    }

    #[test]
    fn wide_and_closed_directories_and_links_go_and_what_a_link_leads_to_stays() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("stays"), "").unwrap();
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        std::os::unix::fs::symlink(outside.path(), at.join("link")).unwrap();
        for number in 0..300 {
            let one = at.join(format!("{number}"));
            std::fs::create_dir_all(one.join("a/b")).unwrap();
            std::fs::write(one.join("a/b/file"), "").unwrap();
            // What an interrupted clean-up may have left.
            std::fs::create_dir_all(at.join(format!("moved-{number}/full"))).unwrap();
        }
        let closed = std::os::unix::fs::PermissionsExt::from_mode(0o0);
        std::fs::set_permissions(at.join("7/a"), closed).unwrap();
        remove_contents(File::open(at).unwrap(), c"", u64::MAX).unwrap();
        assert_eq!(names(at), [""; 0]);
        assert_eq!(names(outside.path()), ["stays"]);
    }

    #[test]
    fn a_bound_leaves_the_rest_for_the_next_time() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        nest(at, 40);
        let top = File::open(at).unwrap();
        let error = remove_contents(&top, c"", 30).unwrap_err();
        assert!(error.to_string().contains("at a time"), "{error}");
        remove_contents(&top, c"", 30).unwrap();
        assert_eq!(names(at), [""; 0]);
    }
}
