//! Lays the fresh root out: which paths of the host are in it, and what else.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::fault::plain_error;
use super::installation::plain;
use super::plan::{Mount, Root};
use super::spawn_error::SpawnError;

/// The system's directories. Where one is a symbolic link, it stays one.
const SYSTEM: [&str; 12] = [
    "/usr",
    "/etc",
    "/opt",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/nix/store",
    "/gnu/store",
    "/sys/devices/system/cpu",
];
const DEVICES: [&str; 6] = [
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
    "/dev/tty",
];
/// Directories of the run's own, shared with nobody.
const PRIVATE: [(&str, u32); 3] = [("/tmp", 0o1777), ("/var/tmp", 0o1777), ("/dev/shm", 0o1777)];
/// What the run has of its own, so that the host's cannot be shown there.
const OWN: [&str; 2] = ["/proc", "/dev"];
/// As many links as the kernel follows.
const MOST_LINKS: usize = 40;
/// Where the run's own files are, for its program.
const RUN: &str = "/run/sandbox-net";

/// The host's paths that the program may use.
#[derive(Debug, Default)]
pub(super) struct Grants {
    /// Paths as they were given, and what asked for them.
    pub(super) read: Vec<(PathBuf, &'static str)>,
    pub(super) write: Vec<(PathBuf, &'static str)>,
    /// The command's own installation.
    pub(super) command: Vec<PathBuf>,
    pub(super) home: PathBuf,
    pub(super) files: Vec<(PathBuf, Vec<u8>)>,
    pub(super) size: u64,
}

/// A root, and what Landlock lets the program do in it.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) root: Root,
    pub(super) readable: Vec<OsString>,
    pub(super) writable: Vec<OsString>,
}

impl Layout {
    /// Whether there is a directory of this path: a granted one, or one on the way to a granted path.
    pub(super) fn has(&self, path: &Path) -> bool {
        let mut mounts = self.root.mounts.iter();
        self.shows(path) || mounts.any(|mount| Path::new(&mount.path).starts_with(path))
    }

