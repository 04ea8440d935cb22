//! Finds host paths that a guest could take over.
//!
//! A guest that may write to a directory decides what each name in it means, for this run and for later
//! ones: it can rename a directory and leave a symbolic link under the old name. So nothing that the host
//! looks up by name, now or in a later run, may be looked up in such a directory.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};

use crate::error::Error;

/// Links in one path after which the lookup gives up; the operating system refuses it then, too.
const LINKS: usize = 40;

/// A directory of the host that is mounted writable.
#[derive(Clone, Debug)]
pub(crate) struct Writable {
    /// As it was given, for messages.
    given: PathBuf,
    /// Without links.
    path: PathBuf,
    guest: String,
}

impl Writable {
    /// `path` has no links in it.
    pub(crate) fn new(given: &Path, path: PathBuf, guest: &str) -> Self {
        Self {
            given: given.to_path_buf(),
            path,
            guest: guest.to_owned(),
        }
    }

    /// Whether `directory`, a path without links, is this one or lies in it.
    fn holds(&self, directory: &Path) -> bool {
        directory
            .ancestors()
            .any(|ancestor| is_same(ancestor, &self.path))
    }

    /// Whether this is the directory mounted at `guest`.
    pub(crate) fn is_at(&self, guest: &str) -> bool {
        self.guest == guest
    }

    fn refusal(&self, path: &Path, what: &str, how: &'static str) -> Error {
        Error::Exposed {
            what: what.to_owned(),
            path: path.to_path_buf(),
            how,
            directory: self.given.clone(),
            guest: self.guest.clone(),
        }
    }
}

/// Refuses `path`, which messages call `what`, if a guest decides what it leads to.
///
/// # Errors
///
/// [`Error::Exposed`], and [`Error::File`] if the working directory is gone.
pub(crate) fn check(writable: &[Writable], path: &Path, what: &str) -> Result<(), Error> {
    let way = way(path, what)?;
    for directory in writable {
        // If the path ends in a directory, names in it are looked up later.
        let is_within = directory.holds(&way.end);
        let how = match is_same(&way.end, &directory.path) {
            true => "is",
            false if is_within => "lies in",
            false => "is reached through",
        };
        if is_within || way.directories.iter().any(|one| directory.holds(one)) {
            return Err(directory.refusal(path, what, how));
        }
    }
    Ok(())
}

/// Refuses the mount of `host` at `guest` as [`check`] does. It may itself be one of the writable ones,
/// but must not lead through itself.
pub(crate) fn check_mount(writable: &[Writable], host: &Path, guest: &str) -> Result<(), Error> {
    let what = format!("the mount at {guest}");
    let (own, others): (Vec<_>, Vec<_>) = writable
        .iter()
        .cloned()
        .partition(|directory| directory.is_at(guest));
    check(&others, host, &what)?;
    let way = way(host, &what)?;
    let through = |own: &&Writable| way.directories.iter().any(|one| own.holds(one));
    match own.iter().find(through) {
        Some(own) => Err(own.refusal(host, &what, "is reached through")),
        None => Ok(()),
    }
}

/// How a path is looked up.
struct Way {
    /// The directories, without links in their paths, in which a name is looked up.
    directories: Vec<PathBuf>,
    /// What the path leads to, or would lead to if it does not exist.
    end: PathBuf,
}

/// Looks a path up as the operating system does, name by name.
fn way(path: &Path, what: &str) -> Result<Way, Error> {
    let start = || std::env::current_dir().and_then(|directory| directory.canonicalize());
    let mut at = match path.is_absolute() {
        true => PathBuf::new(),
        // The working directory is held open, so the names that led to it no longer matter.
        false => start().map_err(|source| Error::File {
            path: format!("{} ({what})", path.display()),
            source,
        })?,
    };
    let mut directories = Vec::new();
    let mut pending: VecDeque<OsString> = names(path).collect();
    let mut links = 0;
    while let Some(name) = pending.pop_front() {
        match Path::new(&name).components().next() {
            None | Some(Component::CurDir) => {}
            Some(Component::Prefix(_) | Component::RootDir) => at.push(&name),
            // There is no link in `at`, so this is the directory above it.
            Some(Component::ParentDir) => {
                at.pop();
            }
            Some(Component::Normal(_)) => {
                directories.push(at.clone());
                let next = at.join(&name);
                match read_link(&next) {
                    Ok(Some(_)) if links == LINKS => break,
                    Ok(Some(target)) => {
                        links += 1;
                        pending = names(&target).chain(pending).collect();
                    }
                    Ok(None) => at = next,
                    // What is missing or invisible here can't be opened through this path either.
                    Err(_) => {
                        at = next;
                        break;
                    }
                }
            }
        }
    }
    Ok(Way {
        directories,
        end: at,
    })
}

