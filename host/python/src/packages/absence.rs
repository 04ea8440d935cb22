//! Finds out from pip's log why it found no wheel of a package.
//!
//! pip's log names each file of the index that was skipped, and why. If some version of pip words
//! that differently, only the reason in the message gets less exact: the package is refused in any
//! case.

use std::str::FromStr;

use pep508_rs::PackageName;
use pep508_rs::pep440_rs::Version;

/// What the index has instead of a usable wheel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Absence {
    /// Wheels in the requested versions, but not for this version of Python.
    OtherPython,
    /// Wheels in the requested versions, but all with machine code.
    PlatformWheels,
    /// Source distributions in the requested versions, and no wheels.
    SourcesOnly,
    /// The package, but none of the requested versions.
    NoSuchVersion,
    /// The log does not say: no such project, no network, ….
    Unknown,
}

/// The files of the project `name` in a log, by their version and why they can't be used. Usable
/// ones count as [`Absence::NoSuchVersion`]: the caller looks for another version.
pub(crate) fn left_out(log: &str, name: &PackageName) -> Vec<(Version, Absence)> {
    let one = |line: &str| {
        let version = version_of(line, name)?;
        let why = if line.contains("Found link") {
            Absence::NoSuchVersion
        } else if line.contains("Link requires a different Python") {
            Absence::OtherPython
        } else if line.contains("none of the wheel's tags") {
            Absence::PlatformWheels
        } else if line.contains("No sources permitted") {
            Absence::SourcesOnly
        } else {
            return None;
        };
        Some((version, why))
    };
    log.lines().filter_map(one).collect()
}

/// Why there is no wheel in a version that is `wanted`.
pub(crate) fn absence(
    left_out: &[(Version, Absence)],
    wanted: impl Fn(&Version) -> bool,
) -> Absence {
    let found = left_out.iter().map(|(version, why)| match wanted(version) {
        true => *why,
        false => Absence::NoSuchVersion,
    });
    // They are declared in order: the first says most.
    found.min().unwrap_or(Absence::Unknown)
}

/// The version of the file of the project `name` in a line of the log, if there is one.
fn version_of(line: &str, name: &PackageName) -> Option<Version> {
    let file = |word: &str| {
        let address = word.split('#').next()?;
        Some(address.rsplit_once('/')?.1.to_owned())
    };
    line.split_whitespace().filter_map(file).find_map(|file| {
        let (project, version) = match file.strip_suffix(".whl") {
            Some(stem) => stem.split_once('-')?,
            None => {
                let stem = file
                    .strip_suffix(".tar.gz")
                    .or_else(|| file.strip_suffix(".zip"))?;
                stem.rsplit_once('-')?
            }
        };
        let version = version.split('-').next()?;
        (PackageName::from_str(project).ok()? == *name).then_some(())?;
        Version::from_str(version).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAGS: &str = "  Skipping link: none of the wheel's tags (cp315-cp315-win32) are \
                        compatible (run pip debug --verbose to show compatible tags): ";
    const SOURCE: &str = "  Skipping link: No sources permitted for big-one: ";
    const PYTHON: &str = "  Link requires a different Python (3.15.0 not in: '<3.15'): ";
    const FOUND: &str = "  Found link ";

    #[test]
    fn the_log_tells_what_the_index_has_instead() {
        let cases: &[(&[(&str, &str)], Absence)] = &[
            (&[], Absence::Unknown),
            (
                &[(TAGS, "big_one-2.0-cp315-cp315-win32.whl")],
                Absence::PlatformWheels,
            ),
            (
                &[(TAGS, "other-2.0-cp315-cp315-win32.whl")],
                Absence::Unknown,
            ),
            (
                &[(TAGS, "big_one-1.0-cp315-cp315-win32.whl")],
                Absence::NoSuchVersion,
            ),
            (&[(SOURCE, "big-one-2.0.tar.gz")], Absence::SourcesOnly),
            (&[(SOURCE, "Big.One-2.0.zip")], Absence::SourcesOnly),
            (&[(SOURCE, "other-2.0.tar.gz")], Absence::Unknown),
            (
                &[(FOUND, "big_one-1.0-py3-none-any.whl")],
                Absence::NoSuchVersion,
            ),
            (
                &[(PYTHON, "big_one-2.0-py3-none-any.whl")],
                Absence::OtherPython,
            ),
            (
                &[
                    (FOUND, "big_one-1.0-py3-none-any.whl"),
                    (SOURCE, "big-one-2.0.tar.gz"),
                    (TAGS, "big_one-2.0-1-cp315-cp315-win32.whl"),
                ],
                Absence::PlatformWheels,
            ),
        ];
        let name = PackageName::from_str("big-one").unwrap();
        let wanted = Version::from_str("2.0").unwrap();
        for (lines, expected) in cases {
            let line = |(reason, file): &(&str, &str)| {
                format!(
                    "2026-01-01T00:00:00,000 {reason}https://example.org/a/{file}#sha256=0 (from https://example.org/simple/big-one/)\n"
                )
            };
            let log: String = lines.iter().map(line).collect();
            assert_eq!(
                absence(&left_out(&log, &name), |version| *version == wanted),
                *expected,
                "{log}"
            );
        }
    }
}
