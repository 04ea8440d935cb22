//! Removes a tree of any depth, with three descriptors and no recursion.
//!
//! A directory that is not empty is moved to the top before its contents are removed. So every path
//! has two names at most, however deep the tree was.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{self, AtFlags, Dir, FileType, Mode};
use rustix::io::Errno;

use super::tree::{kind, open_dir};

/// How often a directory is emptied that fills up again meanwhile.
const ROUNDS: usize = 16;

/// Removes everything in `top` except `keep`, at most `most` entries.
///
/// # Errors
///
/// If something can't be removed, or more than `most` entries are there. Everything else is removed
/// nevertheless.
pub(crate) fn remove_contents(top: impl AsFd, keep: &CStr, most: u64) -> io::Result<()> {
    remove_with(top, keep, most, |at, name, flags| {
        fs::unlinkat(at, name, flags)
    })
}

/// How a name is removed.
type Unlink = fn(BorrowedFd<'_>, &CStr, AtFlags) -> Result<(), Errno>;

fn remove_with(top: impl AsFd, keep: &CStr, most: u64, unlink: Unlink) -> io::Result<()> {
    let mut remover = Remover {
        top: Arc::new(open_dir(top, c".")?),
        keep,
        left: most,
        moved: 0,
        unlink,
        failed: 0,
        failure: None,
    };
    loop {
        let before = remover.left;
        let (seen, stays) = remover.pass()?;
        if seen == 0 {
            return Ok(());
        }
        if remover.left == before || stays == seen {
            return Err(remover.why());
        }
    }
}

struct Remover<'a> {
    top: Arc<OwnedFd>,
    keep: &'a CStr,
    left: u64,
    /// Number of directories that were moved up; it makes their names.
    moved: u64,
    unlink: Unlink,
    /// How many entries the last pass could not remove, and the error of the first one.
    failed: u64,
    failure: Option<io::Error>,
}

impl Remover<'_> {
    /// Goes over the entries of the top directory; returns their number, and how many of them stay.
    fn pass(&mut self) -> io::Result<(u64, u64)> {
        let (mut seen, mut stays) = (0, 0);
        (self.failed, self.failure) = (0, None);
        for entry in Dir::read_from(&self.top)? {
            let entry = entry?;
            let name = entry.file_name();
            if [c".", c"..", self.keep].contains(&name) {
                continue;
            }
            seen += 1;
            match self.remove(name, entry.file_type()) {
                Ok(true) => {}
                Ok(false) => stays += 1,
                Err(error) => {
                    self.note(error)?;
                    stays += 1;
                }
            }
        }
        Ok((seen, stays))
    }

    /// Continues after a failure, unless no more may be removed.
    fn note(&mut self, error: io::Error) -> io::Result<()> {
        if self.left == 0 {
            return Err(error);
        }
        self.failed += 1;
        self.failure.get_or_insert(error);
        Ok(())
    }

    /// The first failure, with the number of the others.
    fn why(self) -> io::Error {
        match (self.failure, self.failed) {
            (None, _) => io::Error::other("it fills up again meanwhile"),
            (Some(error), 0 | 1) => error,
            (Some(error), failed) => {
                let others = failed - 1;
                io::Error::new(
                    error.kind(),
                    format!("{error}, and {others} more can't be removed"),
                )
            }
        }
    }

    /// Returns whether it is gone; if not, something in it stays.
    fn remove(&mut self, name: &CStr, kind: FileType) -> io::Result<bool> {
        let top = Arc::clone(&self.top);
        if kind != FileType::Directory && !is_directory(&top, name, kind) {
            return self.unlink(&top, name, AtFlags::empty()).map(|()| true);
        }
        for _ in 0..ROUNDS {
            match self.unlink(&top, name, AtFlags::REMOVEDIR) {
                Err(error) if is_not_empty(&error) => {
                    if !self.empty(name)? {
                        return Ok(false);
                    }
                }
                done => return done.map(|()| true),
            }
        }
        Err(io::Error::other("it fills up again meanwhile"))
    }

    /// Removes the files in the directory `name`, and moves its directories up; returns whether it is
    /// empty now.
    fn empty(&mut self, name: &CStr) -> io::Result<bool> {
        let directory = match open_dir(&self.top, name) {
            // It was made under a umask that keeps even its owner out.
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
        let mut is_empty = true;
        let mut directory = Dir::new(directory)?;
        while let Some(entry) = directory.read() {
            let entry = entry?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            if let Err(error) = self.take_out(directory.fd()?, name, entry.file_type()) {
                self.note(error)?;
                is_empty = false;
            }
        }
        Ok(is_empty)
    }

    /// Removes a file or an empty directory, and moves every other directory up.
    fn take_out(&mut self, from: BorrowedFd<'_>, name: &CStr, kind: FileType) -> io::Result<()> {
        if !is_directory(from, name, kind) {
            return self.unlink(from, name, AtFlags::empty());
        }
        match self.unlink(from, name, AtFlags::REMOVEDIR) {
            Err(error) if is_not_empty(&error) => self.move_up(from, name),
            done => done,
        }
    }

    fn move_up(&mut self, from: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
        loop {
            let fresh = CString::new(format!("moved-{}", self.moved)).expect("no NUL");
            self.moved += 1;
            match fs::renameat(from, name, &*self.top, &fresh) {
                // An interrupted clean-up left this name.
                Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR) => {}
                done => return Ok(done?),
            }
        }
    }

    fn unlink(&mut self, at: impl AsFd, name: &CStr, flags: AtFlags) -> io::Result<()> {
        if self.left == 0 {
            return Err(io::Error::other("more is left than is removed at a time"));
        }
        match (self.unlink)(at.as_fd(), name, flags) {
            Ok(()) | Err(Errno::NOENT) => self.left -= 1,
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

fn is_directory(at: impl AsFd, name: &CStr, told: FileType) -> bool {
    match told {
        // Some file systems do not report the type.
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
        // This is far less than the 2 MiB of a thread: the depth costs no stack at all.
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
            // An interrupted clean-up may leave these.
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

    #[test]
    fn what_cannot_be_removed_stays_alone_and_is_counted() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        for number in 0..50 {
            let one = at.join(format!("{number}"));
            std::fs::create_dir_all(one.join("a/b")).unwrap();
            for name in ["first", "a/b/second", "third"] {
                std::fs::write(one.join(name), "").unwrap();
            }
        }
        let top = File::open(at).unwrap();
        for (files, said) in [(3, ", and 2 more can't be removed"), (1, "")] {
            std::fs::create_dir_all(at.join("7/a/b")).unwrap();
            for number in 0..files {
                std::fs::write(at.join(format!("7/a/b/stays-{number}")), "").unwrap();
            }
            std::fs::write(at.join("7/a/b/goes"), "").unwrap();
            let error = remove_with(&top, c"", u64::MAX, |at, name, flags| {
                match name.to_bytes().starts_with(b"stays") {
                    true => Err(Errno::PERM),
                    false => fs::unlinkat(at, name, flags),
                }
            });
            let error = error.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{error}");
            let text = error.to_string();
            assert!(text.starts_with("Operation not permitted"), "{text}");
            assert!(text.ends_with(said), "{text}");
            // All but those and their directory.
            let [left] = &names(at)[..] else {
                panic!("{:?}", names(at));
            };
            assert_eq!(names(&at.join(left)).len(), files);
            remove_contents(&top, c"", u64::MAX).unwrap();
            assert_eq!(names(at), [""; 0]);
        }
    }
}