fn names(path: &Path) -> impl Iterator<Item = OsString> {
    path.components()
        .map(|component| component.as_os_str().to_owned())
}

/// Where a symbolic link leads; `None` for anything else.
fn read_link(path: &Path) -> io::Result<Option<PathBuf>> {
    match path.symlink_metadata()?.is_symlink() {
        true => path.read_link().map(Some),
        false => Ok(None),
    }
}

/// Whether two paths without links are the same directory. One directory can have several paths, for
/// example through a bind mount.
fn is_same(one: &Path, other: &Path) -> bool {
    if one == other {
        return true;
    }
    #[cfg(unix)]
    if let (Ok(one), Ok(other)) = (one.metadata(), other.metadata()) {
        use std::os::unix::fs::MetadataExt as _;
        return (one.dev(), one.ino()) == (other.dev(), other.ino());
    }
    false
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// The names that are looked up below `root`, as directory and name, and where it ends.
    fn looked_up(root: &Path, path: &Path) -> (Vec<String>, String) {
        let below = |path: &Path| {
            let rest = path.strip_prefix(root).unwrap_or(Path::new("outside"));
            rest.display().to_string()
        };
        let way = way(path, "a file").unwrap();
        let directories = way.directories.iter().filter(|one| one.starts_with(root));
        (directories.map(|one| below(one)).collect(), below(&way.end))
    }

    #[test]
    fn every_directory_in_which_a_name_is_looked_up_counts() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::write(root.join("a/b/file"), "").unwrap();
        symlink("b/file", root.join("a/link")).unwrap();
        symlink(root.join("a"), root.join("absolute")).unwrap();
        symlink("../a/missing", root.join("a/dangling")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        symlink("/proc/self/fd/0", root.join("kernel")).unwrap();
        for (path, directories, end) in [
            ("a/b/file", &["", "a", "a/b"][..], "a/b/file"),
            ("a/./b//file", &["", "a", "a/b"], "a/b/file"),
            ("a/link", &["", "a", "a", "a/b"], "a/b/file"),
            ("a/b/../link", &["", "a", "a", "a", "a/b"], "a/b/file"),
            ("absolute/b", &["", "", "a"], "a/b"),
            ("a/missing/file", &["", "a"], "a/missing"),
            ("a/dangling", &["", "a", "", "a"], "a/missing"),
        ] {
            let directories: Vec<String> = directories.iter().map(|it| (*it).to_owned()).collect();
            let expected = (directories, end.to_owned());
            assert_eq!(looked_up(&root, &root.join(path)), expected, "{path}");
        }
        // It gives up where the operating system does.
        assert_eq!(looked_up(&root, &root.join("loop")).0.len(), LINKS + 1);
        looked_up(&root, &root.join("kernel"));
    }

    #[test]
    fn a_relative_path_begins_in_the_working_directory_and_not_above_it() {
        let working = std::env::current_dir().unwrap().canonicalize().unwrap();
        let way = way(Path::new("../no-such/file"), "a file").unwrap();
        let above = working.parent().unwrap();
        assert_eq!(way.directories, [above]);
        assert_eq!(way.end, above.join("no-such"));
        let writable = [Writable::new(Path::new("."), working.clone(), "/work")];
        check(&writable, Path::new(".."), "a directory").unwrap();
        check(&writable, Path::new("file"), "a file").unwrap_err();
        check(&writable, Path::new("../file"), "a file").unwrap();
    }
}
