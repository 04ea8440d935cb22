//! Unpacks wheels into one directory that Python can import from.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek};
use std::path::{Path, PathBuf};

use zip::ZipArchive;

use crate::error::Error;

/// Limits of what a set of wheels unpacks to, against files made to fill the disk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Bytes in all files together.
    pub(crate) bytes: u64,
    /// Files in all wheels together.
    pub(crate) files: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            bytes: 2 << 30,
            files: 200_000,
        }
    }
}

/// Unpacks the wheel at `path` into `target`, and subtracts what it uses from `limits`.
///
/// Of the `*.data` directory, which installers distribute, the libraries are merged and the rest
/// (scripts, headers, data files) is omitted. A file that another wheel has too is replaced, as by
/// pip.
pub(crate) fn unpack(path: &Path, target: &Path, limits: &mut Limits) -> Result<(), Error> {
    let file = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let bad = |problem: String| Error::BadWheel {
        file: file.clone(),
        problem,
    };
    let source = File::open(path).map_err(Error::io("open", path))?;
    extract(BufReader::new(source), target, limits, place).map_err(bad)
}

/// Unpacks the ZIP archive `source` into `target`, and subtracts what it uses from `limits`.
/// `place` says where each file goes, or that it is omitted. The error says what is wrong with the
/// archive.
pub(crate) fn extract(
    source: impl Read + Seek,
    target: &Path,
    limits: &mut Limits,
    place: impl Fn(&Path) -> Option<PathBuf>,
) -> Result<(), String> {
    let mut archive = ZipArchive::new(source).map_err(|error| error.to_string())?;
    for index in 0..archive.len() {
        let member = archive.by_index(index).map_err(|error| error.to_string())?;
        let name = member.name().map_err(|error| error.to_string())?;
        let name = name.into_owned();
        let relative = safe_relative(&name)
            .ok_or_else(|| format!("it holds the path `{name}`, which is not allowed"))?;
        if member.is_symlink() {
            return Err(format!(
                "it holds the symbolic link `{name}`, which is not allowed"
            ));
        }
        if member.is_dir() {
            continue;
        }
        let Some(relative) = place(&relative) else {
            continue;
        };
        if limits.files == 0 {
            return Err("there are too many files in it".into());
        }
        limits.files -= 1;
        let written = write(member, &target.join(relative), limits.bytes);
        limits.bytes -= written.map_err(|error| match error.kind() {
            io::ErrorKind::FileTooLarge => "what it unpacks to is too large".into(),
            _ => format!("cannot unpack `{name}`: {error}"),
        })?;
    }
    Ok(())
}

/// Writes at most `limit` bytes; returns how many.
fn write(from: impl Read, path: &Path, limit: u64) -> io::Result<u64> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut from = from.take(limit.saturating_add(1));
    let count = io::copy(&mut from, &mut File::create(path)?)?;
    if count > limit {
        Err(io::ErrorKind::FileTooLarge.into())
    } else {
        Ok(count)
    }
}

/// Where a file of the wheel goes, or `None` if it is omitted.
fn place(relative: &Path) -> Option<PathBuf> {
    let mut parts = relative.iter();
    let first = parts.next()?;
    if !first.to_string_lossy().ends_with(".data") {
        return Some(relative.to_path_buf());
    }
    let scheme = parts.next()?;
    let rest: PathBuf = parts.collect();
    let wanted = (scheme == "purelib" || scheme == "platlib") && !rest.as_os_str().is_empty();
    wanted.then_some(rest)
}

/// A member's name as a path below the target, or `None` if it could lead elsewhere on any
/// platform: absolute, with `..`, a drive letter, a backslash, or a NUL.
fn safe_relative(name: &str) -> Option<PathBuf> {
    let name = name.strip_suffix('/').unwrap_or(name);
    if name.contains(['\\', ':', '\0']) {
        return None;
    }
    let allowed = |part: &str| !matches!(part, "" | "." | "..");
    name.split('/')
        .all(allowed)
        .then(|| name.split('/').collect())
}

#[cfg(test)]
mod tests {
    use std::path::Component;

    use proptest::prelude::*;

    use super::*;
    use crate::testing::WheelBuilder;

    fn unpacked(wheel: WheelBuilder) -> Result<tempfile::TempDir, Error> {
        let temp = tempfile::tempdir().unwrap();
        let path = wheel.write(temp.path());
        let target = tempfile::tempdir().unwrap();
        unpack(&path, target.path(), &mut Limits::default())?;
        Ok(target)
    }

    #[test]
    fn files_and_libraries_are_unpacked_and_scripts_are_not() {
        let wheel = WheelBuilder::new("one", "1.0")
            .file("one/__init__.py", "a")
            .file("one-1.0.data/purelib/one/pure.py", "b")
            .file("one-1.0.data/platlib/one/plat.py", "c")
            .file("one-1.0.data/scripts/one", "d")
            .file("one-1.0.data/data/etc/one.conf", "e");
        let target = unpacked(wheel).unwrap();
        let read = |path: &str| fs::read_to_string(target.path().join(path)).ok();
        assert_eq!(read("one/__init__.py").as_deref(), Some("a"));
        assert_eq!(read("one/pure.py").as_deref(), Some("b"));
        assert_eq!(read("one/plat.py").as_deref(), Some("c"));
        assert!(read("one-1.0.dist-info/METADATA").is_some());
        let mut names: Vec<_> = fs::read_dir(&target)
            .unwrap()
            .map(|item| item.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["one", "one-1.0.dist-info"]);
    }

    #[test]
    fn paths_that_leave_the_target_and_links_are_refused() {
        for path in [
            "../evil",
            "/evil",
            "one/../../evil",
            "C:evil",
            "one\\..\\evil",
        ] {
            let message = unpacked(WheelBuilder::new("one", "1.0").file(path, "")).unwrap_err();
            assert!(message.to_string().contains("not allowed"), "{message}");
        }
        let link = WheelBuilder::new("one", "1.0").symlink("one/link", "/etc");
        let message = unpacked(link).unwrap_err().to_string();
        assert!(message.contains("symbolic link"), "{message}");
    }

    #[test]
    fn wheels_that_unpack_to_too_much_are_refused() {
        let temp = tempfile::tempdir().unwrap();
        let path = WheelBuilder::new("one", "1.0")
            .file("big", &"x".repeat(2000))
            .write(temp.path());
        for (bytes, files, part) in [(1000, 100, "too large"), (1 << 20, 2, "too many files")] {
            let target = tempfile::tempdir().unwrap();
            let mut limits = Limits { bytes, files };
            let message = unpack(&path, target.path(), &mut limits)
                .unwrap_err()
                .to_string();
            assert!(message.contains(part), "{message}");
        }
    }

    proptest! {
        #[test]
        fn a_path_that_passes_the_check_stays_below_the_target(name in "[a.:/\\\\\\x00 é]{0,12}") {
            if let Some(path) = safe_relative(&name) {
                prop_assert!(path.components().next().is_some());
                prop_assert!(path.components().all(|part| matches!(part, Component::Normal(_))));
                // Nothing was dropped or merged.
                prop_assert_eq!(path.to_str().unwrap(), name.trim_end_matches('/'));
            }
        }

        #[test]
        fn the_usual_paths_of_wheels_pass_the_check(
            parts in prop::collection::vec("[a-zA-Z0-9_][a-zA-Z0-9_.+-]{0,8}", 1..5),
        ) {
            let name = parts.join("/");
            prop_assert_eq!(safe_relative(&name), Some(PathBuf::from(&name)));
        }
    }
}