    /// Whether the program can see a path of the host, given without links.
    pub(super) fn shows(&self, path: &Path) -> bool {
        let mounts = self.root.mounts.iter();
        let nearest = mounts
            .map(|mount| Path::new(&mount.path))
            .filter(|mount| path.starts_with(mount))
            .max_by_key(|mount| mount.as_os_str().len());
        let private = self.root.private.iter().map(|(path, _)| Path::new(path));
        let covering = private
            .filter(|private| path.starts_with(private))
            .max_by_key(|private| private.as_os_str().len());
        match (nearest, covering) {
            (Some(mount), Some(private)) => mount.starts_with(private),
            (Some(_), None) => true,
            (None, _) => false,
        }
    }
}

/// Lays out a root with these grants.
pub(super) fn lay_out(grants: Grants) -> Result<Layout, SpawnError> {
    let mut root = Root {
        size: grants.size,
        host_name: "sandbox".to_owned(),
        ..Root::default()
    };
    system(&mut root);
    for (path, option) in &grants.read {
        grant(&mut root, path, option, false)?;
    }
    for (path, option) in &grants.write {
        grant(&mut root, path, option, true)?;
    }
    for path in &grants.command {
        // What is not there is not part of the command.
        let _ = grant(&mut root, path, "the command", false);
    }
    private(&mut root, &grants.home);
    simplify(&mut root);
    let devices = DEVICES.iter().filter(|device| Path::new(device).exists());
    root.devices = devices.map(OsString::from).collect();
    root.files = grants
        .files
        .into_iter()
        .map(|(path, contents)| (path.into(), contents))
        .collect();
    Ok(with_rules(root))
}

fn with_rules(root: Root) -> Layout {
    let of = |writable: bool| {
        let mounts = root
            .mounts
            .iter()
            .filter(move |mount| mount.writable == writable);
        mounts.map(|mount| mount.path.clone())
    };
    let files = root.files.iter().map(|(path, _)| path.clone());
    let readable = of(false).chain(files).chain(["/proc".into()]).collect();
    let private = root.private.iter().map(|(path, _)| path.clone());
    let writable = of(true).chain(private).chain(["/dev".into()]).collect();
    Layout {
        root,
        readable,
        writable,
    }
}

fn system(root: &mut Root) {
    for path in SYSTEM.map(Path::new) {
        let Ok(found) = path.symlink_metadata() else {
            continue;
        };
        match fs::read_link(path) {
            Ok(target) if found.is_symlink() => root.links.push((path.into(), target.into())),
            _ => root.mounts.push(Mount {
                path: path.into(),
                writable: false,
                origin: "show the system's".to_owned(),
            }),
        }
    }
}

/// Adds a path of the host, and the link by which it was named.
fn grant(
    root: &mut Root,
    path: &Path,
    option: &'static str,
    writable: bool,
) -> Result<(), SpawnError> {
    let fail = |reason: String| SpawnError::Path {
        option,
        path: path.to_owned(),
        reason,
    };
    let absolute = std::path::absolute(path).map_err(|error| fail(error.to_string()))?;
    let real = path
        .canonicalize()
        .map_err(|error| fail(plain_error(&error)))?;
    if real == Path::new("/") {
        return Err(fail(
            "grant the directories that the program needs, not the whole of /".into(),
        ));
    }
    if let Some(own) = OWN.iter().find(|own| real.starts_with(own)) {
        return Err(fail(format!("the program has a {own} of its own")));
    }
    // A mount there would cover the files that the run itself is given.
    if Path::new(RUN).starts_with(&real) {
        return Err(fail(format!(
            "it holds the run's own files ({RUN}): grant what is needed below it"
        )));
    }
    // With '..' the text can name another path than the kernel does; then only the real one is shown.
    let named = plain(&absolute);
    if named != real && named.canonicalize().is_ok_and(|target| target == real) {
        root.links.extend(links(&named));
    }
    root.mounts.push(Mount {
        path: real.into(),
        writable,
        origin: option.to_owned(),
    });
    Ok(())
}

/// The symbolic links on the way of a path that exists, each to where it ends.
fn links(path: &Path) -> Vec<(OsString, OsString)> {
    let mut links = Vec::new();
    let mut way = path.to_owned();
    for _ in 0..MOST_LINKS {
        let ancestors: Vec<_> = way.ancestors().collect();
        let Some(link) = ancestors.into_iter().rev().find(|one| one.is_symlink()) else {
            break;
        };
        let (Ok(target), Ok(rest)) = (link.canonicalize(), way.strip_prefix(link)) else {
            break;
        };
        links.push((link.into(), target.clone().into()));
        way = match rest.as_os_str().is_empty() {
            true => target,
            false => target.join(rest),
        };
    }
    links
}

fn private(root: &mut Root, home: &Path) {
    let granted = |path: &Path| {
        root.mounts
            .iter()
            .any(|mount| path.starts_with(&mount.path))
    };
    let all = PRIVATE
        .iter()
        .map(|(path, mode)| (PathBuf::from(path), *mode));
    let all = all.chain([(home.to_owned(), 0o700)]);
    let own: Vec<_> = all
        .filter(|(path, _)| !granted(path))
        .map(|(path, mode)| (path.into(), mode))
        .collect();
    root.private = own;
    // Parents first, so that a home in /tmp is in the private one.
    root.private.sort_by_key(|(path, _)| depth(path));
}

/// Sorts the mounts, and leaves out what another shows already.
fn simplify(root: &mut Root) {
    // A writable mount of the same path comes first, and so stays.
    root.mounts
        .sort_by_key(|mount| (depth(&mount.path), mount.path.clone(), !mount.writable));
    let mut kept: Vec<Mount> = Vec::new();
    for mount in root.mounts.drain(..) {
        let path = Path::new(&mount.path);
        let above = kept
            .iter()
            .filter(|above| path.starts_with(&above.path))
            .max_by_key(|above| above.path.len());
        let private = root
            .private
            .iter()
            .filter(|(private, _)| path.starts_with(private));
        let is_covered = private
            .map(|(private, _)| private.len())
            .max()
            .is_some_and(|private| above.is_none_or(|above| above.path.len() < private));
        let is_same =
            above.is_some_and(|above| above.path == mount.path || above.writable == mount.writable);
        if is_covered || !is_same {
            kept.push(mount);
        }
    }
    root.mounts = kept;
    let mounts = &root.mounts;
    // A link inside what is shown is there already.
    root.links.retain(|(link, _)| {
        !mounts
            .iter()
            .any(|mount| Path::new(link).starts_with(&mount.path))
    });
    // The system's own link comes first, and stays as it is.
    let mut seen = std::collections::HashSet::new();
    root.links.retain(|(link, _)| seen.insert(link.clone()));
}

fn depth(path: &OsString) -> usize {
    Path::new(path).components().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(path: &str, writable: bool) -> Mount {
        Mount {
            path: path.into(),
            writable,
            origin: "--read".to_owned(),
        }
    }

    fn shown(mounts: Vec<Mount>) -> Vec<(String, bool)> {
        let mut root = Root {
            mounts,
            ..Root::default()
        };
        private(&mut root, Path::new("/home/one"));
        simplify(&mut root);
        let shown = root.mounts.into_iter();
        shown
            .map(|mount| (mount.path.into_string().unwrap(), mount.writable))
            .collect()
    }

    #[test]
    fn a_mount_stays_only_if_it_changes_something() {
        type Shown = &'static [(&'static str, bool)];
        let cases: [(Vec<Mount>, Shown); 6] = [
            (
                vec![mount("/usr", false), mount("/usr/share", false)],
                &[("/usr", false)],
            ),
            (
                vec![mount("/usr", false), mount("/usr/share", true)],
                &[("/usr", false), ("/usr/share", true)],
            ),
            (vec![mount("/a", false), mount("/a", true)], &[("/a", true)]),
            (
                vec![mount("/a/b", false), mount("/a", true)],
                &[("/a", true), ("/a/b", false)],
            ),
            (vec![mount("/tmp/x", false)], &[("/tmp/x", false)]),
            (
                vec![mount("/home", false), mount("/home/one/x", false)],
                &[("/home", false)],
            ),
        ];
        for (mounts, expected) in cases {
            let expected: Vec<_> = expected
                .iter()
                .map(|(path, w)| ((*path).to_owned(), *w))
                .collect();
            assert_eq!(shown(mounts.clone()), expected, "{mounts:?}");
        }
    }

    #[test]
    fn a_granted_directory_takes_the_place_of_a_private_one() {
        let mut root = Root {
            mounts: vec![mount("/tmp", true)],
            ..Root::default()
        };
        private(&mut root, Path::new("/tmp/home"));
        let names: Vec<_> = root
            .private
            .iter()
            .map(|(path, _)| path.to_str().unwrap())
            .collect();
        assert_eq!(names, ["/var/tmp", "/dev/shm"]);
    }

    #[test]
    fn paths_that_are_not_there_or_not_to_be_granted_are_errors() {
        for (path, expected) in [
            (
                "/does/not/exist",
                "--read /does/not/exist: No such file or directory",
            ),
            ("/", "--read /: grant the directories"),
            ("/proc/self", "of its own"),
            ("/dev/null", "of its own"),
        ] {
            let mut root = Root::default();
            let error = grant(&mut root, Path::new(path), "--read", false).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}
